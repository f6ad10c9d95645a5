//! The MTU of everything: from networks and links upward.
//!
//! All that is on one segment has one MTU. What says nothing follows: a port
//! its network, a link's end the other end, a VLAN its parent, a VXLAN what
//! carries it less the tunnel's headers, a bridge or bond its members.

use std::net::IpAddr;

use super::gather::{Cast, Role};
use super::outside;
use super::relate::{Parent, Relations};
use super::wireguard;
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::interface::{Kind, Vxlan};
use crate::spec::AddressesSpec;

/// What Ethernet carries.
pub(super) const DEFAULT: u32 = 1500;
/// What `lo` carries (`loopback_setup`, drivers/net/loopback.c).
const LOOPBACK: u32 = 65536;
/// The most that a bridge takes (`ETH_MAX_MTU`, linux/if_ether.h).
pub(super) const JUMBO: u32 = 65535;
/// Outer Ethernet, IPv4, UDP and VXLAN headers (`VXLAN_HEADROOM`, net/vxlan.h).
const VXLAN_OVERHEAD_V4: u32 = 50;
/// The same with IPv6 (`VXLAN6_HEADROOM`).
const VXLAN_OVERHEAD_V6: u32 = 70;
/// The least that IPv6 works with (RFC 8200).
pub(super) const IPV6_LEAST: u32 = 1280;

/// MTUs in bytes.
pub(super) struct Mtus {
    /// By interface; none where it is not netyard's to manage.
    pub interfaces: Vec<Option<u32>>,
    /// By network.
    pub networks: Vec<u32>,
}

pub(super) fn resolve(
    cast: &Cast<'_>,
    relations: &Relations,
    facts: &Facts,
    report: &mut Report,
) -> Mtus {
    let mut segments: Vec<u32> =
        (0..cast.members.len()).map(|s| of_segment(cast, s, facts, report)).collect();
    let tunnels = tunnels(cast, facts, &segments);
    for (segment, mtu) in tunnels {
        segments[segment] = mtu;
    }
    let mut interfaces: Vec<Option<u32>> = vec![None; cast.interfaces.len()];
    for &i in &relations.order {
        let most = match &relations.parent[i] {
            Some(Parent::Interface(parent)) => interfaces[*parent].or(Some(DEFAULT)),
            Some(Parent::Foreign(name)) => facts.host_interfaces.get(name).map(|f| f.mtu),
            None => None,
        };
        let own = said(cast, i);
        interfaces[i] = match cast.interfaces[i].role {
            Role::Port(n) | Role::Bridge(n) | Role::Shared(n, _) => Some(segments[n]),
            Role::End(link, _) => Some(segments[cast.link_segment(link)]),
            Role::Own(kind) => match kind {
                Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_) => {
                    bounded(cast, i, most, report)
                }
                Kind::Vxlan(vxlan) => {
                    Some(own.map_or_else(
                        || of_tunnel(cast, i, vxlan, most, &interfaces),
                        |own| own.value,
                    ))
                }
                Kind::Bridge(_) | Kind::Bond(_) => Some(own.map_or_else(
                    || {
                        let members = relations.members[i].iter();
                        members.filter_map(|m| interfaces[*m]).min().unwrap_or(DEFAULT)
                    },
                    |own| own.value,
                )),
                Kind::Vrf(_) => own.map(|own| own.value),
                Kind::Wireguard => Some(
                    own.map_or_else(|| wireguard::mtu(cast, i, facts, &segments), |own| own.value),
                ),
                Kind::Physical(physical) => {
                    let found = facts.host_interfaces.get(&physical.host_name).map(|f| f.mtu);
                    own.map(|own| own.value).or(found)
                }
                _ => Some(own.map_or(DEFAULT, |own| own.value)),
            },
            Role::Loopback => {
                if let Some(own) = own.filter(|own| own.value != LOOPBACK) {
                    report.push(diag::loopback_mtu(own.span));
                }
                None
            }
            Role::Broken => own.map(|own| own.value),
        };
    }
    follow_bonds(cast, relations, &mut interfaces, report);
    unmanage(cast, &mut interfaces);
    let networks = segments[..cast.spec.networks.len()].to_vec();
    Mtus { interfaces, networks }
}

/// Links that are tunnels and say nothing have the MTU of the narrower end.
fn tunnels(cast: &Cast<'_>, facts: &Facts, segments: &[u32]) -> Vec<(usize, u32)> {
    let links = cast.spec.links.iter().enumerate();
    let silent = links.filter(|(_, link)| link.tunnel.is_some() && link.mtu.is_none());
    let of = |(link, _): (usize, _)| {
        let segment = cast.link_segment(link);
        let members = &cast.members[segment];
        if members.iter().any(|member| said(cast, *member).is_some()) {
            return None;
        }
        let ends = members.iter().map(|&member| wireguard::mtu(cast, member, facts, segments));
        Some((segment, ends.min()?))
    };
    silent.filter_map(of).collect()
}

