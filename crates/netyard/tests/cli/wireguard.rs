//! Tunnels of WireGuard, as users meet them. Here the kernel has none, or is told
//! to leave it to the process: what the kernel does itself is in `vm_wireguard`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::alone::alone;
use crate::site::{Site, tree};

/// Two gateways on a network, with a tunnel whose packets go over it.
pub const TWO: &str = "
yard: wg
networks: { wan: { prefix: 10.50.0.0/24 } }
nodes:
  gw1:
    interfaces:
      wan: { network: wan, address: 10.50.0.1/24 }
      wg0: { kind: wireguard, ENGINE }
  gw2:
    interfaces:
      wan: { network: wan, address: 10.50.0.2/24 }
      wg0: { kind: wireguard, ENGINE }
links:
  - { ends: [gw1:wg0, gw2:wg0], tunnel: wireguard, birth: own, prefix: [10.9.0.0/31, fd09::/127], preshared: true }
";

/// A gateway in the middle of two others, all on one interface.
const THREE: &str = "
yard: wg
nodes:
  hub:
    forward: true
    interfaces:
      wg0:
        kind: wireguard
        engine: userspace
        listen: 51820
        address: [10.9.0.1/24, fd09::1/64]
        peers: [{ node: a, keepalive: 1s }, { node: b, keepalive: 1s }]
  a:
    interfaces:
      wg0:
        kind: wireguard
        engine: userspace
        address: [10.9.0.2/24, fd09::2/64]
        peers: [{ node: hub }]
  b:
    interfaces:
      wg0:
        kind: wireguard
        engine: userspace
        address: [10.9.0.3/24, fd09::3/64]
        peers: [{ node: hub }]
";

pub fn two(engine: &str) -> String {
    TWO.replace("ENGINE", &format!("engine: {engine}"))
}

/// True when `from` reaches `to` within ten seconds.
pub fn reaches(site: &Site, from: &str, to: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if site.run(&format!("exec {from} -- ping -n -c1 -W1 {to}")).status.success() {
            return true;
        }
    }
    false
}

/// Packets that have left a node by its `wan`. Not the kernel's count of datagrams:
/// those of its own tunnels are not in it (`udp_tunnel_xmit_skb`).
pub fn sent_by_wan(site: &Site, node: &str) -> u64 {
    let text = site.ok(&format!("exec {node} -- cat /proc/net/dev"));
    let line = text.lines().find(|line| line.trim_start().starts_with("wan:")).expect("a wan");
    let (_, counters) = line.split_once(':').expect("counters");
    counters.split_whitespace().nth(9).expect("a number").parse().expect("a number")
}

/// The link-local address that netyard gives an interface.
pub fn link_local(site: &Site, node: &str, interface: &str) -> String {
    let text = site.ok(&format!("exec {node} -- ip -6 -o addr show dev {interface} scope link"));
    assert_eq!(text.lines().count(), 1, "{text}");
    let net = text.split_whitespace().nth(3).expect("an address");
    net.trim_end_matches("/64").to_owned()
}

