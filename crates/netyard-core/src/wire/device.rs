//! The interfaces of a namespace as a packet meets them, netyard's or not: state,
//! carrier, bridge port, VLANs, counters; and the addresses and neighbours there.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attribute::{ip, mac, text};
use super::{attributes, u8_of, u16_of, u32_of, u64_of};
use crate::addr::Mac;
use crate::yard::Membership;

/// `RTM_GETLINK`, linux/rtnetlink.h.
pub const GET_LINK: u16 = 18;
/// `RTM_GETADDR`.
pub const GET_ADDRESS: u16 = 22;
/// `RTM_GETNEIGH`.
pub const GET_NEIGHBOUR: u16 = 30;
/// `RTM_GETNETCONF`.
pub const GET_NETCONF: u16 = 82;

const BRIDGE: u8 = 7; // AF_BRIDGE
const LINK_HEADER: usize = 16; // struct ifinfomsg
const NEIGHBOUR_HEADER: usize = 12; // struct ndmsg
const ADDRESS_HEADER: usize = 8; // struct ifaddrmsg

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its name in the kernel.
    pub kernel_name: String,
    /// `veth`; empty for hardware and `lo`.
    pub kind: String,
    /// What netyard's mark on it says.
    pub alias: String,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// In bytes.
    pub mtu: u32,
    /// Set up.
    pub up: bool,
    /// What it is plugged into is there and up.
    pub carrier: bool,
    /// True for `lo`.
    pub loopback: bool,
    /// `NOARP`: it does not ask for neighbours.
    pub noarp: bool,
    /// Index of the bridge, VRF or bond it belongs to.
    pub master: Option<u32>,
    /// Peer or parent: its index, and the number of its namespace where that is
    /// another one.
    pub other: Option<(u32, Option<u32>)>,
    /// As a port of a bridge.
    pub port: Option<Port>,
    /// A bridge whose ports belong to VLANs.
    pub vlan_filtering: bool,
    /// The tag of a VLAN interface.
    pub vlan: Option<u16>,
    /// VLANs it belongs to, as a port or as the bridge itself.
    pub vlans: Vec<Membership>,
    /// Its counters.
    pub counters: Counters,
}

/// A port of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// `BR_STATE_*`: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking.
    pub state: u8,
    /// Does not speak with other isolated ports.
    pub isolated: bool,
}

impl Port {
    /// The kernel's word for the state.
    pub fn state_word(self) -> &'static str {
        match self.state {
            0 => "disabled",
            1 => "listening",
            2 => "learning",
            3 => "forwarding",
            4 => "blocking",
            _ => "in an unknown state",
        }
    }
}

/// `struct rtnl_link_stats64`, as far as it says something of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the counter of its name
pub struct Counters {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
}

/// Asks for all interfaces, counters and all.
pub fn links() -> Vec<u8> {
    vec![0; LINK_HEADER]
}

/// Asks for the VLANs of all bridge ports.
pub fn vlans() -> Vec<u8> {
    let mut body = vec![BRIDGE];
    body.resize(LINK_HEADER, 0);
    body.extend(8_u16.to_ne_bytes());
    body.extend(29_u16.to_ne_bytes()); // IFLA_EXT_MASK
    body.extend(2_u32.to_ne_bytes()); // RTEXT_FILTER_BRVLAN
    body
}

/// Asks for the addresses of both families.
pub fn addresses() -> Vec<u8> {
    vec![0; ADDRESS_HEADER]
}

/// Asks for the neighbours of both families.
pub fn neighbours() -> Vec<u8> {
    vec![0; NEIGHBOUR_HEADER]
}

/// Asks for the forwarding databases of all bridges.
pub fn forwarding_databases() -> Vec<u8> {
    let mut body = vec![BRIDGE];
    body.resize(NEIGHBOUR_HEADER, 0);
    body
}

/// Asks for the settings of all interfaces of a family.
pub fn settings(ipv6: bool) -> Vec<u8> {
    vec![if ipv6 { 10 } else { 2 }, 0, 0, 0]
}

impl Device {
    /// Reads an `RTM_NEWLINK` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        const IFF_UP: u32 = 1;
        const IFF_LOOPBACK: u32 = 8;
        const IFF_NOARP: u32 = 0x80;
        const IFF_LOWER_UP: u32 = 0x1_0000;
        let flags = u32_of(message.get(8..LINK_HEADER)?)?;
        let mut device = Self {
            index: u32_of(&message[4..])?,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            noarp: flags & IFF_NOARP != 0,
            ..Self::default()
        };
        let (mut parent, mut namespace) = (None, None);
        for (kind, value) in attributes(&message[LINK_HEADER..]) {
            match kind {
                1 => device.mac = mac(value),
                3 => device.kernel_name = text(value)?.to_owned(),
                4 => device.mtu = u32_of(value)?,
                5 => parent = u32_of(value).filter(|index| *index != 0),
                10 => device.master = u32_of(value),
                18 => device.read_kind(value),
                20 => device.alias = text(value).unwrap_or_default().to_owned(),
                23 => device.counters = counters(value).unwrap_or_default(),
                37 => namespace = u32_of(value),
                _ => {}
            }
        }
        device.other = parent.map(|parent| (parent, namespace));
        Some(device)
    }

    fn read_kind(&mut self, info: &[u8]) {
        let (mut data, mut port, mut of_bridge) = (&[][..], &[][..], false);
        for (kind, value) in attributes(info) {
            match kind {
                1 => self.kind = text(value).unwrap_or_default().to_owned(),
                2 => data = value,
                4 => of_bridge = text(value) == Some("bridge"),
                5 => port = value,
                _ => {}
            }
        }
        for (kind, value) in attributes(data) {
            match (self.kind.as_str(), kind) {
                ("bridge", 7) => self.vlan_filtering = u8_of(value) == Some(1),
                ("vlan", 1) => self.vlan = u16_of(value),
                _ => {}
            }
        }
        if of_bridge {
            let find = |wanted| attributes(port).find(|(kind, _)| *kind == wanted);
            let byte = |wanted| find(wanted).and_then(|(_, value)| u8_of(value));
            // IFLA_BRPORT_STATE, IFLA_BRPORT_ISOLATED
            let (state, isolated) = (byte(1).unwrap_or(3), byte(33) == Some(1));
            self.port = Some(Port { state, isolated });
        }
    }
}

