//! Prefixes of networks and links, and the address of every interface.
//!
//! A network's or link's prefixes are those that the file declares; else those
//! of the explicit addresses on it; else, when an interface on it wants an
//! address, one of each family out of the [pools](super::pool). An interface
//! that says nothing gets one address of each prefix, in the order in which
//! interfaces were declared: the first that nothing explicit has. The host's
//! side of a network takes the last address of an IPv4 prefix and `…:fffe` of
//! an IPv6 one. A bridge's or bond's member gets none, and no automatic address
//! is ever the interface's own gateway.

use std::collections::HashSet; // looked up, never iterated
use std::net::IpAddr;

use ipnet::IpNet;

use super::Address;
use super::gather::{Cast, Role};
use super::mtu::{Mtus, carries_ipv6};
use super::pool::{self, Pools, Use, is_v6, number, range};
use super::prefix::PrefixMap;
use super::relate::{Relations, is_enslaved};
use super::serving::Seat;
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::spec::{AddressesSpec, ViaSpec, WaySpec};

/// The least IPv4 network that is allotted while there is room.
const NETWORK_LENGTH: u8 = 24;

/// Who has which address.
pub(super) struct Addressing {
    /// By interface, in order.
    pub interfaces: Vec<Vec<Address>>,
    /// Of bridges in the fabric from which networks are served, by network.
    pub bridges: Vec<Vec<Address>>,
    /// By segment.
    pub segments: Vec<Prefixes>,
    /// The pools in use.
    pub pools: Vec<IpNet>,
}

/// The prefixes of a segment.
#[derive(Default)]
pub(super) struct Prefixes {
    pub list: Vec<(IpNet, Span)>,
    pub origin: Origin,
}

/// Who chose the prefixes of a segment.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file, in so many words.
    Declared,
    /// The file, by explicit addresses.
    Adopted,
    /// Netyard, or nobody.
    #[default]
    Allotted,
}

/// What was said of an interface's addresses.
enum Wish<'s> {
    Nothing,
    Auto,
    These(Vec<&'s Spanned<IpNet>>),
}

pub(super) fn allot(
    cast: &Cast<'_>,
    relations: &Relations,
    mtus: &Mtus,
    seats: &[Option<Seat>],
    facts: &Facts,
    report: &mut Report,
) -> Addressing {
    let wishes: Vec<Wish<'_>> =
        (0..cast.interfaces.len()).map(|i| wish(cast, relations, i)).collect();
    let mut segments: Vec<Prefixes> =
        (0..cast.members.len()).map(|s| said_prefixes(cast, &wishes, s)).collect();
    let interfaces = explicit(cast, &wishes, mtus, report);
    let bridges = vec![Vec::new(); cast.spec.networks.len()];
    let mut drafts = Drafts { cast, mtus, wishes: &wishes, seats, interfaces, bridges };
    let wanting: Vec<Vec<usize>> =
        (0..segments.len()).map(|s| drafts.wanting(s, &segments[s])).collect();
    let taken = taken(&segments, &drafts.interfaces);
    let given = cast.spec.pools.iter().map(|p| p.value).collect();
    let served = |segment: usize| seats.get(segment).is_some_and(Option::is_some);
    let demand = demand(cast, &segments, &wanting);
    let mut pools = Pools::new(cast.spec.yard.value.as_str(), given, facts, taken, demand);
    for (segment, prefixes) in segments.iter_mut().enumerate() {
        let wanted = !wanting[segment].is_empty() || served(segment);
        if prefixes.origin == Origin::Allotted && wanted {
            drafts.cut(segment, wanting[segment].len(), &mut pools, prefixes, report);
        }
    }
    for (segment, prefixes) in segments.iter().enumerate() {
        drafts.number(segment, &wanting[segment], &prefixes.list, report);
    }
    Addressing {
        interfaces: drafts.interfaces,
        bridges: drafts.bridges,
        segments,
        pools: pools.prefixes(),
    }
}

