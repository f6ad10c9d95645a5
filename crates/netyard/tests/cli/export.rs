//! What is exported does what netyard does: both are looked at with ip, nft and tc.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::alone::alone;
use crate::site::{Site, tree};

fn sh(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().expect("sh")
}

#[track_caller]
fn out(script: &str) -> String {
    let output = sh(script);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What differs from one making to the next, and what marks netyard's own.
const FLEETING: [&str; 28] = [
    "ifindex",
    "link_index",
    "link_netnsid",
    "link_netns",
    "ifalias",
    "altnames",
    "group",
    "ifname_len",
    "stats",
    "stats64",
    "promiscuity",
    "allmulti",
    "num_tx_queues",
    "num_rx_queues",
    "protocol",
    "valid_life_time",
    "preferred_life_time",
    "handle",
    "metainfo",
    "bridge_id",
    "root_id",
    "bytes",
    "packets",
    "hello_timer",
    "gc_timer",
    "designated_bridge",
    "designated_root",
    "timer",
];

fn lasting(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(lasting).collect();
            list.sort_by_key(Value::to_string);
            list.into()
        }
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !FLEETING.contains(&key.as_str()) && !key.ends_with("_timer"))
            .map(|(key, value)| (key.clone(), lasting(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn json(script: &str) -> Value {
    let text = out(script);
    lasting(&serde_json::from_str(if text.trim().is_empty() { "[]" } else { &text }).expect("JSON"))
}

/// All that can be seen of every namespace, as text.
fn seen() -> Vec<String> {
    let names = out("ip netns list | cut -d' ' -f1 | sort");
    let mut all = Vec::new();
    for name in names.lines() {
        let mut say = |what: &str, value: String| all.push(format!("{name} {what}: {value}"));
        for what in [
            "-d link",
            "address",
            "route show table all",
            "-6 route show table all",
            "rule",
            "-6 rule",
            "neighbour show nud permanent",
        ] {
            let value = json(&format!("ip -j -n {name} {what}"));
            for entry in value.as_array().expect("a list") {
                say(what, entry.to_string());
            }
        }
        let inside = format!("nsenter --net=/run/netns/{name}");
        say("nft", json(&format!("{inside} nft -j list ruleset")).to_string());
        say("tc", json(&format!("{inside} tc -j qdisc")).to_string());
        let keys = "forwarding|rp_filter|accept_ra|accept_dad|disable_ipv6|accept_redirects|proxy_arp|ip_forward";
        let sysctls =
            out(&format!("{inside} sysctl -a 2>/dev/null | grep -E 'net.ipv.*({keys}) ' | sort"));
        sysctls.lines().for_each(|line| say("sysctl", line.to_owned()));
        let files = format!("/etc/netns/{name}");
        for file in tree(files.as_ref()) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            say("file", format!("{} {text}", file.display()));
        }
        let hostname = sh(&format!("nsenter --uts=/run/utsns/{name} hostname 2>/dev/null"));
        say("hostname", String::from_utf8_lossy(&hostname.stdout).into_owned());
    }
    all.sort();
    all
}

/// What is seen once it is what is waited for, or the last that was seen: link-local
/// addresses take their time, and no command ends when the last of them is there.
fn seen_when(settled: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut all = seen();
    for _ in 0..50 {
        if settled(&all) {
            break;
        }
        out("sleep 0.2");
        all = seen();
    }
    all
}

fn proves_equal(example: &str) {
    let site = Site::of_example(example);
    site.ok("export sh out");
    site.ok("up");
    let by_netyard = seen_when(|all| !all.iter().any(|line| line.contains("tentative")));
    site.ok("down");
    assert!(by_netyard.len() > 20, "{by_netyard:?}");
    let script = site.path().join("out/up.sh");
    out(&format!("sh -n {0} && {0}", script.display()));
    let by_script = seen_when(|all| all == by_netyard);
    let missing: Vec<_> = by_netyard.iter().filter(|line| !by_script.contains(line)).collect();
    let more: Vec<_> = by_script.iter().filter(|line| !by_netyard.contains(line)).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "only netyard: {missing:#?}\nonly the script: {more:#?}"
    );
    out(&site.path().join("out/down.sh").display().to_string());
    assert_eq!(out("ip netns list"), "");
    assert_eq!(out("ls /run/utsns 2>/dev/null || true"), "");
}

alone! { Root, fn the_script_of_quickstart_builds_what_netyard_builds() {
    proves_equal("quickstart");
}}

alone! { Root, fn the_script_of_aredn_nat_builds_what_netyard_builds() {
    proves_equal("aredn-nat");
}}

alone! { Root, fn the_script_of_freifunk_netns_builds_what_netyard_builds() {
    proves_equal("freifunk-netns");
}}

alone! { Root, fn the_script_of_arch_bridge_policy_builds_what_netyard_builds() {
    proves_equal("arch-bridge-policy");
}}

alone! { User, fn what_is_written_for_daemons_is_what_they_read() {
    crate::serve::needs(&["dnsmasq", "bird"]);
    let site = Site::new("\
yard: daemons
networks:
  lan: { prefix: [10.1.0.0/24, fd00:1::/64], dhcp: on, dns: { records: { printer: 10.1.0.9 } }, ra: on, dhcp6: on }
nodes:
  r:
    forward: true
    interfaces: { eth0: { network: lan, address: [10.1.0.1/24, fd00:1::1/64] } }
    services: { bird: { text: \"protocol rip { ipv4 { import all; }; }\" } }
");
    site.ok("export dnsmasq out");
    site.ok("export bird out");
    let at = |name: &str| site.path().join("out/r").join(name).display().to_string();
    out(&format!("dnsmasq --test --conf-file={} 2>&1", at("lan.conf")));
    out(&format!("bird -p -c {}", at("bird.conf")));
    let first = fs::read_to_string(at("bird.conf")).expect("a file");
    assert!(first.starts_with("# bird of r in yard `daemons`, from netyard.yaml; made by `netyard export bird`."), "{first}");
    let said = site.run("export babeld out");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("there is nothing in yard `daemons` for babeld"), "{said}");
}}

alone! { User, fn tunnels_of_a_living_yard_come_back_from_wg_quicks_files() {
    let site = Site::of_example("wireguard");
    site.ok("up");
    site.ok("export wg-quick out");
    let text = fs::read_to_string(site.path().join("out/gw-b/wg0.conf")).expect("a file");
    assert!(!text.contains("PrivateKey"), "{text}");
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let imported = site.ok(&format!("import wg-quick {}", site.path().join("out/gw-b/wg0.conf").display()));
    assert!(imported.contains("private-key-file: /etc/wireguard/sites/gw-b.wg0.key"), "{imported}");
    let peer = text.lines().find_map(|line| line.strip_prefix("PublicKey = ")).expect("a key");
    assert!(imported.contains(peer) && status.to_string().contains(peer), "{imported}\n{status}");
    site.ok("down");
}}

alone! { Root, fn an_export_writes_over_nothing_and_a_name_cannot_run() {
    let site = Site::new(
        "yard: y\nnodes:\n  \"a'$$(touch${IFS}pwned)\":\n    hosts: { x: 10.0.0.1 }\n    interfaces: { eth0: { network: n } }\nnetworks: { n: { prefix: 10.0.0.0/24 } }\nvars: { IFS: x }\n",
    );
    site.ok("export sh out");
    assert!(!site.run("export sh out").status.success());
    site.ok("export sh out --force");
    let script = site.path().join("out/up.sh");
    let _ = sh(&format!("cd {} && {}", site.path().display(), script.display()));
    let found: Vec<_> = tree(site.path());
    assert!(!found.iter().any(|path| path.to_string_lossy().contains("pwned")), "{found:?}");
}}
