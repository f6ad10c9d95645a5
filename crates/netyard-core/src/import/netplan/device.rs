//! The machine's own interfaces, and the virtual ones that are one interface each.

use super::{Device, Devices, Sort, is_true, route};
use crate::draft::reading::{number, text};
use crate::draft::{Map, Value, Work};
use crate::spec::tree::{Content, Node};

/// What is the machine's own stays with netplan.
pub(super) fn hardware(name: &str, device: &Device<'_>, all: &Devices<'_>, work: &mut Work) {
    let place = device.entry.key.span;
    let key = format!("{}.{name}", device.section);
    let bridge = all.iter().find(|(_, other)| {
        other.sort == Sort::Bridge && members(other).any(|member| member == name)
    });
    match bridge {
        // Said with the bridge.
        Some(_) if device.keys.iter().all(|entry| is_empty(&entry.key.value, &entry.value)) => {
            work.kept(place, key);
        }
        Some((bridge, _)) => {
            let why = format!(
                "it becomes a port of `{bridge}`; what else is said of it stays with netplan"
            );
            work.nearly(place, key, why);
        }
        None => {
            let why = "it is the machine's own, not made by a yard: leave it with netplan";
            work.ignored(place, key, why);
        }
    }
}

/// What says nothing of an interface without addresses.
fn is_empty(key: &str, value: &Node) -> bool {
    match key {
        "dhcp4" | "dhcp6" | "accept-ra" => !is_true(value),
        "match" | "set-name" | "optional" | "link-local" => true,
        _ => false,
    }
}

/// The texts of `interfaces`, without a word where something else stands there.
pub(super) fn members<'a>(device: &Device<'a>) -> impl Iterator<Item = &'a str> {
    let lists = device.keys.iter().filter(|entry| &*entry.key.value == "interfaces");
    lists
        .flat_map(|entry| match &entry.value.content {
            Content::List(items) => items.as_slice(),
            _ => &[],
        })
        .filter_map(|item| match &item.content {
            Content::Scalar(scalar) => Some(&*scalar.text),
            _ => None,
        })
}

/// VLANs, VRFs, dummies and cables.
pub(super) fn draw(name: &str, device: &Device<'_>, work: &mut Work) {
    let mut drawn = Map::default();
    let own: &[&str] = match device.sort {
        Sort::Vlan => {
            drawn.set("kind", "vlan");
            if let Some(id) = device.get("id").and_then(|id| number(id, "id", work)) {
                drawn.set("id", id);
            }
            if let Some(link) = device.get("link").and_then(|link| text(link, "link", work)) {
                drawn.set("parent", link);
            }
            &["id", "link"]
        }
        Sort::Vrf => {
            drawn.set("kind", "vrf");
            if let Some(table) = device.get("table").and_then(|table| number(table, "table", work))
            {
                drawn.set("table", table);
            }
            &["table", "interfaces"]
        }
        Sort::Dummy => {
            drawn.set("kind", "dummy");
            &[]
        }
        // Its other end is named in both: one of them draws the cable.
        _ => {
            if let Some(peer) = device.get("peer").and_then(|peer| text(peer, "peer", work))
                && name < peer
            {
                let ends = [format!("host:{name}"), format!("host:{peer}")];
                let ends: Vec<Value> = ends.into_iter().map(Value::Text).collect();
                work.draft.push("links", Value::List(ends));
            }
            &["peer"]
        }
    };
    common(name, device, own, &mut drawn, work);
    if device.sort == Sort::Vrf {
        for member in device.texts("interfaces", work) {
            host(work).map("interfaces").map(member).set("master", name);
        }
    }
    put(name, drawn, work);
}

/// Adds an interface of the host; what is there already was said by another device.
pub(super) fn put(name: &str, drawn: Map, work: &mut Work) {
    let there = host(work).map("interfaces").map(name);
    for key in drawn.keys() {
        if let Some(value) = drawn.get(key) {
            there.set(key, value.clone());
        }
    }
}

pub(super) fn host(work: &mut Work) -> &mut Map {
    work.draft.map("nodes").map("host")
}

/// What every device has: addresses, routes, MTU, MAC; and what becomes of the rest.
pub(super) fn common(
    name: &str,
    device: &Device<'_>,
    own: &[&str],
    drawn: &mut Map,
    work: &mut Work,
) {
    for entry in &device.keys {
        let (key, span) = (&*entry.key.value, entry.key.span);
        let path = device.path(name, key);
        match key {
            _ if own.contains(&key) => work.kept(span, path),
            "addresses" => work.kept(span, path),
            "mtu" => {
                if let Some(mtu) = number(&entry.value, key, work) {
                    drawn.set("mtu", mtu);
                    work.kept(span, path);
                }
            }
            "macaddress" => {
                if let Some(mac) = text(&entry.value, key, work) {
                    drawn.set("mac", mac);
                    work.kept(span, path);
                }
            }
            "routes" | "routing-policy" | "gateway4" | "gateway6" => {
                route::draw(name, entry, device, work);
            }
            // Said below, for all of them at once.
            "dhcp4" | "dhcp6" | "accept-ra" => {}
            "link-local" | "optional" | "optional-addresses" | "ignore-carrier" | "critical" => {
                work.kept(span, path);
            }
            "nameservers" => {
                work.ignored(span, path, "the resolver of the host is not netyard's to set");
            }
            _ => work.ignored(span, path, "netyard does not know it"),
        }
    }
    addresses(name, device, drawn, work);
}

fn addresses(name: &str, device: &Device<'_>, drawn: &mut Map, work: &mut Work) {
    let mut found = Vec::new();
    for item in device.all("addresses", work) {
        match &item.content {
            // `10.0.0.1/24: { label: … }`
            Content::Map(entries) => {
                for entry in entries {
                    found.push(Value::Text(entry.key.value.to_string()));
                    let key = device.path(name, "addresses");
                    work.nearly(entry.key.span, key, "labels and lifetimes are not taken over");
                }
            }
            _ => found.extend(text(item, "addresses", work).map(Value::from)),
        }
    }
    let mut asked = Vec::new();
    for (key, word) in [("dhcp4", "dhcp"), ("dhcp6", "dhcp6"), ("accept-ra", "ra")] {
        let Some(entry) = device.keys.iter().rev().find(|entry| &*entry.key.value == key) else {
            continue;
        };
        let path = device.path(name, key);
        if !is_true(&entry.value) {
            work.kept(entry.key.span, path);
        } else if found.is_empty() {
            asked.push(Value::from(word));
            work.kept(entry.key.span, path);
        } else {
            let why = "an interface has addresses of the file or of the network, not both";
            work.ignored(entry.key.span, path, why);
        }
    }
    match (found.is_empty(), asked.is_empty()) {
        (false, _) => drawn.set("address", found),
        (true, false) => drawn.set("address", asked),
        (true, true) => drawn.set("address", "none"),
    }
}
