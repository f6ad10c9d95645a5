//! What somebody wrote about an interface of the host, which moves with its
//! addresses: neighbours that are known for good, and rules that name it.

use netyard_core::wire::PROTOCOL;

use super::moving::push;
use crate::netlink::{Batch, attributes};

// linux/rtnetlink.h, linux/neighbour.h, linux/fib_rules.h
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NUD_PERMANENT: u16 = 0x80;
const NTF_PROXY: u8 = 0x08;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_PROTOCOL: u16 = 12;
const FRA_IIFNAME: u16 = 3;
const FRA_OIFNAME: u16 = 17;
const FRA_PROTOCOL: u16 = 21;
const FIB_RULE_INVERT: u32 = 2;
/// `struct ndmsg` and `struct fib_rule_hdr`.
const HEADER: usize = 12;

/// A neighbour that was written down, or that is answered for, as a message to
/// send again.
#[derive(Clone, Debug)]
pub(super) struct MovingNeighbour(Vec<u8>);

impl MovingNeighbour {
    /// Reads an `RTM_NEWNEIGH` message without its netlink header; none where it is
    /// of another interface, learnt, or the yard's.
    pub fn read(body: &[u8], index: u32) -> Option<Self> {
        let header = body.get(..HEADER)?;
        let state = u16::from_ne_bytes([header[8], header[9]]);
        let is_ip = matches!(i32::from(header[0]), libc::AF_INET | libc::AF_INET6);
        let stays = state & NUD_PERMANENT != 0 || header[10] & NTF_PROXY != 0;
        if !is_ip || !stays || header[4..8] != index.to_ne_bytes() {
            return None;
        }
        let mut found = header.to_vec();
        found[10] &= NTF_PROXY;
        for (ty, value) in attributes(&body[HEADER..]) {
            match ty {
                NDA_PROTOCOL if value == [PROTOCOL] => return None,
                NDA_DST | NDA_LLADDR | NDA_PROTOCOL => push(&mut found, ty, value),
                _ => {}
            }
        }
        Some(Self(found))
    }

    /// Takes it from one interface to another; gives the request that adds it.
    pub fn shift(&self, batch: &mut Batch, from: u32, to: u32) -> usize {
        let at = |index: u32| {
            let mut body = self.0.clone();
            body[4..8].copy_from_slice(&index.to_ne_bytes());
            body
        };
        let add = batch.push_raw(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &at(to));
        batch.push_raw(RTM_DELNEIGH, 0, &at(from));
        add
    }
}

/// A rule of routing that names an interface, as a message to send again.
#[derive(Clone, Debug)]
pub(super) struct MovingRule {
    /// The name that it has for the interface.
    name: String,
    body: Vec<u8>,
}

impl MovingRule {
    /// Reads an `RTM_NEWRULE` message without its netlink header; none where it
    /// does not name the interface, or is the yard's.
    pub fn read(body: &[u8], name: &str) -> Option<Self> {
        let mut found = body.get(..HEADER)?.to_vec();
        // The others say how it is, not how it shall be.
        let flags = u32::from_ne_bytes(found[8..12].try_into().ok()?) & FIB_RULE_INVERT;
        found[8..12].copy_from_slice(&flags.to_ne_bytes());
        let mut named = false;
        for (ty, value) in attributes(&body[HEADER..]) {
            named |= matches!(ty, FRA_IIFNAME | FRA_OIFNAME) && is(value, name);
            if ty == FRA_PROTOCOL && value == [PROTOCOL] {
                return None;
            }
            push(&mut found, ty, value);
        }
        named.then(|| Self { name: name.to_owned(), body: found })
    }

    /// Takes it from one interface to another; gives the request that adds it.
    pub fn shift(&self, batch: &mut Batch, from: &str, to: &str) -> usize {
        let naming = |name: &str| {
            let mut body = self.body[..HEADER].to_vec();
            for (ty, value) in attributes(&self.body[HEADER..]) {
                if matches!(ty, FRA_IIFNAME | FRA_OIFNAME) && is(value, &self.name) {
                    push(&mut body, ty, format!("{name}\0").as_bytes());
                } else {
                    push(&mut body, ty, value);
                }
            }
            body
        };
        let add = batch.push_raw(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &naming(to));
        batch.push_raw(RTM_DELRULE, 0, &naming(from));
        add
    }
}

/// True for the name of an interface as the kernel writes it.
fn is(value: &[u8], name: &str) -> bool {
    value.strip_suffix(b"\0").unwrap_or(value) == name.as_bytes()
}
