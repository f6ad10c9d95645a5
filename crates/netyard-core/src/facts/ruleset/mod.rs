//! nftables as it is in a network stack, whoever made it: tables, chains, rules
//! and sets as the kernel dumps them, and where a packet would end in them
//! ([`walk`]).

mod expression;
mod legacy;
mod register;
#[cfg(test)]
mod tests;
mod text;
pub mod walk;

use std::collections::BTreeMap;
use std::fmt;

pub use expression::{Expression, Verdict};

use crate::nft::{Expr, Hook};
use crate::wire::{attributes, text as text_of};

// linux/netfilter/nf_tables.h
const HEADER: usize = 4; // struct nfgenmsg
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_HANDLE: u16 = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_HANDLE: u16 = 2;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const ELEMENTS_TABLE: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS_LIST: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_KEY_END: u16 = 10;
const FLOWTABLE_TABLE: u16 = 1;
const FLOWTABLE_NAME: u16 = 2;
const FLOWTABLE_HOOK: u16 = 3;
const FLOWTABLE_HANDLE: u16 = 5;
const FLOWTABLE_HOOK_DEVICES: u16 = 3;
const DEVICE_NAME: u16 = 1;
const DATA_VALUE: u16 = 1;
const SET_INTERVAL: u32 = 4;
const SET_CONCAT: u32 = 0x80;

/// The family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each variant is nft's word of its name
pub enum Family {
    Inet,
    Ip,
    Arp,
    Netdev,
    Bridge,
    Ip6,
}

impl Family {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Inet,
            2 => Self::Ip,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ip6,
            _ => return None,
        })
    }

    /// `NFPROTO_*`, linux/netfilter.h.
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Arp => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 => 10,
        }
    }

    /// True where a packet of IPv4 or IPv6 meets its chains.
    pub fn sees(self, ipv6: bool) -> bool {
        match self {
            Self::Inet => true,
            Self::Ip => !ipv6,
            Self::Ip6 => ipv6,
            Self::Arp | Self::Netdev | Self::Bridge => false,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
            Self::Ip6 => "ip6",
        })
    }
}

/// All of nftables in one network stack, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// In the order of the kernel.
    pub tables: Vec<ForeignTable>,
}

/// A table, whoever's it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignTable {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its number.
    pub handle: u64,
    /// `NFT_TABLE_F_OWNER`: only the socket that made it may change it.
    pub owned: bool,
    /// `NFT_TABLE_F_PERSIST`: it outlives that socket.
    pub persists: bool,
    /// `NFT_TABLE_F_DORMANT`: it does nothing.
    pub dormant: bool,
    /// In order.
    pub chains: Vec<ForeignChain>,
    /// By name.
    pub sets: BTreeMap<String, ForeignSet>,
    /// In order.
    pub flowtables: Vec<ForeignFlowtable>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignChain {
    /// Its name.
    pub name: String,
    /// Its number.
    pub handle: u64,
    /// `filter`, `nat`, `route`; empty for one that is jumped to.
    pub kind: String,
    /// Where packets enter it, and its priority; none: only by a jump.
    pub hook: Option<(Hook, i32)>,
    /// Packets that no rule decides are dropped.
    pub policy_drop: bool,
    /// In order.
    pub rules: Vec<ForeignRule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignRule {
    /// Its number, by which `nft delete rule` names it.
    pub handle: u64,
    /// What it is made of.
    pub expressions: Vec<Expression>,
    /// The same, with all that the kernel tells of each.
    pub whole: Vec<Expr>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A set or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignSet {
    /// What nft takes its keys for (`enum datatypes`, include/datatype.h of nftables).
    pub key_type: u32,
    /// Of a key, in bytes.
    pub key_length: usize,
    /// Its elements are beginnings and ends of intervals.
    pub interval: bool,
    /// Its keys are of several parts with ranges of their own.
    pub concatenated: bool,
    /// Its elements.
    pub elements: Vec<Element>,
}

/// An element of a set or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its key; empty for the one that stands for all others.
    pub key: Vec<u8>,
    /// The end of its range, in a set of several parts.
    pub key_end: Option<Vec<u8>>,
    /// It ends an interval: its key is the first that is not in it.
    pub ends: bool,
    /// It stands for all others.
    pub catch_all: bool,
    /// What a map gives for it.
    pub data: Option<expression::Data>,
    /// The same as the kernel tells it (`NFTA_SET_ELEM_DATA`).
    pub whole_data: Vec<u8>,
}

/// A flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFlowtable {
    /// Its name.
    pub name: String,
    /// Its number.
    pub handle: u64,
    /// Names of its devices.
    pub devices: Vec<String>,
}

