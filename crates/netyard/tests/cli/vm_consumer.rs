//! Files that were exported, read by the programs that they are for: those say nothing
//! against them.

use std::fs;

use crate::alone::alone;
use crate::repository;
use crate::sight::out;
use crate::site::Site;

/// Examples that need what a test's machine has not: a radio, and a thousand nodes' time.
const BUT: [&str; 3] = ["portable-ap", "portable-cloud", "ring-1000"];

/// The names of the examples.
fn examples() -> Vec<String> {
    let entries = fs::read_dir(repository().join("examples")).expect("the examples");
    let entries = entries.flatten().filter(|entry| entry.path().join("netyard.yaml").exists());
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("a name")).collect();
    names.retain(|name| !BUT.contains(&name.as_str()));
    names.sort();
    assert!(names.len() > 15, "{names:?}");
    names
}

/// What of the host's netplan has words for.
const KINDS: &str = "\
yard: kinds
nodes:
  host:
    interfaces:
      br0: { kind: bridge, stp: true, priority: 4096, address: [10.7.0.1/24, fd07::1/64] }
      br0.12: { kind: vlan, parent: br0, id: 12, address: 10.7.12.1/24 }
      d0: { kind: dummy, master: br0 }
      d1: { kind: dummy, address: 10.7.1.1/24, mtu: 1400 }
      red: { kind: vrf, table: 1001 }
      d2: { kind: dummy, master: red, address: 10.7.2.1/24 }
      bond0: { kind: bond, mode: active-backup, address: 10.7.3.1/24 }
      vx0: { kind: vxlan, id: 7, remote: 10.7.1.9, local: 10.7.1.1 }
      wg0:
        kind: wireguard
        listen: 51820
        address: 10.7.9.1/24
        private-key-file: own.key
        peers: [{ public-key: \"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\", endpoint: \"192.0.2.7:51820\", allowed-ips: 10.7.9.7/32, keepalive: 25s }]
    routes:
      - { to: 10.70.0.0/16, via: 10.7.0.9, metric: 50 }
      - { to: 10.71.0.0/16, blackhole: true }
    rules: [{ from: 10.7.1.0/24, table: 1001, priority: 100 }]
";

alone! { #[ignore = "needs the VM tier: VLANs, netplan"] Root, fn netplan_generates_from_every_exported_file() {
    out("ip link add enp6s0 type veth peer name street");
    let kinds = Site::new(KINDS);
    fs::write(kinds.path().join("own.key"), "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n").expect("a file");
    out(&format!("chmod 600 {}/own.key", kinds.path().display()));
    let made = generated("kinds", &kinds).expect("a file");
    for interface in ["br0", "br0.12", "d1", "red", "bond0", "vx0", "wg0"] {
        assert!(made.contains(&format!("10-netplan-{interface}.netdev")), "{interface}: {made}");
    }
    // One after the other: the machine is small.
    let read: Vec<String> = examples()
        .into_iter()
        .filter(|name| generated(name, &Site::of_example(name)).is_some())
        .collect();
    let has = |name: &str| read.iter().any(|read| read == name);
    assert!(has("arch-nspawn") && has("aredn"), "{read:?}");
}}

/// What netplan makes of what is exported; none where nothing is.
fn generated(name: &str, site: &Site) -> Option<String> {
    site.ok("export netplan root/etc/netplan");
    let root = site.path().join("root").display().to_string();
    if fs::read_dir(format!("{root}/etc/netplan")).is_ok_and(|all| all.count() == 0) {
        return None;
    }
    let said = out(&format!(
        "generate=$(ls /usr/libexec/netplan/generate /usr/lib/netplan/generate 2>/dev/null | head -n 1)
         chmod 600 {root}/etc/netplan/*; exec $generate --root-dir {root} 2>&1"
    ));
    assert_eq!(said, "", "{name}");
    let made = out(&format!("ls {root}/run/systemd/network"));
    assert!(made.contains(".network"), "{name}: {made}");
    Some(made)
}

/// On this machine, with a libvirt of the test's own.
mod outside {
    use std::collections::BTreeSet;

    use super::*;
    use crate::libvirtd::{Libvirtd, said, sh};

    /// Examples that need kinds of interfaces or queues which only the guest's kernel has.
    const ELSEWHERE: [&str; 4] = ["aredn", "aredn-network", "impairments", "vlan-switch"];

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn libvirt_defines_every_exported_network() {
        let _libvirtd = Libvirtd::start();
        out("ip link add enp6s0 type veth peer name street");
        let mut defined = BTreeSet::new();
        for name in examples() {
            if ELSEWHERE.contains(&name.as_str()) {
                continue;
            }
            let site = Site::of_example(&name);
            site.ok("export libvirt out");
            let Ok(files) = fs::read_dir(site.path().join("out")) else { continue };
            for file in files.flatten().map(|entry| entry.path()) {
                let network = file.file_stem().expect("a name").to_string_lossy().into_owned();
                // Checked against libvirt's schema, too, where it has it.
                let line = format!("virsh -q -c qemu:///system net-define --validate {} 2>&1", file.display());
                let told = sh(&line);
                assert!(!told.contains("error"), "{name}: {told}");
                let dumped = said(&format!("net-dumpxml {network}"));
                assert!(dumped.contains("<bridge name="), "{name}: {dumped}");
                sh(&format!("virsh -q -c qemu:///system net-undefine {network}"));
                defined.insert(format!("{name}/{network}"));
            }
        }
        assert!(defined.contains("arch-nspawn/inside") && defined.len() > 8, "{defined:?}");
    }}
}
