//! What the kernel tells of its ruleset.

use std::collections::{BTreeMap, HashMap}; // the latter is looked up, never iterated

use super::write::{identity, mark_key, table_mark};
use super::*;
use crate::name::YardName;
use crate::nft::expr::{Collection, Element, Expr, SET_ANONYMOUS, SET_EVAL};
use crate::nft::{
    Base, Chain, ChainKind, Flowtable, Hook, Learned, Other, Policy, Rule, Set, SetKind, Statement,
    Table,
};
use crate::state::Place;
use crate::wire::{attributes, text};

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

/// All rows of one table, as dumped.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Its chains.
    pub chains: Vec<ChainRow>,
    /// Its rules, of each chain in order.
    pub rules: Vec<RuleRow>,
    /// Its sets.
    pub sets: Vec<SetRow>,
    /// Its flowtables.
    pub flowtables: Vec<FlowtableRow>,
}

impl Rows {
    /// The rules of `wanted` that are there: one for each row, in order.
    pub fn known<'a>(&self, wanted: Option<&'a Table>) -> Vec<Option<&'a Rule>> {
        // All of it is compiled for that, which is worth while only beside something.
        let meant = Meant::of(wanted.filter(|_| !self.rules.is_empty()));
        self.rules.iter().map(|row| meant.rule(row)).collect()
    }

    /// Sets whose elements are needed to tell the table from the wanted one: all with
    /// a name, unless rules fill them, and those without of rules that are not `known`.
    pub fn missing(&self, known: &[Option<&Rule>]) -> Vec<String> {
        let named = self.sets.iter().filter(|set| !set.is_anonymous() && !set.is_learned());
        let mut names: Vec<String> = named.map(|set| set.name.clone()).collect();
        for (row, _) in self.rules.iter().zip(known).filter(|(_, known)| known.is_none()) {
            names.extend(row.anonymous().map(str::to_owned));
        }
        names
    }

    /// The table as a State has it, and its rules' handles. What is as `wanted` is
    /// said in its words.
    pub fn table(
        &self,
        place: &Place,
        name: &str,
        wanted: Option<&Table>,
        known: &[Option<&Rule>],
        elements: &BTreeMap<String, Vec<Element>>,
    ) -> (Table, Handles) {
        let (sets, learned, others, flowtables, chains) = Default::default();
        let (place, name, raw) = (place.clone(), name.to_owned(), String::new());
        let mut table = Table { place, name, sets, learned, others, flowtables, chains, raw };
        for row in self.sets.iter().filter(|set| !set.is_anonymous()) {
            let elements = elements.get(&row.name).map(Vec::as_slice).unwrap_or_default();
            row.put(&mut table, wanted, elements);
        }
        let devices = Vec::new;
        let flowtables = self.flowtables.iter();
        table.flowtables =
            flowtables.map(|r| Flowtable { devices: devices(), ..r.flowtable.clone() }).collect();
        let mut handles = Handles::default();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for row in &self.chains {
            at.insert(&row.name, table.chains.len());
            let (name, base) = (row.name.clone(), row.base());
            table.chains.push(Chain { name, base, rules: Vec::new() });
        }
        for (row, known) in self.rules.iter().zip(known) {
            let Some(&chain) = at.get(&*row.chain) else { continue };
            let rules = &mut table.chains[chain].rules;
            let rule = known.map_or_else(|| self.strange(row, elements), Clone::clone);
            rules.push(rule);
            handles.0.entry(row.chain.clone()).or_default().push(row.handle);
        }
        (table.settled(), handles)
    }

    /// A rule that is not wanted, as the kernel has it.
    fn strange(&self, row: &RuleRow, elements: &BTreeMap<String, Vec<Element>>) -> Rule {
        let mut expressions = row.expressions.clone();
        for expression in &mut expressions {
            let Some(name) = expression.set_name().filter(|n| n.starts_with("__")) else {
                continue;
            };
            let Some(set) = self.sets.iter().find(|set| set.name == name) else { continue };
            let mut collection = set.collection.clone();
            collection.elements = elements.get(name).cloned().unwrap_or_default();
            collection.elements.sort();
            expression.attributes.remove(1);
            expression.set = Some(Box::new(collection));
        }
        Rule { statements: vec![Statement::Machine(expressions)], comment: row.comment.clone() }
    }
}

