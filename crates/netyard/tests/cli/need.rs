//! What services wait for: each is there when they begin, and told when it never
//! comes.

use crate::alone::alone;
use crate::service::fails;
use crate::site::Site;

/// What a service printed.
fn log(site: &Site, node: &str, name: &str) -> String {
    site.ok(&format!("logs {node} {name}"))
}

alone! { User, fn a_service_after_an_address_finds_none_that_is_tentative() {
    let site = Site::new("\
yard: dad
nodes:
  a:
    interfaces: { eth0: { dad: true } }
    services:
      early: { run: ip -6 address show dev eth0, ready: exit }
      late: { run: ip -6 address show dev eth0, ready: exit, after: [address eth0] }
  b: {}
links: [{ ends: [a:eth0, b:eth0], prefix: \"fd09::/127\" }]
");
    site.ok("up");
    // It is the waiting that makes the difference.
    assert!(log(&site, "a", "early").contains("tentative"), "{}", log(&site, "a", "early"));
    let late = log(&site, "a", "late");
    assert!(late.contains("fd09::") && !late.contains("tentative"), "{late}");
    site.ok("down");
}}

alone! { User, fn a_service_after_another_finds_its_socket_bound() {
    let listen = "import socket,time; time.sleep(0.7); s=socket.create_server(('127.0.0.1',8080)); time.sleep(1000)";
    let connect = "import socket; print('found', socket.create_connection(('127.0.0.1',8080),5).getpeername())";
    let site = Site::new(format!("\
yard: bound
nodes:
  a:
    services:
      guest: {{ run: [python3, -c, \"{connect}\"], ready: exit, after: [host-of-it] }}
      host-of-it: {{ run: [python3, -c, \"{listen}\"], ready: {{ tcp: 8080 }} }}
"));
    site.ok("up");
    assert!(log(&site, "a", "guest").contains("found"));
    site.ok("down");
}}

const LEASED: &str = "\
yard: leased
networks:
  lan: { prefix: 10.1.0.0/24, $dhcp }
nodes:
  gw: { forward: true, interfaces: { lan0: { network: lan, address: 10.1.0.1/24 } } }
  a:
    interfaces: { eth0: { network: lan, address: dhcp } }
    services:
      after-lease: { run: ip -4 address show dev eth0; exec sleep 1000, ready: { within: $within }, after: [lease eth0] }
";

fn leased(dhcp: &str, within: &str) -> String {
    LEASED.replace("$dhcp", dhcp).replace("$within", within)
}

alone! { User, fn a_service_after_a_lease_has_its_address() {
    let site = Site::new(leased("dhcp: { range: 10.1.0.100-10.1.0.109 }", "30s"));
    site.ok("up");
    let said = log(&site, "a", "after-lease");
    assert!(said.contains("inet 10.1.0.10"), "{said}");
    let status: serde_json::Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    // Who gave it says so, and who has it.
    assert!(status["leases"][0]["address"].as_str().expect("an address").starts_with("10.1.0.10"), "{status}");
    let services = status["services"].as_array().expect("a list");
    let client = services.iter().find(|s| s["service"] == "client-eth0").expect("a client");
    assert!(client["status"].as_str().expect("a text").contains("has 10.1.0.10"), "{status}");
    site.ok("down");
}}

alone! { User, fn a_lease_that_never_comes_is_told() {
    // Nobody gives addresses there.
    let site = Site::new(leased("dns: off", "700ms"));
    fails(&site, &["no lease of a:eth0 after 0.7 s", "undone"]);
}}

alone! { User, fn a_service_after_a_neighbour_is_not_alone() {
    let yard = |up: &str| format!("\
yard: beside
nodes:
  a:
    services:
      hello: {{ run: echo we are two; exec sleep 1000, ready: {{ within: 4s }}, after: [neighbour eth0] }}
  b: {{ interfaces: {{ eth0: {{ up: {up} }} }} }}
links: [[a:eth0, b:eth0]]
");
    let site = Site::new(yard("false"));
    fails(&site, &["no neighbour at a:eth0 after 4 s"]);
    crate::write_yard(site.path(), yard("true"));
    site.ok("up");
    assert!(log(&site, "a", "hello").contains("we are two"));
    site.ok("down");
}}
