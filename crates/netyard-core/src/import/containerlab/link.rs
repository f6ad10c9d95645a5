//! Links: `endpoints: ["r1:eth1", "r2:eth1"]` and the extended forms with a `type`.

use std::collections::BTreeSet;

use super::{Role, Topology};
use crate::diag::Span;
use crate::diag::import as say;
use crate::draft::Work;
use crate::draft::reading::{entries, items, number, text};
use crate::draft::{Map, Value};
use crate::spec::tree::{Content, Node};

/// An end of a link.
struct End {
    span: Span,
    place: Place,
    interface: String,
    /// What the extended form says of it: `mac`, `address`.
    says: Map,
}

/// Where an end is.
enum Place {
    Node(String),
    Network(String),
    Host,
    Management,
    Macvlan,
}

pub(super) fn read(topology: &mut Topology<'_>, links: &Node, work: &mut Work) {
    let mut taken = BTreeSet::new();
    for link in items(links, "topology.links", work) {
        let kind = match link.get("type") {
            Some(entry) => text(&entry.value, "type", work).unwrap_or("veth").to_owned(),
            None => "veth".into(),
        };
        let mtu = link.get("mtu").and_then(|mtu| number(&mtu.value, "mtu", work));
        for entry in entries(link, "a link", work) {
            let key = format!("topology.links.{}", entry.key.value);
            match &*entry.key.value {
                "vars" | "labels" => work.ignored(entry.key.span, key, "it is a label"),
                "mtu" | "type" | "endpoints" | "endpoint" | "host-interface" | "mode"
                | "remote" | "vni" | "dst-port" | "src-port" => {}
                _ => work.ignored(entry.key.span, key, "netyard does not know it"),
            }
        }
        let ends = ends(topology, link, work);
        for end in &ends {
            if let Place::Node(node) = &end.place {
                let full = format!("{node}:{}", end.interface);
                if !taken.insert(full.clone()) {
                    work.report.push(say::interface_taken(end.span, &full));
                }
            }
        }
        draw(&kind, link, ends, mtu, work);
    }
}

fn ends(topology: &mut Topology<'_>, link: &Node, work: &mut Work) -> Vec<End> {
    let listed = match link.get("endpoints") {
        Some(entry) => items(&entry.value, "endpoints", work).iter().collect(),
        None => link.get("endpoint").map(|entry| vec![&entry.value]).unwrap_or_default(),
    };
    listed.into_iter().filter_map(|end| read_end(topology, end, work)).collect()
}

fn read_end(topology: &mut Topology<'_>, end: &Node, work: &mut Work) -> Option<End> {
    let mut says = Map::default();
    let (name, interface) = match &end.content {
        Content::Map(_) => {
            let name = end.get("node").and_then(|n| text(&n.value, "node", work));
            let interface = end.get("interface").and_then(|i| text(&i.value, "interface", work));
            for entry in entries(end, "an endpoint", work) {
                let (key, span) = (&*entry.key.value, entry.key.span);
                match key {
                    "node" | "interface" => {}
                    "mac" => {
                        says.set("mac", text(&entry.value, key, work)?);
                        work.kept(span, "topology.links.endpoints.mac");
                    }
                    "ipv4" | "ipv6" => {
                        says.push("address", text(&entry.value, key, work)?);
                        work.kept(span, format!("topology.links.endpoints.{key}"));
                    }
                    _ => work.ignored(
                        span,
                        format!("topology.links.endpoints.{key}"),
                        "netyard does not know it",
                    ),
                }
            }
            (name, interface)
        }
        _ => text(end, "an endpoint", work)?.split_once(':').map(|(n, i)| (Some(n), Some(i)))?,
    };
    let (Some(name), Some(interface)) = (name, interface) else {
        work.report.push(say::bad_line(end.span, "`node:interface`"));
        return None;
    };
    let place = match name {
        "host" => Place::Host,
        "mgmt-net" => Place::Management,
        "macvlan" => Place::Macvlan,
        // A namespaced bridge is `bridge|port`.
        name => match topology.of(name.split('|').next().unwrap_or(name)) {
            Some(Role::Node(node)) => Place::Node(node.clone()),
            Some(Role::Network(network)) => Place::Network(network.clone()),
            Some(Role::Host) => Place::Host,
            None => {
                let names = topology.roles.iter().map(|(name, _)| *name);
                work.report.push(say::no_such_node(end.span, name, names));
                return None;
            }
        },
    };
    let ports = topology.ports.entry(name.to_owned()).or_default();
    let renamed = ports.of(interface);
    if renamed != interface {
        let why = format!("called `{renamed}` here");
        work.nearly(end.span, format!("topology.links ({name}:{interface})"), why);
    }
    let interface = renamed;
    Some(End { span: end.span, place, interface, says })
}