fn said<'a>(cast: &Cast<'a>, interface: usize) -> Option<&'a Spanned<u32>> {
    cast.interfaces[interface].spec.and_then(|s| s.mtu.as_ref())
}

/// A segment's own word, else the one word of all its members, else the default.
/// On a link one member speaks for both.
fn of_segment(cast: &Cast<'_>, segment: usize, facts: &Facts, report: &mut Report) -> u32 {
    let networks = cast.spec.networks.len();
    let is_link = segment >= networks;
    let own = match cast.spec.networks.get(segment) {
        Some(network) => network.mtu.as_ref(),
        None => cast.spec.links[segment - networks].mtu.as_ref(),
    };
    let members = &cast.members[segment];
    let spoken: Vec<&Spanned<u32>> = members.iter().filter_map(|m| said(cast, *m)).collect();
    let outside = (!is_link).then(|| outside::mtu(cast, segment, facts)).flatten();
    let all_spoke = is_link || spoken.len() == members.len();
    let (mtu, at): (u32, Span) = match (own, spoken.first()) {
        (Some(own), _) => (own.value, own.span),
        (None, Some(first)) if all_spoke => (first.value, first.span),
        _ => (outside.unwrap_or(DEFAULT), cast.segment_span(segment)),
    };
    if let Some(outside) = outside.filter(|outside| *outside < mtu) {
        let name = cast.segment_name(segment);
        report.push(diag::mtu_above_outside(&name, mtu, outside, at));
    }
    if let Some(other) = spoken.iter().find(|s| s.value != mtu) {
        let name = cast.segment_name(segment);
        report.push(diag::mtu_differs(&name, other.value, other.span, mtu, at));
    }
    mtu
}

/// What it says, at most what its parent carries.
fn bounded(
    cast: &Cast<'_>,
    interface: usize,
    most: Option<u32>,
    report: &mut Report,
) -> Option<u32> {
    let most = most.unwrap_or(DEFAULT);
    let Some(own) = said(cast, interface) else { return Some(most) };
    if own.value > most {
        let name = &cast.interfaces[interface].name;
        report.push(diag::mtu_above_parent(name, own.value, most, own.span));
    }
    Some(own.value)
}

fn of_tunnel(
    cast: &Cast<'_>,
    interface: usize,
    vxlan: &Vxlan,
    parent: Option<u32>,
    mtus: &[Option<u32>],
) -> u32 {
    let is_v6 = [vxlan.remote, vxlan.local].iter().flatten().any(IpAddr::is_ipv6);
    let overhead = if is_v6 { VXLAN_OVERHEAD_V6 } else { VXLAN_OVERHEAD_V4 };
    let carrier = parent.or_else(|| {
        let node = cast.interfaces[interface].node;
        let others = cast.nodes[node].interfaces.iter().copied();
        if let Some(found) = others.clone().find(|i| carries(cast, *i, vxlan)) {
            return mtus[found];
        }
        // Routes will say which it is: whichever, what leaves fits.
        let cable = |i: &usize| matches!(cast.interfaces[*i].role, Role::Port(_) | Role::End(..));
        others.filter(cable).filter_map(|i| mtus[i]).min().map(|mtu| mtu.min(DEFAULT))
    });
    carrier.unwrap_or(DEFAULT).saturating_sub(overhead)
}

/// True when an explicit address of the interface is the tunnel's own, or its
/// other end is on that interface's network.
fn carries(cast: &Cast<'_>, interface: usize, vxlan: &Vxlan) -> bool {
    let AddressesSpec::These(list) = cast.interfaces[interface].addresses() else { return false };
    list.iter().any(|a| match vxlan.local {
        Some(local) => a.value.addr() == local,
        None => vxlan.remote.is_some_and(|remote| a.value.contains(&remote)),
    })
}

/// A bond gives its MTU to its members (bond_enslave, drivers/net/bonding/bond_main.c).
fn follow_bonds(
    cast: &Cast<'_>,
    relations: &Relations,
    mtus: &mut [Option<u32>],
    report: &mut Report,
) {
    for (bond, interface) in cast.interfaces.iter().enumerate() {
        if !matches!(interface.role, Role::Own(Kind::Bond(_))) {
            continue;
        }
        for &member in &relations.members[bond] {
            if let (Some(mtu), Some(other)) = (mtus[bond], mtus[member])
                && mtu != other
            {
                let name = format!("bond `{}`", interface.name);
                let member = cast.interfaces[member].span;
                report.push(diag::mtu_differs(&name, other, member, mtu, interface.span));
            }
        }
    }
}

/// A lent interface keeps its MTU unless the file says otherwise.
fn unmanage(cast: &Cast<'_>, mtus: &mut [Option<u32>]) {
    for (i, interface) in cast.interfaces.iter().enumerate() {
        if matches!(interface.role, Role::Own(Kind::Physical(_))) {
            mtus[i] = said(cast, i).map(|own| own.value);
        }
    }
}

/// True when IPv6 works on an interface of that MTU.
pub(super) fn carries_ipv6(mtu: Option<u32>) -> bool {
    mtu.is_none_or(|mtu| mtu >= IPV6_LEAST)
}
