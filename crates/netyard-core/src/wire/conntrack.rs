//! Connection tracking over netlink (linux/netfilter/nfnetlink_conntrack.h).

use std::net::{IpAddr, Ipv4Addr};

use super::{attributes, ip};
use crate::nft::Connection;
use crate::nft::expr::{NESTED, push};

const SUBSYSTEM: u16 = 1 << 8;
/// `struct nfgenmsg`, in bytes.
const HEADER: usize = 4;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;

/// A connection, and what names it to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The connection.
    pub connection: Connection,
    family: u8,
    tuple: Vec<u8>,
    id: Option<Vec<u8>>,
    zone: Option<Vec<u8>>,
}

/// The message that asks for all connections, and its body.
pub fn question() -> (u16, Vec<u8>) {
    (SUBSYSTEM | 1, vec![0; HEADER])
}

/// The message that asks how many there are, and its body
/// (`IPCTNL_MSG_CT_GET_STATS`).
pub fn count_question() -> (u16, Vec<u8>) {
    (SUBSYSTEM | 5, vec![0; HEADER])
}

/// How many connections are tracked, and how many can be, where the kernel says so
/// (`CTA_STATS_GLOBAL_ENTRIES` and, since Linux 5.9, `CTA_STATS_GLOBAL_MAX_ENTRIES`).
pub fn count(body: &[u8]) -> Option<(u32, Option<u32>)> {
    let (mut entries, mut limit) = (None, None);
    for (kind, value) in attributes(body.get(HEADER..)?) {
        let number = || Some(u32::from_be_bytes(value.try_into().ok()?));
        match kind {
            1 => entries = number(),
            2 => limit = number(),
            _ => {}
        }
    }
    Some((entries?, limit))
}

impl Row {
    /// Reads a message of a dump.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (mut tuple, mut reply, mut id, mut zone) = (None, None, None, None);
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                CTA_TUPLE_ORIG => tuple = Some(value),
                CTA_TUPLE_REPLY => reply = Some(value),
                CTA_ID => id = Some(value.to_vec()),
                CTA_ZONE => zone = Some(value.to_vec()),
                _ => {}
            }
        }
        let (protocol, source, destination) = read_tuple(tuple?)?;
        let (_, answers_from, answers_to) = read_tuple(reply?)?;
        let connection = Connection { protocol, source, destination, answers_from, answers_to };
        Some(Self { connection, family: *body.first()?, tuple: tuple?.to_vec(), id, zone })
    }

    /// The message that deletes it, and its body: exactly this one, and not
    /// another that has taken its place.
    pub fn delete(&self) -> (u16, Vec<u8>) {
        let mut body = vec![self.family, 0, 0, 0];
        push(&mut body, CTA_TUPLE_ORIG | NESTED, &self.tuple);
        if let Some(zone) = &self.zone {
            push(&mut body, CTA_ZONE, zone);
        }
        if let Some(id) = &self.id {
            push(&mut body, CTA_ID, id);
        }
        (SUBSYSTEM | 2, body)
    }
}

type End = (IpAddr, u16);

/// Protocol, source and destination.
fn read_tuple(tuple: &[u8]) -> Option<(u8, End, End)> {
    let none = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (mut protocol, mut source, mut destination) = (0, (none, 0), (none, 0));
    for (kind, value) in attributes(tuple) {
        for (inner, value) in attributes(value) {
            let port = || Some(u16::from_be_bytes(value.try_into().ok()?));
            match (kind, inner) {
                (1, 1 | 3) => source.0 = ip(value)?,
                (1, 2 | 4) => destination.0 = ip(value)?,
                (2, 1) => protocol = *value.first()?,
                (2, 2) => source.1 = port()?,
                (2, 3) => destination.1 = port()?,
                _ => {}
            }
        }
    }
    Some((protocol, source, destination))
}
