//! What is written down for another tool says the same as the yard: read back by the
//! importer of its format, it gives the same tunnels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use netyard_core::diag::{Source, Sources};
use netyard_core::export::{self, Papers, Subject};
use netyard_core::facts::Facts;
use netyard_core::import;
use netyard_core::key::{KeyFact, KeyName, WgKey};
use netyard_core::spec;
use netyard_core::state::{Object, State, Tunnel, lower};
use netyard_core::yard::{self, Yard};
use proptest::prelude::*;

/// A key that is the file's alone.
fn key_of(file: &str) -> WgKey {
    let mut bytes = [7; 32];
    file.bytes()
        .enumerate()
        .for_each(|(at, byte)| bytes[at % 32] ^= byte.rotate_left(at as u32 / 32));
    WgKey::private(bytes)
}

/// The yard of a file, all its keys being there.
fn yard_of(text: &str) -> Yard {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "y", &mut |_, _| Err("no includes".into()));
    let spec = parsed.spec.unwrap_or_else(|| panic!("{text}\n{:?}", parsed.report));
    let fact = |name: &KeyName| KeyFact::There {
        file: name.file(),
        public: key_of(&name.file()).public(),
    };
    let wishes = yard::key_wishes(&spec);
    let keys: BTreeMap<_, _> =
        wishes.into_iter().map(|(name, ..)| (name.clone(), fact(&name))).collect();
    let facts = Facts { host_reachable: true, keys, ..Facts::default() };
    let (yard, report) = yard::resolve(&spec, &facts);
    yard.unwrap_or_else(|| panic!("{text}\n{report:?}"))
}

fn written(word: &str, yard: &Yard) -> (State, Papers) {
    let desired = lower(yard);
    let subject = Subject { yard, desired: &desired, origin: "netyard.yaml" };
    let papers = export::export(export::target(word).expect("a target"), &subject);
    (desired, papers)
}

/// The tunnels, and what leads into them.
fn tunnels(yard: &Yard) -> (Vec<Tunnel>, Vec<String>) {
    let tunnels = yard.tunnels.iter().map(|end| end.tunnel.clone()).collect();
    let state = lower(yard);
    let rest = state.objects().filter_map(|object| match object {
        Object::Address(_) | Object::Route(_) => Some(format!("{object}")),
        Object::Interface(interface) => Some(format!("{object} mtu {:?}", interface.mtu)),
        _ => None,
    });
    (tunnels, rest.collect())
}

/// A peer: its key, prefixes, and what may be left out.
type Peer = (u8, Vec<(u8, u8)>, bool, bool, u16);

