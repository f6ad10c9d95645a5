//! The expressions of a rule, as the kernel runs them (linux/netfilter/nf_tables.h).

use super::be32;
use crate::nft::Expr;
use crate::wire::{attributes, text};

/// One step of a rule. Registers are numbers as the kernel has them: 0 is the
/// verdict, 1 to 4 are of 16 bytes, from 8 on of 4.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the attributes of their names
pub enum Expression {
    /// Loads something about the packet (`NFT_META_*`).
    Meta { key: u32, to: u32 },
    /// Loads bytes of the packet: base 0 link, 1 network, 2 transport.
    Payload { base: u32, offset: u32, length: u32, to: u32 },
    /// Loads something of the connection (`NFT_CT_*`).
    Ct { key: u32, to: u32 },
    /// Looks an address up in the routes (`NFT_FIB_RESULT_*`, `NFTA_FIB_F_*`).
    Fib { result: u32, flags: u32, to: u32 },
    /// Goes on where the register compares so: 0 eq, 1 neq, 2 lt, 3 lte, 4 gt, 5 gte.
    Cmp { from: u32, op: u32, value: Vec<u8> },
    /// Goes on where the register is within, or not.
    Range { from: u32, not: bool, low: Vec<u8>, high: Vec<u8> },
    /// `(register & mask) ^ xor`.
    Bitwise { from: u32, to: u32, mask: Vec<u8>, xor: Vec<u8> },
    /// Goes on where the set holds the register, or not; a map gives something.
    Lookup { set: String, from: u32, to: Option<u32>, not: bool },
    /// Puts a value into a register, or ends with a verdict.
    Immediate { to: u32, data: Data },
    /// Goes on within a rate, or over it.
    Limit { over: bool },
    /// A match of iptables.
    Match { name: String, revision: u32, info: Vec<u8> },
    /// A target of iptables.
    Target { name: String, info: Vec<u8> },
    /// Refuses with an answer.
    Reject,
    /// Translates: `dnat` where true, else `snat`; from registers.
    Nat { destination: bool, address: Option<u32>, port: Option<u32> },
    /// Translates the source to the interface's address.
    Masquerade,
    /// To this stack itself, at the port of a register.
    Redirect { port: Option<u32> },
    /// Does something that lets the packet go on: `counter`, `log`, `notrack`, `meta set`.
    Aside(&'static str),
    /// Something that is not known here, by its name.
    Other(String),
}

/// What a rule or a map gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Data {
    Value(Vec<u8>),
    Verdict(Verdict),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is nft's word of its name
pub enum Verdict {
    Accept,
    Drop,
    Continue,
    Jump(String),
    Goto(String),
    Return,
    /// To a program; what becomes of it is not known.
    Queue,
}

impl Expression {
    /// What the kernel tells of one.
    pub(super) fn of(e: &Expr) -> Self {
        known(e).unwrap_or_else(|| Self::Other(e.name.to_string()))
    }
}

fn known(e: &Expr) -> Option<Expression> {
    let number = |n| e.number(n);
    let value = |n| e.value(n).map(<[u8]>::to_vec);
    let word = |n| e.word(n).map(str::to_owned);
    let has = |n| e.attributes.get(n).is_some();
    Some(match &*e.name {
        "meta" if has(3) => Expression::Aside("meta set"),
        "meta" => Expression::Meta { key: number(2)?, to: number(1)? },
        "payload" if has(5) => Expression::Aside("payload set"),
        "payload" => Expression::Payload {
            to: number(1)?,
            base: number(2)?,
            offset: number(3)?,
            length: number(4)?,
        },
        "ct" if has(4) => Expression::Aside("ct set"),
        "ct" => Expression::Ct { to: number(1)?, key: number(2)? },
        "fib" => Expression::Fib { to: number(1)?, result: number(2)?, flags: number(3)? },
        "cmp" => Expression::Cmp { from: number(1)?, op: number(2)?, value: value(3)? },
        "range" => Expression::Range {
            from: number(1)?,
            not: number(2)? == 1,
            low: value(3)?,
            high: value(4)?,
        },
        // Only masks: shifts are of operations 1 and 2.
        "bitwise" if number(6).unwrap_or(0) == 0 => Expression::Bitwise {
            from: number(1)?,
            to: number(2)?,
            mask: value(4)?,
            xor: value(5)?,
        },
        "lookup" => Expression::Lookup {
            set: word(1)?,
            from: number(2)?,
            to: number(3),
            not: number(5).unwrap_or(0) & 1 != 0,
        },
        "immediate" => Expression::Immediate { to: number(1)?, data: data(e.attributes.get(2)?)? },
        "limit" => Expression::Limit { over: number(5).unwrap_or(0) & 1 != 0 },
        "match" => Expression::Match {
            name: word(1)?,
            revision: number(2)?,
            info: e.attributes.get(3)?.to_vec(),
        },
        "target" => Expression::Target { name: word(1)?, info: e.attributes.get(3)?.to_vec() },
        "reject" => Expression::Reject,
        "nat" => {
            Expression::Nat { destination: number(1)? == 1, address: number(3), port: number(5) }
        }
        "masq" => Expression::Masquerade,
        "redir" => Expression::Redirect { port: number(1) },
        "counter" => Expression::Aside("counter"),
        "log" => Expression::Aside("log"),
        "notrack" => Expression::Aside("notrack"),
        "flow_offload" => Expression::Aside("flow add"),
        "objref" => Expression::Aside("object"),
        "last" => Expression::Aside("last"),
        "dup" => Expression::Aside("dup"),
        "exthdr" if has(7) => Expression::Aside("exthdr set"),
        _ => return None,
    })
}

/// Reads a value or a verdict (`NFTA_DATA_*`).
pub(super) fn data(bytes: &[u8]) -> Option<Data> {
    const VALUE: u16 = 1;
    const VERDICT: u16 = 2;
    const CODE: u16 = 1;
    const CHAIN: u16 = 2;
    let (kind, value) = attributes(bytes).next()?;
    match kind {
        VALUE => Some(Data::Value(value.to_vec())),
        VERDICT => {
            let code = attributes(value).find(|(k, _)| *k == CODE);
            let chain = attributes(value).find(|(k, _)| *k == CHAIN);
            let chain = chain.and_then(|(_, name)| text(name)).unwrap_or_default().to_owned();
            Some(Data::Verdict(match be32(code?.1)? as i32 {
                0 => Verdict::Drop,
                1 => Verdict::Accept,
                -3 => Verdict::Jump(chain),
                -4 => Verdict::Goto(chain),
                -5 => Verdict::Return,
                -1 | -2 => Verdict::Continue,
                _ => Verdict::Queue,
            }))
        }
        _ => None,
    }
}
