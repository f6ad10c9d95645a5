//! Networks with a way out, as users meet them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::alone::alone;
use crate::site::{Site, tree};

fn ip(line: &str) {
    let status = Command::new("ip").args(line.split_whitespace()).status().expect("ip");
    assert!(status.success(), "ip {line}");
}

/// The host's `eth0`, 192.0.2.10, leads to `up0` in a namespace that stands for the world.
fn upstream() {
    std::fs::create_dir_all("/run/netns").expect("a directory");
    for line in [
        "link set lo up",
        "netns add world",
        "link add eth0 type veth peer name up0 netns world",
        "-n world link set up0 up",
        "-n world addr add 192.0.2.1/24 dev up0",
        "link set eth0 up",
        "addr add 192.0.2.10/24 dev eth0",
        "route add default via 192.0.2.1",
    ] {
        ip(line);
    }
}

const YARD: &str = "yard: out\nnetworks: { lan: { prefix: 10.77.0.0/24, uplink: masquerade } }\n\
                    nodes: { a: { interfaces: { eth0: { network: lan } } } }\n";

fn problems(site: &Site) -> String {
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    status["problems"].to_string()
}

alone! { Root, fn status_says_when_the_upstream_has_the_yards_prefix() {
    upstream();
    let site = Site::new(YARD);
    site.ok("up");
    site.ok("exec a -- ping -c1 -W5 192.0.2.1");
    site.ok("plan --check");
    assert_eq!(problems(&site), "[]");
    for theirs in ["10.77.0.9/24", "10.77.0.200/29", "10.0.0.9/8"] {
        ip(&format!("addr add {theirs} dev eth0"));
        assert!(problems(&site).contains("upstream collides"), "{theirs}");
        ip(&format!("addr del {theirs} dev eth0"));
    }
    assert_eq!(problems(&site), "[]");
    site.ok("down");
}}

alone! { Root, fn a_prefix_that_the_host_reaches_is_refused_before_anything_is_done() {
    upstream();
    ip("addr add 10.77.0.9/24 dev eth0");
    let site = Site::new(YARD);
    for command in ["plan", "up"] {
        let output = site.run(command);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("prefix-on-host") && said.contains("eth0"), "{said}");
    }
    assert!(!Path::new("/run/netyard").exists());
}}

alone! { User, fn without_root_an_uplink_is_refused_with_a_word_and_none_is_not() {
    let before = tree(Path::new("/run"));
    for uplink in ["masquerade", "{ bridge: eth0 }", "{ macvlan: eth0 }"] {
        let site = Site::new(YARD.replace("uplink: masquerade", &format!("uplink: {uplink}")));
        let output = site.run("up");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("needs-root") && said.contains("run netyard as root"), "{said}");
        assert_eq!(tree(Path::new("/run")), before);
    }
    let site = Site::new(YARD.replace("masquerade", "none"));
    site.ok("up");
    site.ok("down");
}}

alone! { Root, fn the_example_goes_out_and_its_back_network_does_not() {
    upstream();
    let site = Site::of_example("uplink");
    site.ok("up");
    site.ok("exec web -- ping -c1 -W5 192.0.2.1");
    assert!(!site.run("exec db -- ping -c1 -W1 192.0.2.1").status.success());
    site.ok("down");
}}