/// Processes that do a tunnel's work, with the files they were given.
fn workers(site: &Site) -> Vec<(u32, String)> {
    let of = |path: PathBuf| {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let line = std::fs::read(path.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(" wireguard /").then_some((pid, line))
    };
    let mut all: Vec<_> = site.processes().into_iter().filter_map(of).collect();
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all
}

/// The secret texts that a yard keeps.
fn secrets() -> Vec<String> {
    let secret = |path: &PathBuf| path.extension().is_some_and(|end| end == "key" || end == "psk");
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a key").trim().to_owned();
    tree(Path::new("/var/lib")).into_iter().filter(secret).map(read).collect()
}

pub fn through_the_tunnel(site: &Site) {
    for (from, to) in [("gw1", "10.9.0.1"), ("gw2", "10.9.0.0"), ("gw1", "fd09::1")] {
        assert!(reaches(site, from, to), "{from} {to}");
    }
    let address = link_local(site, "gw2", "wg0");
    assert!(reaches(site, "gw1", &format!("{address}%wg0")), "{address}");
    // What goes in at one end is what leaves by the network outside.
    let before = sent_by_wan(site, "gw1");
    site.ok("exec gw1 -- ping -n -c20 -i0.01 -W2 10.9.0.1");
    let sent = sent_by_wan(site, "gw1") - before;
    assert!((20..40).contains(&sent), "{sent}");
}

alone! { User, fn two_gateways_reach_each_other_through_a_tunnel() {
    let site = Site::new(two("userspace"));
    let plan = site.run("plan");
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert!(said.contains("WireGuard by a process of netyard's") && said.contains(":wg0"), "{said}");
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.contains("process wireguard-wg0"), "{plan}");
    site.ok("up");
    site.ok("plan --check");
    through_the_tunnel(&site);
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let tunnel = &status["tunnels"][0];
    assert_eq!(tunnel["engine"], "userspace", "{status}");
    assert_eq!(tunnel["peers"][0]["name"], "gw2:wg0", "{status}");
    assert!(tunnel["peers"][0]["handshake_age"].as_u64() < Some(60), "{status}");
    assert!(site.ok("status").contains("userspace"));
    site.ok("down");
    assert_eq!(workers(&site), []);
    assert_eq!(secrets(), [] as [String; 0]);
}}

