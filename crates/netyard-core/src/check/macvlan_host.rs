//! A macvlan and the interface below it do not hear each other.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::Link;
use crate::state::Place;
use crate::yard::Way;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "macvlan-host",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "the host does not reach its macvlan guests",
    means: "what the parent of a macvlan sends goes out by the wire; its macvlans, whatever their mode, do not get it",
    evidence: "`IFLA_INFO_KIND` macvlan or macvtap whose `IFLA_LINK` has addresses in the same namespace; an uplink `macvlan:` on such an interface",
    fix: "give the host a macvlan of its own and move its addresses there, or use a bridge",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|l| matches!(l.kind.as_str(), "macvlan" | "macvtap")) {
            let Some(parent) = link.parent.and_then(|parent| stack.link(parent)) else { continue };
            let addressed = stack.addresses_of(parent.index).any(|a| a.net.addr().is_ipv4());
            if addressed && scene.matters(place, link) {
                found.push(finding(place, &link.name, parent));
            }
        }
    }
    let host = scene.host().filter(|_| scene.phase == Phase::Plan);
    for uplink in scene.yard.iter().flat_map(|yard| &yard.uplinks) {
        let (Way::Macvlan(name), Some(host)) = (&uplink.way, host) else { continue };
        let Some(parent) = host.link_named(name.as_str()) else { continue };
        if host.addresses_of(parent.index).any(|a| a.net.addr().is_ipv4()) {
            found.push(finding(&Place::Host, "macvlan", parent));
        }
    }
    found
}

fn finding(place: &Place, macvlan: &str, parent: &Link) -> Finding {
    let what = format!(
        "`{macvlan}` is a macvlan of `{}`, whose own addresses it cannot reach",
        parent.name
    );
    let finding = CHECK.finding(place, what).with("interface", macvlan);
    finding.with("parent", parent.name.as_str()).fix(format!(
        "where both have to talk, bridge `{}`, or move its addresses to a macvlan of its own",
        parent.name
    ))
}
