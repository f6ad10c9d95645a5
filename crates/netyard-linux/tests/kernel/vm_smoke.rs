//! The guest is what the VM tier promises: a kernel with everything in it, and systemd.

use crate::in_fresh_namespace;
use std::process::Command;

#[test]
#[ignore = "needs the VM tier: 802.1Q, VLAN filtering, dummy, vrf, bond, ipvlan, WireGuard, netem"]
fn the_guest_has_every_kind() {
    in_fresh_namespace(
        "ip link add dum0 type dummy
         ip link add link dum0 name dum0.10 type vlan id 10
         ip link add br0 type bridge vlan_filtering 1
         ip link add vrf0 type vrf table 10
         ip link add bond7 type bond mode active-backup
         ip link add link dum0 name ipv0 type ipvlan mode l2
         ip link add wg0 type wireguard
         ip link set dum0 up
         tc qdisc add dev dum0 root netem delay 10ms",
    );
}

#[test]
#[ignore = "needs the VM tier: systemd"]
fn the_guest_runs_systemd() {
    let output = Command::new("systemctl").args(["is-active", "vm-job.service"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "activating");
}

#[test]
#[ignore = "needs the VM tier: its contract"]
fn the_guest_sees_the_tree_and_the_command() {
    let root = std::env::var_os("NETYARD_ROOT").unwrap();
    assert!(std::path::Path::new(&root).join("Cargo.toml").is_file());
    let command = std::env::var_os("NETYARD_BIN").unwrap();
    assert!(Command::new(command).arg("--version").status().is_ok());
}
