//! A packet, and what the expressions of rules load of it.

use std::net::IpAddr;

use super::super::register::Bytes;
use crate::nft::Hook;

/// A packet, as far as rules ask about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The hook it is at.
    pub hook: Hook,
    /// It came in here: name and index.
    pub iif: Option<(String, u32)>,
    /// It goes out here.
    pub oif: Option<(String, u32)>,
    /// Its source.
    pub source: IpAddr,
    /// Its destination, of the same family.
    pub destination: IpAddr,
    /// 6 TCP, 17 UDP, 1 and 58 ICMP.
    pub protocol: u8,
    /// Source port; none: it is not known.
    pub sport: Option<u16>,
    /// Destination port; none: it is not known.
    pub dport: Option<u16>,
    /// What connection tracking says of it.
    pub state: Tracked,
    /// `meta mark`.
    pub mark: u32,
}

/// What connection tracking says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is nft's word of its name
pub enum Tracked {
    New,
    Established,
}

impl Tracked {
    /// `NF_CT_STATE_BIT`, linux/netfilter/nf_conntrack_common.h.
    pub(in super::super) fn bit(self) -> u32 {
        match self {
            Self::Established => 2,
            Self::New => 8,
        }
    }
}

impl Packet {
    /// A new connection's first packet.
    pub fn new(hook: Hook, source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
        let (iif, oif, state) = (None, None, Tracked::New);
        Self {
            hook,
            iif,
            oif,
            source,
            destination,
            protocol,
            sport: None,
            dport: None,
            state,
            mark: 0,
        }
    }

    /// True for IPv6.
    pub fn ipv6(&self) -> bool {
        self.destination.is_ipv6()
    }

    /// `RTN_*` of source and destination: 1 unicast, 2 local, 3 broadcast, 5 multicast.
    pub(in super::super) fn address_types(&self) -> [u32; 2] {
        let to = match (self.hook, self.destination) {
            (_, to) if to.is_multicast() => 5,
            (_, IpAddr::V4(to)) if to.is_broadcast() => 3,
            (Hook::Input, _) => 2,
            _ => 1,
        };
        let from = if self.hook == Hook::Output { 2 } else { 1 };
        [from, to]
    }

    pub(super) fn network_header(&self) -> Bytes {
        match (self.source, self.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut bytes = vec![None; 8];
                bytes[0] = Some(0x60);
                bytes[6] = Some(self.protocol);
                bytes.extend(source.octets().map(Some));
                bytes.extend(destination.octets().map(Some));
                bytes
            }
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut bytes = vec![None; 12];
                bytes[0] = Some(0x45);
                // No fragment, as far as a filter cares.
                (bytes[6], bytes[7]) = (Some(0x40), Some(0));
                bytes[9] = Some(self.protocol);
                bytes.extend(source.octets().map(Some));
                bytes.extend(destination.octets().map(Some));
                bytes
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn transport_header(&self) -> Bytes {
        let mut bytes = vec![None; 20];
        match self.protocol {
            // Echo requests: what one pings with.
            1 => (bytes[0], bytes[1]) = (Some(8), Some(0)),
            58 => (bytes[0], bytes[1]) = (Some(128), Some(0)),
            _ => {
                for (at, port) in [(0, self.sport), (2, self.dport)] {
                    let [high, low] = port.unwrap_or_default().to_be_bytes();
                    if port.is_some() {
                        (bytes[at], bytes[at + 1]) = (Some(high), Some(low));
                    }
                }
                if self.protocol == 6 {
                    bytes[13] = Some(if self.state == Tracked::New { 2 } else { 0x10 });
                }
            }
        }
        bytes
    }

    pub(super) fn meta(&self, key: u32) -> Bytes {
        let interface = |one: &Option<(String, u32)>| one.clone().unwrap_or_default();
        let name = |one: &Option<(String, u32)>| {
            let mut bytes: Bytes = interface(one).0.bytes().map(Some).collect();
            bytes.resize(16, Some(0));
            bytes
        };
        let number = |value: u32| value.to_ne_bytes().map(Some).to_vec();
        match key {
            1 if self.ipv6() => vec![Some(0x86), Some(0xdd)],
            1 => vec![Some(0x08), Some(0)],
            3 => number(self.mark),
            4 => number(interface(&self.iif).1),
            5 => number(interface(&self.oif).1),
            6 => name(&self.iif),
            7 => name(&self.oif),
            15 if self.ipv6() => vec![Some(10)],
            15 => vec![Some(2)],
            16 => vec![Some(self.protocol)],
            // NFTA_META_PKTTYPE: to us.
            19 => vec![Some(0)],
            _ => vec![None; 16],
        }
    }

    pub(super) fn ct(&self, key: u32) -> Bytes {
        match key {
            0 => self.state.bit().to_ne_bytes().map(Some).to_vec(),
            1 => vec![Some(u8::from(self.state == Tracked::Established))],
            // A new connection is not translated yet and has no mark.
            2 | 3 if self.state == Tracked::New => vec![Some(0); 4],
            _ => vec![None; 16],
        }
    }

    pub(super) fn fib(&self, result: u32, flags: u32) -> Bytes {
        const SADDR: u32 = 1;
        const PRESENT: u32 = 32;
        match result {
            3 => {
                let [from, to] = self.address_types();
                let kind = if flags & SADDR != 0 { from } else { to };
                kind.to_ne_bytes().map(Some).to_vec()
            }
            // There is a way back: that is what rp_filter would look at.
            _ if flags & PRESENT != 0 => vec![Some(1)],
            1 => self.iif.clone().unwrap_or_default().1.to_ne_bytes().map(Some).to_vec(),
            _ => vec![None; 16],
        }
    }
}
