//! VLANs of bridge ports over netlink (`bridge vlan`).

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask,
    LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Names, Request, UnknownInterface, attributes, u16_of, u32_of};
use crate::state::{InterfaceId, Place, PortVlan};

// linux/if_link.h, linux/if_bridge.h
const IFLA_MASTER: u16 = 10;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 2;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 4;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 8;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 16;
const HEADER: usize = 16; // struct ifinfomsg

/// Asks for the VLANs of all ports and bridges, runs of alike ones as ranges.
pub fn dump() -> Request {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    let mask = vec![LinkExtentMask::BrvlanCompressed];
    message.attributes.push(LinkAttribute::ExtMask(mask));
    Request::dump(RouteNetlinkMessage::GetLink(message))
}

/// Reads an `RTM_NEWLINK` message of family `AF_BRIDGE`, without its netlink
/// header. A bridge that netyard made has no VLANs but those netyard gave it, so
/// whose they are is whose the bridge is.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Vec<PortVlan> {
    read_message(place, names, message).unwrap_or_default()
}

fn read_message(place: &Place, names: &Names, message: &[u8]) -> Option<Vec<PortVlan>> {
    let index = u32_of(message.get(4..HEADER)?)?;
    let interface = InterfaceId { place: place.clone(), name: names.full(index)?.clone() };
    let (mut master, mut spec) = (None, &[][..]);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            IFLA_MASTER => master = u32_of(value),
            IFLA_AF_SPEC => spec = value,
            _ => {}
        }
    }
    let mut vlans = Vec::new();
    let mut begin = None;
    for (_, value) in attributes(spec).filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO) {
        let (flags, vid) = (u16_of(value)?, u16_of(value.get(2..)?)?);
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            begin = Some(vid);
            continue;
        }
        let first = begin.take().filter(|_| flags & BRIDGE_VLAN_INFO_RANGE_END != 0);
        vlans.extend((first.unwrap_or(vid)..=vid).map(|vid| PortVlan {
            interface: interface.clone(),
            vid,
            pvid: flags & BRIDGE_VLAN_INFO_PVID != 0,
            untagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0,
            on_bridge: master == Some(index),
        }));
    }
    Some(vlans)
}

impl PortVlan {
    /// Adds it, or changes its flags where the port has it. A port has one
    /// `pvid`: giving it to another VLAN takes it from the first.
    pub fn add(&self, names: &Names) -> Result<Request, UnknownInterface> {
        Ok(Request::new(RouteNetlinkMessage::SetLink(self.message(names)?), 0))
    }

    /// Takes it away.
    pub fn remove(&self, names: &Names) -> Result<Request, UnknownInterface> {
        Ok(Request::new(RouteNetlinkMessage::DelLink(self.message(names)?), 0))
    }

    fn message(&self, names: &Names) -> Result<LinkMessage, UnknownInterface> {
        let mut flags = BridgeVlanInfoFlags::empty();
        flags.set(BridgeVlanInfoFlags::Pvid, self.pvid);
        flags.set(BridgeVlanInfoFlags::Untagged, self.untagged);
        let mut spec = vec![AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid: self.vid })];
        if self.on_bridge {
            spec.insert(0, AfSpecBridge::Flags(BridgeFlag::LowerDev));
        }
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.header.index = names.index(&self.interface.name)?;
        message.attributes.push(LinkAttribute::AfSpecBridge(spec));
        Ok(message)
    }
}
