//! A cable and a network have one MTU each: what was set at their interfaces becomes
//! theirs, the least where several are named.

use std::collections::BTreeMap;

use super::{Map, Value};

/// Moves it. Where nothing is said, it is `otherwise`.
pub(crate) fn join(draft: &mut Map, otherwise: Option<i64>) {
    let mut networks: BTreeMap<String, i64> = BTreeMap::new();
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    each_interface(draft, |node, name, interface| {
        let Some(Value::Number(mtu)) = interface.get("mtu").cloned() else { return };
        let network = match interface.get("network") {
            Some(Value::Text(network)) => Some(network.clone()),
            // One of a kind of its own keeps its own.
            _ if interface.get("kind").is_some() => return,
            _ => None,
        };
        interface.remove("mtu");
        let least = match network {
            Some(network) => networks.entry(network),
            None => ends.entry(format!("{node}:{name}")),
        };
        least.and_modify(|least| *least = mtu.min(*least)).or_insert(mtu);
    });
    for link in draft.maps("links") {
        let Some(Value::List(list)) = link.get("ends") else { continue };
        let of = |end: &Value| match end {
            Value::Text(end) => ends.get(end).copied(),
            _ => None,
        };
        if let Some(mtu) = list.iter().filter_map(of).min() {
            link.set("mtu", mtu);
        }
    }
    if draft.get("networks").is_some() {
        for network in names(draft.map("networks")) {
            if let Some(mtu) = networks.get(&network).copied().or(otherwise) {
                draft.map("networks").map(&network).set("mtu", mtu);
            }
        }
    }
}

fn each_interface(draft: &mut Map, mut act: impl FnMut(&str, &str, &mut Map)) {
    if draft.get("nodes").is_none() {
        return;
    }
    for node in names(draft.map("nodes")) {
        let body = draft.map("nodes").map(&node);
        if body.get("interfaces").is_none() {
            continue;
        }
        for name in names(body.map("interfaces")) {
            act(&node, &name, body.map("interfaces").map(&name));
        }
    }
}

fn names(map: &Map) -> Vec<String> {
    map.keys().map(str::to_owned).collect()
}
