//! Interfaces, whoever's they are, as one `RTM_GETLINK` dump shows them.

use crate::addr::Mac;
use crate::wire::{attributes, mac, text, u8_of, u16_of, u32_of};

// linux/if_link.h, linux/if.h
const HEADER: usize = 16; // struct ifinfomsg
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_BR_MCAST_QUERIER: u16 = 25;
const IFLA_BR_NF_CALL_IPTABLES: u16 = 36;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const IFLA_BR_MCAST_QUERIER_STATE: u16 = 47;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_VLAN_ID: u16 = 1;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFF_POINTOPOINT: u32 = 0x10;
const IFF_LOWER_UP: u32 = 1 << 16;

/// An interface of a network stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name in the kernel.
    pub name: String,
    /// `IFLA_INFO_KIND`; empty for hardware and `lo`.
    pub kind: String,
    /// `IFLA_IFALIAS`.
    pub alias: String,
    /// Where it has one of six bytes.
    pub mac: Option<Mac>,
    /// In bytes.
    pub mtu: u32,
    /// It is administratively up.
    pub up: bool,
    /// It is up and its lower layer is, too (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// `IFLA_OPERSTATE` (RFC 2863; linux/if.h): 2 down, 3 lower layer down, 6 up.
    pub operstate: u8,
    /// It is `lo`.
    pub loopback: bool,
    /// It has one neighbour and no link layer (`IFF_POINTOPOINT`).
    pub point_to_point: bool,
    /// The bridge, bond or vrf it is a port of.
    pub master: Option<u32>,
    /// Its parent or peer, where that is in the same namespace.
    pub parent: Option<u32>,
    /// Where it is a bridge.
    pub bridge: Option<Bridge>,
    /// `IFLA_BRPORT_STATE` where it is a bridge's port (linux/if_bridge.h):
    /// 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking.
    pub port_state: Option<u8>,
    /// Its id where it is a VLAN interface.
    pub vlan_id: Option<u16>,
    /// Its VLANs as a port of a bridge, or the bridge's own.
    pub vlans: Vec<Membership>,
}

/// What a bridge does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// In hundredths of a second.
    pub forward_delay: u32,
    /// Spanning tree is on.
    pub stp: bool,
    /// It tells VLANs apart.
    pub vlan_filtering: bool,
    /// The VLAN that a new port gets; 0 is none.
    pub default_pvid: u16,
    /// It sends multicast only where somebody wants it.
    pub snooping: bool,
    /// It asks who wants multicast.
    pub querier: bool,
    /// It has heard another that asks.
    pub querier_seen: bool,
    /// It shows its frames to iptables whatever the namespace says.
    pub calls_iptables: bool,
}

/// Membership of a port in a VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// 1 to 4094.
    pub vid: u16,
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Its frames go out untagged.
    pub untagged: bool,
}

impl Link {
    /// Reads an `RTM_NEWLINK` message without its netlink header; none where it
    /// is too short.
    pub fn read(message: &[u8]) -> Option<Self> {
        let flags = u32_of(message.get(8..HEADER)?)?;
        let mut link = Self {
            index: u32_of(&message[4..])?,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            point_to_point: flags & IFF_POINTOPOINT != 0,
            ..Self::default()
        };
        let mut elsewhere = false;
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                IFLA_ADDRESS => link.mac = mac(value),
                IFLA_IFNAME => link.name = text(value).unwrap_or_default().to_owned(),
                IFLA_MTU => link.mtu = u32_of(value)?,
                IFLA_LINK => link.parent = u32_of(value).filter(|&index| index != 0),
                IFLA_MASTER => link.master = u32_of(value),
                IFLA_OPERSTATE => link.operstate = u8_of(value)?,
                IFLA_LINKINFO => link.read_info(value),
                IFLA_IFALIAS => link.alias = text(value).unwrap_or_default().to_owned(),
                IFLA_LINK_NETNSID => elsewhere = true,
                _ => {}
            }
        }
        link.parent = link.parent.filter(|_| !elsewhere);
        Some(link)
    }

    fn read_info(&mut self, info: &[u8]) {
        let (mut data, mut port, mut is_port) = (&[][..], &[][..], false);
        for (kind, value) in attributes(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = text(value).unwrap_or_default().to_owned(),
                IFLA_INFO_DATA => data = value,
                IFLA_INFO_SLAVE_KIND => is_port = text(value) == Some("bridge"),
                IFLA_INFO_SLAVE_DATA => port = value,
                _ => {}
            }
        }
        if self.kind == "vlan" {
            let id = attributes(data).find(|(kind, _)| *kind == IFLA_VLAN_ID);
            self.vlan_id = id.and_then(|(_, value)| u16_of(value));
        }
        if self.kind == "bridge" {
            self.bridge = Some(Bridge::read(data));
        }
        if is_port {
            let state = attributes(port).find(|(kind, _)| *kind == IFLA_BRPORT_STATE);
            self.port_state = state.and_then(|(_, value)| u8_of(value));
        }
    }

    /// Reads the VLANs out of an `RTM_NEWLINK` of family `AF_BRIDGE`; gives the
    /// index of the interface with them.
    pub fn read_vlans(message: &[u8]) -> Option<(u32, Vec<Membership>)> {
        const IFLA_AF_SPEC: u16 = 26;
        const IFLA_BRIDGE_VLAN_INFO: u16 = 2; // linux/if_bridge.h
        const PVID: u16 = 1 << 1;
        const UNTAGGED: u16 = 1 << 2;
        const RANGE_BEGIN: u16 = 1 << 3;
        const RANGE_END: u16 = 1 << 4;
        let index = u32_of(message.get(4..HEADER)?)?;
        let mut vlans = Vec::new();
        let spec = attributes(&message[HEADER..]).find(|(kind, _)| *kind == IFLA_AF_SPEC)?.1;
        let mut first = None;
        for (kind, value) in attributes(spec) {
            if kind != IFLA_BRIDGE_VLAN_INFO {
                continue;
            }
            let (flags, vid) = (u16_of(value)?, u16_of(value.get(2..)?)?);
            if flags & RANGE_BEGIN != 0 {
                first = Some(vid);
                continue;
            }
            let from = first.take().filter(|_| flags & RANGE_END != 0).unwrap_or(vid);
            vlans.extend((from..=vid).map(|vid| Membership {
                vid,
                pvid: flags & PVID != 0,
                untagged: flags & UNTAGGED != 0,
            }));
        }
        Some((index, vlans))
    }
}

impl Bridge {
    fn read(data: &[u8]) -> Self {
        let mut bridge = Self::default();
        for (kind, value) in attributes(data) {
            let on = value.iter().any(|byte| *byte != 0);
            match kind {
                IFLA_BR_FORWARD_DELAY => bridge.forward_delay = u32_of(value).unwrap_or_default(),
                IFLA_BR_STP_STATE => bridge.stp = on,
                IFLA_BR_VLAN_FILTERING => bridge.vlan_filtering = on,
                IFLA_BR_VLAN_DEFAULT_PVID => {
                    bridge.default_pvid = u16_of(value).unwrap_or_default();
                }
                IFLA_BR_MCAST_SNOOPING => bridge.snooping = on,
                IFLA_BR_MCAST_QUERIER => bridge.querier = on,
                // Holds an address of whoever asks; empty where nobody does.
                IFLA_BR_MCAST_QUERIER_STATE => bridge.querier_seen = !value.is_empty(),
                IFLA_BR_NF_CALL_IPTABLES => bridge.calls_iptables = on,
                _ => {}
            }
        }
        bridge
    }
}