fn wish<'s>(cast: &Cast<'s>, relations: &Relations, interface: usize) -> Wish<'s> {
    let found = &cast.interfaces[interface];
    let own = found.spec.map(|s| &s.addresses);
    let side = match found.role {
        Role::Bridge(network) => cast.spec.networks[network].host.as_ref().map(|h| &h.addresses),
        _ => None,
    };
    let said = [side, own].into_iter().flatten();
    let these: Vec<_> = said
        .clone()
        .filter_map(|a| match a {
            AddressesSpec::These(list) => Some(list),
            _ => None,
        })
        .flatten()
        .collect();
    if !these.is_empty() {
        Wish::These(these)
    } else if said.into_iter().any(|a| !matches!(a, AddressesSpec::Auto))
        || cast.segment(interface).is_none_or(|segment| is_of_others(cast, segment))
        || is_enslaved(cast, relations, interface)
    {
        Wish::Nothing
    } else {
        Wish::Auto
    }
}

/// True for a network that is a part of somebody else's: its addresses are not
/// netyard's to give, unless the file says from which prefix.
fn is_of_others(cast: &Cast<'_>, segment: usize) -> bool {
    let network = cast.spec.networks.get(segment);
    network.is_some_and(|n| {
        let way = n.uplink.as_ref().map(|uplink| &uplink.way);
        n.prefixes.is_none() && matches!(way, Some(WaySpec::Bridge(_) | WaySpec::Macvlan(_)))
    })
}

fn said_prefixes(cast: &Cast<'_>, wishes: &[Wish<'_>], segment: usize) -> Prefixes {
    let networks = cast.spec.networks.len();
    let declared = match cast.spec.networks.get(segment) {
        Some(network) => &network.prefixes,
        None => &cast.spec.links[segment - networks].prefixes,
    };
    if let Some(list) = declared {
        let list = list.iter().map(|p| (p.value.trunc(), p.span)).collect();
        return Prefixes { list, origin: Origin::Declared };
    }
    let mut list: Vec<(IpNet, Span)> = Vec::new();
    for &member in &cast.members[segment] {
        let Wish::These(these) = &wishes[member] else { continue };
        for net in these {
            let prefix = net.value.trunc();
            let is_host = prefix.prefix_len() == prefix.max_prefix_len();
            if !is_host
                && !is_link_local(net.value.addr())
                && list.iter().all(|(other, _)| *other != prefix)
            {
                list.push((prefix, net.span));
            }
        }
    }
    let origin = if list.is_empty() { Origin::Allotted } else { Origin::Adopted };
    Prefixes { list, origin }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

/// The addresses that the file says, checked one by one.
fn explicit(
    cast: &Cast<'_>,
    wishes: &[Wish<'_>],
    mtus: &Mtus,
    report: &mut Report,
) -> Vec<Vec<Address>> {
    let mut all = Vec::with_capacity(wishes.len());
    for (i, wish) in wishes.iter().enumerate() {
        let Wish::These(these) = wish else {
            all.push(Vec::new());
            continue;
        };
        let interface = &cast.interfaces[i];
        let dad = interface.spec.is_some_and(|s| s.dad);
        let mut addresses: Vec<Address> = Vec::with_capacity(these.len());
        for said in these {
            let (net, span) = (said.value, said.span);
            if let Some(why) = unusable(net) {
                report.push(diag::address_unusable(net, why, span));
            }
            if is_v6(net) && !carries_ipv6(mtus.interfaces[i]) {
                let mtu = mtus.interfaces[i].unwrap_or_default();
                report.push(diag::mtu_below_ipv6(interface.name.as_str(), mtu, span));
            }
            match addresses.iter().find(|a| a.net == net) {
                Some(first) => {
                    let name = cast.id(i).to_string();
                    report.push(diag::address_repeated(&name, net, span, first.span));
                }
                None => {
                    addresses.push(Address { net, dad: dad && is_v6(net), allotted: false, span })
                }
            }
        }
        all.push(addresses);
    }
    all
}

/// Why an interface cannot have this address.
fn unusable(net: IpNet) -> Option<&'static str> {
    let address = net.addr();
    let last = net.max_prefix_len() - 1;
    let (first, end) = range(net);
    if address.is_multicast() {
        Some("it is a multicast address")
    } else if address.is_unspecified() {
        Some("it means no address at all")
    } else if net.prefix_len() < last && number(address) == first {
        Some("it is the network's own address")
    } else if !is_v6(net) && net.prefix_len() < last && number(address) == end {
        Some("it is the network's broadcast address")
    } else {
        None
    }
}

/// All that the file says, which nothing allotted may overlap.
fn taken(segments: &[Prefixes], interfaces: &[Vec<Address>]) -> PrefixMap<()> {
    let mut taken = PrefixMap::default();
    for (prefix, _) in segments.iter().flat_map(|s| &s.list) {
        taken.insert(*prefix, ());
    }
    for address in interfaces.iter().flatten() {
        taken.insert(address.net.trunc(), ());
    }
    taken
}

/// The IPv4 addresses to be allotted; twice those of networks, whose sizes
/// leave gaps.
fn demand(cast: &Cast<'_>, segments: &[Prefixes], wanting: &[Vec<usize>]) -> u64 {
    let open = segments.iter().zip(wanting).enumerate();
    open.filter(|(_, (prefixes, wanting))| {
        prefixes.origin == Origin::Allotted && !wanting.is_empty()
    })
    .map(|(segment, (_, wanting))| {
        if segment < cast.spec.networks.len() {
            2 << (32 - length_for(wanting.len()).min(NETWORK_LENGTH))
        } else {
            2
        }
    })
    .sum()
}

/// The longest IPv4 prefix with room for that many hosts.
fn length_for(hosts: usize) -> u8 {
    let bits = (hosts as u64 + 2).next_power_of_two().trailing_zeros();
    32_u32.saturating_sub(bits) as u8
}

struct Drafts<'a, 's> {
    cast: &'a Cast<'s>,
    mtus: &'a Mtus,
    wishes: &'a [Wish<'s>],
    seats: &'a [Option<Seat>],
    interfaces: Vec<Vec<Address>>,
    bridges: Vec<Vec<Address>>,
}

