//! Networks that netyard serves, and who else does.

use serde_json::json;

use super::Patient;
use crate::alone::alone;

/// One address to give, and nodes that want more.
const LAN: &str = "\
yard: narrow
networks:
  lan:
    prefix: [10.1.0.0/24, 'fd00:1::/64']
    dhcp: { range: 10.1.0.100-10.1.0.100 }
    ra: on
nodes:
  gw: { forward: true, interfaces: { eth0: { network: lan, address: [10.1.0.1/24, 'fd00:1::1/64'] } } }
  c1: { interfaces: { eth0: { network: lan, address: none } } }
  c2: { interfaces: { eth0: { network: lan, address: none } } }
  r:
    forward: true
    interfaces: { eth0: { network: lan, address: [10.1.0.9/24, 'fd00:66::1/64'] } }
SERVICES
";

/// Real dnsmasq, as somebody has it running by mistake.
const ROGUE: &str = "    services:
      stranger:
        run: dnsmasq -k -C /dev/null -p 0 --user= --group= --pid-file= --log-facility=- -i eth0 -I lo --dhcp-authoritative --no-ping
          --dhcp-range=10.1.0.200,10.1.0.210 --dhcp-leasefile=/tmp/leases
          --enable-ra --dhcp-range=fd00:66::,ra-only --ra-param=eth0,4,600";

/// A client that knows nobody; true where it got an address.
fn asks(patient: &Patient, node: &str) -> bool {
    let line = format!("exec {node} -- udhcpc -i eth0 -f -n -q -t 3 -T 1 -s /bin/true");
    patient.said(&line).1 == Some(0)
}

alone! { Root, fn a_range_without_room_and_a_stranger_who_serves_are_named() {
    crate::serve::needs(&["dnsmasq", "udhcpc"]);
    let mut patient = Patient::yard(&LAN.replace("SERVICES\n", ""));
    patient.netyard("up");
    patient.is_free_of("dhcp-range-full");
    assert!(asks(&patient, "c1"));
    patient.is_free_of("dhcp-range-full");
    assert!(!asks(&patient, "c2"));
    patient.suffers("dhcp-range-full", &[("network", json!("lan")), ("wanted", json!("IPv4 address"))]);
    let status = patient.netyard("status");
    assert!(status.contains("no address is left for"), "{status}");
    // Who had its address keeps it.
    assert!(asks(&patient, "c1"));

    patient.is_free_of("ra-rogue-router");
    patient.is_free_of("dhcp-rogue-server");
    std::fs::write(patient.path().join("netyard.yaml"), LAN.replace("SERVICES", ROGUE)).expect("a file");
    patient.netyard("up");
    assert!(asks(&patient, "c2"));
    let found = patient.suffers_beside("dhcp-rogue-server",
        &[("network", json!("lan")), ("server", json!("10.1.0.9"))], &["ra-rogue-router", "server-port-taken", "address-tentative"]);
    assert!(found["evidence"]["client"].is_string(), "{found}");
    // It says so without being asked every four seconds.
    let begin = std::time::Instant::now();
    while !patient.found().iter().any(|one| one["check"] == "ra-rogue-router") {
        assert!(begin.elapsed().as_secs() < 20, "nobody heard of it");
    }
    let rogue = patient.suffers_beside("ra-rogue-router",
        &[("prefixes", json!(["fd00:66::/64"]))], &["dhcp-rogue-server", "server-port-taken", "address-tentative"]);
    assert!(rogue["evidence"]["router"].as_str().is_some_and(|it| it.starts_with("fe80::")), "{rogue}");
    patient.netyard("down");
}}

alone! { Root, fn a_server_that_hears_of_no_stranger_is_named() {
    crate::serve::needs(&["dnsmasq"]);
    let text = LAN.replace("SERVICES\n", "");
    let mut patient = Patient::yard(&text);
    patient.is_free_of("dnsmasq-deaf");
    let text = text.replace("    ra: on\n", "    ra: on\n    engine: dnsmasq\n");
    std::fs::write(patient.path().join("netyard.yaml"), text).expect("a file");
    patient.suffers("dnsmasq-deaf", &[("network", json!("lan"))]);
}}
