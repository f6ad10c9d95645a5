//! Every example is a file without fault, and a thousand routers live.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::alone::alone;
use crate::exposition::Exposition;
use crate::site::{Site, tree};
use crate::{netyard, repository};

#[test]
fn every_example_passes_check() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("examples")).expect("examples") {
        let file = entry.expect("an example").path().join("netyard.yaml");
        if !file.exists() {
            continue;
        }
        seen += 1;
        let output = netyard().arg("check").arg("-f").arg(&file).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{stderr}", file.display());
        assert_eq!(stderr, "", "{} has warnings", file.display());
    }
    assert!(seen >= 8, "only {seen} examples were found");
}

#[test]
fn the_file_that_init_writes_passes_check() {
    let dir = crate::directory();
    netyard().arg("init").current_dir(dir.path()).assert().success();
    netyard().arg("check").current_dir(dir.path()).assert().success().stderr_eq("");
}

/// The first IPv4 address of an interface in the JSON of `status`.
fn address(status: &Value, node: &str, interface: &str) -> String {
    let find = |list: &Value, key: &str, name: &str| {
        let list = list.as_array().expect("a list");
        list.iter().find(|one| one[key] == name).cloned().expect("in the list")
    };
    let node = find(&status["nodes"], "node", node);
    let interface = find(&node["interfaces"], "interface", interface);
    let first = interface["addresses"][0].as_str().expect("an address");
    first.split('/').next().expect("a prefix").to_owned()
}

alone! { User, fn a_ring_of_a_thousand_routers_carries_packets_around_and_goes() {
    let site = Site::of_example("ring-1000");
    let before = tree(Path::new("/run"));
    let up = site.ok("up");
    assert!(up.contains("1000 nodes") && up.contains("1000 links"), "{up}");
    let status = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    // Both neighbours, over the seam too.
    for (from, to, interface) in [("r1", "r2", "left"), ("r1", "r1000", "right"), ("r500", "r499", "right")] {
        site.ok(&format!("exec {from} -- ping -c1 -W1 {}", address(&status, to, interface)));
    }
    // Three hops, once the routers know the way: the ring has no routes of its own.
    let right = |node: &str| address(&status, node, "right");
    let left = |node: &str| address(&status, node, "left");
    let (first, last) = (right("r999"), left("r2"));
    for (node, to, via) in [
        ("r999", &last, left("r1000")), ("r1000", &last, left("r1")),
        ("r2", &first, right("r1")), ("r1", &first, right("r1000")),
    ] {
        site.ok(&format!("exec {node} -- ip route add {to} via {via}"));
    }
    let ping = site.ok(&format!("exec r999 -- ping -c1 -W1 {last}"));
    assert!(ping.contains("ttl=62"), "two routers between: {ping}");
    site.ok("plan --check");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}}

/// The example is up, its expectations are met, and nothing of it is left.
fn keeps_its_promises(example: &str) {
    let site = Site::of_example(example);
    let before = tree(Path::new("/run"));
    site.ok("up");
    site.ok("test");
    site.ok("plan --check");
    site.ok("down");
    assert_eq!(tree(Path::new("/run")), before);
}

alone! { User, fn only_ssh_comes_from_outside_and_everything_from_inside() {
    keeps_its_promises("arch-bridge-policy");
}}

alone! { User, fn a_router_for_mesh_nodes_lets_through_one_way() {
    keeps_its_promises("aredn-nat");
}}

/// Babel's time to find another way, and more: hellos come every second.
const BABEL: Duration = Duration::from_secs(90);

alone! { User, fn every_container_has_a_routed_prefix() {
    keeps_its_promises("routed-ipv6");
} }

alone! { User, fn a_client_finds_another_way_when_a_gateway_is_lost() {
    a_gateway_is_lost(&Site::of_example("freifunk-gateway"), tree(Path::new("/run")));
}}