fn draw(kind: &str, link: &Node, ends: Vec<End>, mtu: Option<i64>, work: &mut Work) {
    let key = format!("topology.links ({kind})");
    match (kind, &ends[..]) {
        ("veth", [a, b]) => veth(link.span, &key, a, b, mtu, work),
        ("host", [end]) => {
            let name =
                link.get("host-interface").and_then(|n| text(&n.value, "host-interface", work));
            let Some(name) = name else {
                work.report.push(say::bad_line(link.span, "`host-interface`"));
                return;
            };
            let host = End {
                span: end.span,
                place: Place::Host,
                interface: crate::draft::names::plain(name),
                says: Map::default(),
            };
            veth(link.span, &key, end, &host, mtu, work);
        }
        ("macvlan", [end]) => {
            let parent =
                link.get("host-interface").and_then(|n| text(&n.value, "host-interface", work));
            let mode = link.get("mode").and_then(|mode| text(&mode.value, "mode", work));
            if let (Place::Node(node), Some(parent)) = (&end.place, parent) {
                let interface = own(node, end, "macvlan", work);
                interface.set("parent", format!("host:{parent}"));
                if let Some(mode) = mode {
                    interface.set("mode", mode);
                }
                work.kept(link.span, key);
            }
        }
        ("dummy", [end]) => {
            if let Place::Node(node) = &end.place {
                own(node, end, "dummy", work);
                work.kept(link.span, key);
            }
        }
        ("vxlan", [end]) => vxlan(link, &key, end, work),
        ("mgmt-net", _) => work.ignored(link.span, key, "there is no management network"),
        ("vxlan-stitch" | "veth-stitch", _) => {
            work.ignored(link.span, key, "a bridge of a vxlan and a veth in a node says the same");
        }
        ("veth" | "host" | "macvlan" | "dummy" | "vxlan", _) => {
            // A mistake in an end has been said.
            if !work.report.has_errors() {
                work.report.push(say::bad_line(link.span, "as many ends as its type has"));
            }
        }
        _ => work.ignored(link.span, key, "netyard does not know this type of link"),
    }
}

fn veth(span: Span, key: &str, a: &End, b: &End, mtu: Option<i64>, work: &mut Work) {
    match (&a.place, &b.place) {
        (Place::Management, _) | (_, Place::Management) => {
            work.ignored(span, key, "there is no management network");
        }
        (Place::Macvlan, Place::Node(node)) => macvlan(span, key, node, b, &a.interface, work),
        (Place::Node(node), Place::Macvlan) => macvlan(span, key, node, a, &b.interface, work),
        (Place::Network(network), Place::Node(node)) => {
            plug(span, key, node, b, network, mtu, work)
        }
        (Place::Node(node), Place::Network(network)) => {
            plug(span, key, node, a, network, mtu, work)
        }
        (Place::Node(_) | Place::Host, Place::Node(_) | Place::Host) => {
            let mut link = Map::default();
            link.set("ends", vec![written(a), written(b)]);
            link.set("prefix", "none");
            if let Some(mtu) = mtu {
                link.set("mtu", mtu);
            }
            work.draft.push("links", link);
            for end in [a, b] {
                let node = match &end.place {
                    Place::Node(node) => node.as_str(),
                    _ => "host",
                };
                says(interface(node, &end.interface, work), end);
            }
            work.kept(span, key);
        }
        _ => work.ignored(span, key, "a cable between two bridges or the host's is not drawn"),
    }
}

fn written(end: &End) -> Value {
    let node = match &end.place {
        Place::Node(node) => node,
        _ => "host",
    };
    Value::Text(format!("{node}:{}", end.interface))
}

fn macvlan(span: Span, key: &str, node: &str, end: &End, parent: &str, work: &mut Work) {
    own(node, end, "macvlan", work).set("parent", format!("host:{parent}"));
    work.kept(span, key);
}

fn plug(
    span: Span,
    key: &str,
    node: &str,
    end: &End,
    network: &str,
    mtu: Option<i64>,
    work: &mut Work,
) {
    let interface = interface(node, &end.interface, work);
    interface.set("network", network);
    if let Some(mtu) = mtu {
        interface.set("mtu", mtu);
    }
    says(interface, end);
    work.kept(span, key);
}

fn vxlan(link: &Node, key: &str, end: &End, work: &mut Work) {
    let Place::Node(node) = &end.place else {
        work.ignored(link.span, key, "only a node has a VXLAN interface");
        return;
    };
    let remote = link.get("remote").and_then(|r| text(&r.value, "remote", work));
    let vni = link.get("vni").and_then(|v| number(&v.value, "vni", work));
    let port = link.get("dst-port").or(link.get("src-port"));
    let port = port.and_then(|p| number(&p.value, "port", work));
    let (Some(remote), Some(vni)) = (remote, vni) else {
        work.report.push(say::bad_line(link.span, "`remote` and `vni`"));
        return;
    };
    let interface = own(node, end, "vxlan", work);
    interface.set("id", vni);
    interface.set("remote", remote);
    if let Some(port) = port {
        interface.set("port", port);
    }
    work.nearly(link.span, key, "its packets leave through the node, not through the host");
}

/// An interface of a node, without addresses as long as nothing gives it one.
fn interface<'a>(node: &str, name: &str, work: &'a mut Work) -> &'a mut Map {
    let interface = work.draft.map("nodes").map(node).map("interfaces").map(name);
    if interface.get("address").is_none() {
        interface.set("address", "none");
    }
    interface
}

/// An interface of a kind of its own.
fn own<'a>(node: &str, end: &End, kind: &str, work: &'a mut Work) -> &'a mut Map {
    let interface = work.draft.map("nodes").map(node).map("interfaces").map(&end.interface);
    interface.set("kind", kind);
    says(interface, end);
    interface
}

/// What the end's extended form says.
fn says(interface: &mut Map, end: &End) {
    for key in end.says.keys() {
        if let Some(value) = end.says.get(key) {
            interface.set(key, value.clone());
        }
    }
}
