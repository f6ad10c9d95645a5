//! What the kernel runs: expressions of its own small machine
//! (linux/netfilter/nf_tables.h), each a name and attributes.
//!
//! Attributes are kept as they are on the wire, without those that say what goes
//! without saying, so that any expression, of any kernel and anybody's, can be
//! compared, shown and made again.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::attributes::Attributes;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expr {
    /// Its name: `payload`.
    pub name: Cow<'static, str>,
    /// Its attributes by number, in network byte order where they are numbers.
    pub attributes: Attributes,
    /// The set without a name that a lookup is made in.
    pub set: Option<Box<Collection>>,
}

/// A set or map as the kernel has it, but for its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Collection {
    /// `NFT_SET_*`.
    pub flags: u32,
    /// nft's number for what its keys are.
    pub key_type: u32,
    /// In bytes.
    pub key_len: u32,
    /// nft's number for what its values are; `NFT_DATA_VERDICT` for verdicts.
    pub data_type: u32,
    /// In bytes; 0 for verdicts and for sets.
    pub data_len: u32,
    /// Lengths in bytes of the parts of its keys, where they have more than one.
    pub fields: Vec<u32>,
    /// Elements that it holds at most; 0 for any number.
    pub size: u32,
    /// Milliseconds after which an element goes; 0 for never.
    pub timeout: u64,
    /// Sorted.
    pub elements: Vec<Element>,
}

/// An element of a [`Collection`].
///
/// They are ordered as the kernel wants to be told of them: the end of a range comes before the
/// beginning of the one beside it. The other way about it sees a range that begins within another,
/// and refuses it (`EEXIST`; `__nft_rbtree_insert`, net/netfilter/nft_set_rbtree.c).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Element {
    /// The value, or where a range begins.
    pub key: Vec<u8>,
    /// `NFT_SET_ELEM_*`: 1 where a range has ended.
    pub flags: u32,
    /// Where the range ends, in sets of ranges of several parts.
    pub key_end: Vec<u8>,
    /// What a map has for it, as in `NFTA_SET_ELEM_DATA`.
    pub data: Vec<u8>,
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |e: &Self| (e.flags & INTERVAL_END == 0, e.flags);
        (&self.key, order(self), &self.key_end, &self.data).cmp(&(
            &other.key,
            order(other),
            &other.key_end,
            &other.data,
        ))
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) const SET_ANONYMOUS: u32 = 1;
pub(crate) const SET_CONSTANT: u32 = 2;
pub(crate) const SET_INTERVAL: u32 = 4;
pub(crate) const SET_MAP: u32 = 8;
pub(crate) const SET_TIMEOUT: u32 = 16;
pub(crate) const SET_EVAL: u32 = 32;
pub(crate) const DATA_VERDICT: u32 = 0xffff_ff00;
/// `NFT_SET_ELEM_INTERVAL_END`.
pub(crate) const INTERVAL_END: u32 = 1;

/// `NFT_REG_VERDICT`.
pub(crate) const VERDICT: u32 = 0;
/// `NFT_REG_1`.
pub(crate) const REG_1: u32 = 1;
pub(crate) const NF_DROP: i32 = 0;
pub(crate) const NF_ACCEPT: i32 = 1;
pub(crate) const NFT_RETURN: i32 = -5;
pub(crate) const NFT_JUMP: i32 = -3;
pub(crate) const NFT_GOTO: i32 = -4;

/// The register that begins so many words of four bytes after the first, by the
/// number that the kernel tells (`nft_dump_register`).
pub(crate) fn register(words: u32) -> u32 {
    if words.is_multiple_of(4) { REG_1 + words / 4 } else { 8 + words }
}

/// How many words of four bytes a register begins after the first.
pub(crate) fn words(register: u32) -> Option<u32> {
    match register {
        1..=4 => Some((register - 1) * 4),
        8..=23 => Some(register - 8),
        _ => None,
    }
}

