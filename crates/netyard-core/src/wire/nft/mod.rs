//! nftables over netlink (linux/netfilter/nf_tables.h).
//!
//! A change of a table is one transaction: messages between `BATCH_BEGIN` and
//! `BATCH_END`, which the kernel does all or none of. Who sends them, and how what
//! comes back is read, is `netyard-linux`'s part.

mod read;
mod write;

pub use read::{
    ChainRow, FlowtableRow, Handles, Rows, RuleRow, SetRow, TableRow, elements, generation,
};
pub use write::{Transaction, begin, end};

use crate::nft::expr::push;

/// A message of nfnetlink: what follows the netlink header begins with
/// `struct nfgenmsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Subsystem and message.
    pub ty: u16,
    /// `NLM_F_*` flags, but for `NLM_F_REQUEST` and `NLM_F_ACK`.
    pub flags: u16,
    /// All that follows the netlink header.
    pub body: Vec<u8>,
}

/// `NFPROTO_INET`: the family of a yard's tables.
pub const INET: u8 = 1;
/// `struct nfgenmsg`, in bytes.
const HEADER: usize = 4;

const SUBSYSTEM: u16 = 10 << 8;
pub(crate) const NEW_TABLE: u16 = SUBSYSTEM;
pub(crate) const DEL_TABLE: u16 = SUBSYSTEM | 2;
pub(crate) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(crate) const DEL_CHAIN: u16 = SUBSYSTEM | 5;
pub(crate) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(crate) const DEL_RULE: u16 = SUBSYSTEM | 8;
pub(crate) const NEW_SET: u16 = SUBSYSTEM | 9;
pub(crate) const DEL_SET: u16 = SUBSYSTEM | 11;
pub(crate) const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
pub(crate) const DEL_ELEMENTS: u16 = SUBSYSTEM | 14;
pub(crate) const NEW_FLOWTABLE: u16 = SUBSYSTEM | 22;
pub(crate) const DEL_FLOWTABLE: u16 = SUBSYSTEM | 24;

/// What can be asked for all of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is what its name says
pub enum Ask {
    Tables,
    Chains,
    Rules,
    Sets,
    Flowtables,
}

impl Ask {
    /// The type of the message that asks.
    pub fn ty(self) -> u16 {
        SUBSYSTEM
            | match self {
                Self::Tables => 1,
                Self::Chains => 4,
                Self::Rules => 7,
                Self::Sets => 10,
                Self::Flowtables => 23,
            }
    }
}

/// The body of a question for all of a sort: of a family (0: of any), and of a
/// table where one is named (tables and chains come whole).
pub fn question(family: u8, table: Option<&str>) -> Vec<u8> {
    let mut body = header(family, 0);
    if let Some(table) = table {
        push_text(&mut body, 1, table);
    }
    body
}

/// The message that asks for the elements of a set, and its body.
pub fn elements_question(family: u8, table: &str, set: &str) -> (u16, Vec<u8>) {
    let mut body = question(family, Some(table));
    push_text(&mut body, 2, set);
    (SUBSYSTEM | 13, body)
}

/// The message that asks for the number of the ruleset's generation, and its body.
pub fn generation_question() -> (u16, Vec<u8>) {
    (SUBSYSTEM | 16, header(0, 0))
}

fn header(family: u8, resource: u16) -> Vec<u8> {
    let mut bytes = vec![family, 0];
    bytes.extend(resource.to_be_bytes());
    bytes
}

fn push_text(bytes: &mut Vec<u8>, kind: u16, text: &str) {
    push(bytes, kind, &[text.as_bytes(), b"\0"].concat());
}

fn push_be32(bytes: &mut Vec<u8>, kind: u16, value: u32) {
    push(bytes, kind, &value.to_be_bytes());
}