fn counters(value: &[u8]) -> Option<Counters> {
    let at = |index: usize| u64_of(value.get(index * 8..)?);
    Some(Counters {
        rx_packets: at(0)?,
        tx_packets: at(1)?,
        rx_errors: at(4)?,
        tx_errors: at(5)?,
        rx_dropped: at(6)?,
        tx_dropped: at(7)?,
    })
}

/// Reads the VLANs out of an `RTM_NEWLINK` message of family `AF_BRIDGE`: the
/// interface, and its VLANs.
pub fn read_vlans(message: &[u8]) -> Option<(u32, Vec<Membership>)> {
    let index = u32_of(message.get(4..LINK_HEADER)?)?;
    let mut vlans = Vec::new();
    let spec = attributes(&message[LINK_HEADER..]).find(|(kind, _)| *kind == 26)?; // IFLA_AF_SPEC
    for (_, value) in attributes(spec.1).filter(|(kind, _)| *kind == 2) {
        let (flags, vid) = (u16_of(value)?, u16_of(value.get(2..)?)?);
        vlans.push(Membership { vid, pvid: flags & 2 != 0, untagged: flags & 4 != 0 });
    }
    Some((index, vlans))
}

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Index of the interface that has it.
    pub index: u32,
    /// Address and prefix length.
    pub net: IpNet,
    /// False while, and when, duplicate address detection keeps it from being used.
    pub usable: bool,
}

impl Owned {
    /// Reads an `RTM_NEWADDR` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        const DADFAILED: u32 = 8;
        const TENTATIVE: u32 = 0x40;
        const OPTIMISTIC: u32 = 4;
        let header = message.get(..ADDRESS_HEADER)?;
        let (mut address, mut local, mut flags) = (None, None, u32::from(header[2]));
        for (kind, value) in attributes(&message[ADDRESS_HEADER..]) {
            match kind {
                1 => address = ip(value),
                2 => local = ip(value),
                8 => flags = u32_of(value)?,
                _ => {}
            }
        }
        let net = IpNet::new(local.or(address)?, header[1]).ok()?;
        let waits = flags & TENTATIVE != 0 && flags & OPTIMISTIC == 0;
        Some(Self { index: u32_of(&header[4..])?, net, usable: flags & DADFAILED == 0 && !waits })
    }
}

/// An entry of a neighbour table or of a forwarding database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the interface it is on.
    pub index: u32,
    /// The neighbour; none in a forwarding database.
    pub address: Option<IpAddr>,
    /// Its hardware address, where it is known.
    pub mac: Option<Mac>,
    /// `NUD_*`.
    pub state: u16,
    /// The VLAN, in a forwarding database.
    pub vlan: Option<u16>,
}

impl Entry {
    /// Reads an `RTM_NEWNEIGH` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        let header = message.get(..NEIGHBOUR_HEADER)?;
        let mut entry = Self {
            index: u32_of(&header[4..])?,
            address: None,
            mac: None,
            state: u16_of(&header[8..])?,
            vlan: None,
        };
        for (kind, value) in attributes(&message[NEIGHBOUR_HEADER..]) {
            match kind {
                1 => entry.address = ip(value),
                2 => entry.mac = mac(value),
                5 => entry.vlan = u16_of(value),
                _ => {}
            }
        }
        Some(entry)
    }

    /// `ip neighbour`'s word for the state.
    pub fn state_word(self) -> &'static str {
        match self.state {
            0x01 => "incomplete",
            0x02 => "reachable",
            0x04 => "stale",
            0x08 => "delay",
            0x10 => "probe",
            0x20 => "failed",
            0x40 => "noarp",
            0x80 => "permanent",
            _ => "none",
        }
    }

    /// True when packets to it have a hardware address to go to.
    pub fn is_usable(self) -> bool {
        self.state & (0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80) != 0
    }
}

/// What one interface does with IP packets, or all, or new ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `forwarding`.
    pub forwarding: bool,
    /// `rp_filter`: 0 off, 1 strict, 2 loose; IPv4 only.
    pub rp_filter: u32,
}

/// Whose the settings are when they are no interface's: `conf/all`.
pub const ALL: i32 = -1; // NETCONFA_IFINDEX_ALL

impl Settings {
    /// Reads an `RTM_NEWNETCONF` message without its netlink header: the
    /// interface's index, or [`ALL`], and the settings.
    pub fn read(message: &[u8]) -> Option<(i32, Self)> {
        let (mut index, mut settings) = (None, Self::default());
        for (kind, value) in attributes(message.get(4..)?) {
            match kind {
                1 => index = u32_of(value).map(|index| index as i32),
                2 => settings.forwarding = u32_of(value)? != 0,
                3 => settings.rp_filter = u32_of(value)?,
                _ => {}
            }
        }
        Some((index?, settings))
    }
}
