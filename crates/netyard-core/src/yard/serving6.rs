//! What a server is told of a network for IPv6.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::address::Addressing;
use super::gather::Cast;
use super::serving::{Seat, Stage, client, domain, is_router};
use crate::diag::{Report, serving6 as say};
use crate::service::dhcp6::{Delegation, Dhcp6, Reserved6};
use crate::service::dns::is_name;
use crate::service::ra::{Advertised, Led, Ra};
use crate::spec::{Dhcp6Spec, Engine, RaSpec, ServingSpec, WaySpec};

/// How long a lease lasts where the file says nothing, in seconds.
const LEASE: u32 = 3600;
/// What hosts have that are told nothing, in bytes (RFC 894, RFC 2464).
const ETHERNET_MTU: u32 = 1500;

/// A network's prefixes of IPv6.
fn six(prefixes: impl IntoIterator<Item = IpNet>) -> Vec<Ipv6Net> {
    let six = |net: IpNet| match net {
        IpNet::V6(six) => Some(six),
        IpNet::V4(_) => None,
    };
    prefixes.into_iter().filter_map(six).collect()
}

impl Stage<'_, '_> {
    /// Router advertisements of a network.
    pub(super) fn ra(&self, index: usize, seat: Seat, said: &RaSpec, own: &[IpNet]) -> Ra {
        let serving = &self.cast.spec.networks[index].serving;
        let default = Ra::default();
        let interval = said.interval.unwrap_or(default.interval);
        let lifetime = if self.leads_out(index, seat) { Ra::LIFETIME.max(3 * interval) } else { 0 };
        let stated: Vec<Ipv6Net> = said.prefixes.iter().map(|p| p.value).collect();
        let of_network = six(self.networks[index].prefixes.iter().copied());
        let slaac = said.slaac.as_ref().is_none_or(|slaac| slaac.value);
        let advertised = |net: Ipv6Net| Advertised {
            net,
            on_link: true,
            autonomous: slaac && net.prefix_len() == 64,
            valid: Ra::VALID,
            preferred: Ra::PREFERRED,
        };
        let prefixes = if stated.is_empty() { of_network } else { stated };
        let route = |net: Ipv6Net| Led {
            net,
            preference: said.preference,
            lifetime: u32::from(Ra::LIFETIME.max(3 * interval)),
        };
        let mtu = Some(self.networks[index].mtu).filter(|mtu| *mtu != ETHERNET_MTU && *mtu >= 1280);
        let dhcp6 = serving.dhcp6.as_ref();
        let rdnss: Vec<Ipv6Addr> = said.rdnss.iter().map(|a| a.value).collect();
        let dnssl: Vec<String> = said.dnssl.iter().map(|name| name.value.clone()).collect();
        let names = serving.dns.as_ref();
        Ra {
            lifetime: said.lifetime.unwrap_or(lifetime),
            interval,
            managed: said.managed.unwrap_or(dhcp6.is_some_and(|dhcp6| !dhcp6.no_range)),
            other: said.other.unwrap_or(dhcp6.is_some()),
            preference: said.preference,
            mtu: said.mtu.or(mtu),
            prefixes: prefixes.into_iter().map(advertised).collect(),
            delegated: self.cast.spec.networks[index].delegated.is_some() && slaac,
            routes: said.routes.iter().map(|r| route(r.value)).collect(),
            rdnss: match (rdnss.is_empty(), names.is_some()) {
                (true, true) => server(own).into_iter().collect(),
                _ => rdnss,
            },
            dnssl: match (dnssl.is_empty(), names) {
                (true, Some(names)) => vec![domain(self.cast, names)],
                _ => dnssl,
            },
            dns_lifetime: 3 * u32::from(interval),
            ..default
        }
    }

    /// True where whoever serves is a way out for IPv6: a router, or the host of a
    /// network with an uplink.
    fn leads_out(&self, index: usize, seat: Seat) -> bool {
        let Seat::Interface(interface) = seat else { return false };
        let uplink = self.cast.spec.networks[index].uplink.as_ref();
        let by_host = uplink.is_some_and(|u| match u.way {
            WaySpec::Routed { ipv6, .. } => ipv6 != crate::spec::Exit::None,
            _ => false,
        });
        let node = self.cast.interfaces[interface].node;
        is_router(self.cast, interface) || self.cast.is_host(node) && by_host
    }