impl SetRow {
    fn put(&self, table: &mut Table, wanted: Option<&Table>, elements: &[Element]) {
        let name = self.name.clone();
        let same = |set: &Learned| {
            let meant = set.collection();
            set.name == self.name && Collection { elements: vec![], ..meant } == self.collection
        };
        if let Some(set) = wanted.and_then(|w| w.learned.iter().find(|set| same(set))) {
            return table.learned.push(set.clone());
        }
        let kinds = [SetKind::Ipv4, SetKind::Ipv6, SetKind::Port, SetKind::Interface];
        for kind in kinds {
            let mut set = Set { name: name.clone(), kind, elements: Vec::new() };
            let plain = |set: &Set| {
                let meant = set.collection();
                Collection { elements: vec![], ..meant } == self.collection
            };
            if kind == SetKind::Interface {
                // Whether it has ranges depends on what is in it.
                let intervals = self.collection.flags & crate::nft::expr::SET_INTERVAL != 0;
                set.elements = vec![if intervals { "x*".to_owned() } else { "x".to_owned() }];
            }
            if plain(&set) {
                set.elements = set.read(elements);
                return table.sets.push(set);
            }
        }
        let mut collection = self.collection.clone();
        if !self.is_learned() {
            collection.elements = elements.to_vec();
            collection.elements.sort();
        }
        table.others.push(Other { name, collection });
    }
}

/// The rules of a table, found by what they compile to.
struct Meant<'a>(HashMap<&'a str, HashMap<u64, Compiled<'a>>>);

/// A rule, and what the kernel tells of it.
struct Compiled<'a> {
    rule: &'a Rule,
    expressions: Vec<Expr>,
    identity: u64,
}

impl<'a> Meant<'a> {
    fn of(table: Option<&'a Table>) -> Self {
        let mut chains: HashMap<&str, HashMap<u64, Compiled<'_>>> = HashMap::new();
        for chain in table.iter().flat_map(|t| &t.chains) {
            let rules = chains.entry(&chain.name).or_default();
            for rule in &chain.rules {
                let compiled = rule.compile();
                let identity = identity(&compiled);
                let expressions: Vec<Expr> = compiled.into_iter().map(unnamed).collect();
                let key = fingerprint(rule.comment.as_deref(), identity);
                rules.entry(key).or_insert(Compiled { rule, expressions, identity });
            }
        }
        Self(chains)
    }

    /// The rule that a row is. What is in a set without a name cannot be changed,
    /// so the mark that was made with the rule tells it.
    fn rule(&self, row: &RuleRow) -> Option<&'a Rule> {
        let rules = self.0.get(row.chain.as_str())?;
        let identity = row.identity?;
        let found = rules.get(&fingerprint(row.comment.as_deref(), identity))?;
        let same = found.rule.comment == row.comment
            && found.identity == identity
            && found.expressions.len() == row.expressions.len()
            && found.expressions.iter().zip(&row.expressions).all(|(meant, is)| is_as(is, meant));
        same.then_some(found.rule)
    }
}

/// True where an expression of a row is one that [`unnamed`] has left.
fn is_as(is: &Expr, meant: &Expr) -> bool {
    if !looks_into_unnamed(is) {
        return is == meant;
    }
    let attributes = is.attributes.iter().filter(|(attribute, _)| *attribute != 1);
    is.name == meant.name && meant.set.is_none() && attributes.eq(meant.attributes.iter())
}

fn looks_into_unnamed(expression: &Expr) -> bool {
    expression.is("lookup") && expression.set_name().is_none_or(|name| name.starts_with("__"))
}

/// An expression as it is whatever the kernel calls the set that it looks into.
fn unnamed(expression: Expr) -> Expr {
    let mut expression = expression.settled();
    if looks_into_unnamed(&expression) {
        expression.attributes.remove(1);
        expression.set = None;
    }
    expression
}

fn fingerprint(comment: Option<&str>, mark: u64) -> u64 {
    mark ^ crate::name::fnv1a(&[comment.unwrap_or_default().as_bytes()])
}

fn be32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

fn be64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
}
