//! All that ip, nft, tc and sysctl show of a machine's namespaces, as lines: what two ways
//! of building the same leave behind is compared with it.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::site::tree;

pub fn sh(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().expect("sh")
}

#[track_caller]
pub fn out(script: &str) -> String {
    let output = sh(script);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}: {stdout}{stderr}");
    stdout
}

/// What differs from one making to the next, and what marks netyard's own.
const FLEETING: [&str; 33] = [
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
    "port_no",
    "port_id",
    // Of netem's random numbers: drawn anew for each that is made.
    "seed",
    // Who holds a qdisc at the moment, and how many neighbours a bridge has heard of.
    "refcnt",
    "fdb_n_learned",
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

/// What a process has put there: leases, and what routing daemons found; and what the
/// kernel makes of `leased` addresses.
fn is_learnt(entry: &Value, leased: &BTreeSet<String>) -> bool {
    let by = entry["protocol"].as_str().unwrap_or_default();
    let daemon = ["babel", "bird", "ra", "dhcp", "ospf", "zebra"].contains(&by);
    let is_leased = |key: &str| leased.contains(entry[key].as_str().unwrap_or_default());
    let way_out = entry["dst"] == "default" && is_leased("dev");
    let of_leased = is_leased("dst") || is_leased("prefsrc") || way_out;
    daemon || of_leased || entry["dynamic"] == true || !entry["expires"].is_null()
}

/// Addresses that are lent, and the interfaces that have them.
fn leased(addresses: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in addresses.as_array().into_iter().flatten() {
        for address in entry["addr_info"].as_array().into_iter().flatten() {
            if address["dynamic"] == true {
                let names = [&address["local"], &entry["ifname"]];
                all.extend(names.iter().filter_map(|name| name.as_str().map(str::to_owned)));
            }
        }
    }
    all
}

/// What is asked for in each namespace; each answer is a list.
const QUESTIONS: [(&str, &str); 9] = [
    ("link", "ip -j -d link"),
    ("address", "ip -j address"),
    ("route", "ip -j route show table all"),
    ("route6", "ip -j -6 route show table all"),
    ("rule", "ip -j rule"),
    ("rule6", "ip -j -6 rule"),
    ("neighbour", "ip -j neighbour show nud permanent"),
    ("vlan", "bridge -j vlan"),
    ("tc", "tc -j qdisc"),
];

/// The settings that are looked at: `sysctl -a` reads thousands.
const SETTINGS: &str = "cd /proc/sys/net && grep -s . ipv4/ip_forward \
    ipv?/conf/*/forwarding ipv?/conf/*/accept_redirects ipv4/conf/*/rp_filter \
    ipv4/conf/*/proxy_arp ipv6/conf/*/accept_ra ipv6/conf/*/accept_dad ipv6/conf/*/disable_ipv6";

/// All that can be seen of every namespace and, in a machine of its own, the host, as text.
pub fn seen() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let names = out("ip netns list | cut -d' ' -f1 | sort");
    for name in names.lines().chain([""]) {
        look_into(name, &mut all);
    }
    all
}

fn look_into(name: &str, all: &mut BTreeSet<String>) {
    let questions: String =
        QUESTIONS.iter().map(|(what, line)| format!("echo '@@{what}'; {line}; ")).collect();
    let script = format!(
        "{questions} echo '@@nft'; nft -j list ruleset; echo '@@sysctl'; {SETTINGS} || true"
    );
    let place = if name.is_empty() { "(host)" } else { name };
    let text = match name {
        "" => out(&script),
        name => out(&format!(
            "nsenter --net=/run/netns/{name} sh -c \"$(cat <<'EOF'\n{script}\nEOF\n)\""
        )),
    };
    let mut dynamic = BTreeSet::new();
    let mut say = |what: &str, value: &str| {
        all.insert(format!("{place} {what}: {value}"));
    };
    for part in text.split("@@").skip(1) {
        let (what, answer) = part.split_once('\n').expect("an answer");
        if what == "sysctl" {
            answer.lines().for_each(|line| say(what, line));
            continue;
        }
        let answer = if answer.trim().is_empty() { "[]" } else { answer };
        let value: Value = serde_json::from_str(answer).expect("JSON");
        if what == "address" {
            dynamic = leased(&value);
        }
        let list = value.as_array().or_else(|| value["nftables"].as_array());
        for entry in list.expect("a list").iter().filter(|entry| !is_learnt(entry, &dynamic)) {
            let mut entry = entry.clone();
            if let Some(addresses) = entry["addr_info"].as_array_mut() {
                addresses.retain(|address| !is_learnt(address, &dynamic));
            }
            say(what, &lasting(&entry).to_string());
        }
    }
    for file in tree(format!("/etc/netns/{name}").as_ref()) {
        if name.is_empty() {
            break;
        }
        let text = fs::read_to_string(&file).unwrap_or_default();
        say("file", &format!("{} {text}", file.display()));
    }
    let hostname = sh(&format!("nsenter --uts=/run/utsns/{name} hostname 2>/dev/null"));
    say("hostname", &String::from_utf8_lossy(&hostname.stdout));
}

/// What is seen once it is what is waited for, or the last that was seen: link-local
/// addresses take their time, and no command ends when the last of them is there.
pub fn seen_when(settled: impl Fn(&BTreeSet<String>) -> bool) -> BTreeSet<String> {
    let mut all = seen();
    for _ in 0..20 {
        if settled(&all) {
            break;
        }
        out("sleep 0.2");
        all = seen();
    }
    all
}

/// Nothing is awaited any more.
pub fn is_settled(all: &BTreeSet<String>) -> bool {
    !all.iter().any(|line| line.contains("tentative"))
}

/// What only one of both has; `but` are words of lines that may differ.
pub fn differences(one: &BTreeSet<String>, other: &BTreeSet<String>, but: &[&str]) -> Vec<String> {
    let may = |line: &&String| !but.iter().any(|word| line.contains(word));
    let only = |mark: char, a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).filter(may).map(|line| format!("{mark} {line}")).collect()
    };
    let mut all = only('-', one, other);
    all.extend(only('+', other, one));
    all
}