    /// DHCPv6 of a network.
    pub(super) fn dhcp6(&self, index: usize, said: &Dhcp6Spec, own: &[IpNet]) -> Dhcp6 {
        let serving = &self.cast.spec.networks[index].serving;
        let prefixes = six(self.networks[index].prefixes.iter().copied());
        let reserved = self.reserved6(index, said, &prefixes);
        let theirs: BTreeSet<Ipv6Addr> = reserved.iter().map(|r| r.address).collect();
        let all = self.members(index).flat_map(|(_, i)| &i.addresses).map(|a| a.net.addr());
        let all = all.chain(own.iter().map(IpNet::addr));
        let taken: BTreeSet<Ipv6Addr> = all
            .filter_map(|address| match address {
                IpAddr::V6(six) if !theirs.contains(&six) => Some(six),
                _ => None,
            })
            .collect();
        let ranges: Vec<_> = said.ranges.iter().map(|range| range.value).collect();
        let chosen = prefixes.first().map(|prefix| default_range(*prefix));
        let dns: Vec<Ipv6Addr> = said.dns.iter().map(|a| a.value).collect();
        let delegation = said.delegation.as_ref();
        Dhcp6 {
            ranges: match ranges.is_empty() && !said.no_range {
                true => chosen.into_iter().collect(),
                false => ranges,
            },
            lease: said.lease.unwrap_or(LEASE),
            reserved,
            taken: taken.into_iter().collect(),
            delegation: delegation
                .map(|(pool, length)| Delegation { pool: pool.value, length: *length }),
            dns: match (dns.is_empty(), serving.dns.is_some()) {
                (true, true) => server(own).into_iter().collect(),
                _ => dns,
            },
            search: serving.dns.iter().map(|names| domain(self.cast, names)).collect(),
            prefixes,
        }
    }

    /// What is a client's alone: what the file says, and the addresses that nodes
    /// have, which they get by DHCPv6 as well.
    fn reserved6(&self, index: usize, said: &Dhcp6Spec, prefixes: &[Ipv6Net]) -> Vec<Reserved6> {
        let mut all: Vec<Reserved6> = Vec::new();
        for (who, address) in &said.fixed {
            let Some((mac, name)) = client(self, index, &who.value) else { continue };
            all.push(Reserved6 { mac, address: address.value, name });
        }
        for (node, interface) in self.members(index) {
            let address = interface.addresses.iter().find_map(|a| match a.net {
                IpNet::V6(six) if prefixes.iter().any(|p| p.contains(&six.addr())) => {
                    Some(six.addr())
                }
                _ => None,
            });
            let (Some(mac), Some(address)) = (interface.device.mac, address) else { continue };
            if all.iter().all(|r| r.mac != mac && r.address != address) {
                let name = Some(node.name.as_str().to_owned()).filter(|name| is_name(name));
                all.push(Reserved6 { mac, address, name });
            }
        }
        all
    }
}

/// The server's own address.
fn server(own: &[IpNet]) -> Option<Ipv6Addr> {
    six(own.iter().copied()).first().map(Ipv6Net::addr)
}

/// 4096 addresses from `…:1000` on, behind those that nodes are numbered with; of a
/// smaller prefix, from the middle to seven eighths.
fn default_range(prefix: Ipv6Net) -> (Ipv6Addr, Ipv6Addr) {
    let base = u128::from(prefix.network());
    let bits = 128 - u32::from(prefix.prefix_len());
    if bits >= 14 {
        return ((base + 0x1000).into(), (base + 0x1fff).into());
    }
    let size = 1_u128 << bits;
    let first = base + size / 2;
    (first.into(), (base + size / 8 * 7).max(first + 1).saturating_sub(1).into())
}

/// Mistakes that are only seen when addresses are known.
pub(super) fn check(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
    report: &mut Report,
) {
    for (index, spec) in cast.spec.networks.iter().enumerate() {
        if seats[index].is_none() {
            continue;
        }
        let name = spec.name.value.as_str();
        let prefixes = six(plan.segments[index].list.iter().map(|p| p.0));
        let engine = spec.serving.engine.as_ref().map(|engine| engine.value);
        if engine == Some(Engine::Dnsmasq) {
            check_dnsmasq(&spec.serving, report);
        }
        if let Some(ra) = &spec.serving.ra {
            check_ra(ra, name, (&prefixes, spec.delegated.is_some()), report);
        }
        if let Some(dhcp6) = &spec.serving.dhcp6 {
            check_dhcp6(cast, plan, index, dhcp6, &prefixes, report);
        }
    }
}

