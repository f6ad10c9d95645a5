//! Connections the kernel tracks (`NFNL_SUBSYS_CTNETLINK`,
//! linux/netfilter/nfnetlink_conntrack.h).

use std::net::IpAddr;

use serde::Serialize;

use super::attribute::ip;
use super::{attributes, u8_of, u16_of};

/// `IPCTNL_MSG_CT_GET`.
pub const GET_FLOW: u16 = 1 << 8 | 1;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tuple {
    /// The number of the layer-4 protocol.
    pub protocol: u8,
    /// From where.
    pub source: IpAddr,
    /// To where.
    pub destination: IpAddr,
    /// Source port, or the number of a ping.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// A tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// As its first packet came.
    pub original: Tuple,
    /// As answers come: what was translated is different from the original
    /// turned round.
    pub reply: Tuple,
}

/// Asks for all connections.
pub fn all() -> Vec<u8> {
    vec![0; 4]
}

impl Flow {
    /// Reads an `IPCTNL_MSG_CT_NEW` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        let (mut original, mut reply) = (None, None);
        for (kind, value) in attributes(message.get(4..)?) {
            match kind {
                1 => original = tuple(value),
                2 => reply = tuple(value),
                _ => {}
            }
        }
        Some(Self { original: original?, reply: reply? })
    }

    /// Where its packets really go, when that is not where they were sent to.
    pub fn translated_destination(&self) -> Option<(IpAddr, u16)> {
        let (to, real) = (
            (self.original.destination, self.original.destination_port),
            (self.reply.source, self.reply.source_port),
        );
        (to.0 != real.0 || self.original.protocol != 1 && to.1 != real.1).then_some(real)
    }
}

fn tuple(value: &[u8]) -> Option<Tuple> {
    let (mut source, mut destination) = (None, None);
    let (mut protocol, mut from, mut to) = (0, 0, 0);
    let port = |value: &[u8]| u16_of(value).map(u16::from_be);
    for (kind, value) in attributes(value) {
        match kind {
            1 => {
                for (kind, value) in attributes(value) {
                    match kind {
                        1 | 3 => source = ip(value),
                        2 | 4 => destination = ip(value),
                        _ => {}
                    }
                }
            }
            2 => {
                for (kind, value) in attributes(value) {
                    match kind {
                        1 => protocol = u8_of(value)?,
                        2 | 4 | 7 => from = port(value)?, // and the number of a ping
                        3 => to = port(value)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(Tuple {
        protocol,
        source: source?,
        destination: destination?,
        source_port: from,
        destination_port: to,
    })
}
