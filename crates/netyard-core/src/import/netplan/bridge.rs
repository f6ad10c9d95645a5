//! Bridges: each is a network with the host in it.

use super::device::{self, members};
use super::{Device, Devices, Sort, is_true};
use crate::diag::Span;
use crate::draft::names::plain;
use crate::draft::reading::{entries, network, number, text};
use crate::draft::{Map, Value, Work};
use crate::spec::tree::{Content, Entry};

pub(super) fn draw(name: &str, bridge: &Device<'_>, all: &Devices<'_>, work: &mut Work) {
    let mut common = Map::default();
    device::common(name, bridge, &["interfaces", "parameters"], &mut common, work);
    let mut drawn = Map::default();
    drawn.set("bridge", name);
    drawn.set("prefix", "none");
    for key in ["mtu", "mac"] {
        if let Some(value) = common.get(key) {
            drawn.set(key, value.clone());
        }
    }
    // netplan's bridges have the spanning tree protocol where nothing is said.
    drawn.set("stp", true);
    let mut costs = Costs::default();
    if let Some(parameters) = bridge.get("parameters") {
        for entry in entries(parameters, "parameters", work) {
            parameter(entry, name, bridge, &mut drawn, &mut costs, work);
        }
    }
    if drawn.get("stp") == Some(&Value::Bool(false)) {
        drawn.remove("stp");
        for key in ["forward-delay", "hello-time", "max-age"] {
            drawn.remove(key);
        }
    }
    sides(name, bridge, all, &common, &mut drawn, work);
    costs.settle(work);
    *work.draft.map("networks").map(&plain(name)) = drawn;
}

/// The host's side, and what is plugged in.
fn sides(
    name: &str,
    bridge: &Device<'_>,
    all: &Devices<'_>,
    common: &Map,
    drawn: &mut Map,
    work: &mut Work,
) {
    let asked = ["dhcp4", "dhcp6"].into_iter().find(|key| bridge.is_true(key));
    let path = format!("bridges.{name}.{}", asked.unwrap_or_default());
    let asks = asked.is_some();
    let mut uplink = None;
    for member in members(bridge) {
        let sort = all.get(member).map_or(Sort::Hardware, |device| device.sort);
        match sort {
            // The one whose addresses the bridge has taken over.
            Sort::Hardware if asks && uplink.is_none() => uplink = Some(member),
            Sort::Hardware => drawn.push("ports", member),
            _ => {
                let host = device::host(work).map("interfaces").map(member);
                host.set("master", name);
            }
        }
    }
    if let Some(uplink) = uplink {
        drawn.map("uplink").set("bridge", uplink);
        let why = format!(
            "the bridge has the addresses that `{uplink}` has when the yard comes up; whoever renews \
             a lease does so on the bridge from then on"
        );
        work.nearly(bridge.entry.key.span, path, why);
        return;
    }
    match common.get("address") {
        Some(Value::List(_)) if asks => {
            let why = "nothing is plugged in that a lease could come from";
            work.ignored(bridge.entry.key.span, path, why);
            drawn.map("host").set("address", "none");
        }
        Some(Value::List(list)) => {
            let networks = list.iter().filter_map(|value| match value {
                Value::Text(address) => Some(Value::from(network(address))),
                _ => None,
            });
            drawn.set("prefix", networks.collect::<Vec<Value>>());
            drawn.map("host").set("address", list.clone());
        }
        _ => drawn.map("host").set("address", "none"),
    }
}

/// `path-cost` and `port-priority`, by port.
#[derive(Default)]
struct Costs(Vec<Cost>);

struct Cost {
    place: Span,
    path: String,
    port: String,
    key: &'static str,
    value: i64,
}

impl Costs {
    /// Puts them where the ports are.
    fn settle(self, work: &mut Work) {
        for Cost { place, path, port, key, value } in self.0 {
            let interfaces = device::host(work).map("interfaces");
            if interfaces.get(&port).is_some() {
                interfaces.map(&port).map("port").set(key, value);
                work.kept(place, path);
            } else {
                work.ignored(place, path, "a port of hardware has what the kernel gives it");
            }
        }
    }
}

fn parameter(
    entry: &Entry,
    name: &str,
    bridge: &Device<'_>,
    drawn: &mut Map,
    costs: &mut Costs,
    work: &mut Work,
) {
    let (key, span, value) = (&*entry.key.value, entry.key.span, &entry.value);
    let path = bridge.path(name, &format!("parameters.{key}"));
    match key {
        "stp" => drawn.set("stp", is_true(value)),
        "priority" => {
            if let Some(number) = number(value, key, work) {
                drawn.set("priority", number);
            }
        }
        // netplan spells it with one e, and takes seconds where no unit is said.
        "ageing-time" | "aging-time" | "forward-delay" | "hello-time" | "max-age" => {
            let key = if key == "aging-time" { "ageing-time" } else { key };
            let Some(time) = text(value, key, work) else { return };
            let bare = time.chars().all(|c| c.is_ascii_digit());
            drawn.set(key, if bare { format!("{time}s") } else { time.to_owned() });
        }
        "path-cost" | "port-priority" => {
            let ours = if key == "path-cost" { "cost" } else { "priority" };
            if let Content::Map(ports) = &value.content {
                for port in ports {
                    let (place, path) = (port.key.span, format!("{path}.{}", port.key.value));
                    if let Some(value) = number(&port.value, key, work) {
                        let port = port.key.value.to_string();
                        costs.0.push(Cost { place, path, port, key: ours, value });
                    }
                }
            }
            return;
        }
        _ => return work.ignored(span, path, "netyard does not know it"),
    }
    work.kept(span, path);
}
