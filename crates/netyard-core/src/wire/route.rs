//! Routes over netlink.
//!
//! What the kernel makes of a route: a single next hop has no weight; an IPv6
//! route without a metric gets 1024; the hops of an IPv6 multipath route come
//! back in any order. A desired route says all of that as the kernel will.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop,
    RouteNextHopFlags, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::address::family;
use super::attribute::ip;
use super::{Names, PROTOCOL, Request, UnknownInterface, attributes, u16_of, u32_of};
use crate::state::{NextHop, Place, Route, RouteKind};

// linux/rtnetlink.h
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTAX_MTU: u16 = 2;
const RTN_UNICAST: u8 = 1;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const RTNH_F_ONLINK: u8 = 4;
const HEADER: usize = 12; // struct rtmsg
const HOP_HEADER: usize = 8; // struct rtnexthop

/// Asks for netyard's routes of both families; a kernel that was not told to be
/// strict (`NETLINK_GET_STRICT_CHK`) answers with everybody's.
pub fn dump() -> [Request; 2] {
    [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.protocol = RouteProtocol::Other(PROTOCOL);
        Request::dump(RouteNetlinkMessage::GetRoute(message))
    })
}

/// Asks for all routes of both families, whoever's they are.
pub fn dump_all() -> [Request; 2] {
    [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        Request::dump(RouteNetlinkMessage::GetRoute(message))
    })
}

/// Reads an `RTM_NEWROUTE` message without its netlink header; none where it is
/// not netyard's.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Option<Route> {
    (*message.get(5)? == PROTOCOL).then(|| read_any(place, names, message))?
}

/// True for a route that somebody wrote, by hand or for good (`RTPROT_BOOT`,
/// `RTPROT_STATIC`): neither the kernel's nor a daemon's.
pub fn is_written(message: &[u8]) -> bool {
    const BOOT: u8 = 3; // linux/rtnetlink.h
    const STATIC: u8 = 4;
    matches!(message.get(5), Some(&(BOOT | STATIC | PROTOCOL)))
}

/// Reads an `RTM_NEWROUTE` message, whoever's the route is; none where it is of
/// a kind that netyard does not make, local and broadcast routes among them.
pub fn read_any(place: &Place, names: &Names, message: &[u8]) -> Option<Route> {
    let header = message.get(..HEADER)?;
    let any: IpAddr = if header[0] == u8::from(AddressFamily::Inet6) {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    let mut route = Route {
        place: place.clone(),
        table: u32::from(header[4]),
        destination: IpNet::new(any, header[1]).ok()?,
        metric: 0,
        kind: read_kind(header[7])?,
        hops: Vec::new(),
        source: None,
        mtu: None,
    };
    let mut multipath = &[][..];
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            RTA_DST => route.destination = IpNet::new(ip(value)?, header[1]).ok()?,
            RTA_PRIORITY => route.metric = u32_of(value)?,
            RTA_TABLE => route.table = u32_of(value)?,
            RTA_PREFSRC => route.source = ip(value),
            RTA_METRICS => {
                let mtu = attributes(value).find(|(kind, _)| *kind == RTAX_MTU);
                route.mtu = mtu.and_then(|(_, value)| u32_of(value));
            }
            RTA_MULTIPATH => multipath = value,
            _ => {}
        }
    }
    if route.kind == RouteKind::Unicast {
        route.hops = if multipath.is_empty() {
            vec![read_hop(names, None, header[8], 1, &message[HEADER..])?]
        } else {
            read_hops(names, multipath)?
        };
        route.hops.sort();
    }
    Some(route)
}

fn read_kind(number: u8) -> Option<RouteKind> {
    match number {
        RTN_UNICAST => Some(RouteKind::Unicast),
        RTN_BLACKHOLE => Some(RouteKind::Blackhole),
        RTN_UNREACHABLE => Some(RouteKind::Unreachable),
        RTN_PROHIBIT => Some(RouteKind::Prohibit),
        _ => None,
    }
}

fn read_hops(names: &Names, mut multipath: &[u8]) -> Option<Vec<NextHop>> {
    let mut hops = Vec::new();
    while !multipath.is_empty() {
        let header = multipath.get(..HOP_HEADER)?;
        let length = usize::from(u16_of(header)?);
        let rest = multipath.get(HOP_HEADER..length)?;
        let (flags, weight, index) = (header[2], u16::from(header[3]) + 1, u32_of(&header[4..])?);
        hops.push(read_hop(names, Some(index), flags, weight, rest)?);
        multipath = multipath.get((length + 3) & !3..).unwrap_or_default();
    }
    Some(hops)
}

