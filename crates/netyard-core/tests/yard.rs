//! What holds for every yard, whatever is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use netyard_core::diag::Source;
use netyard_core::facts::Facts;
use netyard_core::interface::Kind;
use netyard_core::name::INTERFACE_NAME_MAX;
use netyard_core::spec;
use netyard_core::state::{Object, Place, State, lower};
use netyard_core::yard::{self, SHARD, Yard};
use proptest::prelude::*;

fn resolve(text: &str) -> Yard {
    let source = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(source, "test", &mut |_, _| Err("no such file".to_owned()));
    assert!(!parsed.report.has_errors(), "{:#?}\n{text}", parsed.report);
    let facts = Facts { host_reachable: true, ..Facts::default() };
    let (yard, report) = yard::resolve(&parsed.spec.expect("a spec"), &facts);
    yard.unwrap_or_else(|| panic!("{report:#?}\n{text}"))
}

fn state(text: &str) -> State {
    lower(&resolve(text))
}

fn bytes(state: &State) -> Vec<u8> {
    serde_json::to_vec(&state.objects().collect::<Vec<_>>()).expect("serialisable")
}

fn every_name_is_unique_and_fits(state: &State) {
    let mut seen = BTreeSet::new();
    for object in state.objects() {
        let Object::Interface(interface) = object else { continue };
        let name = interface.kernel_name.as_str();
        assert!(!name.is_empty() && name.len() <= INTERFACE_NAME_MAX, "{name}");
        assert!(seen.insert((interface.id.place.clone(), name.to_owned())), "{}", interface.id);
    }
}

fn every_address_is_unique(state: &State) {
    let mut seen = BTreeSet::new();
    for object in state.objects() {
        let Object::Address(address) = object else { continue };
        assert!(seen.insert(address.net.addr()), "{address:?}");
    }
}

/// Whatever names another interface names one that is there, and veths agree.
fn every_reference_leads_somewhere(state: &State) {
    for object in state.objects() {
        match object {
            Object::Interface(interface) => {
                if let Kind::Veth(veth) = &interface.kind {
                    let peer = state.interface(&veth.peer).expect("a peer");
                    let Kind::Veth(back) = &peer.kind else { panic!("{peer:?}") };
                    assert_eq!(back.peer, interface.id);
                    assert_eq!(peer.mtu, interface.mtu);
                }
                if let Some(master) = &interface.master {
                    let id = netyard_core::state::InterfaceId {
                        place: interface.id.place.clone(),
                        name: master.clone(),
                    };
                    let master = state.interface(&id).expect("a master");
                    let is_bridge = matches!(master.kind, Kind::Bridge(_));
                    assert_eq!(interface.port.is_some(), is_bridge);
                }
                if interface.id.place != Place::Host {
                    let key = netyard_core::state::Key::Namespace(interface.id.place.clone());
                    assert!(state.get(&key).is_some(), "{}", interface.id);
                }
            }
            Object::Address(o) => assert!(state.interface(&o.interface).is_some(), "{o:?}"),
            Object::PortVlan(o) => assert!(state.interface(&o.interface).is_some(), "{o:?}"),
            _ => {}
        }
    }
}

/// A yard of nodes with these names, each in most of the networks.
fn yard_text(nodes: &[String], on_host: &[bool], links: &[(usize, usize)]) -> String {
    let mut text = "yard: prop\n".to_owned();
    let mut add = |line: String| writeln!(text, "{line}").expect("a String");
    add("networks:".into());
    for (index, host) in on_host.iter().enumerate() {
        let body = if *host { "host: true" } else { "" };
        add(format!("  a-network-with-a-name-{index}: {{ {body} }}"));
    }
    add("nodes:".into());
    for (index, node) in nodes.iter().enumerate() {
        add(format!("  '{node}':\n    interfaces:\n      lo: {{ up: true }}"));
        for network in (0..on_host.len()).filter(|n| (index + n) % 3 != 0) {
            let body = format!("{{ network: a-network-with-a-name-{network} }}");
            add(format!("      'port-{node}-{network}': {body}"));
        }
    }
    if !links.is_empty() {
        add("links:".into());
    }
    for (index, (a, b)) in links.iter().enumerate() {
        let (a, b) = (&nodes[a % nodes.len()], &nodes[b % nodes.len()]);
        add(format!("  - ['{a}:left-{index}-of-a-cable', '{b}:right-{index}-of-a-cable']"));
    }
    text
}

