//! Addresses over netlink.
//!
//! An IPv4 address with a subnet gets the subnet's broadcast address, as
//! `ip address add … brd +` does, for programs that ask the interface for it.
//! An IPv6 address without duplicate address detection is usable at once. The
//! kernel adds a route to the subnet and keeps it.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::attribute::ip;
use super::{Names, PROTOCOL, Request, UnknownInterface, attributes, u8_of, u32_of};
use crate::state::{Address, InterfaceId, Place};

// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_PERMANENT: u32 = 0x80;
const HEADER: usize = 8; // struct ifaddrmsg

/// Asks for all addresses.
pub fn dump() -> Request {
    Request::dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))
}

/// Reads an `RTM_NEWADDR` message without its netlink header; none where it is
/// not netyard's.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Option<Address> {
    let (address, protocol, _) = whole(place, names, message)?;
    (protocol == PROTOCOL).then_some(address)
}

/// The same, whoever's it is; none where a lease gave it, or the kernel made it by itself.
pub fn read_static(place: &Place, names: &Names, message: &[u8]) -> Option<Address> {
    read_permanent(place, names, message).filter(|address| !is_of_kernel(address))
}

/// The same, with those that look like the kernel's own ([`is_of_kernel`]).
pub fn read_permanent(place: &Place, names: &Names, message: &[u8]) -> Option<Address> {
    let (address, _, flags) = whole(place, names, message)?;
    (flags & IFA_F_PERMANENT != 0).then_some(address)
}

/// True for one that the kernel makes by itself on most interfaces; of a WireGuard
/// interface somebody made it.
pub fn is_of_kernel(address: &Address) -> bool {
    match address.net.addr() {
        IpAddr::V4(own) => own.is_loopback(),
        IpAddr::V6(own) => own.is_loopback() || own.is_unicast_link_local(),
    }
}

/// Who made it, as it says itself (`IFA_PROTO`); 0 where it does not.
pub fn protocol(message: &[u8]) -> u8 {
    let mut attributes = attributes(message.get(HEADER..).unwrap_or_default());
    attributes.find(|(kind, _)| *kind == IFA_PROTO).and_then(|(_, value)| u8_of(value)).unwrap_or(0)
}

/// An address with its protocol number and its flags.
fn whole(place: &Place, names: &Names, message: &[u8]) -> Option<(Address, u8, u32)> {
    let index = u32_of(message.get(4..HEADER)?)?;
    let (mut local, mut address, mut flags, mut protocol) = (None, None, 0, 0);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            IFA_FLAGS => flags = u32_of(value)?,
            IFA_PROTO => protocol = u8_of(value)?,
            _ => {}
        }
    }
    let own = local.or(address)?;
    let address = Address {
        interface: InterfaceId { place: place.clone(), name: names.full(index)?.clone() },
        net: IpNet::new(own, message[1]).ok()?,
        peer: address.filter(|&address| address != own),
        dad: own.is_ipv6() && flags & IFA_F_NODAD == 0,
    };
    Some((address, protocol, flags))
}

/// An address that was seen, whoever's it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenAddress {
    /// The index of its interface.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// For how many seconds it is still valid; none where for ever.
    pub valid: Option<u32>,
}

impl SeenAddress {
    /// True for one that is only good on its link.
    pub fn is_link_local(&self) -> bool {
        match self.net.addr() {
            IpAddr::V4(a) => a.is_link_local(),
            IpAddr::V6(a) => a.is_unicast_link_local(),
        }
    }
}

/// Reads an `RTM_NEWADDR` message without its netlink header, whoever's it is.
pub fn read_any(message: &[u8]) -> Option<SeenAddress> {
    let index = u32_of(message.get(4..HEADER)?)?;
    let (mut local, mut address, mut valid) = (None, None, None);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            // struct ifa_cacheinfo: preferred, valid, …; all ones is for ever.
            IFA_CACHEINFO => {
                valid = value.get(4..8).and_then(u32_of).filter(|&seconds| seconds != u32::MAX);
            }
            _ => {}
        }
    }
    let net = IpNet::new(local.or(address)?, message[1]).ok()?;
    Some(SeenAddress { index, net, valid })
}

impl Address {
    /// Adds it.
    pub fn add(&self, names: &Names) -> Result<Request, UnknownInterface> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        Ok(Request::new(RouteNetlinkMessage::NewAddress(self.message(names)?), flags))
    }

    /// Lets one that is there say who made it (`IFA_PROTO`), which only IPv6 can have done: of IPv4 the
    /// kernel keeps what it was told first (`inet_rtm_newaddr`, net/ipv4/devinet.c).
    pub fn mark(&self, protocol: u8, names: &Names) -> Result<Option<Request>, UnknownInterface> {
        if self.net.addr().is_ipv4() {
            return Ok(None);
        }
        let mut message = self.message(names)?;
        for attribute in &mut message.attributes {
            if let AddressAttribute::Protocol(old) = attribute {
                *old = AddressProtocol::Other(protocol);
            }
        }
        Ok(Some(Request::new(RouteNetlinkMessage::NewAddress(message), NLM_F_REPLACE)))
    }

    /// Takes it away, and with it the routes that lead out of it.
    pub fn remove(&self, names: &Names) -> Result<Request, UnknownInterface> {
        let mut message = self.message(names)?;
        message.attributes.retain(|attribute| {
            matches!(attribute, AddressAttribute::Local(_) | AddressAttribute::Address(_))
        });
        Ok(Request::new(RouteNetlinkMessage::DelAddress(message), 0))
    }

    /// Changes `from`, an address of the same interface and prefix, into this
    /// one: of IPv4 in two requests, as the kernel cannot change its peer.
    pub fn change(&self, from: &Self, names: &Names) -> Result<Vec<Request>, UnknownInterface> {
        if self.net.addr().is_ipv4() {
            return Ok(vec![from.remove(names)?, self.add(names)?]);
        }
        let message = RouteNetlinkMessage::NewAddress(self.message(names)?);
        Ok(vec![Request::new(message, NLM_F_REPLACE)])
    }

    fn message(&self, names: &Names) -> Result<AddressMessage, UnknownInterface> {
        let mut message = AddressMessage::default();
        message.header.index = names.index(&self.interface.name)?;
        message.header.prefix_len = self.net.prefix_len();
        message.header.family = family(self.net.addr());
        let other = self.peer.unwrap_or(self.net.addr());
        message.attributes = vec![
            AddressAttribute::Local(self.net.addr()),
            AddressAttribute::Address(other),
            AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)),
        ];
        if let (IpNet::V4(net), None) = (self.net, self.peer)
            && net.prefix_len() < 31
        {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        if self.net.addr().is_ipv6() && !self.dad {
            message.header.flags = AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        Ok(message)
    }
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet }
}
