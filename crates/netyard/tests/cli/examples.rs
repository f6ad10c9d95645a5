//! Every example is a file without fault, and a thousand routers live.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::alone::alone;
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