impl Expr {
    /// One without attributes.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), attributes: Attributes::new(), set: None }
    }

    pub(crate) fn be32(mut self, attribute: u16, value: u32) -> Self {
        self.attributes.insert(attribute, &value.to_be_bytes());
        self
    }

    pub(crate) fn be64(mut self, attribute: u16, value: u64) -> Self {
        self.attributes.insert(attribute, &value.to_be_bytes());
        self
    }

    pub(crate) fn byte(mut self, attribute: u16, value: u8) -> Self {
        self.attributes.insert(attribute, &[value]);
        self
    }

    pub(crate) fn text(mut self, attribute: u16, value: &str) -> Self {
        self.attributes.insert(attribute, &[value.as_bytes(), b"\0"].concat());
        self
    }

    /// A nest with a value in it (`NFTA_DATA_VALUE`).
    pub(crate) fn data(mut self, attribute: u16, value: &[u8]) -> Self {
        self.attributes.insert(attribute, &attribute_of(1, value));
        self
    }

    /// A nest with expressions, or with anything.
    pub(crate) fn nest(mut self, attribute: u16, inner: &[u8]) -> Self {
        self.attributes.insert(attribute, inner);
        self
    }

    /// A number of four bytes.
    pub(crate) fn number(&self, attribute: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.attributes.get(attribute)?.try_into().ok()?))
    }

    /// A number of eight bytes.
    pub(crate) fn long(&self, attribute: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.attributes.get(attribute)?.try_into().ok()?))
    }

    /// A text.
    pub(crate) fn word(&self, attribute: u16) -> Option<&str> {
        crate::wire::text(self.attributes.get(attribute)?)
    }

    /// The value in a nest.
    pub(crate) fn value(&self, attribute: u16) -> Option<&[u8]> {
        value_of(self.attributes.get(attribute)?)
    }

    /// True where nothing else is said but what the kernel says of its own accord.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The named set, map or flowtable that it names.
    pub(crate) fn set_name(&self) -> Option<&str> {
        match &*self.name {
            "lookup" | "dynset" | "flow_offload" => self.word(1),
            _ => None,
        }
    }

    /// What it decides: code, and the chain it names.
    pub(crate) fn verdict(&self) -> Option<(i32, Option<&str>)> {
        if !self.is("immediate") || self.number(1) != Some(VERDICT) {
            return None;
        }
        verdict_of(self.attributes.get(2)?)
    }

    /// Without what it counted, and without what says nothing.
    #[must_use]
    pub(crate) fn settled(mut self) -> Self {
        let zero: &[u16] = match &*self.name {
            "counter" => {
                self.attributes.clear();
                &[]
            }
            // NFTA_BITWISE_OP is told since Linux 5.6.
            "bitwise" => &[6],
            "lookup" => &[5],
            "limit" => &[4, 5],
            "masq" => &[1],
            "redir" => &[3],
            "nat" => &[7],
            "exthdr" => &[5],
            "connlimit" => &[2],
            "dynset" => &[6, 9],
            "ct" | "log" | "reject" => &[],
            _ => &[],
        };
        match &*self.name {
            // NFTA_NAT_FLAGS: NF_NAT_RANGE_MAP_IPS follows from there being an address.
            "nat" => {
                // It follows from there being a port, too.
                self.without_bits(7, 1 | 2);
                self.without_equal(4, 3);
                self.without_equal(6, 5);
            }
            "masq" => {
                self.without_bits(1, 2);
                self.without_equal(3, 2);
            }
            "redir" => {
                self.without_bits(3, 2);
                self.without_equal(2, 1);
            }
            "log" => self.default_log(),
            "dynset" => self.settle_inner(),
            _ => {}
        }
        for attribute in zero {
            if self.attributes.get(*attribute).is_some_and(|v| v.iter().all(|b| *b == 0)) {
                self.attributes.remove(*attribute);
            }
        }
        // Numbers of sets within a transaction.
        match &*self.name {
            "lookup" => self.attributes.remove(4),
            "dynset" => self.attributes.remove(2),
            _ => {}
        }
        self
    }

    fn without_bits(&mut self, attribute: u16, bits: u32) {
        if let Some(flags) = self.number(attribute) {
            self.attributes.insert(attribute, &(flags & !bits).to_be_bytes());
        }
    }

    /// The kernel tells the end of a range that has none as its beginning.
    fn without_equal(&mut self, last: u16, first: u16) {
        if self.attributes.get(last) == self.attributes.get(first) {
            self.attributes.remove(last);
        }
    }

    /// A log line is of level `warn` unless it says otherwise, and the kernel tells
    /// of an empty prefix.
    fn default_log(&mut self) {
        if self.number(5) == Some(4) {
            self.attributes.remove(5);
        }
        if self.word(2) == Some("") {
            self.attributes.remove(2);
        }
        if self.number(6) == Some(0) {
            self.attributes.remove(6);
        }
    }

    /// The expression that a dynset runs for each key is told in one of two ways.
    fn settle_inner(&mut self) {
        let Some(inner) = self.inner() else { return };
        let encoded = inner.settled().encoded();
        self.attributes.remove(10);
        self.attributes.insert(7, &encoded);
        // NFT_DYNSET_F_EXPR says that there is one.
        self.without_bits(9, 2);
    }

    /// The expression that a dynset runs for each key.
    pub(crate) fn inner(&self) -> Option<Self> {
        match (self.attributes.get(7), self.attributes.get(10)) {
            (Some(one), _) => Self::decoded(one),
            (None, Some(list)) => {
                let (_, first) = crate::wire::attributes(list).next()?;
                Self::decoded(first)
            }
            (None, None) => None,
        }
    }

    /// As in `NFTA_LIST_ELEM` of a rule's expressions.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        self.encode(&mut bytes);
        bytes
    }

    /// Adds what [`Self::encoded`] gives to bytes of which there are a multiple of four.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        nest(bytes, 1, |bytes| {
            bytes.extend(self.name.as_bytes());
            bytes.push(0);
        });
        push(bytes, 2 | NESTED, self.attributes.bytes());
    }

    /// Reads what [`Self::encoded`] writes.
    pub(crate) fn decoded(bytes: &[u8]) -> Option<Self> {
        let (mut name, mut attributes) = (None, Attributes::new());
        for (kind, value) in crate::wire::attributes(bytes) {
            match kind {
                1 => name = crate::wire::text(value),
                2 => attributes = Attributes::read(value),
                _ => {}
            }
        }
        Some(Self { name: known(name?), attributes, set: None })
    }
}