impl ForeignTable {
    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&ForeignChain> {
        self.chains.iter().find(|chain| chain.name == name)
    }

    /// True for a table of netyard's.
    pub fn is_ours(&self) -> bool {
        self.name == "netyard"
            || self.name.starts_with("netyard-")
            || self.name.starts_with("netyard_")
    }
}

impl Ruleset {
    /// The table of that family and name.
    pub fn table(&self, family: Family, name: &str) -> Option<&ForeignTable> {
        self.tables.iter().find(|table| table.family == family && table.name == name)
    }

    fn table_mut(&mut self, family: Family, name: &[u8]) -> Option<&mut ForeignTable> {
        let name = text_of(name)?;
        self.tables.iter_mut().find(|table| table.family == family && table.name == name)
    }

    /// Notes an `NFT_MSG_NEWTABLE` message without its netlink header.
    pub fn take_table(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let (mut name, mut handle, mut flags) = (String::new(), 0, 0);
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                TABLE_NAME => name = text_of(value)?.to_owned(),
                TABLE_HANDLE => handle = be64(value)?,
                TABLE_FLAGS => flags = be32(value)?,
                _ => {}
            }
        }
        self.tables.push(ForeignTable {
            family,
            name,
            handle,
            dormant: flags & 1 != 0,
            owned: flags & 2 != 0,
            persists: flags & 4 != 0,
            chains: Vec::new(),
            sets: BTreeMap::new(),
            flowtables: Vec::new(),
        });
        Some(())
    }

    /// Notes an `NFT_MSG_NEWCHAIN` message of a table that was noted.
    pub fn take_chain(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let mut table = &[][..];
        let mut chain = ForeignChain {
            name: String::new(),
            handle: 0,
            kind: String::new(),
            hook: None,
            policy_drop: false,
            rules: Vec::new(),
        };
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                CHAIN_TABLE => table = value,
                CHAIN_NAME => chain.name = text_of(value)?.to_owned(),
                CHAIN_HANDLE => chain.handle = be64(value)?,
                CHAIN_HOOK => chain.hook = hook(value),
                CHAIN_POLICY => chain.policy_drop = be32(value)? == 0,
                CHAIN_TYPE => chain.kind = text_of(value)?.to_owned(),
                _ => {}
            }
        }
        self.table_mut(family, table)?.chains.push(chain);
        Some(())
    }

    /// Notes an `NFT_MSG_NEWRULE` message of a chain that was noted.
    pub fn take_rule(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let (mut table, mut chain) = (&[][..], &[][..]);
        let (expressions, whole) = (Vec::new(), Vec::new());
        let mut rule = ForeignRule { handle: 0, expressions, whole, comment: None };
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                RULE_TABLE => table = value,
                RULE_CHAIN => chain = value,
                RULE_HANDLE => rule.handle = be64(value)?,
                RULE_EXPRESSIONS => {
                    rule.whole = attributes(value).filter_map(|(_, e)| Expr::decoded(e)).collect();
                    rule.expressions = rule.whole.iter().map(Expression::of).collect();
                }
                RULE_USERDATA => rule.comment = comment(value),
                _ => {}
            }
        }
        let chain = text_of(chain)?;
        let table = self.table_mut(family, table)?;
        table.chains.iter_mut().find(|one| one.name == chain)?.rules.push(rule);
        Some(())
    }

    /// Notes an `NFT_MSG_NEWSET` message of a table that was noted.
    pub fn take_set(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let (mut table, mut name, mut set) = (&[][..], String::new(), ForeignSet::default());
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                SET_TABLE => table = value,
                SET_NAME => name = text_of(value)?.to_owned(),
                SET_KEY_TYPE => set.key_type = be32(value)?,
                SET_KEY_LENGTH => set.key_length = be32(value)? as usize,
                SET_FLAGS => {
                    set.interval = be32(value)? & SET_INTERVAL != 0;
                    set.concatenated = be32(value)? & SET_CONCAT != 0;
                }
                _ => {}
            }
        }
        self.table_mut(family, table)?.sets.insert(name, set);
        Some(())
    }

    /// Notes an `NFT_MSG_NEWSETELEM` message of a set that was noted.
    pub fn take_elements(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let (mut table, mut name, mut list) = (&[][..], "", &[][..]);
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                ELEMENTS_TABLE => table = value,
                ELEMENTS_SET => name = text_of(value)?,
                ELEMENTS_LIST => list = value,
                _ => {}
            }
        }
        let set = self.table_mut(family, table)?.sets.get_mut(name)?;
        set.elements.extend(attributes(list).filter_map(|(_, value)| element(value)));
        Some(())
    }

    /// Notes an `NFT_MSG_NEWFLOWTABLE` message of a table that was noted.
    pub fn take_flowtable(&mut self, message: &[u8]) -> Option<()> {
        let family = Family::of(*message.first()?)?;
        let (mut table, mut name, mut handle, mut devices) =
            (&[][..], String::new(), 0, Vec::new());
        for (kind, value) in attributes(message.get(HEADER..)?) {
            match kind {
                FLOWTABLE_TABLE => table = value,
                FLOWTABLE_NAME => name = text_of(value)?.to_owned(),
                FLOWTABLE_HANDLE => handle = be64(value)?,
                FLOWTABLE_HOOK => {
                    let list = attributes(value).find(|(kind, _)| *kind == FLOWTABLE_HOOK_DEVICES);
                    let names = attributes(list.map_or(&[][..], |(_, list)| list));
                    devices = names
                        .filter(|(kind, _)| *kind == DEVICE_NAME)
                        .filter_map(|(_, name)| Some(text_of(name)?.to_owned()))
                        .collect();
                }
                _ => {}
            }
        }
        let flowtable = ForeignFlowtable { name, handle, devices };
        self.table_mut(family, table)?.flowtables.push(flowtable);
        Some(())
    }

    /// The base chains of a hook that packets of IPv4 or IPv6 meet, in the order
    /// in which they meet them.
    pub fn at(&self, hook: Hook, ipv6: bool) -> Vec<(&ForeignTable, &ForeignChain)> {
        let mut chains: Vec<(i32, &ForeignTable, &ForeignChain)> = self
            .tables
            .iter()
            .filter(|table| table.family.sees(ipv6) && !table.dormant)
            .flat_map(|table| table.chains.iter().map(move |chain| (table, chain)))
            .filter_map(|(table, chain)| {
                let (at, priority) = chain.hook?;
                (at == hook).then_some((priority, table, chain))
            })
            .collect();
        chains.sort_by_key(|(priority, ..)| *priority);
        chains.into_iter().map(|(_, table, chain)| (table, chain)).collect()
    }
}

