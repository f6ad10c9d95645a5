//! `netyard explain`: where a packet really ends, and where the file says so.

use std::process::Command;

use crate::alone::alone;
use crate::explain::{Case, YARD, inside};
use crate::site::Site;

/// A port of the router that leads inside, and rules of its own.
const LED: &str = r#"yard: y
networks: { lan: { prefix: 10.0.1.0/24 }, wan: { prefix: 10.0.9.0/24 } }
nodes:
  h1: { interfaces: { eth0: { network: wan, address: 10.0.9.1/24, gateway: r1:wan } } }
  r1:
    forward: true
    interfaces:
      lan: { network: lan, address: 10.0.1.254/24 }
      wan: { network: wan, address: 10.0.9.254/24 }
  h2: { interfaces: { eth0: { network: lan, address: 10.0.1.2/24, gateway: r1:lan } } }
firewall:
  r1:
    input: { policy: drop, deny: [tcp 23], allow: [icmp, tcp 9999] }
    nat: { forward: [{ in: wan, tcp: 8080, to: "h2:80" }] }
"#;

alone! { Root, fn who_listens_is_looked_for_where_a_forwarded_port_leads() {
    let case = Case::works(LED, "h1 r1:wan tcp 8080");
    let text = case.arrives().text;
    assert!(text.contains("nothing listens on tcp port 80 of h2; netyard did so itself"), "{text}");
    assert!(!text.contains("port 8080 of r1"), "{text}");
    let case = case.broken("r1", "nft 'add table ip bad; add chain ip bad f { type filter hook forward priority 5; }
        add rule ip bad f ct status dnat counter drop'");
    case.blames("r1", "filter-rule", &["table `ip bad`, chain `f`", "`ct status dnat drop`"]);
}}

alone! { Root, fn a_rule_of_the_file_is_named_by_its_place_in_it() {
    let site = Site::new(LED);
    site.ok("up");
    let case = Case { site, question: "h1 r1:wan tcp 23" };
    case.blames("r1", "filter-rule", &["(netyard.yaml:13:35)"]);
    let case = Case { question: "h1 r1:wan tcp 22", ..case };
    case.blames("r1", "filter-rule", &["(netyard.yaml:13:12)"]);
    let json = case.site.run("explain h1 r1:wan tcp 22 --json");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["outcome"]["ends"]["file"], "netyard.yaml:13:12", "{json:#}");
    case.site.ok("explain h1 r1:wan tcp 9999");
}}

alone! { Root, fn an_interface_that_was_deleted_is_blamed() {
    let plain = LED.split("firewall:").next().unwrap();
    let case = Case::works(plain, "h1 h2");
    let case = case.broken("h2", "ip link del eth0");
    case.blames("h2", "interface-missing", &["`h2:eth0`, which has 10.0.1.2 in the file"]);
    case.site.ok("up");
    case.arrives();
    let case = case.broken("h1", "ip link del eth0");
    case.blames("h1", "interface-missing", &["`h1:eth0`, which is in the file, is not there"]);
    case.site.ok("up");
    case.arrives();
    let case = case.broken("r1", "ip link del wan");
    case.blames("r1", "interface-missing", &["`r1:wan`, which has 10.0.9.254 in the file"]);
    case.site.ok("up");
    case.arrives();
    let bridge = inside("(fabric)", "ip -o link show type bridge");
    let name = bridge.lines().next().and_then(|line| line.split(": ").nth(1)).expect("a bridge");
    let case = case.broken("(fabric)", &format!("ip link del {name}"));
    case.blames("(fabric)", "interface-missing", &["which is in the file, is not there"]);
}}

alone! { Root, fn ends_that_are_none_are_refused_with_a_word() {
    let site = Site::new(LED);
    site.ok("up");
    for (question, code, word) in [
        ("h1 h2:nope", 1, "there is no interface `h2:nope` in this yard"),
        ("h1:nope h2", 1, "there is no interface `h1:nope` in this yard"),
        ("h1 fe80::1", 2, "`fe80::1` means something else on every link"),
        ("h1 169.254.0.1", 2, "`169.254.0.1` means something else on every link"),
        ("h1 h2 tcp 80 --source-port 0", 2, "0 is not in 1..=65535"),
    ] {
        let output = site.run(&format!("explain {question}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{question}: {said}");
        assert!(said.contains(word), "{question}: {said}");
    }
    let said = site.run("explain h1 h2:nope");
    assert!(String::from_utf8_lossy(&said.stderr).contains("`h2` has `eth0`"));
}}

alone! { Root, fn a_chain_of_one_device_is_blamed() {
    let plain = LED.split("firewall:").next().unwrap();
    let case = Case::works(plain, "h1 h2");
    let case = case.broken("h2", "nft 'table netdev door { chain in { type filter hook ingress device eth0 priority 0;
        ip saddr 10.0.9.0/24 counter drop; }; }'");
    case.blames("h2", "filter-rule", &["table `netdev door`, chain `in`", "`ip saddr 10.0.9.0/24 drop`"]);
    let case = case.broken("h2", "nft delete table netdev door");
    case.arrives();
    // The port of a bridge, in the fabric.
    let case = case.broken("(fabric)", "for port in $(ls /sys/class/net); do bridge link show dev $port; done
        port=$(bridge link show | awk -F'[ :@]+' '/h1/ {print $2; exit}')
        nft \"table netdev door { chain in { type filter hook ingress device $port priority 0; ip daddr 10.0.1.2 drop; }; }\"");
    case.blames("(fabric)", "filter-rule", &["table `netdev door`"]);
}}

alone! { Root, fn an_address_that_is_still_being_checked_is_blamed() {
    let case = Case::works(YARD, "h1 fd00:2::1");
    // It is asked about a hundred times, a second each, and used by nobody until then.
    inside("h2", "cd /proc/sys/net/ipv6/conf; for f in all eth0; do echo 1 > $f/accept_dad; done; \
                  echo 100 > eth0/dad_transmits; ip address del fd00:2::1/64 dev eth0; \
                  ip address add fd00:2::1/64 dev eth0");
    inside("r2", "ip -6 neighbour flush dev h");
    case.blames("r2", "address-not-usable", &["`h2:eth0` may not use fd00:2::1", "still being checked"]);
}}

alone! { Root, fn what_makes_no_sense_is_refused() {
    let site = Site::new(YARD);
    site.netyard("explain h1 h2").assert().code(1);
    site.ok("up");
    site.netyard("explain h1 h2 tcp").assert().code(2);
    site.netyard("explain h1 h2 ping 80").assert().code(2);
    site.netyard("explain h1 h2 tcp 80 --size 1000").assert().code(2);
    site.netyard("explain 10.0.1.1 h2").assert().code(2);
    site.netyard("explain h1 nobody").assert().code(1);
    site.netyard("explain h1 h2:nothing").assert().code(1);
    site.netyard("explain h1 10.0.2.1 -6").assert().code(1);
    site.ok("down");
}}

alone! { Root, fn it_leaves_nothing_when_it_is_killed() {
    let site = Site::new(YARD);
    site.ok("up");
    let mut child = Command::new(site.path().join("netyard"))
        .args(["explain", "h1", "10.0.2.77"])
        .current_dir(site.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let listens = || inside("r1", "nft list tables").contains("netyard_explain");
    let begun = (0..2000).any(|_| listens());
    assert!(begun, "nothing was installed");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!listens());
    site.ok("explain h1 h2");
    site.ok("down");
}}
