//! Permanent neighbour entries and proxy entries over netlink.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteProtocol, RouteType};

use super::address::family;
use super::attribute::ip;
use super::{Names, PROTOCOL, Request, UnknownInterface, attributes, mac, u8_of, u32_of};
use crate::state::{InterfaceId, Neighbour, Place};

// linux/neighbour.h
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_PROTOCOL: u16 = 12;
const NTF_PROXY: u8 = 8;
const HEADER: usize = 12; // struct ndmsg

/// Asks for all neighbours, and for all proxy entries, which the kernel keeps
/// apart.
pub fn dump() -> [Request; 2] {
    let neighbours = NeighbourMessage::default();
    let mut proxies = NeighbourMessage::default();
    proxies.header.flags = NeighbourFlags::Proxy;
    [neighbours, proxies].map(|m| Request::dump(RouteNetlinkMessage::GetNeighbour(m)))
}

/// Reads an `RTM_NEWNEIGH` message without its netlink header; none where it is
/// not netyard's.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Option<Neighbour> {
    let index = u32_of(message.get(4..HEADER)?)?;
    let (mut address, mut hardware, mut protocol) = (None, None, 0);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            NDA_DST => address = ip(value),
            NDA_LLADDR => hardware = mac(value),
            NDA_PROTOCOL => protocol = u8_of(value)?,
            _ => {}
        }
    }
    if protocol != PROTOCOL {
        return None;
    }
    Some(Neighbour {
        interface: InterfaceId { place: place.clone(), name: names.full(index)?.clone() },
        address: address?,
        mac: hardware.filter(|_| message[10] & NTF_PROXY == 0),
    })
}

impl Neighbour {
    /// Adds it, in the place of what the kernel may have learnt of that address.
    pub fn add(&self, names: &Names) -> Result<Request, UnknownInterface> {
        let message = RouteNetlinkMessage::NewNeighbour(self.message(names)?);
        Ok(Request::new(message, NLM_F_CREATE | NLM_F_REPLACE))
    }

    /// Takes it away.
    pub fn remove(&self, names: &Names) -> Result<Request, UnknownInterface> {
        Ok(Request::new(RouteNetlinkMessage::DelNeighbour(self.message(names)?), 0))
    }

    /// Changes `from`, an entry of the same interface and address, into this one.
    pub fn change(&self, from: &Self, names: &Names) -> Result<Vec<Request>, UnknownInterface> {
        if self.mac.is_some() && from.mac.is_some() {
            return Ok(vec![self.add(names)?]);
        }
        Ok(vec![from.remove(names)?, self.add(names)?])
    }

    fn message(&self, names: &Names) -> Result<NeighbourMessage, UnknownInterface> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(self.address);
        message.header.ifindex = names.index(&self.interface.name)?;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::from(self.address)),
            NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
        ];
        match self.mac {
            Some(mac) => {
                message.header.state = NeighbourState::Permanent;
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
            }
            None => message.header.flags = NeighbourFlags::Proxy,
        }
        Ok(message)
    }
}
