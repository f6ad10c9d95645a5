//! `[Route]`, `[RoutingPolicyRule]` and `[Neighbor]` of a `.network`.

use super::ini::{Section, truth};
use super::{As, kept, take, unknown};
use crate::draft::{Map, Work};

/// A route; none where netyard has no such.
pub(super) fn route(section: &Section<'_>, device: &str, work: &mut Work) -> Option<Map> {
    let mut drawn = Map::default();
    let v6 = section.get("Gateway").is_some_and(|gateway| gateway.contains(':'));
    drawn.set("to", if v6 { "::/0" } else { "0.0.0.0/0" });
    let mut nowhere = false;
    for key in &section.keys {
        match key.name {
            "Destination" => take(section, key, "to", As::Network, &mut drawn, work),
            "Gateway" if key.value.starts_with('_') => {
                let why = "a gateway that DHCP or an advertisement names brings its route itself";
                work.ignored(key.place, "Route.Gateway", why);
                return None;
            }
            "Gateway" => take(section, key, "via", As::Text, &mut drawn, work),
            "Metric" => take(section, key, "metric", As::Number, &mut drawn, work),
            "MTUBytes" => take(section, key, "mtu", As::Number, &mut drawn, work),
            "PreferredSource" => take(section, key, "source", As::Text, &mut drawn, work),
            "Table" if key.value.parse::<u32>().is_ok() => {
                take(section, key, "table", As::Number, &mut drawn, work);
            }
            "Table" => take(section, key, "table", As::Word, &mut drawn, work),
            "GatewayOnLink" => {
                if truth(&key.value) == Some(true) {
                    drawn.set("onlink", true);
                }
                kept(section, key, work);
            }
            "Type" => match key.value.as_str() {
                "unicast" => kept(section, key, work),
                word @ ("blackhole" | "unreachable" | "prohibit") => {
                    drawn.set(word, true);
                    nowhere = true;
                    kept(section, key, work);
                }
                other => {
                    let why = format!("netyard has no routes of type `{other}`");
                    work.ignored(key.place, "Route.Type", why);
                    return None;
                }
            },
            _ => unknown(section, key, work),
        }
    }
    if !nowhere {
        drawn.set("dev", device);
    }
    Some(drawn)
}

/// A policy rule.
pub(super) fn rule(section: &Section<'_>, work: &mut Work) -> Map {
    let mut drawn = Map::default();
    for key in &section.keys {
        let (to, how) = match key.name {
            "From" => ("from", As::Network),
            "To" => ("to", As::Network),
            "Priority" => ("priority", As::Number),
            "FirewallMark" => ("fwmark", As::Text),
            "IncomingInterface" => ("iif", As::Text),
            "OutgoingInterface" => ("oif", As::Text),
            "InvertRule" => ("not", As::Truth),
            "SuppressPrefixLength" => ("suppress-prefix-length", As::Number),
            "Table" if key.value.parse::<u32>().is_ok() => ("table", As::Number),
            "Table" => ("table", As::Word),
            "Family" if key.value == "both" => {
                kept(section, key, work);
                continue;
            }
            "Family" => ("family", As::Word),
            _ => {
                unknown(section, key, work);
                continue;
            }
        };
        take(section, key, to, how, &mut drawn, work);
    }
    drawn
}

/// A permanent neighbour.
pub(super) fn neighbour(section: &Section<'_>, device: &str, work: &mut Work) -> Option<Map> {
    let mut drawn = Map::default();
    for key in &section.keys {
        match key.name {
            "Address" => take(section, key, "address", As::Text, &mut drawn, work),
            "LinkLayerAddress" | "MACAddress" => {
                take(section, key, "mac", As::Word, &mut drawn, work);
            }
            _ => unknown(section, key, work),
        }
    }
    drawn.set("dev", device);
    drawn.get("address").is_some().then_some(drawn)
}
