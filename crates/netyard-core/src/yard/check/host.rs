//! What this kernel and this host cannot do.

use std::collections::{BTreeMap, HashMap}; // the latter looked up, never iterated

use super::super::gather::{Cast, Role, kind_word};
use super::super::segment::Segments;
use super::super::wireguard;
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::{Facts, HostInterface};
use crate::interface::{Engine, Kind};
use crate::name::InterfaceName;
use crate::spec::WaySpec;
use crate::state::Impairment;

/// Kinds that stay in the namespace they were made in (`netns_immutable`,
/// formerly `NETIF_F_NETNS_LOCAL`).
const STAY: &[&str] = &["bridge", "bond", "team", "vrf", "openvswitch", "lo"];

pub(super) fn physical(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    let mut lent: HashMap<&InterfaceName, Span> = HashMap::new();
    for interface in &cast.interfaces {
        let Role::Own(Kind::Physical(physical)) = interface.role else { continue };
        let entry = interface.spec;
        let said = entry.and_then(|s| s.kind.as_ref()).map_or(interface.span, |k| k.span);
        let span = entry.and_then(|s| s.port_name.as_ref()).map_or(said, |n| n.span);
        let name = &physical.host_name;
        if !facts.host_reachable {
            report.push(diag::host_unreachable("this interface is", span));
            continue;
        }
        if let Some(first) = lent.insert(name, span) {
            report.push(diag::physical_twice(name.as_str(), span, first));
        }
        match facts.host_interfaces.get(name) {
            None if !facts.lacks(name.as_str()) => {}
            None => {
                let names = facts.host_interfaces.keys().map(InterfaceName::as_str);
                report.push(diag::host_interface_unknown(name.as_str(), span, names));
            }
            Some(HostInterface { profile: Some(profile), borrowed, .. }) => {
                report.push(diag::manager_has(name.as_str(), profile, *borrowed, span));
            }
            Some(found) if found.has_default_route => {
                report.push(diag::physical_lockout(name.as_str(), span));
            }
            Some(found) if STAY.contains(&found.kind.as_str()) || name.as_str() == "lo" => {
                let kind = if name.as_str() == "lo" { "loopback" } else { &found.kind };
                report.push(diag::physical_stays(name.as_str(), kind, span));
            }
            Some(found) if found.has_addresses => {
                report.push(diag::physical_addresses(name.as_str(), span));
            }
            Some(_) => {}
        }
    }
}

/// Each kind that the kernel lacks, at the first interface that needs it.
pub(super) fn kinds(cast: &Cast<'_>, segments: &Segments, facts: &Facts, report: &mut Report) {
    if facts.missing_kinds.is_empty() {
        return;
    }
    let mut used: BTreeMap<&str, Span> = BTreeMap::new();
    for (at, interface) in cast.interfaces.iter().enumerate() {
        let tunnel = wireguard::said(cast, at).map(|said| wireguard::engine(said, facts));
        let words: &[&str] = match interface.role {
            _ if tunnel == Some(Engine::Kernel) => &["wireguard"],
            _ if tunnel.is_some() => &["tun"],
            Role::Port(_) | Role::End(..) => &["veth"],
            Role::Own(Kind::Tap(_) | Kind::Tun(_)) => &["tun"],
            Role::Own(kind) | Role::Shared(_, kind) => &[kind_word(kind)],
            Role::Loopback | Role::Bridge(_) | Role::Broken => &[],
        };
        for word in words {
            used.entry(word).or_insert(interface.span);
        }
        if matches!(interface.role, Role::Own(Kind::Bridge(bridge)) if bridge.vlan_filtering) {
            used.entry("bridge-vlan").or_insert(interface.span);
        }
        let impairment = interface.impairment(cast.spec);
        if let Some(impairment) = impairment.filter(|i| *i != Impairment::default()) {
            let qdisc = if impairment.qdisc() == "tbf" { "qdisc:tbf" } else { "qdisc:netem" };
            used.entry(qdisc).or_insert(interface.span);
        }
    }
    for (network, star) in cast.spec.networks.iter().zip(&segments.networks) {
        if network.uplink.as_ref().is_some_and(|u| matches!(u.way, WaySpec::Macvlan(_))) {
            continue;
        }
        used.entry("bridge").or_insert(network.name.span);
        if star.filtering {
            used.entry("bridge-vlan").or_insert(network.name.span);
        }
    }
    for (word, span) in used {
        if let Some(option) = facts.missing_kinds.get(word) {
            let word = word.trim_start_matches("qdisc:");
            report.push(match option.starts_with('/') {
                true => diag::device_forbidden(word, option, span),
                false => diag::kind_missing(word, option, span),
            });
        }
    }
}