/// Names in any script, without what names cannot have and what YAML or ranges
/// would read otherwise.
fn node_names() -> impl Strategy<Value = Vec<String>> {
    let name = "[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{So}_.-]{0,24}";
    proptest::collection::btree_set(name, 1..8).prop_map(|names| {
        names.into_iter().filter(|n| n != "host").chain(["last".to_owned()]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_yard_of_any_names_is_whole(
        nodes in node_names(),
        on_host in proptest::collection::vec(any::<bool>(), 0..5),
        links in proptest::collection::vec((0_usize..8, 0_usize..8), 0..8),
    ) {
        let text = yard_text(&nodes, &on_host, &links);
        let found = state(&text);
        every_name_is_unique_and_fits(&found);
        every_address_is_unique(&found);
        every_reference_leads_somewhere(&found);
        prop_assert_eq!(bytes(&found), bytes(&state(&text)));
    }
}

fn hub(nodes: usize, port: &str) -> String {
    format!(
        "yard: hub\nnetworks: {{ lan: {{ }} }}\n\
         nodes: {{ \"n[1..{nodes}]\": {{ interfaces: {{ eth0: {{ network: lan {port} }} }} }} }}\n"
    )
}

fn ports_by_bridge(state: &State) -> std::collections::BTreeMap<String, usize> {
    let mut ports = std::collections::BTreeMap::new();
    for object in state.objects() {
        if let Object::Interface(interface) = object
            && let Some(master) = &interface.master
        {
            *ports.entry(master.to_string()).or_default() += 1;
        }
    }
    ports
}

#[test]
fn a_large_network_is_a_star_of_bridges() {
    assert_eq!(ports_by_bridge(&state(&hub(SHARD, ""))).len(), 1);
    let star = state(&hub(2 * SHARD + 1, ""));
    let ports = ports_by_bridge(&star);
    assert_eq!(ports.len(), 4);
    assert_eq!(ports["lan"], 3);
    // One of the shard's ports is its trunk.
    assert_eq!(ports["lan.1"], SHARD + 1);
    assert_eq!(ports["lan.3"], 2);
    every_reference_leads_somewhere(&star);
    every_name_is_unique_and_fits(&star);
    every_address_is_unique(&star);
}

#[test]
fn trunks_carry_every_vlan_tagged() {
    let star = state(&hub(SHARD + 1, ", vlan: 7"));
    let trunk = star.objects().filter_map(|object| match object {
        Object::PortVlan(vlan) if vlan.interface.name.as_str().starts_with("lan.") => Some(vlan),
        _ => None,
    });
    let trunk: Vec<_> = trunk.collect();
    assert_eq!(trunk.len(), 4);
    assert!(trunk.iter().all(|v| v.vid == 7 && !v.pvid && !v.untagged && !v.on_bridge));
}

#[test]
fn isolated_ports_of_a_star_share_a_shard() {
    let star = state(&hub(2 * SHARD, ", port: { isolated: true }"));
    assert_eq!(ports_by_bridge(&star)["lan.1"], 2 * SHARD + 1);
}

#[test]
fn many_namespaces_are_not_published_but_named_ones_are() {
    let text = "yard: many\nnodes: { \"n[1..300]\": {}, one: { netns: one } }\n";
    let published: Vec<String> = resolve(text)
        .nodes
        .iter()
        .filter_map(|n| n.namespace.as_ref())
        .filter(|n| n.published)
        .map(|n| n.netns.clone())
        .collect();
    assert_eq!(published, ["one"]);
}

#[test]
fn a_new_network_moves_no_link_and_a_new_link_no_network() {
    let base = "yard: grow\nnetworks: { a: {}%N }\nnodes:\n  x: { interfaces: { e: { network: a }%E } }\n  y: {}\nlinks: [ [x:l, y:l]%L ]\n";
    let fill = |n: &str, e: &str, l: &str| {
        let text = base.replace("%N", n).replace("%E", e).replace("%L", l);
        let addresses = state(&text);
        let addresses = addresses.objects().filter_map(|o| match o {
            Object::Address(a) => Some((a.interface.to_string(), a.net)),
            _ => None,
        });
        addresses.collect::<BTreeSet<_>>()
    };
    let before = fill("", "", "");
    let after = fill(", b: {}", ", f: { network: b }", ", [x:m, y:m]");
    assert!(before.is_subset(&after), "{before:?}\n{after:?}");
    assert_eq!(before.len() + 6, after.len());
}

#[test]
fn pools_that_were_recorded_are_used_again() {
    let first = resolve(&hub(3, ""));
    let source = Source { name: "netyard.yaml".into(), text: hub(4, "").into() };
    let parsed = spec::parse(source, "test", &mut |_, _| Err("no such file".to_owned()));
    // Meanwhile the host has a route to it, such as that of a VPN.
    let facts = Facts {
        host_reachable: true,
        host_routes: vec![netyard_core::facts::HostRoute {
            destination: "10.0.0.0/8".parse().expect("a prefix"),
            interface: "tun0".into(),
        }],
        recorded_pools: first.pools.clone(),
        ..Facts::default()
    };
    let (second, report) = yard::resolve(&parsed.spec.expect("a spec"), &facts);
    let second = second.unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!(first.pools, second.pools);
    assert_eq!(first.networks[0].prefixes, second.networks[0].prefixes);
}
