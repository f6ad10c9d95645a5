//! Addresses and prefixes against each other and against the host's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::address::{Addressing, Origin};
use super::super::gather::{Cast, Role};
use super::super::outside;
use super::super::prefix::PrefixMap;
use super::super::relate::{Relations, is_bridge};
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::Facts;
use crate::interface::Kind;
use crate::spec::{AddressesSpec, ViaSpec};

/// Explicit addresses beside the prefixes that were declared.
pub(super) fn outside(cast: &Cast<'_>, plan: &Addressing, report: &mut Report) {
    for (segment, prefixes) in plan.segments.iter().enumerate() {
        if prefixes.origin != Origin::Declared || prefixes.list.is_empty() {
            continue;
        }
        let list: Vec<IpNet> = prefixes.list.iter().map(|p| p.0).collect();
        let members = cast.members[segment].iter();
        for address in members.flat_map(|m| &plan.interfaces[*m]).filter(|a| !a.allotted) {
            let net = address.net;
            let is_link_local = matches!(net.addr(), IpAddr::V6(a) if a.is_unicast_link_local());
            if net.prefix_len() == net.max_prefix_len() || is_link_local {
                continue;
            }
            match list.iter().find(|p| p.contains(&net.addr())) {
                None => {
                    let name = cast.segment_name(segment);
                    report.push(diag::address_outside(&name, net, &list, address.span));
                }
                Some(prefix) if !list.contains(&net.trunc()) => {
                    let name = cast.segment_name(segment);
                    report.push(diag::prefix_length_differs(&name, net, *prefix, address.span));
                }
                Some(_) => {}
            }
        }
    }
}

/// One address, and who has it.
struct Owner {
    address: IpAddr,
    interface: usize,
    net: IpNet,
    span: Span,
}

/// One address on one segment, or at two nodes.
///
/// Left alone: host addresses of `lo` and `dummy` interfaces (anycast), what is
/// in a VRF, ports in different VLANs, and networks that were declared to look
/// the same.
pub(super) fn twice(
    cast: &Cast<'_>,
    relations: &Relations,
    plan: &Addressing,
    report: &mut Report,
) {
    let mut owners: Vec<Owner> = Vec::new();
    for (interface, addresses) in plan.interfaces.iter().enumerate() {
        owners.extend(addresses.iter().map(|a| Owner {
            address: a.net.addr(),
            interface,
            net: a.net,
            span: a.span,
        }));
    }
    owners.sort_by_key(|o| (o.address, o.interface));
    for group in owners.chunk_by(|a, b| a.address == b.address).filter(|g| g.len() > 1) {
        for (at, b) in group.iter().enumerate().skip(1) {
            let clash =
                group[..at].iter().find_map(|a| Some((a, clash(cast, relations, plan, a, b)?)));
            if let Some((a, segment)) = clash {
                report.push(message(cast, a, b, segment));
                // One message for each address; the rest would say the same.
                break;
            }
        }
    }
}

/// None where both may have it; else the segment they share, if they do.
fn clash(
    cast: &Cast<'_>,
    relations: &Relations,
    plan: &Addressing,
    a: &Owner,
    b: &Owner,
) -> Option<Option<usize>> {
    let is_link_local = |o: &Owner| match o.address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    let access = |o: &Owner| cast.interfaces[o.interface].spec?.vlans.access.as_ref();
    let segments = [cast.segment(a.interface), cast.segment(b.interface)];
    if let [Some(one), Some(other)] = segments
        && one == other
    {
        let vlans = [access(a).map(|v| v.value), access(b).map(|v| v.value)];
        return (vlans[0] == vlans[1]).then_some(Some(one));
    }
    let is_anycast = |o: &Owner| {
        let role = cast.interfaces[o.interface].role;
        o.net.prefix_len() == o.net.max_prefix_len()
            && matches!(role, Role::Loopback | Role::Own(Kind::Dummy))
    };
    let is_in_vrf = |o: &Owner| {
        let master = relations.master[o.interface];
        master.is_some_and(|m| matches!(cast.interfaces[m].role, Role::Own(Kind::Vrf(_))))
    };
    let is_declared =
        |s: Option<usize>| s.is_some_and(|s| plan.segments[s].origin == Origin::Declared);
    let is_same_node = cast.interfaces[a.interface].node == cast.interfaces[b.interface].node;
    let is_loopback = |o: &Owner| o.address.is_loopback();
    let is_free = is_same_node
        || is_link_local(a)
        || is_loopback(a)
        || (is_anycast(a) && is_anycast(b))
        || is_in_vrf(a)
        || is_in_vrf(b)
        || (is_declared(segments[0]) && is_declared(segments[1]));
    (!is_free).then_some(None)
}