/// The example comes up, goes on when one of its gateways does not, and leaves what was
/// there before.
pub fn a_gateway_is_lost(site: &Site, before: Vec<PathBuf>) {
    site.ok("up");
    site.ok("test");
    site.ok("plan --check");
    let by = |gateway: &str| {
        // While Babel looks for another way there is none, and `ip` fails.
        let way = site.run("exec f3 -- ip route get 10.50.9.80").stdout;
        String::from_utf8_lossy(&way).contains(&format!("dev to-{gateway} "))
    };
    let wait = |gateway: &str| {
        let end = Instant::now() + BABEL;
        while !by(gateway) {
            assert!(Instant::now() < end, "no way by {gateway}");
        }
    };
    let told = Exposition::read(&site.ok("metrics --once")).expect("an exposition");
    let of_f3 = [("node", "f3"), ("process", "babeld")];
    assert_eq!(told.one("netyard_babel_up", &of_f3), 1.0);
    let neighbours = told.all("netyard_babel_neighbour_cost");
    let heard = neighbours.iter().filter(|(labels, _)| labels["node"] == "f3").count();
    assert_eq!(heard, 2, "{neighbours:?}");
    for family in ["ipv4", "ipv6"] {
        let labels = [("node", "f3"), ("family", family)];
        assert!(told.one("netyard_babel_routes", &labels) >= 2.0);
        assert!(told.one("netyard_babel_routes_installed", &labels) >= 1.0);
    }
    // The tunnel that costs less is preferred, on the way back, too; and its gateway is lost.
    wait("f4");
    let end = Instant::now() + BABEL;
    let back = || site.run("exec web -- ip route get 10.50.0.1").stdout;
    while !String::from_utf8_lossy(&back()).contains("via 10.50.9.4 ") {
        assert!(Instant::now() < end, "no way back by f4");
    }
    let encrypted = || {
        let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
        let tunnels = status["tunnels"].as_array().expect("a list").clone();
        let end = tunnels.iter().find(|t| t["interface"] == "f3:to-f4").expect("f3's tunnel");
        end["peers"][0]["sent"].as_u64().expect("a number")
    };
    // What f4 knew first of the clients may lead round by f5.
    let end = Instant::now() + BABEL;
    let home = || site.run("exec f4 -- ip route get 10.50.0.1").stdout;
    while !String::from_utf8_lossy(&home()).contains("dev to-f3 ") {
        assert!(Instant::now() < end, "no way home by the tunnel of f4");
    }
    let before_ping = encrypted();
    site.ok("exec client -- ping -c10 -i0.01 -s 1000 -W2 10.50.9.80");
    assert!(encrypted() - before_ping >= 10_000, "the way is by WireGuard");
    let told = Exposition::read(&site.ok("metrics --once")).expect("an exposition");
    let peer = [("node", "f3"), ("interface", "to-f4"), ("peer", "f4:to-f3")];
    assert!(told.one("netyard_wireguard_transmit_bytes_total", &peer) >= 10_000.0);
    assert!(told.one("netyard_wireguard_receive_bytes_total", &peer) >= 10_000.0);
    assert!(told.one("netyard_wireguard_latest_handshake_timestamp_seconds", &peer) > 1.7e9);
    assert!(told.one("netyard_dhcp_leases", &[("network", "clients")]) >= 1.0);
    // The phone has its address from the gateway, and by it reaches the service.
    assert!(site.ok("leases").contains("10.50.0."));
    site.ok("exec phone -- ping -c1 -W2 10.50.9.80");
    site.ok("stop f4");
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let services = status["services"].as_array().expect("a list");
    assert!(services.iter().all(|service| service["node"] != "f4"), "{status}");
    assert_eq!(site.run("plan --check").status.code(), Some(3));
    wait("f5");
    let end = Instant::now() + BABEL;
    while !site.run("exec client -- ping -c1 -W1 10.50.9.80").status.success() {
        assert!(Instant::now() < end, "the client does not reach the service");
    }
    // It comes back.
    site.ok("start f4");
    site.ok("plan --check");
    wait("f4");
    site.ok("test");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}
