//! What is exported does what netyard does: both are looked at with ip, nft and tc.

use std::fs;

use serde_json::Value;

use crate::alone::alone;
use crate::repository;
use crate::sight::{differences, is_settled, out, seen_when, sh};
use crate::site::{Site, tree};

/// Brings a yard up, takes it away, and builds it with its script: the same is seen, but for
/// the mark at the table of a firewall.
pub fn script_proves_equal(text: &str) {
    script_proves_equal_but_for(text, &["\"table\":{"]);
}

/// The same; `but` are words of lines that may differ.
fn script_proves_equal_but_for(text: &str, but: &[&str]) {
    let site = Site::new(text);
    site.ok("up");
    // With the yard's keys, which are there since.
    site.ok("export sh out");
    let by_netyard = seen_when(is_settled);
    let keys = "for keys in /var/lib/netyard/*/secrets; do
        yard=$(basename $(dirname $keys)); mkdir -p /etc/wireguard; cp -r $keys /etc/wireguard/$yard
        done 2>/dev/null || true";
    out(keys);
    site.ok("down");
    assert!(by_netyard.len() > 20, "{by_netyard:?}");
    let script = site.path().join("out/up.sh");
    out(&format!("sh -n {0} && {0}", script.display()));
    let by_script = seen_when(|all| differences(&by_netyard, all, but).is_empty());
    let differs = differences(&by_netyard, &by_script, but);
    assert!(differs.is_empty(), "only netyard (-), only the script (+): {differs:#?}");
    out(&site.path().join("out/down.sh").display().to_string());
    assert_eq!(out("ip netns list"), "");
    assert_eq!(out("ls /run/utsns 2>/dev/null || true"), "");
}

/// The text of an example.
pub fn example(name: &str) -> String {
    let file = repository().join("examples").join(name).join("netyard.yaml");
    fs::read_to_string(file).expect("an example")
}

/// The text of an example without its containers, which no script starts.
pub fn uncontained(name: &str) -> String {
    let mut text = String::new();
    let mut inside = None;
    for line in example(name).lines() {
        let depth = line.len() - line.trim_start().len();
        if inside.is_some_and(|outer| depth > outer) {
            continue;
        }
        inside = line.trim_start().starts_with("container:").then_some(depth);
        if inside.is_none() {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

macro_rules! scripts {
    ($($name:ident: $example:literal;)*) => {
        $(alone! { Root, fn $name() { script_proves_equal(&example($example)); } })*
    };
}

// The others need what only Debian's kernel has: see `vm_export`.
scripts! {
    the_script_of_quickstart_builds_what_netyard_builds: "quickstart";
    the_script_of_addresses_names_builds_what_netyard_builds: "addresses-names";
    the_script_of_aredn_nat_builds_what_netyard_builds: "aredn-nat";
    the_script_of_arch_bridge_policy_builds_what_netyard_builds: "arch-bridge-policy";
    the_script_of_freifunk_netns_builds_what_netyard_builds: "freifunk-netns";
    the_script_of_ipv6_clients_builds_what_netyard_builds: "ipv6-clients";
    the_script_of_uplink_builds_what_netyard_builds: "uplink";
}

alone! { Root, fn the_script_of_arch_nspawn_builds_what_netyard_builds() {
    script_proves_equal(&uncontained("arch-nspawn"));
}}

alone! { Root, fn the_script_of_bridged_ipv6_builds_what_netyard_builds() {
    out("ip link add enp6s0 type veth peer name street; ip link set enp6s0 up; ip link set street up");
    // What the export lists: the port keeps its own addresses, link-local ones among them.
    let but = ["\"dev\":\"enp6s0\"", "\"ifname\":\"enp6s0\",\"link\":\"street\",\"link_type\":\"ether\",\"master\""];
    script_proves_equal_but_for(&uncontained("bridged-ipv6"), &but);
}}

alone! { Root, fn the_script_of_a_ring_builds_what_netyard_builds() {
    // As the example is, but smaller: of a thousand nodes, looking takes minutes.
    script_proves_equal(&example("ring-1000").replace("1000", "40"));
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

alone! { Root, fn names_that_ip_takes_for_words_of_its_own_are_names_in_a_script() {
    let text = "\
yard: words
nodes:
  one: { interfaces: { t: { kind: bridge }, link: { kind: bridge, mtu: 1400 } } }
  two: {}
links:
  - { ends: [one:up, two:down], prefix: 10.9.0.0/31 }
  - { ends: [one:a, two:dev], prefix: 10.9.0.2/31 }
";
    script_proves_equal(text);
}}
