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

const BRIDGED: &str = "yard: out\nnetworks: { lan: { prefix: [192.0.2.0/24, 'fd77::/64'], uplink: { bridge: eth0 } } }\n\
                       nodes: { a: { interfaces: { eth0: { network: lan, address: 192.0.2.20/24 } } } }\n";

alone! { Root, fn a_bridge_that_stands_in_for_an_interface_is_no_finding() {
    upstream();
    let site = Site::new(BRIDGED);
    site.ok("up");
    let found = |what: &str| {
        let document: Value =
            serde_json::from_slice(&site.run(&format!("doctor {what} --json")).stdout).expect("JSON");
        let ids = document["found"].as_array().unwrap().iter().map(|one| one["check"].to_string());
        let about = |id: &String| id.contains("bridge-mac") || id.contains("bridge-accepts-ra");
        ids.filter(about).collect::<Vec<_>>()
    };
    for what in ["", "--host", "--yard out"] {
        assert_eq!(found(what), Vec::<String>::new(), "{what}");
    }
    // Somebody else's bridge in the same place is one.
    ip("link add br9 type bridge");
    ip("link add p9 type veth peer name q9");
    for line in ["set p9 master br9", "set p9 up", "set q9 up", "set br9 up"] {
        ip(&format!("link {line}"));
    }
    assert!(found("--host").iter().any(|id| id.contains("bridge-mac")), "{:?}", found("--host"));
    site.ok("down");
}}

alone! { Root, fn an_uplink_that_was_deleted_is_named() {
    upstream();
    let site = Site::new(BRIDGED);
    site.ok("up");
    ip("link del eth0");
    for command in ["plan", "up"] {
        let output = site.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains("the host has no interface `eth0`"), "{said}");
    }
    site.ok("down");
}}

#[test]
fn check_leaves_it_to_plan_which_interfaces_a_host_has() {
    let site = Site::new(
        "yard: any
networks:
  lan: { prefix: [10.77.0.0/24, 'fd77:1::/48'], uplink: { masquerade: enp99s0 } }
  wan: { uplink: { bridge: enp98s0 } }
  dmz: { uplink: { macvlan: enp97s0 } }
nodes: { a: { interfaces: { eth0: { network: lan } } } }
",
    );
    let output = site.run("check");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    // What is wrong with it on any host is told.
    assert!(said.contains("[prefix-not-64]"), "{said}");
    let json: Value = serde_json::from_str(&site.ok("check --json")).expect("JSON");
    assert_eq!(json["found"][0]["check"], "prefix-not-64", "{json:#}");
}

alone! { Root, fn two_yards_that_want_one_setting_otherwise_are_both_named() {
    upstream();
    let text = |yard: &str, value: &str| format!(
        "yard: {yard}\nnetworks: {{ {yard}: {{ host: true }} }}\n\
         nodes: {{ host: {{ sysctl: {{ net.ipv4.conf.all.log_martians: {value}, net.ipv4.ip_forward: 1 }} }} }}\n");
    let (first, same, other) =
        (Site::new(text("one", "1")), Site::new(text("two", "1")), Site::new(text("three", "0")));
    first.ok("up");
    same.ok("up");
    for command in ["plan", "up"] {
        let output = other.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("[sysctl-of-two-yards]") && said.contains("`net.ipv4.conf.all.log_martians` at 1"), "{said}");
        assert!(said.contains("the yard `one`") || said.contains("the yard `two`"), "{said}");
        assert!(said.contains("netyard.yaml:3:"), "{said}");
    }
    first.ok("down");
    same.ok("down");
    other.ok("up");
    other.ok("down");
}}
