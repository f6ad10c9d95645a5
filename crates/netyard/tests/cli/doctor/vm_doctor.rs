//! What a usual kernel may lack.

use serde_json::json;

use super::Patient;
use crate::alone::alone;

const BRIDGE: &str = "
    ip link add br7 address 02:00:00:00:00:07 type bridge mcast_snooping 0 vlan_filtering 1
    ip link set br7 addrgenmode none; ip link set br7 up
    ip netns add n; ip link add p0 type veth peer name q0 netns n
    ip link set p0 master br7; ip link set p0 up; ip -n n link set q0 up
";

alone! {
    #[ignore = "needs the VM tier: VLAN filtering, 802.1Q"]
    Root, fn a_vlan_that_the_bridge_itself_lacks_is_named() {
    let mut patient = Patient::host();
    patient.sh(BRIDGE);
    patient.sh("bridge vlan add vid 5 dev p0; bridge vlan add vid 5 dev br7 self
        ip link add link br7 name v5 type vlan id 5; ip link set v5 up");
    patient.is_free_of("vlan-not-on-bridge");
    patient.sh("bridge vlan del vid 5 dev br7 self");
    let finding = patient.suffers("vlan-not-on-bridge", &[
        ("interface", json!("v5")),
        ("bridge", json!("br7")),
        ("vid", json!(5)),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("vlan-not-on-bridge");
}}

alone! {
    #[ignore = "needs the VM tier: VLAN filtering"]
    Root, fn a_port_that_is_untagged_in_two_vlans_is_named() {
    let mut patient = Patient::host();
    patient.sh(BRIDGE);
    patient.is_free_of("vlan-leak");
    patient.sh("bridge vlan add vid 7 dev p0 pvid untagged");
    let finding = patient.suffers("vlan-leak", &[
        ("interface", json!("p0")),
        ("bridge", json!("br7")),
        ("vid", json!(1)),
        ("untagged", json!("1 7")),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("vlan-leak");
}}

alone! {
    #[ignore = "needs the VM tier: flowtables"]
    Root, fn a_flowtable_whose_device_is_gone_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add f0 type veth peer name f1
        nft add table inet off
        nft add flowtable inet off fast '{ hook ingress priority 0; devices = { f0 }; }'");
    patient.is_free_of("flowtable-device");
    patient.sh("ip link del f0");
    patient.suffers("flowtable-device", &[
        ("family", json!("inet")),
        ("table", json!("off")),
        ("flowtable", json!("fast")),
    ]);
}}

/// The guest's first namespace alone has these counters: not in a machine of its
/// own, but on the guest itself, which is thrown away.
#[test]
#[ignore = "needs the VM tier: the machine's first namespace"]
fn a_neighbour_table_without_room_is_named() {
    assert!(std::env::var_os("NETYARD_VM").is_some(), "only on a machine that is thrown away");
    let found = || {
        let output = crate::netyard().args(["doctor", "--host", "--json"]).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = document["found"].as_array().unwrap().clone();
        found.into_iter().filter(|one| one["check"] == "neighbour-overflow").collect::<Vec<_>>()
    };
    let sh = |script: &str| {
        assert!(std::process::Command::new("sh").args(["-ec", script]).status().unwrap().success());
    };
    // is_free_of("neighbour-overflow")
    assert_eq!(found(), Vec::<serde_json::Value>::new());
    sh("ip link add nb0 type veth peer name nb1; ip link set nb0 up; ip link set nb1 up
        ip address add 10.250.0.1/16 dev nb0
        cd /proc/sys/net/ipv4/neigh/default; for f in 1 2 3; do cat gc_thresh$f; done > /run/thresh
        echo 4 > gc_thresh1; echo 8 > gc_thresh2; echo 8 > gc_thresh3
        for i in $(seq 2 40); do ping -c1 -W0.01 10.250.1.$i >/dev/null 2>&1 & done; wait");
    let sick = found();
    sh("ip link del nb0; set -- $(cat /run/thresh); cd /proc/sys/net/ipv4/neigh/default
        echo $3 > gc_thresh3; echo $2 > gc_thresh2; echo $1 > gc_thresh1");
    // suffers("neighbour-overflow", …)
    assert_eq!(sick[0]["evidence"]["file"], "/proc/net/stat/arp_cache", "{sick:#?}");
    assert!(sick[0]["evidence"]["table-fulls"].as_u64().unwrap() > 0, "{sick:#?}");
}
