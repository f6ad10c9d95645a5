//! What the kernel tells of its ruleset.

mod table;

use std::collections::BTreeMap;

use super::write::{mark_key, table_mark};
use super::*;
use crate::name::YardName;
use crate::nft::expr::{Collection, Element, Expr, SET_ANONYMOUS, SET_EVAL};
use crate::nft::{Base, ChainKind, Flowtable, Hook, Policy};
use crate::wire::{attributes, text};

pub use table::Rows;

/// Handles of a table's rules, by chain, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handles(BTreeMap<String, Vec<u64>>);

impl Handles {
    /// That of a rule; 0, which is no rule's, where there is none.
    pub(super) fn of(&self, chain: &str, index: usize) -> u64 {
        self.0.get(chain).and_then(|all| all.get(index)).copied().unwrap_or_default()
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// `NFPROTO_*`.
    pub family: u8,
    /// Its name.
    pub name: String,
    userdata: Vec<u8>,
}

impl TableRow {
    /// Reads a message of a dump.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut row = Self { family: *body.first()?, name: String::new(), userdata: Vec::new() };
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                1 => row.name = text(value)?.to_owned(),
                6 => row.userdata = value.to_vec(),
                _ => {}
            }
        }
        Some(row)
    }

    /// True for the one that a yard made.
    pub fn is_of(&self, yard: &YardName) -> bool {
        self.family == INET
            && self.name == crate::nft::table_name(yard)
            && self.userdata == table_mark(yard)
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// `NFPROTO_*`.
    pub family: u8,
    /// The table it is in.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The kernel's number for it.
    pub handle: u64,
    /// `filter`, `nat`, `route`; empty for a chain without a hook.
    pub kind: String,
    /// `NF_INET_*`, or that of its family.
    pub hook: Option<u32>,
    /// Lower is earlier.
    pub priority: i32,
    /// What becomes of packets that no rule decides.
    pub policy: Policy,
}

impl ChainRow {
    /// Reads a message of a dump.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (table, name, kind) = Default::default();
        let (family, policy) = (*body.first()?, Policy::Accept);
        let mut row =
            Self { family, table, name, handle: 0, kind, hook: None, priority: 0, policy };
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                1 => row.table = text(value)?.to_owned(),
                2 => row.handle = be64(value)?,
                3 => row.name = text(value)?.to_owned(),
                4 => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            1 => row.hook = Some(be32(value)?),
                            2 => row.priority = be32(value)? as i32,
                            _ => {}
                        }
                    }
                }
                5 if be32(value)? == 0 => row.policy = Policy::Drop,
                7 => row.kind = text(value)?.to_owned(),
                _ => {}
            }
        }
        Some(row)
    }

    fn base(&self) -> Option<Base> {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        let hooks = [Prerouting, Input, Forward, Output, Postrouting];
        let hook = *hooks.get(self.hook? as usize)?;
        let kind = match &*self.kind {
            "nat" => ChainKind::Nat,
            "route" => ChainKind::Route,
            _ => ChainKind::Filter,
        };
        Some(Base { kind, hook, priority: self.priority, policy: self.policy })
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRow {
    /// `NFPROTO_*`.
    pub family: u8,
    /// The table it is in.
    pub table: String,
    /// The chain it is in.
    pub chain: String,
    /// The kernel's number for it.
    pub handle: u64,
    /// What it does; lookups in sets without a name say the kernel's name for it.
    pub expressions: Vec<Expr>,
    /// What was written beside it.
    pub comment: Option<String>,
    /// Packets and bytes, where it counts.
    pub counter: Option<(u64, u64)>,
    identity: Option<u64>,
}

impl RuleRow {
    /// Reads a message of a dump.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (table, chain, expressions) = Default::default();
        let family = *body.first()?;
        let (comment, counter, identity) = (None, None, None);
        let mut row =
            Self { family, table, chain, handle: 0, expressions, comment, counter, identity };
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                1 => row.table = text(value)?.to_owned(),
                2 => row.chain = text(value)?.to_owned(),
                3 => row.handle = be64(value)?,
                4 => row.read_expressions(value),
                7 => row.read_userdata(value),
                _ => {}
            }
        }
        Some(row)
    }

    fn read_expressions(&mut self, list: &[u8]) {
        for (_, value) in attributes(list) {
            let Some(expression) = Expr::decoded(value) else { continue };
            if expression.is("counter") {
                let (bytes, packets) = (expression.long(1), expression.long(2));
                self.counter = packets.zip(bytes);
            }
            self.expressions.push(expression.settled());
        }
    }

    fn read_userdata(&mut self, mut data: &[u8]) {
        while let [key, length, rest @ ..] = data {
            let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { return };
            match *key {
                0 => self.comment = text(value).map(str::to_owned),
                key if key == mark_key() => {
                    self.identity = value.try_into().ok().map(u64::from_be_bytes);
                }
                _ => {}
            }
            data = rest;
        }
    }

    /// As nft would write it, without its comment.
    pub fn text(&self) -> String {
        crate::nft::text_of(&self.expressions)
    }

    /// Names of the sets without a name that it looks into.
    fn anonymous(&self) -> impl Iterator<Item = &str> {
        let names = self.expressions.iter().filter(|e| e.is("lookup")).filter_map(Expr::set_name);
        names.filter(|name| name.starts_with("__"))
    }
}

