//! Addresses, names, servers.

use serde_json::json;

use super::Patient;
use crate::alone::alone;

alone! { Root, fn two_interfaces_on_one_subnet_are_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add b0 type veth peer name b1; ip link set b0 up; ip link set b1 up");
    patient.is_free_of("subnet-overlap");
    // One holds the other, which is not the same prefix.
    patient.sh("ip address add 198.51.100.129/25 dev b0");
    patient.suffers("subnet-overlap", &[
        ("interface", json!("eth0")),
        ("address", json!("198.51.100.2/24")),
        ("other-interface", json!("b0")),
        ("other-address", json!("198.51.100.129/25")),
    ]);
}}

alone! { Root, fn an_address_that_is_not_usable_yet_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add b0 address 02:00:00:00:00:05 type bridge mcast_snooping 0
        ip link set b0 addrgenmode none; ip link set b0 up");
    patient.is_free_of("address-tentative");
    // Nobody is there: it stays so.
    patient.sh("for f in all b0; do echo 1 > /proc/sys/net/ipv6/conf/$f/accept_dad; done
        ip address add fd00:5::1/64 dev b0");
    patient.suffers_beside("address-tentative", &[
        ("interface", json!("b0")),
        ("address", json!("fd00:5::1/64")),
        ("flag", json!("IFA_F_TENTATIVE")),
    ], &["bridge-no-carrier"]);
}}

alone! { Root, fn an_address_that_somebody_else_has_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip netns add n; ip link add d0 type veth peer name d1 netns n
        ip -n n link set d1 up; ip -n n address add fd00:6::1/64 dev d1 nodad
        ip link set d0 up
        for f in all d0; do echo 1 > /proc/sys/net/ipv6/conf/$f/accept_dad; done
        for n in $(seq 1000); do ip link show d0 | grep -q LOWER_UP && break; done");
    patient.is_free_of("address-duplicate");
    patient.sh("ip address add fd00:6::1/64 dev d0
        for n in $(seq 3000); do ip -6 address show dev d0 | grep -q dadfailed && break; done");
    patient.suffers("address-duplicate", &[
        ("interface", json!("d0")),
        ("address", json!("fd00:6::1/64")),
        ("flag", json!("IFA_F_DADFAILED")),
    ]);
}}

alone! { Root, fn a_server_on_all_addresses_is_named_with_its_program() {
    let mut patient = Patient::host();
    let _own = std::net::UdpSocket::bind("127.0.0.1:53").unwrap();
    patient.is_free_of("server-port-taken");
    let server = std::net::UdpSocket::bind("0.0.0.0:67").unwrap();
    let finding = patient.suffers("server-port-taken", &[
        ("protocol", json!("udp")),
        ("address", json!("0.0.0.0")),
        ("port", json!(67)),
    ]);
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(finding["evidence"]["program"], own.trim_end());
    assert_eq!(finding["evidence"]["process"], std::process::id());
    drop(server);
    patient.is_free_of("server-port-taken");
}}

alone! { Root, fn a_name_server_that_is_not_there_is_named() {
    let mut patient = Patient::host();
    patient.is_free_of("resolver-unreachable");
    patient.sh("echo 'nameserver 127.0.0.53' > /etc/resolv.conf");
    patient.suffers("resolver-unreachable", &[
        ("file", json!("/etc/resolv.conf")),
        ("nameserver", json!("127.0.0.53")),
        ("port", json!(53)),
    ]);
    let _stub = std::net::UdpSocket::bind("127.0.0.53:53").unwrap();
    patient.is_free_of("resolver-unreachable");
}}

alone! { Root, fn a_node_is_looked_at_as_the_host_is() {
    let mut patient = Patient::yard("yard: pair\nnodes: { a: {}, b: {} }\nlinks: [[a:x, b:x]]\n");
    patient.sh("echo 'nameserver 192.0.2.1' > /etc/resolv.conf");
    patient.netyard("up");
    patient.is_free_of("loopback-down");
    patient.netyard("exec b -- ip link set lo down");
    let finding = patient.suffers("loopback-down", &[("interface", json!("lo")), ("flag", json!("IFF_UP"))]);
    assert_eq!(finding["place"], "b");
    patient.netyard("up");
    patient.is_free_of("loopback-down");
    patient.sh("echo 'nameserver 127.0.0.1' > /etc/resolv.conf");
    let finding = patient.suffers("resolver-unreachable", &[("nameserver", json!("127.0.0.1"))]);
    assert_eq!(finding["severity"], "error", "the host's own comes first: {finding}");
    patient.netyard("down");
}}

alone! { Root, fn a_prefix_in_which_nobody_makes_an_address_is_named() {
    let yard = |length: &str| format!("yard: y\nnetworks: {{ lan: {{ prefix: 'fd00:9::/{length}' }} }}\n\
        nodes: {{ a: {{ interfaces: {{ eth0: {{ network: lan }} }} }} }}\n");
    let mut patient = Patient::yard(&yard("64"));
    patient.is_free_of("prefix-not-64");
    std::fs::write(patient.path().join("netyard.yaml"), yard("80")).unwrap();
    patient.suffers("prefix-not-64", &[("network", json!("lan")), ("prefix", json!("fd00:9::/80"))]);
}}

alone! { Root, fn a_bridge_that_believes_its_guests_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add g0 address 02:00:00:00:00:0a type bridge mcast_snooping 0; ip link set g0 up
        echo 0 > /proc/sys/net/ipv6/conf/g0/accept_ra
        ip netns add n; ip link add v0 type veth peer name v1 netns n
        ip -n n link set v1 up; ip link set v0 master g0; ip link set v0 up
        ip address add fd00:a::1/64 dev g0");
    patient.is_free_of("bridge-accepts-ra");
    patient.sh("echo 1 > /proc/sys/net/ipv6/conf/g0/accept_ra");
    let finding = patient.suffers("bridge-accepts-ra", &[
        ("interface", json!("g0")),
        ("key", json!("net/ipv6/conf/g0/accept_ra")),
        ("value", json!("1")),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("bridge-accepts-ra");
}}
