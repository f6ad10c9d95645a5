//! Routing daemons as services: routes appear, and another way is found when one
//! ends, by traffic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::alone::alone;
use crate::site::{Site, tree};

/// Fails where a program is missing, and says which package has it: a test that did
/// not run has proved nothing.
#[track_caller]
pub fn needs(program: &str, package: &str) {
    let there = ["/usr/sbin", "/usr/bin", "/sbin", "/usr/lib/frr"];
    let found = there.iter().any(|directory| Path::new(directory).join(program).exists());
    assert!(found, "no {program}: `cargo xtask ci-tools` installs {package}");
}

fn pings(site: &Site, from: &str, to: &str) -> bool {
    site.run(&format!("exec {from} -- ping -c1 -W1 {to}")).status.success()
}

/// Pings until it is answered, or no longer; how long that took, in seconds.
#[track_caller]
pub fn until_it_pings(site: &Site, from: &str, to: &str, longest: u64) -> u64 {
    let begun = Instant::now();
    while !pings(site, from, to) {
        let routes = site.ok(&format!("exec {from} -- ip route"));
        assert!(begun.elapsed().as_secs() < longest, "{from} does not reach {to}:\n{routes}");
    }
    begun.elapsed().as_secs()
}

const RING: &str = "\
yard: babel
defaults: { node: { forward: true } }
nodes:
  r[1..4]:
    services: { babeld: { interfaces: $all, hello: 200ms, update: 1s } }
  c1: { forward: false, interfaces: { eth0: { address: 10.1.0.2/24, gateway: 10.1.0.1 } } }
  c3: { forward: false, interfaces: { eth0: { address: 10.3.0.2/24, gateway: 10.3.0.1 } } }
links:
  - [r1:a, r2:a]
  - [r2:b, r3:a]
  - [r3:b, r4:a]
  - [r4:b, r1:b]
  - { ends: [r1:lan, c1:eth0], prefix: none }
  - { ends: [r3:lan, c3:eth0], prefix: none }
";

/// A ring of four, with a client at one and one at the other side.
fn ring() -> String {
    let lan =
        |n: u8| format!("  r{n}: {{ interfaces: {{ lan: {{ address: 10.{n}.0.1/24 }} }} }}\n");
    RING.replace("$all", "[a, b]").replace("links:\n", &format!("{}{}links:\n", lan(1), lan(3)))
}

alone! { User, fn babeld_finds_the_way_round_a_ring_and_another_when_a_node_is_gone() {
    needs("babeld", "babeld");
    let site = Site::new(ring());
    let before = tree(Path::new("/run"));
    site.ok("up");
    site.ok("plan --check");
    until_it_pings(&site, "c1", "10.3.0.2", 30);
    // IPv6 as well, and between routers that are no neighbours.
    let routes = site.ok("exec r1 -- ip route");
    assert!(routes.contains("10.3.0.0/24 via ") && routes.contains("proto babel"), "{routes}");
    let via = |routes: &str| {
        let line = routes.lines().find(|line| line.starts_with("10.3.0.0/24")).expect(routes);
        line.split_whitespace().skip_while(|word| *word != "dev").nth(1).unwrap().to_owned()
    };
    // The node that is on the way goes: its service ends, and its packets stop.
    let way = via(&routes);
    let node = if way == "a" { "r2" } else { "r4" };
    let status: serde_json::Value = serde_json::from_str(&site.ok("status --json")).unwrap();
    let of = |s: &&serde_json::Value| s["node"] == node;
    let babeld = status["services"].as_array().unwrap().iter().find(of).unwrap()["pid"].clone();
    site.ok(&format!("exec {node} -- ip link set dev a down"));
    site.ok(&format!("exec {node} -- ip link set dev b down"));
    assert!(babeld.as_u64().is_some());
    let seconds = until_it_pings(&site, "c1", "10.3.0.2", 30);
    let other = via(&site.ok("exec r1 -- ip route"));
    assert_ne!(other, way, "after {seconds} s");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
    let running = Command::new("pgrep").args(["-f", &site.path().display().to_string()]).output();
    assert_eq!(String::from_utf8(running.unwrap().stdout).unwrap(), "");
}}

alone! { User, fn babeld_leads_along_a_line_and_what_it_knows_is_read() {
    needs("babeld", "babeld");
    let site = Site::new("\
yard: line
defaults: { node: { forward: true } }
nodes:
  r1: { services: { babeld: { interfaces: [b], hello: 200ms, update: 1s } } }
  r2: { services: { babeld: { interfaces: [a, b], hello: 200ms, update: 1s } } }
  r3: { services: { babeld: { interfaces: [a], hello: 200ms, update: 1s } } }
links:
  - { ends: [r1:b, r2:a], prefix: [10.9.1.0/31, \"fd09:1::/127\"] }
  - { ends: [r2:b, r3:a], prefix: [10.9.2.0/31, \"fd09:2::/127\"] }
");
    site.ok("up");
    until_it_pings(&site, "r1", "10.9.2.1", 30);
    until_it_pings(&site, "r1", "fd09:2::1", 30);
    let socket = "/run/user/1000/netyard/line/process/r2/babeld/babeld.sock";
    let dump = netyard_linux::babel::read(Path::new(socket)).unwrap();
    assert_eq!(dump.neighbours.len(), 2, "{dump:?}");
    assert!(dump.neighbours.iter().all(|n| n.reach > 0 && n.cost < u16::MAX), "{dump:?}");
    let announced = |net: &str| dump.announced.contains(&net.parse().unwrap());
    assert!(announced("10.9.1.0/31") && announced("fd09:2::/127"), "{dump:?}");
    // A restart keeps the way: the others wait for a while.
    site.ok("restart r2 babeld");
    until_it_pings(&site, "r1", "10.9.2.1", 30);
    let log = site.ok("logs r2 babeld");
    assert!(!log.contains("bad"), "{log}");
    site.ok("down");
    assert!(!fs::exists("/run/user/1000/netyard").unwrap());
}}

alone! { User, fn bird_speaks_rip_in_its_users_own_words() {
    needs("bird", "bird2");
    let rip = "\"protocol rip { interface \\\"*\\\" { update time 1; }; ipv4 { import all; export all; }; }\"";
    let site = Site::new(format!("\
yard: birds
defaults: {{ node: {{ forward: true }} }}
nodes: {{ \"r[1..3]\": {{ services: {{ bird: {{ text: {rip} }} }} }} }}
links:
  - {{ ends: [r1:b, r2:a], prefix: 10.9.1.0/31 }}
  - {{ ends: [r2:b, r3:a], prefix: 10.9.2.0/31 }}
"));
    site.ok("up");
    until_it_pings(&site, "r1", "10.9.2.1", 40);
    let routes = site.ok("exec r1 -- ip route");
    assert!(routes.contains("10.9.2.0/31 via 10.9.1.1") && routes.contains("proto bird"), "{routes}");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}