impl Drafts<'_, '_> {
    /// The interfaces of a segment to which addresses are allotted. On a link
    /// without prefixes both ends must want one: one alone is of no use.
    fn wanting(&self, segment: usize, prefixes: &Prefixes) -> Vec<usize> {
        let members = self.cast.members[segment].iter().copied();
        let wanting: Vec<usize> =
            members.filter(|m| matches!(self.wishes[*m], Wish::Auto)).collect();
        let is_link = segment >= self.cast.spec.networks.len();
        if is_link && prefixes.origin == Origin::Allotted && wanting.len() < 2 {
            return Vec::new();
        }
        wanting
    }

    /// Allots one prefix of each family to a segment.
    fn cut(
        &self,
        segment: usize,
        hosts: usize,
        pools: &mut Pools<'_>,
        prefixes: &mut Prefixes,
        report: &mut Report,
    ) {
        let is_link = segment >= self.cast.spec.networks.len();
        let carries_v6 = match self.cast.members[segment].first() {
            Some(member) => carries_ipv6(self.mtus.interfaces[*member]),
            None => true,
        };
        let span = self.cast.segment_span(segment);
        for v6 in [false, true] {
            if !pools.has_family(v6) || (v6 && !carries_v6) {
                continue;
            }
            let found = match (is_link, v6) {
                (true, _) => pools.take(v6, if v6 { 127 } else { 31 }, Use::Link),
                (false, true) => pools.take(true, 64, Use::Network),
                (false, false) => {
                    let tight = length_for(hosts);
                    let roomy = tight.min(NETWORK_LENGTH);
                    let found = pools.take(false, roomy, Use::Network);
                    found.or_else(|| pools.take(false, tight, Use::Network))
                }
            };
            match found {
                Some(prefix) => prefixes.list.push((prefix, span)),
                None => {
                    report.push(diag::pools_used_up(&self.cast.segment_name(segment), v6, span))
                }
            }
        }
    }

