//! A directory of systemd-networkd: `.netdev` makes an interface, `.network` sets up
//! those that its `[Match]` names.
//!
//! A yard makes what is virtual. What is said of the machine's own interfaces stays with
//! networkd, but for being a port of a bridge or the parent of something.

mod ini;
mod netdev;
mod network;
mod route;

use std::collections::BTreeMap;

use self::ini::{Key, Section};
use super::Format;
use crate::diag::import as say;
use crate::diag::{Sources, Span};
use crate::draft::names::plain;
use crate::draft::reading::network as cut;
use crate::draft::{Map, Value, Work};

pub(super) static FORMAT: Format = Format {
    word: "networkd",
    title: "file of systemd-networkd",
    beside: &[],
    main: &[".netdev", ".network"],
    whole: true,
    read,
    is_one: |_| false,
};

/// An interface that a `.netdev` makes.
struct Made {
    kind: String,
    place: Span,
    /// As an interface of the host; of a bridge, as a network.
    drawn: Map,
}

/// An interface of the machine's own that is a port.
struct Plugged {
    port: String,
    bridge: String,
    place: Span,
    vlans: Map,
}

/// The files as they are being taken over.
#[derive(Default)]
struct Host {
    made: BTreeMap<String, Made>,
    /// Members of bridges that nobody here makes, and the bridges.
    plugged: Vec<Plugged>,
    /// Bridges whose addresses come from the network.
    asking: BTreeMap<String, Span>,
}

fn read(sources: &Sources, work: &mut Work) {
    work.draft.set("yard", "networkd");
    let mut files = Vec::new();
    for (at, source) in sources.0.iter().enumerate() {
        let (sections, wrong) = ini::read(&source.text, at as u32);
        wrong.into_iter().for_each(|diagnostic| work.report.push(diagnostic));
        files.push((source.name.as_str(), at as u32, sections));
    }
    let mut host = Host::default();
    for (name, at, sections) in &files {
        if sections.iter().any(|section| section.name == "NetDev") {
            netdev::read(sections, &mut host, work);
        } else if !sections.iter().any(|section| section.name == "Match") {
            let place = Span { file: *at, ..Span::default() };
            let why = format!("`{name}` has neither `[NetDev]` nor `[Match]`");
            work.report.push(say::not_of_format(place, FORMAT.title, &why));
        }
    }
    for (_, _, sections) in &files {
        if sections.iter().any(|section| section.name == "Match") {
            network::read(sections, &mut host, work);
        }
    }
    settle(host, work);
}

/// Plugs in what is to be plugged in, and puts all that is made into the yard.
fn settle(mut host: Host, work: &mut Work) {
    for Plugged { port, bridge, place, mut vlans } in std::mem::take(&mut host.plugged) {
        let Some(made) = host.made.get_mut(&bridge).filter(|made| made.kind == "bridge") else {
            let why = format!("no `.netdev` here makes the bridge `{bridge}`");
            work.ignored(place, "Network.Bridge", why);
            continue;
        };
        if !vlans.is_empty() {
            vlans.set("interface", port);
            made.drawn.push("ports", Value::Map(vlans));
            continue;
        }
        match host.asking.remove(&bridge) {
            Some(asked) => {
                made.drawn.map("uplink").set("bridge", port.as_str());
                let why = format!(
                    "the bridge has the addresses that `{port}` has when the yard comes up; whoever \
                     renews a lease does so on the bridge from then on"
                );
                work.nearly(asked, format!("{bridge}.DHCP"), why);
            }
            None => made.drawn.push("ports", port),
        }
    }
    for (bridge, place) in host.asking {
        let why = "nothing of the machine is plugged in that a lease could come from";
        work.ignored(place, format!("{bridge}.DHCP"), why);
    }
    for (name, made) in host.made {
        match made.kind.as_str() {
            "bridge" => {
                let mut drawn = made.drawn;
                drawn.set("bridge", name.as_str());
                *work.draft.map("networks").map(&plain(&name)) = drawn;
            }
            // A cable: its other end is a part of it.
            "veth" => {
                let peer = made.drawn.get("peer").cloned();
                let mut drawn = made.drawn;
                drawn.remove("peer");
                if let Some(Value::Text(peer)) = peer {
                    let ends = [format!("host:{name}"), format!("host:{peer}")];
                    let ends: Vec<Value> = ends.into_iter().map(Value::Text).collect();
                    work.draft.push("links", Value::List(ends));
                    *host_node(work).map("interfaces").map(&name) = drawn;
                }
            }
            kind @ ("vlan" | "macvlan" | "macvtap" | "ipvlan")
                if made.drawn.get("parent").is_none() =>
            {
                let why = format!("no `.network` says on what this {kind} sits");
                work.ignored(made.place, format!("NetDev.{name}"), why);
            }
            _ => *host_node(work).map("interfaces").map(&name) = made.drawn,
        }
    }
}

fn host_node(work: &mut Work) -> &mut Map {
    work.draft.map("nodes").map("host")
}

/// Says of a key that netyard has nothing for it.
fn unknown(section: &Section<'_>, key: &Key<'_>, work: &mut Work) {
    let path = format!("{}.{}", section.name, key.name);
    work.ignored(key.place, path, "netyard does not know it");
}

fn kept(section: &Section<'_>, key: &Key<'_>, work: &mut Work) {
    work.kept(key.place, format!("{}.{}", section.name, key.name));
}

/// How a value is taken over.
#[derive(Clone, Copy)]
enum As {
    Text,
    /// A network; an address in it is cut.
    Network,
    Number,
    Truth,
    Time,
    /// In small letters.
    Word,
}

/// Takes a key over as another; a value that cannot be read is said.
fn take(section: &Section<'_>, key: &Key<'_>, to: &str, how: As, drawn: &mut Map, work: &mut Work) {
    let value = match how {
        As::Text => Some(Value::from(key.value.as_str())),
        As::Network => Some(Value::from(cut(&key.value))),
        As::Word => Some(Value::from(key.value.to_ascii_lowercase())),
        As::Number => key.value.parse::<i64>().ok().map(Value::from),
        As::Truth => ini::truth(&key.value).map(Value::from),
        As::Time => ini::time(&key.value).map(Value::from),
    };
    let expected = match how {
        As::Text | As::Network | As::Word => "a text",
        As::Number => "a whole number",
        As::Truth => "`yes` or `no`",
        As::Time => "a time of one unit",
    };
    match value {
        Some(value) => {
            drawn.set(to, value);
            kept(section, key, work);
        }
        None => work.report.push(say::bad_line(key.place, expected)),
    }
}