/// dnsmasq derives the flags of advertisements from what it gives by DHCPv6, and has one
/// list of name servers for both.
fn check_dnsmasq(serving: &ServingSpec, report: &mut Report) {
    let dhcp6 = serving.dhcp6.as_ref();
    let delegation = dhcp6.and_then(|dhcp6| dhcp6.delegation.as_ref());
    if let Some((pool, _)) = delegation {
        report.push(say::not_by_dnsmasq("prefix delegation", pool.span));
    }
    let Some(ra) = &serving.ra else { return };
    let gives = dhcp6.is_some_and(|dhcp6| !dhcp6.no_range);
    let mut refuse = |what: &str, span| report.push(say::not_by_dnsmasq(what, span));
    if let Some(route) = ra.routes.first() {
        refuse("routes in router advertisements", route.span);
    }
    if ra.managed.is_some_and(|managed| managed != gives) {
        refuse("`managed` other than what DHCPv6 gives", ra.span);
    }
    if gives && ra.other == Some(false) {
        refuse("`other: false` where DHCPv6 gives addresses", ra.span);
    }
    if let Some(slaac) = ra.slaac.as_ref().filter(|slaac| !slaac.value && !gives) {
        refuse("advertised prefixes without SLAAC where DHCPv6 gives no addresses", slaac.span);
    }
    let [by_ra, by_dhcp] = [Some(&ra.rdnss), dhcp6.map(|dhcp6| &dhcp6.dns)]
        .map(|list| list.into_iter().flatten().map(|a| a.value).collect::<Vec<_>>());
    if !by_ra.is_empty() && !by_dhcp.is_empty() && by_ra != by_dhcp {
        refuse("`rdnss` beside another `dns` of DHCPv6", ra.rdnss[0].span);
    }
}

fn check_ra(
    ra: &RaSpec,
    network: &str,
    (prefixes, delegated): (&[Ipv6Net], bool),
    report: &mut Report,
) {
    if prefixes.is_empty() && ra.prefixes.is_empty() && !delegated {
        report.push(say::no_prefix("ra", network, ra.span));
    }
    let wanted = ra.slaac.as_ref();
    if wanted.is_some_and(|slaac| !slaac.value) {
        return;
    }
    let said = ra.prefixes.iter().map(|p| (p.value, p.span));
    let of_network = prefixes.iter().filter(|_| ra.prefixes.is_empty()).map(|p| (*p, ra.span));
    for (prefix, span) in said.chain(of_network).filter(|(prefix, _)| prefix.prefix_len() != 64) {
        report.push(match wanted {
            Some(_) => say::slaac_needs_64(prefix, span),
            None => say::no_slaac(prefix, span),
        });
    }
}

fn check_dhcp6(
    cast: &Cast<'_>,
    plan: &Addressing,
    network: usize,
    dhcp6: &Dhcp6Spec,
    prefixes: &[Ipv6Net],
    report: &mut Report,
) {
    let name = cast.spec.networks[network].name.value.as_str();
    if prefixes.is_empty() {
        report.push(say::no_prefix("dhcp6", name, dhcp6.span));
        return;
    }
    let on_link = |address: &Ipv6Addr| prefixes.iter().any(|prefix| prefix.contains(address));
    for range in &dhcp6.ranges {
        let (first, last) = range.value;
        if !prefixes.iter().any(|prefix| prefix.contains(&first) && prefix.contains(&last)) {
            report.push(say::outside(&format!("{first}-{last}"), name, range.span));
        }
    }
    if let Some((pool, length)) = &dhcp6.delegation {
        if *length < pool.value.prefix_len() {
            report.push(say::pool_too_small(pool.value, *length, pool.span));
        }
        let overlap = prefixes.iter().find(|p| p.contains(&pool.value) || pool.value.contains(*p));
        if let Some(prefix) = overlap {
            report.push(say::pool_overlaps(pool.value, *prefix, pool.span));
        }
    }
    for (at, (who, address)) in dhcp6.fixed.iter().enumerate() {
        let members = cast.members[network].iter().copied();
        let node_of = |member: usize| cast.nodes[cast.interfaces[member].node].name.as_str();
        let is_node = members.clone().any(|member| node_of(member) == who.value);
        if !is_node && who.value.parse::<crate::addr::Mac>().is_err() {
            report.push(say::no_client(&who.value, name, who.span));
        }
        if !on_link(&address.value) {
            report.push(say::outside(&address.value.to_string(), name, address.span));
        }
        if let Some((other, _)) = dhcp6.fixed[..at].iter().find(|(_, a)| a.value == address.value) {
            report.push(say::fixed_taken(address.value, &other.value, address.span));
        }
        let mut others = members.filter(|member| node_of(*member) != who.value);
        let holder = others.find(|member| {
            plan.interfaces[*member].iter().any(|a| a.net.addr() == IpAddr::V6(address.value))
        });
        if let Some(holder) = holder {
            report.push(say::fixed_taken(address.value, node_of(holder), address.span));
        }
    }
}