    /// Gives each wanting interface an address of each prefix.
    fn number(
        &mut self,
        segment: usize,
        wanting: &[usize],
        prefixes: &[(IpNet, Span)],
        report: &mut Report,
    ) {
        let bridge = self.seats.get(segment).copied().flatten() == Some(Seat::Bridge);
        if wanting.is_empty() && !bridge {
            return;
        }
        let explicit = self.cast.members[segment].iter().flat_map(|m| &self.interfaces[*m]);
        let mut used: HashSet<IpAddr> = explicit.map(|a| a.net.addr()).collect();
        for (prefix, span) in prefixes {
            let first = wanting.first();
            if first.is_some_and(|i| is_v6(*prefix) && !self.mtu_fits(*i, *span, report)) {
                continue;
            }
            let mut hosts = Hosts::new(*prefix);
            if bridge {
                self.number_bridge(segment, (*prefix, *span), &mut hosts, &mut used, report);
            }
            for &i in wanting {
                let from_end = matches!(self.cast.interfaces[i].role, Role::Bridge(_));
                let gateways = self.gateways(i);
                let found = if from_end { hosts.last(&used) } else { hosts.next(&used, &gateways) };
                let Some(net) = found else {
                    let name = self.cast.segment_name(segment);
                    report.push(diag::prefix_full(&name, *prefix, wanting.len(), *span));
                    break;
                };
                used.insert(net.addr());
                let interface = &self.cast.interfaces[i];
                let dad = interface.spec.is_some_and(|s| s.dad) && is_v6(net);
                let span = interface.span;
                self.interfaces[i].push(Address { net, dad, allotted: true, span });
            }
        }
    }

    /// Gives a bridge in the fabric an address, as the host's side would have.
    fn number_bridge(
        &mut self,
        segment: usize,
        (prefix, span): (IpNet, Span),
        hosts: &mut Hosts,
        used: &mut HashSet<IpAddr>,
        report: &mut Report,
    ) {
        match hosts.last(used) {
            Some(net) => {
                used.insert(net.addr());
                self.bridges[segment].push(Address { net, dad: false, allotted: true, span });
            }
            None => {
                let name = self.cast.segment_name(segment);
                report.push(diag::prefix_full(&name, prefix, 1, span));
            }
        }
    }

    fn mtu_fits(&self, interface: usize, span: Span, report: &mut Report) -> bool {
        let mtu = self.mtus.interfaces[interface];
        if !carries_ipv6(mtu) {
            let name = self.cast.id(interface).to_string();
            report.push(diag::mtu_below_ipv6(&name, mtu.unwrap_or_default(), span));
        }
        carries_ipv6(mtu)
    }

    /// The gateways that an interface names by address.
    fn gateways(&self, interface: usize) -> Vec<IpAddr> {
        let entry = self.cast.interfaces[interface].spec;
        let gateways = entry.iter().flat_map(|s| &s.gateways);
        gateways
            .filter_map(|g| match g.value {
                ViaSpec::Address(address) => Some(address),
                ViaSpec::Interface(_) => None,
            })
            .collect()
    }
}

/// The host addresses of a prefix, handed out once each.
struct Hosts {
    v6: bool,
    length: u8,
    next: u128,
    end: u128,
    /// Passed over for one interface, good for the next.
    left: Vec<u128>,
    last: u128,
}

impl Hosts {
    fn new(prefix: IpNet) -> Self {
        let (first, end) = range(prefix);
        let (v6, length) = (is_v6(prefix), prefix.prefix_len());
        // RFC 3021 and RFC 6164: both addresses of a two-address prefix are hosts'.
        let (next, end) = if length + 1 >= prefix.max_prefix_len() {
            (first, end)
        } else {
            (first + 1, if v6 { end } else { end - 1 })
        };
        let last = if v6 { end.min(first.saturating_add(0xfffe)) } else { end };
        Self { v6, length, next, end, left: Vec::new(), last }
    }

    fn address(&self, number: u128) -> IpNet {
        pool::net(self.v6, number, self.length)
    }

    fn next(&mut self, used: &HashSet<IpAddr>, not: &[IpAddr]) -> Option<IpNet> {
        let fits = |net: IpNet| !used.contains(&net.addr()) && !not.contains(&net.addr());
        if let Some(at) = self.left.iter().position(|n| fits(self.address(*n))) {
            let found = self.left.remove(at);
            return Some(self.address(found));
        }
        while self.next <= self.end {
            let number = self.next;
            self.next = number.checked_add(1)?;
            let net = self.address(number);
            if fits(net) {
                return Some(net);
            }
            if !used.contains(&net.addr()) {
                self.left.push(number);
            }
        }
        None
    }

    fn last(&mut self, used: &HashSet<IpAddr>) -> Option<IpNet> {
        while self.last >= self.next {
            let net = self.address(self.last);
            self.last = self.last.checked_sub(1)?;
            if !used.contains(&net.addr()) {
                return Some(net);
            }
        }
        None
    }
}
