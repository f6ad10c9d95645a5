//! Mistakes in what a network is to serve.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::{Seat, subnet};
use crate::addr::Mac;
use crate::diag::{Report, serving as say};
use crate::service::dns::is_name;
use crate::spec::{DhcpSpec, NamesSpec};
use crate::yard::address::Addressing;
use crate::yard::gather::Cast;

/// Mistakes that are only seen when addresses are known.
pub(in crate::yard) fn check(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
    report: &mut Report,
) {
    for (index, spec) in cast.spec.networks.iter().enumerate() {
        let name = spec.name.value.as_str();
        if let Some(names) = &spec.serving.dns {
            check_names(names, report);
        }
        let (Some(dhcp), Some(_)) = (&spec.serving.dhcp, seats[index]) else { continue };
        let prefixes: Vec<IpNet> = plan.segments[index].list.iter().map(|p| p.0).collect();
        let Some(subnet) = subnet(dhcp, &prefixes) else {
            match (dhcp.ranges.first(), prefixes.iter().find(|p| matches!(p, IpNet::V4(_)))) {
                (Some(range), Some(prefix)) => {
                    let (first, last) = range.value;
                    report.push(say::range_outside(first, last, *prefix, range.span));
                }
                _ => report.push(say::no_prefix(name, dhcp.span)),
            }
            continue;
        };
        if subnet.prefix_len() > 30 {
            report.push(say::no_room(name, subnet.into(), dhcp.span));
        }
        check_ranges(dhcp, subnet, report);
        check_fixed(cast, plan, index, dhcp, subnet, report);
    }
}

fn check_names(names: &NamesSpec, report: &mut Report) {
    if let Some(domain) = names.domain.as_ref().filter(|d| !is_name(&d.value)) {
        report.push(say::bad_name("domain", &domain.value, domain.span));
    }
    for (name, _) in names.records.iter().filter(|(name, _)| !is_name(&name.value)) {
        report.push(say::bad_name("name", &name.value, name.span));
    }
}

fn check_ranges(dhcp: &DhcpSpec, subnet: Ipv4Net, report: &mut Report) {
    for (at, range) in dhcp.ranges.iter().enumerate() {
        let (first, last) = range.value;
        if !subnet.contains(&first) || !subnet.contains(&last) {
            report.push(say::range_outside(first, last, subnet.into(), range.span));
        }
        let earlier = dhcp.ranges[..at].iter();
        for other in earlier.filter(|o| o.value.0 <= last && first <= o.value.1) {
            report.push(say::range_overlaps(range.span, other.span));
        }
    }
}

fn check_fixed(
    cast: &Cast<'_>,
    plan: &Addressing,
    network: usize,
    dhcp: &DhcpSpec,
    subnet: Ipv4Net,
    report: &mut Report,
) {
    for (at, (who, address)) in dhcp.fixed.iter().enumerate() {
        let members = cast.members[network].iter().copied();
        let node_of = |member: usize| cast.nodes[cast.interfaces[member].node].name.as_str();
        if who.value.parse::<Mac>().is_err()
            && !members.clone().any(|member| node_of(member) == who.value)
        {
            let name = cast.spec.networks[network].name.value.as_str();
            report.push(say::no_client(&who.value, name, who.span));
        }
        if !subnet.contains(&address.value) {
            report.push(say::fixed_outside(address.value, subnet.into(), address.span));
        }
        if let Some((other, _)) = dhcp.fixed[..at].iter().find(|(_, a)| a.value == address.value) {
            report.push(say::fixed_taken(address.value, &other.value, address.span));
        }
        let mut others = members.filter(|member| node_of(*member) != who.value);
        let holder = others.find(|member| {
            plan.interfaces[*member].iter().any(|a| a.net.addr() == IpAddr::V4(address.value))
        });
        if let Some(holder) = holder {
            report.push(say::fixed_taken(address.value, node_of(holder), address.span));
        }
    }
}
