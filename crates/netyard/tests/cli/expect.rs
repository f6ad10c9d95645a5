//! `netyard test`: what it says to people and to other programs, and how it ends.

use std::fs;

use crate::alone::alone;
use crate::site::Site;

const YARD: &str = "yard: hopes
networks: { lan: { prefix: [10.0.1.0/24, 'fd00:1::/64'] } }
nodes:
  'h[1..2]': { interfaces: { eth0: { network: lan } } }
expect:
  - { name: neighbours, from: h1, to: h2, ping: true }
  - { from: h2, to: h1, tcp: 80, listen: true, family: ipv4 }
  - { name: 'nobody <serves> \"http\"', from: h1, to: h2, tcp: 81, within: 200ms, family: ipv4 }
";

alone! { User, fn a_forwarded_port_is_listened_at_where_it_leads() {
    let site = Site::new("yard: led
networks: { lan: {}, wan: {} }
nodes:
  in: { interfaces: { eth0: { network: lan, gateway: gw:lan } } }
  gw: { forward: true, interfaces: { lan: { network: lan }, wan: { network: wan } } }
  out: { interfaces: { eth0: { network: wan } } }
firewall:
  gw: { nat: { forward: [{ in: wan, tcp: 8080, to: 'in:80' }] } }
expect:
  - { name: shut, from: out, to: 'gw:wan', tcp: 8080, result: blocked, family: ipv4 }
");
    site.ok("up");
    let told = site.run("test");
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(3), "{said}");
    assert!(said.contains("test: 0 ok, 1 failed"), "{said}");
    site.ok("down");
}}

alone! { User, fn a_yard_that_is_well_without_root_has_no_host_to_blame() {
    let site = Site::of_example("quickstart");
    // Not up: the host is looked at as whoever calls may look at it.
    let before = site.netyard("doctor").output().expect("it runs");
    assert_ne!(before.status.code(), Some(1), "{}", String::from_utf8_lossy(&before.stderr));
    site.ok("up");
    let said = site.ok("doctor");
    assert!(said.starts_with("doctor: ") && said.lines().count() == 1, "{said}");
    site.ok("exec h1 -- ip link set lo down");
    let told = site.netyard("doctor").assert().code(3);
    let told = String::from_utf8_lossy(&told.get_output().stdout).into_owned();
    assert!(told.contains("loopback-down") && told.contains("h1"), "{told}");
    site.ok("down");
}}

alone! { User, fn the_quickstart_is_as_it_expects() {
    let site = Site::of_example("quickstart");
    site.ok("up");
    let said = site.ok("test");
    assert!(said.lines().all(|line| line.starts_with("ok ") || line.starts_with("test: ")), "{said}");
    assert!(said.contains("h1 -> h3") && said.lines().count() > 4, "{said}");
    let matrix = site.ok("test --matrix");
    assert!(matrix.contains("h1  -   46  46  46\n"), "{matrix}");
    site.ok("down");
}}

alone! { User, fn a_failure_ends_with_3_and_says_what_was_seen() {
    let site = Site::new(YARD);
    let together = site.run("up --test");
    assert_eq!(together.status.code(), Some(3));
    let said = String::from_utf8(together.stdout).unwrap();
    assert!(said.starts_with("up: 2 nodes") && said.contains("test: 3 ok, 1 failed in "), "{said}");
    site.ok("down");
    let before = site.run("test");
    assert_eq!(before.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&before.stderr).contains("yard `hopes` is not up"));
    site.ok("up");
    let output = site.run("test --junit report.xml");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("FAIL  nobody <serves> \"http\"  h1 -> h2  tcp 81"), "{said}");
    assert!(said.contains("TCP reset from 10.0.1.2: nothing listens on port 81?"), "{said}");
    assert!(said.contains("(netyard listened)"), "{said}");
    assert!(said.contains("test: 3 ok, 1 failed in "), "{said}");
    let hints = String::from_utf8(output.stderr).unwrap();
    assert!(hints.contains("hint: `netyard explain h1 10.0.1.2 tcp 81`"), "{hints}");
    let xml = fs::read_to_string(site.path().join("report.xml")).unwrap();
    let document = roxmltree::Document::parse(&xml).expect("XML");
    let failed = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
    let case = failed.parent().unwrap();
    assert_eq!(case.attribute("name"), Some("nobody <serves> \"http\": h1 -> h2 tcp 81 (IPv4)"));
    assert_eq!(case.attribute("line"), Some("8"));
    site.ok("down");
}}

alone! { User, fn what_is_asked_for_is_tested_and_nothing_else() {
    let site = Site::new(YARD);
    site.ok("up");
    let text = site.ok("test neighbours ipv6 --json");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&json["version"], &json["passed"]), (&1.into(), &1.into()), "{text}");
    let result = &json["results"][0];
    assert_eq!((&result["from"], &result["address"]), (&"h1".into(), &"fd00:1::2".into()));
    assert_eq!((&result["result"], &result["expected"]), (&"passed".into(), &"ok".into()));
    let none = site.run("test gibberish");
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("none of 4 expectations"));
    let tap = site.run("test --tap");
    let tap = String::from_utf8(tap.stdout).unwrap();
    assert!(tap.starts_with("TAP version 14\n1..4\nok 1 - neighbours: h1 -> h2 ping (IPv4)\n"), "{tap}");
    assert!(tap.contains("\nnot ok 4 - ") && tap.ends_with("  ...\n"), "{tap}");
    let matrix = site.ok("test --matrix --tcp 22 --json");
    let matrix: serde_json::Value = serde_json::from_str(&matrix).expect("JSON");
    assert_eq!(matrix["matrix"][0]["ipv4"]["reaches"][0], "h2");
    site.ok("down");
}}

alone! { User, fn a_matrix_of_one_says_that_it_takes_two() {
    let site = Site::new(YARD);
    site.ok("up");
    for line in ["test --matrix h1", "test --matrix h1 --json"] {
        let output = site.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains("takes two nodes, and this is `h1`"), "{said}");
    }
    let both = site.ok("test --matrix h1 h2");
    assert!(both.contains("4 of 4 answered"), "{both}");
    site.ok("down");
}}

alone! { User, fn a_yard_without_expectations_says_how_to_write_one() {
    let site = Site::new("yard: plain\nnodes: { a: {} }\n");
    site.ok("up");
    let output = site.run("test");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("this yard expects nothing") && said.contains("expect: ["), "{said}");
    site.ok("down");
}}

alone! { Root, fn the_host_takes_part_and_listens_for_the_time_of_the_test() {
    let site = Site::new("yard: home
networks: { lan: { prefix: 10.39.0.0/24, host: true } }
nodes: { base: { interfaces: { eth0: { network: lan } } } }
expect:
  - { from: base, to: host, ping: true, tcp: 22 , listen: true }
  - { from: host, to: base, ping: true, udp: 5000 }
  - { from: base, to: host, tcp: 23, within: 100ms }
");
    site.ok("up");
    let output = site.run("test");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("test: 4 ok, 1 failed"), "{said}");
    let listening = std::process::Command::new("ss").arg("-Hltun").output().expect("ss");
    assert_eq!(String::from_utf8_lossy(&listening.stdout), "");
    site.ok("down");
}}