fn message(
    cast: &Cast<'_>,
    a: &Owner,
    b: &Owner,
    segment: Option<usize>,
) -> crate::diag::Diagnostic {
    let names = [cast.id(a.interface).to_string(), cast.id(b.interface).to_string()];
    let names = [names[0].as_str(), names[1].as_str()];
    match segment {
        Some(segment) => {
            diag::address_twice(&cast.segment_name(segment), a.address, names, b.span, a.span)
        }
        None => diag::address_taken(a.address, names, b.span, a.span),
    }
}

/// True when the host has an interface on the segment.
fn touches_host(cast: &Cast<'_>, segment: usize) -> bool {
    cast.members[segment].iter().any(|m| cast.is_host(cast.interfaces[*m].node))
}

/// Prefixes of two segments that share addresses.
pub(super) fn overlaps(cast: &Cast<'_>, plan: &Addressing, report: &mut Report) {
    let mut seen: PrefixMap<(usize, Span)> = PrefixMap::default();
    for (segment, prefixes) in plan.segments.iter().enumerate() {
        for (prefix, span) in &prefixes.list {
            if let Some((other, (first, first_span))) = seen.overlap(*prefix)
                && *first != segment
            {
                let names = [cast.segment_name(*first), cast.segment_name(segment)];
                let on_host = touches_host(cast, *first) && touches_host(cast, segment);
                report.push(diag::prefixes_overlap(
                    [&names[0], &names[1]],
                    [other, *prefix],
                    [*first_span, *span],
                    on_host,
                ));
            }
        }
        for (prefix, span) in &prefixes.list {
            seen.insert(*prefix, (segment, *span));
        }
    }
}

/// Prefixes that the host reaches elsewhere.
pub(super) fn on_host(cast: &Cast<'_>, plan: &Addressing, facts: &Facts, report: &mut Report) {
    let mut routes: PrefixMap<&str> = PrefixMap::default();
    for route in &facts.host_routes {
        if route.destination.prefix_len() > 0 {
            routes.insert(route.destination, &route.interface);
        }
    }
    for (segment, prefixes) in plan.segments.iter().enumerate() {
        // A network that is bridged to an interface has that one's prefix.
        let outside = outside::names(cast, segment, facts);
        for (prefix, span) in &prefixes.list {
            let is_link_local = matches!(
                prefix.addr(), IpAddr::V6(a) if a.is_unicast_link_local()
            );
            if is_link_local {
                continue;
            }
            let beyond = routes.overlap(*prefix).filter(|(_, i)| !outside.contains(&**i));
            if let Some((route, interface)) = beyond {
                if facts.running && touches_host(cast, segment) {
                    let name = cast.segment_name(segment);
                    report.push(diag::upstream_collides(&name, *prefix, route, interface, *span));
                    continue;
                }
                report.push(diag::prefix_on_host(
                    &cast.segment_name(segment),
                    *prefix,
                    route,
                    interface,
                    *span,
                    touches_host(cast, segment),
                ));
            }
        }
    }
}

/// A gateway that nobody on its segment has, when all who are there are known.
pub(super) fn gateways(
    cast: &Cast<'_>,
    relations: &Relations,
    plan: &Addressing,
    report: &mut Report,
) {
    for (i, interface) in cast.interfaces.iter().enumerate() {
        let gateways = interface.spec.map_or(&[][..], |s| &s.gateways);
        let Some(segment) = cast.segment(i).filter(|_| !gateways.is_empty()) else { continue };
        if !is_closed(cast, relations, segment) {
            continue;
        }
        for gateway in gateways {
            let ViaSpec::Address(address) = gateway.value else { continue };
            let members = cast.members[segment].iter();
            let is_link_local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
            let mut all = members.flat_map(|m| &plan.interfaces[*m]);
            if !is_link_local && !all.any(|a| a.net.addr() == address) {
                report.push(diag::gateway_nobody(
                    &cast.segment_name(segment),
                    address,
                    gateway.span,
                ));
            }
        }
    }
}

/// True when no frame of the segment leaves the interfaces on it: none is a
/// bridge with more members, none passes frames on, none has addresses that
/// netyard does not know.
fn is_closed(cast: &Cast<'_>, relations: &Relations, segment: usize) -> bool {
    if cast.spec.networks.get(segment).is_some_and(outside::opens) {
        return false;
    }
    cast.members[segment].iter().all(|m| {
        let interface = &cast.interfaces[*m];
        relations.master[*m].is_none_or(|master| !is_bridge(cast, master))
            && (!is_bridge(cast, *m) || relations.members[*m].is_empty())
            && relations.children[*m].is_empty()
            && !matches!(interface.addresses(), AddressesSpec::None)
    })
}