/// `NLA_F_NESTED` (linux/netlink.h).
pub(crate) const NESTED: u16 = 0x8000;

/// Adds an attribute, padded to four bytes.
pub(crate) fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Adds an attribute whose value `fill` adds, padded to four bytes.
pub(crate) fn nest(bytes: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend([0; 2]);
    bytes.extend(kind.to_ne_bytes());
    fill(bytes);
    let length = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// One attribute.
pub(crate) fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 8);
    push(&mut bytes, kind, value);
    bytes
}

/// A verdict as `NFTA_DATA_VERDICT` within a nest of data.
pub(crate) fn verdict(code: i32, chain: Option<&str>) -> Vec<u8> {
    let mut inner = attribute_of(1, &code.to_be_bytes());
    if let Some(chain) = chain {
        push(&mut inner, 2, &[chain.as_bytes(), b"\0"].concat());
    }
    attribute_of(2, &inner)
}

/// Reads a nest of data with a verdict in it.
pub(crate) fn verdict_of(data: &[u8]) -> Option<(i32, Option<&str>)> {
    let (_, inner) = crate::wire::attributes(data).find(|(kind, _)| *kind == 2)?;
    let (mut code, mut chain) = (None, None);
    for (kind, value) in crate::wire::attributes(inner) {
        match kind {
            1 => code = Some(i32::from_be_bytes(value.try_into().ok()?)),
            2 => chain = crate::wire::text(value),
            _ => {}
        }
    }
    Some((code?, chain))
}

/// Reads a nest of data with a value in it.
pub(crate) fn value_of(data: &[u8]) -> Option<&[u8]> {
    crate::wire::attributes(data).find(|(kind, _)| *kind == 1).map(|(_, value)| value)
}

/// The name of an expression, without memory of its own where it is an everyday one.
fn known(name: &str) -> Cow<'static, str> {
    const EVERYDAY: [&str; 12] = [
        "cmp",
        "payload",
        "meta",
        "immediate",
        "lookup",
        "counter",
        "ct",
        "bitwise",
        "nat",
        "range",
        "limit",
        "masq",
    ];
    let known = EVERYDAY.into_iter().find(|everyday| *everyday == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}
