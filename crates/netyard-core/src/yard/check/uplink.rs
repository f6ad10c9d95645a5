//! Uplinks and outside ports: what of the host they need, and what is in use.

use std::collections::HashMap; // looked up, never iterated

use super::super::gather::{Cast, HOST, Role};
use super::super::outside::{self, OutsidePort};
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::Facts;
use crate::interface::Kind;
use crate::name::InterfaceName;
use crate::spec::{NetworkSpec, Through, UplinkSpec, WaySpec};

/// All of them.
pub(super) fn all(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    let lent = cast.interfaces.iter().filter_map(|interface| match interface.role {
        Role::Own(Kind::Physical(physical)) => Some((&physical.host_name, interface.span)),
        _ => None,
    });
    let mut used: HashMap<&InterfaceName, Span> = lent.collect();
    let parents = parents(cast);
    for (name, parent) in &parents {
        if let Some(lent) = used.get(name) {
            report.push(diag::outside_and_macvlan(name.as_str(), *lent, *parent));
        }
    }
    for (index, network) in cast.spec.networks.iter().enumerate() {
        if let Some(uplink) = &network.uplink {
            way(cast, network, uplink, facts, report);
        }
        for port in outside::ports(cast, index, facts) {
            if let Some((_, parent)) = parents.iter().find(|(name, _)| *name == port.name) {
                report.push(diag::outside_and_macvlan(port.name.as_str(), port.span, *parent));
            }
            if let Some(first) = used.insert(port.name, port.span) {
                report.push(diag::outside_twice(port.name.as_str(), port.span, first));
            }
            outside_port(cast, network, &port, facts, report);
        }
    }
}

/// Interfaces of the host that have macvlans of the yard's, and where that is said.
fn parents<'s>(cast: &Cast<'s>) -> Vec<(&'s InterfaceName, Span)> {
    let ways = cast.spec.networks.iter().filter_map(|network| network.uplink.as_ref());
    let shared = ways.filter_map(|uplink| match &uplink.way {
        WaySpec::Macvlan(name) => Some((&name.value, name.span)),
        _ => None,
    });
    shared.collect()
}

fn way(
    cast: &Cast<'_>,
    network: &NetworkSpec,
    uplink: &UplinkSpec,
    facts: &Facts,
    report: &mut Report,
) {
    let name = match &uplink.way {
        // Its port is looked at as such.
        WaySpec::None | WaySpec::Bridge(_) => return,
        WaySpec::Routed { through, .. } => match &through.value {
            // That a network on the host needs root is said of the network.
            Through::Auto => return,
            Through::Interface(name) => (name, through.span),
        },
        WaySpec::Macvlan(name) => (&name.value, name.span),
    };
    if matches!(uplink.way, WaySpec::Macvlan(_)) {
        if let Some(host) = &network.host {
            report.push(diag::macvlan_host_side(host.span, uplink.span));
        }
        if let Some(port) = network.ports.first() {
            report.push(diag::macvlan_ports(port.name.span, uplink.span));
        }
        if !facts.host_reachable {
            return report.push(diag::host_unreachable("this uplink is", name.1));
        }
    }
    if name.0.as_str() == "lo" {
        return report.push(diag::uplink_loopback(name.1));
    }
    let own = cast.node(HOST).and_then(|host| cast.interface(host, name.0.as_str()));
    if facts.host_reachable && own.is_none() && facts.lacks(name.0.as_str()) {
        let names = facts.host_interfaces.keys().map(InterfaceName::as_str);
        report.push(diag::host_interface_unknown(name.0.as_str(), name.1, names));
    }
}

fn outside_port(
    cast: &Cast<'_>,
    network: &NetworkSpec,
    port: &OutsidePort<'_>,
    facts: &Facts,
    report: &mut Report,
) {
    let (name, span) = (port.name.as_str(), port.span);
    if !facts.host_reachable {
        // Of an uplink it is said of the network.
        if network.host.is_none() {
            report.push(diag::host_unreachable("this interface is", span));
        }
        return;
    }
    if port.vlan.is_some() {
        return;
    }
    let Some(found) = facts.host_interfaces.get(port.name) else {
        let own = cast.node(HOST).and_then(|host| cast.interface(host, name));
        match own {
            Some(own) => {
                report.push(diag::outside_twice(name, span, cast.interfaces[own].span));
            }
            None if name == "lo" => report.push(diag::outside_kind(name, "the loopback", span)),
            None if facts.lacks(name) => {
                let names = facts.host_interfaces.keys().map(InterfaceName::as_str);
                report.push(diag::host_interface_unknown(name, span, names));
            }
            None => {}
        }
        return;
    };
    let kind = match found.kind.as_str() {
        _ if name == "lo" => Some("the loopback"),
        _ if found.wireless => Some("a wireless interface"),
        "bridge" => Some("a bridge"),
        "vrf" => Some("a vrf"),
        "tun" | "ipvlan" | "wireguard" if found.mac.is_none() => Some("a tunnel"),
        _ => None,
    };
    if let Some(kind) = kind {
        report.push(diag::outside_kind(name, kind, span));
    }
    if let Some(profile) = &found.profile {
        report.push(diag::manager_has(name, profile, found.borrowed, span));
    }
    let is_used = found.has_addresses || found.has_default_route;
    if is_used && !port.is_uplink && !found.borrowed {
        report.push(diag::outside_addresses(name, span));
    }
    if let Some(seconds) = found.lease.filter(|_| port.is_uplink) {
        let bridge =
            network.bridge.as_ref().map_or(network.name.value.as_str(), |b| b.value.as_str());
        report.push(diag::outside_lease(name, bridge, seconds, span));
    }
}
