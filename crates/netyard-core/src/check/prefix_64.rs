//! Hosts do not make addresses in a prefix that is not a /64.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "prefix-not-64",
    severity: Severity::Note,
    phase: Phase::Plan,
    title: "addresses by router advertisements are never made",
    means: "stateless address configuration takes 64 bits of prefix, no more and no less (RFC 4862)",
    evidence: "IPv6 prefixes of the yard's networks; of a host, of bridges with guests",
    fix: "a /64, or DHCPv6",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut push = |prefix: ipnet::IpNet, name: &str, of: &str| {
        if prefix.addr().is_ipv4() || prefix.prefix_len() == 64 || prefix.prefix_len() > 124 {
            return;
        }
        let what = format!("{of} `{name}` has `{prefix}`: nobody makes an address of a router's word there");
        let finding = CHECK.finding(&Place::Host, what).with("prefix", prefix.to_string());
        let key = if of == "network" { "network" } else { "interface" };
        found.push(finding.with(key, name).fix("give it a /64, or addresses by hand or by DHCPv6"));
    };
    match scene.yard {
        Some(yard) => {
            for network in &yard.networks {
                network.prefixes.iter().for_each(|one| push(*one, network.name.as_str(), "network"));
            }
        }
        None => {
            let Some(host) = scene.host() else { return Vec::new() };
            for link in host.links.iter().filter(|link| link.bridge.is_some()) {
                let own = host.addresses_of(link.index).filter(|one| {
                    !matches!(one.net.addr(), std::net::IpAddr::V6(a) if a.is_unicast_link_local())
                });
                own.for_each(|one| push(one.net.trunc(), &link.name, "bridge"));
            }
        }
    }
    found
}
