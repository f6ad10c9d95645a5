//! What a lease brings into the kernel: an address that ends by itself, the
//! routes beside it, and the route to a delegated prefix.
//!
//! They are made while a yard runs, by its client and server processes, and bear a
//! number of their own, [`LEASED`]: they are not the file's, so a plan neither
//! misses nor removes them, and whoever made them finds them again.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::address::family;
use super::attribute::ip;
use super::{Request, attributes, u8_of, u32_of};

/// The protocol number of addresses and routes that a lease brought; see
/// [`PROTOCOL`](super::PROTOCOL) for those of the file.
pub const LEASED: u8 = 79;

/// The metric of routes by a lease: behind those of the file. It is what the
/// kernel gives IPv6 routes that say none.
pub const METRIC: u32 = 1024;

/// The number of `lo`, in every namespace.
const LOOPBACK: u32 = 1;

/// `RT_TABLE_MAIN`.
const MAIN: u8 = 254;
// linux/if_addr.h, linux/rtnetlink.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// An address that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeasedAddress {
    /// The interface's index.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// For how many seconds it is good for new connections; all ones is for ever.
    pub preferred: u32,
    /// After how many seconds the kernel takes it away; all ones is never.
    pub valid: u32,
}

impl LeasedAddress {
    /// Makes it, or makes it last longer.
    pub fn set(&self) -> Request {
        let mut message = self.message();
        let mut cache = CacheInfo::default();
        (cache.ifa_preferred, cache.ifa_valid) = (self.preferred, self.valid);
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(LEASED)));
        match self.net {
            IpNet::V4(net) if net.prefix_len() < 31 => {
                message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
            }
            // A route to itself would outlive it.
            IpNet::V6(net) if net.prefix_len() == 128 => {
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute));
            }
            _ => {}
        }
        Request::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes it away.
    pub fn remove(&self) -> Request {
        Request::new(RouteNetlinkMessage::DelAddress(self.message()), 0)
    }

    /// Takes away the route to its neighbours: of an address that ends, the kernel leaves it
    /// until it would have ended (`check_cleanup_prefix_route`, net/ipv6/addrconf.c).
    pub fn remove_link_route(&self) -> Request {
        let (index, destination) = (self.index, self.net.trunc());
        let mut message = LeasedRoute { index, destination, gateway: None }.message();
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        message.header.kind = RouteType::Unspec;
        message.attributes.retain(|one| !matches!(one, RouteAttribute::Priority(_)));
        Request::new(RouteNetlinkMessage::DelRoute(message), 0)
    }

    fn message(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = self.index;
        message.header.prefix_len = self.net.prefix_len();
        message.header.family = family(self.net.addr());
        let address = self.net.addr();
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        message
    }
}

/// An address as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldAddress {
    /// The interface's index.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// A lease brought it.
    pub leased: bool,
    /// The kernel still asks whether anybody else has it.
    pub tentative: bool,
    /// Somebody else has it (RFC 4862, 5.4.5).
    pub duplicate: bool,
    /// For how many seconds it is good for new connections; all ones is for ever.
    pub preferred: u32,
    /// In how many seconds it ends; all ones is never.
    pub valid: u32,
}

/// Reads an `RTM_NEWADDR` message without its netlink header.
pub fn read_address(message: &[u8]) -> Option<ToldAddress> {
    const HEADER: usize = 8; // struct ifaddrmsg
    let header = message.get(..HEADER)?;
    let (mut local, mut address, mut flags, mut protocol) = (None, None, u32::from(header[2]), 0);
    let (mut preferred, mut valid) = (u32::MAX, u32::MAX);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            IFA_FLAGS => flags = u32_of(value)?,
            IFA_PROTO => protocol = u8_of(value)?,
            // struct ifa_cacheinfo
            IFA_CACHEINFO => {
                (preferred, valid) = (u32_of(value)?, u32_of(value.get(4..)?)?);
            }
            _ => {}
        }
    }
    Some(ToldAddress {
        index: u32_of(&header[4..])?,
        net: IpNet::new(local.or(address)?, header[1]).ok()?,
        leased: protocol == LEASED,
        tentative: flags & IFA_F_TENTATIVE != 0,
        duplicate: flags & IFA_F_DADFAILED != 0,
        preferred,
        valid,
    })
}