fn read_hop(
    names: &Names,
    mut index: Option<u32>,
    flags: u8,
    weight: u16,
    bytes: &[u8],
) -> Option<NextHop> {
    let mut gateway = None;
    for (kind, value) in attributes(bytes) {
        match kind {
            RTA_OIF => index = u32_of(value),
            RTA_GATEWAY => gateway = ip(value),
            RTA_VIA => gateway = ip(value.get(2..)?),
            _ => {}
        }
    }
    let interface = names.full(index?)?.clone();
    Some(NextHop { gateway, interface, onlink: flags & RTNH_F_ONLINK != 0, weight })
}

impl Route {
    /// Adds it.
    pub fn add(&self, names: &Names) -> Result<Request, UnknownInterface> {
        let message = RouteNetlinkMessage::NewRoute(self.message(names)?);
        Ok(Request::new(message, NLM_F_CREATE | NLM_F_EXCL))
    }

    /// Takes it away: the route of that destination, table, metric and protocol.
    pub fn remove(&self) -> Request {
        let mut message = self.head();
        // "Any scope": the kernel knows the route's own (fib_table_delete).
        message.header.scope = RouteScope::NoWhere;
        message.header.kind = RouteType::Unspec;
        Request::new(RouteNetlinkMessage::DelRoute(message), 0)
    }

    /// Puts it in the place of the route of the same key.
    pub fn change(&self, names: &Names) -> Result<Request, UnknownInterface> {
        let message = RouteNetlinkMessage::NewRoute(self.message(names)?);
        Ok(Request::new(message, NLM_F_CREATE | NLM_F_REPLACE))
    }

    /// Lets one that is there say who made it (`RTA_PROTOCOL`).
    pub fn mark(&self, protocol: u8, names: &Names) -> Result<Request, UnknownInterface> {
        let mut message = self.message(names)?;
        message.header.protocol = RouteProtocol::from(protocol);
        Ok(Request::new(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE))
    }

    /// What identifies it.
    fn head(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(self.destination.addr());
        header.destination_prefix_length = self.destination.prefix_len();
        header.table = u8::try_from(self.table).unwrap_or(0);
        header.protocol = RouteProtocol::Other(PROTOCOL);
        message.attributes = vec![
            RouteAttribute::Destination(self.destination.network().into()),
            RouteAttribute::Table(self.table),
            RouteAttribute::Priority(self.metric),
        ];
        message
    }

    fn message(&self, names: &Names) -> Result<RouteMessage, UnknownInterface> {
        let mut message = self.head();
        message.header.kind = match self.kind {
            RouteKind::Unicast => RouteType::Unicast,
            RouteKind::Blackhole => RouteType::BlackHole,
            RouteKind::Unreachable => RouteType::Unreachable,
            RouteKind::Prohibit => RouteType::Prohibit,
        };
        let v4 = self.destination.addr().is_ipv4();
        let direct = !self.hops.is_empty() && self.hops.iter().all(|hop| hop.gateway.is_none());
        let scope = if v4 && direct { RouteScope::Link } else { RouteScope::Universe };
        message.header.scope = scope;
        message.attributes.extend(self.source.map(|ip| RouteAttribute::PrefSource(ip.into())));
        if let Some(mtu) = self.mtu {
            message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        }
        match &self.hops[..] {
            [] => {}
            [hop] => {
                message.attributes.push(RouteAttribute::Oif(names.index(&hop.interface)?));
                message.attributes.extend(self.gateway(hop));
                if hop.onlink {
                    message.header.flags = RouteFlags::Onlink;
                }
            }
            hops => {
                let hops: Result<_, _> = hops.iter().map(|hop| self.hop(hop, names)).collect();
                message.attributes.push(RouteAttribute::MultiPath(hops?));
            }
        }
        Ok(message)
    }

    fn hop(&self, hop: &NextHop, names: &Names) -> Result<RouteNextHop, UnknownInterface> {
        let mut next = RouteNextHop::default();
        next.interface_index = names.index(&hop.interface)?;
        next.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
        next.attributes.extend(self.gateway(hop));
        Ok(next)
    }

    /// `RTA_GATEWAY`, or `RTA_VIA` for a gateway of the other family (RFC 5549).
    fn gateway(&self, hop: &NextHop) -> Option<RouteAttribute> {
        Some(match (hop.gateway?, self.destination) {
            (IpAddr::V6(gateway), IpNet::V4(_)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
            (gateway, _) => RouteAttribute::Gateway(RouteAddress::from(gateway)),
        })
    }
}
