//! Bridges, their ports, cables.

use serde_json::json;

use super::Patient;
use crate::alone::alone;

/// A bridge with an address of its own and two cables; `q0`, `q1` are their
/// other ends, in stacks of their own.
const BRIDGE: &str = "
    ip link add br7 address 02:00:00:00:00:07 type bridge mcast_snooping 0 stp_state 0
    ip link set br7 addrgenmode none; ip link set br7 up
    ip address add 10.9.7.254/24 dev br7
    for i in 0 1; do
      ip netns add n$i; ip link add p$i type veth peer name q$i netns n$i
      ip link set p$i master br7; ip link set p$i up
      ip -n n$i link set lo up; ip -n n$i link set q$i up; ip -n n$i address add 10.9.7.$((i+1))/24 dev q$i
    done
";

fn bridged() -> Patient {
    let patient = Patient::host();
    patient.sh(BRIDGE);
    patient
}

alone! { Root, fn ports_of_unequal_mtu_are_named() {
    let mut patient = bridged();
    patient.sh("ip netns exec n0 ping -c1 -W5 -s 1472 -M do 10.9.7.2");
    patient.is_free_of("bridge-mtu");
    patient.sh("ip link set p1 mtu 1400
        ! ip netns exec n0 ping -c1 -W1 -s 1472 -M do 10.9.7.2");
    let finding = patient.suffers("bridge-mtu", &[
        ("interface", json!("br7")),
        ("port", json!("p1")),
        ("mtu", json!(1400)),
        ("larger-port", json!("p0")),
        ("larger-mtu", json!(1500)),
    ]);
    patient.obeys(&finding);
    patient.sh("ip netns exec n0 ping -c1 -W5 -s 1472 -M do 10.9.7.2");
    patient.is_free_of("bridge-mtu");
}}

alone! { Root, fn a_bridge_that_borrows_its_address_is_named() {
    let mut patient = bridged();
    patient.is_free_of("bridge-mac");
    patient.sh("ip link add br8 type bridge mcast_snooping 0; ip link set br8 addrgenmode none
        ip link add p8 type veth peer name q8 netns n0; ip link set p8 address 02:00:00:00:00:08
        ip link set p8 master br8; ip -n n0 link set q8 up; ip link set p8 up; ip link set br8 up");
    let finding = patient.suffers("bridge-mac", &[
        ("interface", json!("br8")),
        ("port", json!("p8")),
        ("address", json!("02:00:00:00:00:08")),
    ]);
    assert_eq!(finding["check"], "bridge-mac");
    // A lower one joins, and the bridge is somebody else.
    patient.sh("ip link add p9 type veth peer name q9 netns n0; ip link set p9 address 02:00:00:00:00:01
        ip link set p9 master br8; ip -n n0 link set q9 up; ip link set p9 up");
    patient.suffers("bridge-mac", &[("address", json!("02:00:00:00:00:01"))]);
    patient.sh("ip link set br8 address 02:00:00:00:00:88");
    patient.is_free_of("bridge-mac");
}}

alone! { Root, fn a_port_that_does_not_forward_yet_is_named() {
    let mut patient = bridged();
    patient.is_free_of("port-not-forwarding");
    patient.sh("ip link set br7 type bridge stp_state 1 forward_delay 1500
        ip link set p0 nomaster; ip link set p0 master br7; ip link set p0 up
        for n in $(seq 1000); do bridge link show dev p0 | grep -q -e listening -e learning && break; done");
    patient.suffers("port-not-forwarding", &[
        ("interface", json!("p0")),
        ("bridge", json!("br7")),
        ("state", json!("listening")),
        ("stp", json!(1)),
        ("forward-delay-seconds", json!(15.0)),
    ]);
}}

alone! { Root, fn a_bridge_without_carrier_is_named() {
    let mut patient = bridged();
    patient.is_free_of("bridge-no-carrier");
    patient.sh("for i in 0 1; do ip link set p$i down; done
        for n in $(seq 1000); do ip link show br7 | grep -q NO-CARRIER && break; done");
    patient.suffers_beside("bridge-no-carrier", &[
        ("interface", json!("br7")),
        ("ports", json!(2)),
    ], &["dead-route"]);
}}

alone! { Root, fn a_bridge_that_filters_multicast_for_nobody_is_named() {
    let mut patient = bridged();
    patient.is_free_of("multicast-querier");
    patient.sh("ip link set br7 type bridge mcast_snooping 1");
    patient.suffers("multicast-querier", &[
        ("interface", json!("br7")),
        ("snooping", json!(1)),
        ("querier", json!(0)),
    ]);
    patient.sh("ip link set br7 type bridge mcast_querier 1");
    patient.is_free_of("multicast-querier");
}}

alone! { Root, fn a_macvlan_that_cannot_reach_its_host_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add out0 type veth peer name in0; ip link set out0 up; ip link set in0 up
        ip link add link out0 name mac0 type macvlan mode bridge; ip link set mac0 up");
    patient.is_free_of("macvlan-host");
    patient.sh("ip address add 10.9.3.1/24 dev out0");
    patient.suffers("macvlan-host", &[("interface", json!("mac0")), ("parent", json!("out0"))]);
}}

alone! { Root, fn a_cable_whose_other_end_is_down_is_named() {
    let mut patient = bridged();
    patient.is_free_of("peer-down");
    patient.sh("ip link set wire down");
    patient.suffers_beside("peer-down", &[("interface", json!("eth0")), ("peer", json!("wire"))], &["dead-route"]);
    patient.sh("ip link set wire up; for n in $(seq 1000); do ip link show eth0 | grep -q LOWER_UP && break; done");
    patient.is_free_of("peer-down");
    patient.sh("ip -n n1 link set q1 down");
    patient.suffers("peer-down", &[("interface", json!("p1"))]);
}}

alone! { Root, fn a_route_over_a_dead_link_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add dead0 type veth peer name dead1; ip link set dead0 up; ip link set dead1 up
        ip address add 10.9.4.1/24 dev dead0
        for n in $(seq 1000); do ip route show | grep -q linkdown || break; done");
    patient.is_free_of("dead-route");
    patient.sh("ip link set dead1 down
        for n in $(seq 1000); do ip route show | grep -q linkdown && break; done");
    let finding = patient.suffers_beside("dead-route", &[
        ("interface", json!("dead0")),
        ("destination", json!("10.9.4.0/24")),
        ("table", json!(254)),
        ("flag", json!("RTNH_F_LINKDOWN")),
    ], &["peer-down"]);
    assert_eq!(finding["severity"], "error");
    patient.sh("echo 1 > /proc/sys/net/ipv4/conf/dead0/ignore_routes_with_linkdown");
    patient.is_free_of("dead-route");
}}

/// A yard with two guests in one network.
const PAIR: &str = "yard: pair\nnetworks: { lan: { prefix: 10.7.0.0/24 } }\n\
    nodes: { a: { interfaces: { eth0: { network: lan } } }, b: { interfaces: { eth0: { network: lan } } } }\n";

alone! { Root, fn an_address_that_two_guests_have_is_named() {
    let mut patient = Patient::yard(PAIR);
    patient.netyard("up");
    patient.sh("ip netns exec pair-a ping -c1 -W5 10.7.0.2");
    patient.is_free_of("mac-twice");
    patient.sh("mac=$(ip netns exec pair-a cat /proc/self/net/if_inet6 >/dev/null; ip -n pair-a -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/')
        ip -n pair-b link set eth0 address $mac; ip -n pair-a neigh flush all
        ! ip netns exec pair-a ping -c1 -W1 10.7.0.2");
    let finding = patient.suffers("mac-twice", &[
        ("interface", json!("eth0")),
        ("other-place", json!("a")),
        ("other-interface", json!("eth0")),
    ]);
    assert_eq!((&finding["severity"], &finding["place"]), (&json!("error"), &json!("b")));
    patient.netyard("up");
    patient.is_free_of("mac-twice");
}}

alone! { Root, fn an_interface_that_was_renamed_is_named() {
    let mut patient = Patient::yard(super::HOME);
    patient.netyard("up");
    patient.is_free_of("renamed");
    patient.sh("ip link set lan down; ip link set lan name other; ip link set other up");
    let finding = patient.suffers_beside("renamed", &[("interface", json!("other")), ("name", json!("lan"))],
        &["rules-gone", "dead-route", "bridge-no-carrier"]);
    patient.obeys(&finding);
    patient.is_free_of("renamed");
}}

alone! { Root, fn an_end_of_a_cable_that_somebody_took_away_is_named() {
    let mut patient = Patient::yard("\
yard: home
nodes: { a: {}, b: {} }
links: [{ ends: [a:x, b:x], prefix: 10.9.0.0/24 }]
");
    patient.netyard("up");
    patient.netyard("exec a -- ping -c1 -W5 10.9.0.2");
    patient.is_free_of("peer-astray");
    patient.sh("ip netns add elsewhere; ip -n home-b link set x netns elsewhere
        ip -n elsewhere link set x up
        for n in $(seq 1000); do ip -n home-a link show x | grep -q LOWER_UP && break; done");
    assert_ne!(patient.said("exec a -- ping -c1 -W1 10.9.0.2").1, Some(0));
    let finding = patient.suffers("peer-astray", &[
        ("interface", json!("x")),
        ("link", json!("a:x--b:x")),
        ("missing", json!("b:x")),
    ]);
    assert_eq!(finding["place"], "a");
    patient.netyard("up");
    patient.netyard("exec a -- ping -c1 -W5 10.9.0.2");
    patient.is_free_of("peer-astray");
    patient.netyard("down");
}}

// Only the machine's own root may read the kernel's log wherever it is restricted.
alone! { Machine, fn a_bridge_that_hears_itself_is_named() {
    let mut patient = bridged();
    // The log is the whole machine's: a name that no other test and no other run has.
    let port = format!("echo{}", std::process::id());
    patient.sh(&format!("ip link set p0 down; ip link set p0 name {port}; ip link set {port} up"));
    patient.sh("ip netns exec n0 ping -c1 -W5 10.9.7.2");
    patient.is_free_of("own-address");
    patient.sh("ip -n n0 link set q0 down; ip -n n0 link set q0 address 02:00:00:00:00:07; ip -n n0 link set q0 up
        ! ip netns exec n0 ping -c6 -i0.2 -W1 10.9.7.254");
    let finding = patient.suffers("own-address", &[
        ("port", json!(port)),
        ("bridge", json!("br7")),
        ("address", json!("02:00:00:00:00:07")),
    ]);
    let fix = finding["fix"][0].as_str().unwrap();
    assert!(fix.contains(&format!("-eni {port} ether src 02:00:00:00:00:07")), "{fix}");
}}
