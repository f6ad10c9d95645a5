//! A bridge takes advertisements of its guests.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Link, Stack};
use crate::state::Place;
use crate::wire::Mark;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "bridge-accepts-ra",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "the host takes an address and a default route from a guest",
    means: "a guest that advertises itself as a router is believed by the bridge's own interface unless it is told not to",
    evidence: "`net.ipv6.conf.BRIDGE.accept_ra` is not 0 on a bridge with ports and a host's address, where it counts: 1 without forwarding, or 2",
    fix: "set `accept_ra` to 0 on the bridge",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|link| link.bridge.is_some() && link.up) {
            let key = format!("net/ipv6/conf/{}/accept_ra", link.name);
            let own = format!("net/ipv6/conf/{}/forwarding", link.name);
            let forwards = stack.setting(&own) == Some("1");
            let hears = match stack.setting(&key) {
                Some("1") => !forwards,
                Some("2") => true,
                _ => false,
            };
            // Without an IPv6 address it has no IPv6 to begin with.
            let speaks = stack.addresses_of(link.index).any(|a| a.net.addr().is_ipv6());
            // In the fabric nobody lives; what a bridge learns there leads nowhere.
            if *place == Place::Fabric {
                continue;
            }
            let guests = stack.ports(link.index).any(|port| port.kind == "veth" || port.kind == "tun");
            if !hears || !speaks || !guests || stands_in(stack, link) || !scene.matters(place, link) {
                continue;
            }
            let value = stack.setting(&key).unwrap_or_default().to_owned();
            let what = format!("bridge `{}` takes router advertisements of its guests", link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("key", key)
                .with("value", value);
            found.push(finding.fix(format!("`sysctl -w net.ipv6.conf.{}.accept_ra=0`", link.name)));
        }
    }
    found
}

/// True for a bridge of netyard's that has an interface of the host as its uplink:
/// then the routers outside are whom it is to hear.
fn stands_in(stack: &Stack, bridge: &Link) -> bool {
    let outside = |port: &Link| Mark::parse(&port.alias).is_some_and(|m| m.host_name.is_some());
    Mark::parse(&bridge.alias).is_some() && stack.ports(bridge.index).any(outside)
}