alone! { User, fn no_key_is_ever_shown_or_written_beside_its_file() {
    let site = Site::new(two("userspace"));
    let mut said = vec![site.ok("plan"), site.ok("plan --json")];
    said.extend([site.ok("up"), site.ok("plan --json"), site.ok("status --json")]);
    let keys = secrets();
    assert_eq!(keys.len(), 3, "two private keys and what both share");
    for command in ["logs gw1 wireguard-wg0", "status", "check", "exec gw1 -- ip -d link"] {
        let output = site.run(command);
        said.push(String::from_utf8_lossy(&output.stdout).into_owned());
        said.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // A change is journaled, with what it undoes.
    std::fs::write(site.path().join("netyard.yaml"), two("userspace").replace("preshared: true", "keepalive: 5s")).expect("a file");
    said.extend([site.ok("plan"), site.ok("up")]);
    let mut files = tree(Path::new("/run/user/1000"));
    files.extend(tree(Path::new("/run/netyard")));
    assert!(files.iter().any(|path| path.ends_with("wireguard.json")), "{files:?}");
    let written = files.into_iter().filter_map(|path| std::fs::read(path).ok());
    said.extend(written.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    let hex = |key: &str| key[..16].to_owned();
    for key in &keys {
        assert!(said.iter().all(|text| !text.contains(&hex(key))), "a key was told");
    }
    site.ok("down");
}}

alone! { User, fn a_worker_that_is_killed_comes_back_and_so_does_the_traffic() {
    let site = Site::new(two("userspace"));
    site.ok("up");
    assert!(reaches(&site, "gw1", "10.9.0.1"));
    let before = workers(&site);
    assert_eq!(before.len(), 2, "{before:?}");
    for (pid, _) in &before {
        Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
        // Its supervisor starts it again, nobody else does.
        assert!(reaches(&site, "gw1", "10.9.0.1"));
        assert!(reaches(&site, "gw2", "10.9.0.0"));
    }
    assert!(workers(&site).iter().all(|now| !before.contains(now)));
    site.ok("plan --check");
    site.ok("down");
}}

alone! { User, fn a_gateway_in_the_middle_forwards_between_its_peers() {
    let site = Site::new(THREE);
    site.ok("up");
    for (from, to) in [("a", "10.9.0.1"), ("hub", "10.9.0.3"), ("a", "10.9.0.3"), ("b", "fd09::2")] {
        assert!(reaches(&site, from, to), "{from} {to}");
    }
    // One key changes: its peers learn it by `up`, and the rest is not disturbed.
    let before = workers(&site);
    let handshake = |site: &Site, name: &str| {
        let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
        let tunnels = status["tunnels"].as_array().expect("a list").clone();
        let hub = tunnels.iter().find(|t| t["interface"] == "hub:wg0").expect("the hub").clone();
        let peers = hub["peers"].as_array().expect("a list").clone();
        let peer = peers.iter().find(|p| p["name"] == name).expect("a peer").clone();
        (peer["public_key"].clone(), peer["received"].as_u64().expect("a number"))
    };
    let (a, b) = (handshake(&site, "a:wg0"), handshake(&site, "b:wg0"));
    std::fs::remove_file("/var/lib/state/netyard/wg/secrets/a.wg0.key").expect("a key");
    site.ok("up");
    assert!(reaches(&site, "a", "10.9.0.1") && reaches(&site, "b", "10.9.0.1"));
    assert_ne!(handshake(&site, "a:wg0").0, a.0);
    // A new session would count from nothing.
    let now = handshake(&site, "b:wg0");
    assert!(now.0 == b.0 && now.1 > b.1, "{now:?} {b:?}");
    assert_eq!(workers(&site), before);
    site.ok("down");
}}

alone! { User, fn a_peer_that_moves_is_found_where_it_is() {
    let text = two("userspace").replace("preshared: true", "keepalive: 1s");
    let site = Site::new(text);
    site.ok("up");
    assert!(reaches(&site, "gw1", "10.9.0.1"));
    // In this order: an address goes with the first of its prefix.
    site.ok("exec gw2 -- ip addr del 10.50.0.2/24 dev wan");
    site.ok("exec gw2 -- ip addr add 10.50.0.77/24 dev wan");
    assert!(reaches(&site, "gw2", "10.9.0.0"));
    assert!(reaches(&site, "gw1", "10.9.0.1"));
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let endpoint = status["tunnels"][0]["peers"][0]["endpoint"].to_string();
    assert!(endpoint.contains("10.50.0.77"), "{endpoint}");
    site.ok("up");
    site.ok("down");
}}

alone! { User, fn a_key_file_that_others_can_read_is_refused() {
    let text = two("userspace").replacen("wg0: { kind", "wg0: { private-key-file: my.key, kind", 1);
    let site = Site::new(text);
    let key = site.path().join("my.key");
    std::fs::write(&key, "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n").expect("a file");
    let mode = |mode: &str| {
        Command::new("chmod").args([mode, "my.key"]).current_dir(site.path()).status().expect("chmod");
    };
    mode("644");
    let output = site.run("up");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("key-file") && said.contains("0644") && said.contains("chmod 600"), "{said}");
    mode("600");
    site.ok("up");
    assert!(reaches(&site, "gw1", "10.9.0.1"));
    site.ok("down");
    assert!(key.exists());
}}

alone! { User, fn a_guest_gets_a_configuration_once_and_is_let_in_by_up() {
    let text = "yard: wg\nnodes: { gw: { interfaces: { wg0: { kind: wireguard, engine: userspace, \
                listen: 51820, address: 10.9.0.1/24, peers: [{ name: phone, allowed-ips: 10.9.0.8/32, \
                preshared: true }] } } } }\n";
    let site = Site::new(text);
    let output = site.run("up");
    assert!(String::from_utf8_lossy(&output.stderr).contains("guest-without-key"));
    let none = site.run("peer-config gw:wg0 phone");
    assert!(String::from_utf8_lossy(&none.stderr).contains("--endpoint"));
    let config = site.ok("peer-config gw:wg0 phone --endpoint vpn.example --qr");
    for line in ["Address = 10.9.0.8/32", "Endpoint = vpn.example:51820", "PresharedKey = ", "\u{2588}"] {
        assert!(config.contains(line), "{config}");
    }
    let key = config.lines().find_map(|line| line.strip_prefix("PrivateKey = ")).expect("a key");
    let kept = ["/run", "/var/lib"].into_iter().flat_map(|top| tree(Path::new(top)));
    let kept: Vec<_> = kept.filter_map(|p| std::fs::read_to_string(p).ok()).collect();
    assert!(kept.iter().any(|text| text.contains("51820")), "{kept:?}");
    assert!(kept.iter().all(|text| !text.contains(key)), "it is kept");
    let again = site.run("peer-config gw:wg0 phone --endpoint vpn.example");
    assert!(String::from_utf8_lossy(&again.stderr).contains("--replace"));
    site.ok("up");
    let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    assert_eq!(status["tunnels"][0]["peers"][0]["name"], "phone", "{status}");
    site.ok("down");
}}
