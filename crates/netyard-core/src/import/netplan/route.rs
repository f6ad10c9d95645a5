//! Routes and policy rules, which are the host's.

use super::device::host;
use super::{Device, Sort};
use crate::draft::reading::{entries, items, network, number, text};
use crate::draft::{Map, Value, Work};
use crate::spec::tree::{Content, Entry, Node};

/// One of `routes`, `routing-policy`, `gateway4`, `gateway6` of a device.
pub(super) fn draw(name: &str, entry: &Entry, device: &Device<'_>, work: &mut Work) {
    let key = &*entry.key.value;
    let path = device.path(name, key);
    // What is said of a VRF is in its table.
    let vrf = device.sort == Sort::Vrf;
    let table = device.get("table").filter(|_| vrf);
    let table = table.and_then(|table| number(table, "table", work));
    match key {
        "routes" => {
            for item in items(&entry.value, key, work) {
                if let Some(mut route) = route(item, (!vrf).then_some(name), &path, work) {
                    if let Some(table) = table {
                        route.set("table", table);
                    }
                    host(work).push("routes", Value::Map(route));
                }
            }
        }
        "routing-policy" => {
            for item in items(&entry.value, key, work) {
                let mut rule = rule(item, &path, work);
                if let Some(table) = table {
                    rule.set("table", table);
                }
                host(work).push("rules", Value::Map(rule));
            }
        }
        _ => {
            if let Some(via) = text(&entry.value, key, work) {
                let mut route = Map::default();
                route.set("to", if key == "gateway4" { "0.0.0.0/0" } else { "::/0" });
                route.set("via", via);
                route.set("dev", name);
                host(work).push("routes", Value::Map(route));
                work.kept(entry.key.span, path);
            }
        }
    }
}

fn route(item: &Node, device: Option<&str>, path: &str, work: &mut Work) -> Option<Map> {
    let mut route = Map::default();
    for entry in entries(item, "a route", work) {
        let (key, span, value) = (&*entry.key.value, entry.key.span, &entry.value);
        match key {
            "to" => {
                let to = text(value, key, work)?;
                route.set("to", if to == "0/0" { "0.0.0.0/0".to_owned() } else { network(to) });
            }
            "via" => route.set("via", text(value, key, work)?),
            "from" => route.set("source", text(value, key, work)?),
            "metric" | "table" | "mtu" => match number(value, key, work) {
                Some(number) => route.set(key, number),
                None => return None,
            },
            "on-link" if super::is_true(value) => route.set("onlink", true),
            "on-link" => {}
            "type" => match text(value, key, work)? {
                "unicast" => {}
                word @ ("blackhole" | "unreachable" | "prohibit") => route.set(word, true),
                other => {
                    let why = format!("netyard has no routes of type `{other}`");
                    work.ignored(item.span, path, why);
                    return None;
                }
            },
            "scope" => work.ignored(span, format!("{path}.scope"), "it follows from the route"),
            _ => work.ignored(span, format!("{path}.{key}"), "netyard does not know it"),
        }
    }
    let leads_nowhere = ["blackhole", "unreachable", "prohibit"];
    if !leads_nowhere.iter().any(|word| route.get(word).is_some())
        && let Some(device) = device
    {
        route.set("dev", device);
    }
    work.kept(item.span, path);
    Some(route)
}

fn rule(item: &Node, path: &str, work: &mut Work) -> Map {
    let mut rule = Map::default();
    for entry in entries(item, "a rule", work) {
        let (key, span, value) = (&*entry.key.value, entry.key.span, &entry.value);
        match key {
            "from" | "to" => {
                if let Some(word) = text(value, key, work) {
                    rule.set(key, network(word));
                }
            }
            "priority" => {
                if let Some(number) = number(value, key, work) {
                    rule.set(key, number);
                }
            }
            "table" => match &value.content {
                Content::Scalar(scalar) if scalar.int() == Some(254) => rule.set("table", "main"),
                _ => {
                    if let Some(number) = number(value, key, work) {
                        rule.set(key, number);
                    }
                }
            },
            "mark" => {
                if let Some(mark) = number(value, key, work) {
                    rule.set("fwmark", format!("{mark:#x}"));
                }
            }
            _ => work.ignored(span, format!("{path}.{key}"), "netyard has no such condition"),
        }
    }
    work.kept(item.span, path);
    rule
}