fn file(listen: u16, mtu: u16, peers: &[Peer], routes: bool) -> String {
    let mut text = format!(
        "yard: y\nnodes:\n  host:\n    interfaces:\n      wg0:\n        kind: wireguard\n        listen: {listen}\n        \
         mtu: {mtu}\n        address: [10.200.0.1/24, fd99::1/64]\n        private-key-file: /etc/wg/own.key\n        peers:\n"
    );
    let mut leads = String::new();
    for (at, (key, nets, shared, called, keepalive)) in peers.iter().enumerate() {
        let public = key_of(&format!("peer {key} {at}")).public();
        let _ = writeln!(text, "          - public-key: \"{public}\"");
        let nets: Vec<String> = nets.iter().map(|(b, c)| format!("10.{at}.{b}.{}/32", c)).collect();
        let mut nets: Vec<String> = nets.into_iter().chain([format!("fd00:{at}::/64")]).collect();
        nets.sort();
        nets.dedup();
        let _ = writeln!(text, "            allowed-ips: [{}]", nets.join(", "));
        if *shared {
            let _ = writeln!(text, "            preshared-key-file: /etc/wg/{at}.psk");
        }
        if *called {
            let _ = writeln!(text, "            endpoint: \"192.0.2.{}:{}\"", at + 1, 1000 + at);
        }
        if *keepalive > 0 {
            let _ = writeln!(text, "            keepalive: {keepalive}s");
        }
        for net in nets {
            let _ = writeln!(leads, "      - {{ to: \"{net}\", dev: wg0 }}");
        }
    }
    if routes {
        let _ = write!(text, "    routes:\n{leads}");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tunnel_comes_back_from_wg_quick_as_it_was(
        listen in 1024_u16..60000,
        mtu in 1280_u16..1500,
        peers in prop::collection::vec(
            (any::<u8>(), prop::collection::vec((any::<u8>(), any::<u8>()), 1..4), any::<bool>(), any::<bool>(), 0..100_u16),
            1..5,
        ),
        routes in any::<bool>(),
    ) {
        let before = yard_of(&file(listen, mtu, &peers, routes));
        let (_, papers) = written("wg-quick", &before);
        prop_assert_eq!(papers.files.len(), 1);
        let source = Source { name: "wg0.conf".into(), text: papers.files[0].text.as_str().into() };
        let format = import::format("wg-quick").expect("a format");
        let imported = import::import(format, &Sources(vec![source]));
        let text = imported.text.expect("a yard's file");
        prop_assert!(!imported.verdict.1.has_errors(), "{text}\n{:?}", imported.verdict.1);
        let after = yard_of(&text);
        prop_assert_eq!(tunnels(&before), tunnels(&after), "{}\n{}", papers.files[0].text, text);
    }
}

#[test]
fn every_object_is_written_or_said_to_be_left_out() {
    let text = "yard: y\nnetworks: { lan: { prefix: 10.1.0.0/24, dhcp: on, dns: on } }\n\
                nodes:\n  r: { forward: true, interfaces: { eth0: { network: lan, address: 10.1.0.1/24 } },\n    \
                services: { babeld: { interfaces: [eth0] }, web: { run: [sleep, inf] } } }\n";
    let yard = yard_of(text);
    for word in ["sh", "wg-quick", "babeld", "bird", "dnsmasq", "hostapd", "libvirt", "netplan"] {
        let (desired, papers) = written(word, &yard);
        let beyond: usize = papers.beyond.iter().map(|(_, names)| names.len()).sum();
        let said = beyond + papers.left_out.len();
        let taken = match word {
            "sh" => desired.objects().filter(|o| !matches!(o, Object::Process(_))).count(),
            "wg-quick" | "bird" | "hostapd" | "netplan" => 0,
            // The bridge is in the file, and a line says where it is.
            "libvirt" => 0,
            _ => 1,
        };
        assert_eq!(said + taken, desired.len(), "{word}: {papers:?}");
        let mut paths: Vec<&str> = papers.files.iter().map(|paper| paper.path.as_str()).collect();
        paths.sort_unstable();
        let expected: &[&str] = match word {
            "sh" => &["down.sh", "up.sh"],
            "babeld" => &["r/babeld.conf"],
            "dnsmasq" => &["r/lan.conf"],
            "libvirt" => &["lan.xml"],
            _ => &[],
        };
        assert_eq!(paths, expected, "{word}");
    }
}

#[test]
fn keys_that_are_not_made_yet_are_in_no_file() {
    let text =
        "yard: y\nnodes: { a: {}, b: {} }\nlinks: [{ ends: [a:wg0, b:wg0], tunnel: wireguard }]\n";
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let spec = spec::parse(root, "y", &mut |_, _| Err(String::new())).spec.expect("a spec");
    let yard = yard::resolve(&spec, &Facts::default()).0.expect("a yard");
    let (_, papers) = written("wg-quick", &yard);
    assert_eq!(papers.files, []);
    assert_eq!(papers.left_out.len(), 2, "{:?}", papers.left_out);
}

/// A text for the yard's file, where a dollar begins a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

/// Lines of a file of systemd's that are neither a comment, a section nor a key that is known.
fn strange_lines(text: &str) -> Vec<&str> {
    let known = |line: &&str| {
        let is_section = line.starts_with('[') && line.ends_with(']') && !line.contains("Injected");
        let key = line.split_once('=').map_or("", |(key, _)| key);
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
        line.is_empty() || line.starts_with('#') || is_section || is_key && key != "Injected"
    };
    text.lines().filter(|line| !known(line)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_and_no_value_begins_a_line_of_its_own(
        node in "[a-z'\"$%;&|*?\\[\\]{}!#~\\\\äé]{1,20}",
        interface in "[a-z'\"$%;&|*?\\[\\]{}!#~\\\\]{1,12}",
        value in "[a-z'\"$%;\\\\ \n\t]{0,12}",
    ) {
        prop_assume!(!["host", "fabric"].contains(&node.as_str()) && !node.starts_with('-'));
        let poison = format!("{value}\nInjected=1\n[Injected]\nInjected=2\\");
        let text = format!(
            "yard: y\nnodes:\n  host: {{ interfaces: {{ {}: {{ kind: dummy, address: 10.7.0.1/24 }} }} }}\n  \
             {}:\n    services:\n      s: {{ run: [sleep, {2}], environment: {{ A: {2} }} }}\n    exec: [[echo, {2}]]\n\
             metrics: false\n",
            quoted(&interface), quoted(&node), quoted(&poison)
        );
        let root = Source { name: "net\nInjected=3\nyard.yaml".into(), text: text.as_str().into() };
        let parsed = spec::parse(root, "y", &mut |_, _| Err("no includes".into()));
        // What the file may not say at all is refused there.
        let Some(spec) = parsed.spec.filter(|_| !parsed.report.has_errors()) else { return Ok(()) };
        let facts = Facts { host_reachable: true, ..Facts::default() };
        let Some(yard) = yard::resolve(&spec, &facts).0 else { return Ok(()) };
        let desired = lower(&yard);
        for target in export::TARGETS {
            let origin = "net\nInjected=3\nyard.yaml";
            let papers = export::export(target, &Subject { yard: &yard, desired: &desired, origin });
            for paper in &papers.files {
                prop_assert!(!paper.path.starts_with('/') && !paper.path.split('/').any(|p| p == ".."), "{}", paper.path);
                let of_systemd = paper.path.starts_with("etc/systemd/");
                let strange = if of_systemd { strange_lines(&paper.text) } else { Vec::new() };
                prop_assert!(strange.is_empty(), "{}: {strange:?}\n{}", paper.path, paper.text);
                let head = paper.text.lines().take(4).any(|line| line.starts_with("Injected"));
                prop_assert!(!head, "{}\n{}", paper.path, paper.text);
            }
        }
    }
}
