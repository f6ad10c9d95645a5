//! Tunnels at whose other end nobody is.

use serde_json::json;

use super::Patient;
use crate::alone::alone;
use crate::wireguard::two;

alone! { Root, fn a_tunnel_whose_peer_does_not_answer_is_named() {
    let answering = two("userspace").replace("preshared: true", "keepalive: 1s");
    let mut patient = Patient::yard(&answering);
    patient.netyard("up");
    patient.netyard("exec gw1 -- ping -n -c1 -W9 10.9.0.1");
    patient.is_free_of("wireguard-silent");
    let silent = "{ public-key: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=, endpoint: '10.50.0.99:7', \
                  allowed-ips: 10.8.0.0/16, keepalive: 1s }";
    let changed = answering.replacen("engine: userspace", &format!("engine: userspace, peers: [{silent}]"), 1);
    std::fs::write(patient.path().join("netyard.yaml"), changed).expect("a file");
    patient.netyard("up");
    patient.suffers("wireguard-silent", &[("endpoint", json!("10.50.0.99:7")), ("received", json!(0))]);
    std::fs::write(patient.path().join("netyard.yaml"), answering).expect("a file");
    patient.netyard("up");
    patient.is_free_of("wireguard-silent");
    patient.netyard("down");
}}

alone! { Root, fn a_tunnel_whose_packets_are_longer_than_the_way_takes_is_named() {
    let mut patient = Patient::yard(&two("userspace"));
    patient.netyard("up");
    patient.netyard("exec gw1 -- ping -n -c1 -W9 10.9.0.1");
    patient.is_free_of("tunnel-mtu");
    patient.netyard("exec gw1 -- ip link set wan mtu 1400");
    patient.suffers("tunnel-mtu", &[("mtu", json!(1420)), ("way", json!("wan")), ("way-mtu", json!(1400))]);
    patient.netyard("up");
    patient.is_free_of("tunnel-mtu");
    patient.netyard("down");
}}

alone! { Root, fn a_tunnel_on_which_babeld_hears_nobody_is_named() {
    crate::serve::needs(&["babeld"]);
    let text = two("userspace").replacen("  gw1:\n", "  gw1:\n    services: { babeld: { interfaces: [wg0] } }\n", 1);
    let mut patient = Patient::yard(&text);
    patient.netyard("up");
    patient.is_free_of("babel-deaf");
    patient.netyard("exec gw1 -- ip -6 address flush dev wg0 scope link");
    patient.suffers("babel-deaf", &[("interface", json!("wg0"))]);
    patient.netyard("up");
    patient.is_free_of("wireguard-no-endpoint");
    // A peer that nobody knows where to find, and that may not speak Babel.
    let nobody = "{ public-key: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=, allowed-ips: 10.8.0.0/16 }";
    let text = text.replacen("engine: userspace", &format!("engine: userspace, peers: [{nobody}]"), 1);
    std::fs::write(patient.path().join("netyard.yaml"), text).expect("a file");
    patient.netyard("up");
    patient.suffers_beside("wireguard-no-endpoint", &[("interface", json!("wg0"))], &["babel-deaf"]);
    let found = patient.found();
    let shut = found.iter().find(|one| one["check"] == "babel-deaf").expect("a finding");
    assert_eq!((&shut["severity"], &shut["evidence"]["lacks"]), (&json!("warning"), &json!("fe80::1")), "{shut}");
    patient.netyard("down");
}}