fn hook(bytes: &[u8]) -> Option<(Hook, i32)> {
    let (mut number, mut priority) = (None, 0);
    for (kind, value) in attributes(bytes) {
        match kind {
            HOOK_NUMBER => number = be32(value),
            HOOK_PRIORITY => priority = be32(value)? as i32,
            _ => {}
        }
    }
    let hook = match number? {
        0 => Hook::Prerouting,
        1 => Hook::Input,
        2 => Hook::Forward,
        3 => Hook::Output,
        4 => Hook::Postrouting,
        _ => return None,
    };
    Some((hook, priority))
}

fn element(bytes: &[u8]) -> Option<Element> {
    let mut element = Element::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            ELEMENT_KEY => {
                element.key = attributes(value).find(|(k, _)| *k == DATA_VALUE)?.1.to_vec()
            }
            ELEMENT_KEY_END => {
                let end = attributes(value).find(|(k, _)| *k == DATA_VALUE);
                element.key_end = end.map(|(_, value)| value.to_vec());
            }
            ELEMENT_DATA => {
                element.data = expression::data(value);
                element.whole_data = value.to_vec();
            }
            ELEMENT_FLAGS => {
                let flags = be32(value)?;
                element.ends = flags & 1 != 0;
                element.catch_all = flags & 2 != 0;
            }
            _ => {}
        }
    }
    Some(element)
}

/// `NFTNL_UDATA_RULE_COMMENT`: type, length, text.
fn comment(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    while let [kind, length, after @ ..] = rest {
        let value = after.get(..usize::from(*length))?;
        if *kind == 0 {
            return text_of(value).map(str::to_owned);
        }
        rest = &after[usize::from(*length)..];
    }
    None
}

fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

fn be64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}