/// What leads nowhere: a delegated prefix as a whole, so that what is sent to a part of
/// it that nobody has does not go back to where it came from (RFC 7084, WPD-5).
pub fn dead_end(destination: Ipv6Net) -> [Request; 2] {
    let route = LeasedRoute { index: LOOPBACK, destination: destination.into(), gateway: None };
    let mut message = route.message();
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unreachable;
    let made = RouteNetlinkMessage::NewRoute(message.clone());
    let gone = RouteNetlinkMessage::DelRoute(message);
    [Request::new(made, NLM_F_CREATE | NLM_F_REPLACE), Request::new(gone, 0)]
}

/// A route that a lease brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeasedRoute {
    /// The index of the interface it leads through.
    pub index: u32,
    /// Where it leads.
    pub destination: IpNet,
    /// The router; none for what is on the link.
    pub gateway: Option<IpAddr>,
}

impl LeasedRoute {
    /// Makes it, in the place of one that leads elsewhere.
    pub fn set(&self) -> Request {
        let mut message = self.message();
        let on_link = self.destination.addr().is_ipv4() && self.gateway.is_none();
        message.header.scope = if on_link { RouteScope::Link } else { RouteScope::Universe };
        message.header.kind = RouteType::Unicast;
        let gateway =
            self.gateway.map(|gateway| RouteAttribute::Gateway(RouteAddress::from(gateway)));
        message.attributes.extend(gateway);
        Request::new(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes it away.
    pub fn remove(&self) -> Request {
        let mut message = self.message();
        message.header.scope = RouteScope::NoWhere;
        message.header.kind = RouteType::Unspec;
        Request::new(RouteNetlinkMessage::DelRoute(message), 0)
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(self.destination.addr());
        header.destination_prefix_length = self.destination.prefix_len();
        header.table = MAIN;
        header.protocol = RouteProtocol::Other(LEASED);
        message.attributes = vec![
            RouteAttribute::Destination(self.destination.network().into()),
            RouteAttribute::Priority(METRIC),
            RouteAttribute::Oif(self.index),
        ];
        message
    }
}

/// Reads an `RTM_NEWROUTE` message without its netlink header; none where no
/// lease brought it.
pub fn read_route(message: &[u8]) -> Option<LeasedRoute> {
    const HEADER: usize = 12; // struct rtmsg
    const INET6: u8 = 10; // AF_INET6
    let header = message.get(..HEADER)?;
    if header[5] != LEASED {
        return None;
    }
    let any: IpAddr = match header[0] {
        INET6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => std::net::Ipv4Addr::UNSPECIFIED.into(),
    };
    let (mut destination, mut index, mut gateway) = (any, None, None);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            RTA_DST => destination = ip(value)?,
            RTA_OIF => index = u32_of(value),
            RTA_GATEWAY => gateway = ip(value),
            _ => {}
        }
    }
    let destination = IpNet::new(destination, header[1]).ok()?;
    Some(LeasedRoute { index: index?, destination, gateway })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(request: &Request) -> Vec<u8> {
        use netlink_packet_core::NetlinkSerializable as _;
        let mut bytes = vec![0; request.message.buffer_len()];
        request.message.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn a_leased_address_is_not_the_files() {
        let net = "10.1.0.7/24".parse().unwrap();
        let address = LeasedAddress { index: 4, net, preferred: 10, valid: 20 };
        let message = body(&address.set());
        let told = read_address(&message).unwrap();
        assert_eq!((told.index, told.net, told.leased), (4, net, true));
        assert_eq!((told.preferred, told.valid), (10, 20));
        let place = crate::state::Place::Host;
        assert_eq!(crate::wire::address::read(&place, &Default::default(), &message), None);
    }

    #[test]
    fn a_leased_route_is_not_the_files() {
        for (destination, gateway) in
            [("0.0.0.0/0", Some("10.1.0.1")), ("::/0", Some("fe80::1")), ("10.2.0.0/16", None)]
        {
            let route = LeasedRoute {
                index: 4,
                destination: destination.parse().unwrap(),
                gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            };
            let message = body(&route.set());
            assert_eq!(read_route(&message), Some(route));
            let place = crate::state::Place::Host;
            assert_eq!(crate::wire::route::read(&place, &Default::default(), &message), None);
        }
    }
}