/// A set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRow {
    /// `NFPROTO_*`.
    pub family: u8,
    /// The table it is in.
    pub table: String,
    /// Its name.
    pub name: String,
    /// All but its elements.
    pub collection: Collection,
}

impl SetRow {
    /// Reads a message of a dump.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (table, name, collection) = Default::default();
        let mut row = Self { family: *body.first()?, table, name, collection };
        let set = &mut row.collection;
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                1 => row.table = text(value)?.to_owned(),
                2 => row.name = text(value)?.to_owned(),
                3 => set.flags = be32(value)?,
                4 => set.key_type = be32(value)?,
                5 => set.key_len = be32(value)?,
                6 => set.data_type = be32(value)?,
                7 => set.data_len = be32(value)?,
                11 => set.timeout = be64(value)?,
                9 => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            1 => set.size = be32(value)?,
                            2 => {
                                let field =
                                    |(_, v)| attributes(v).next().and_then(|(_, v)| be32(v));
                                set.fields = attributes(value).filter_map(field).collect();
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if set.data_type == crate::nft::expr::DATA_VERDICT {
            set.data_len = 0;
        }
        Some(row)
    }

    /// True where what is in it matters and is not known yet.
    pub fn is_anonymous(&self) -> bool {
        self.collection.flags & SET_ANONYMOUS != 0
    }

    /// True where rules fill it.
    pub fn is_learned(&self) -> bool {
        self.collection.flags & SET_EVAL != 0
    }
}

/// A flowtable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowtableRow {
    /// The table it is in.
    pub table: String,
    /// Its name, and its priority.
    pub flowtable: Flowtable,
}

impl FlowtableRow {
    /// Reads a message of a dump; devices by the kernel's names.
    pub fn read(body: &[u8]) -> Option<Self> {
        let flowtable = Flowtable { name: String::new(), devices: Vec::new(), priority: 0 };
        let mut row = Self { table: String::new(), flowtable };
        for (kind, value) in attributes(body.get(HEADER..)?) {
            match kind {
                1 => row.table = text(value)?.to_owned(),
                2 => row.flowtable.name = text(value)?.to_owned(),
                3 => {
                    for (kind, value) in attributes(value) {
                        match kind {
                            2 => row.flowtable.priority = be32(value)? as i32,
                            3 => {
                                let names = attributes(value).filter_map(|(_, v)| text(v));
                                row.flowtable.devices = names.map(str::to_owned).collect();
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        row.flowtable.devices.sort();
        Some(row)
    }
}

/// The elements in a message of a dump.
pub fn elements(body: &[u8]) -> Vec<Element> {
    let mut elements = Vec::new();
    let all = attributes(body.get(HEADER..).unwrap_or_default());
    for (_, list) in all.filter(|(kind, _)| *kind == 3) {
        for (_, value) in attributes(list) {
            let mut element = Element::default();
            for (kind, value) in attributes(value) {
                let key = || crate::nft::expr::value_of(value).unwrap_or_default().to_vec();
                match kind {
                    1 => element.key = key(),
                    2 => element.data = value.to_vec(),
                    3 => element.flags = be32(value).unwrap_or_default(),
                    10 => element.key_end = key(),
                    _ => {}
                }
            }
            elements.push(element);
        }
    }
    elements
}

/// The number of the ruleset's generation, out of the answer.
pub fn generation(body: &[u8]) -> Option<u32> {
    attributes(body.get(HEADER..)?).find(|(kind, _)| *kind == 1).and_then(|(_, v)| be32(v))
}

fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

fn be64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}
