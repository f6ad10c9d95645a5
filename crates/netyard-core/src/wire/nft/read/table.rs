//! Rows -> a table in the words of the one that is wanted, and what stays the kernel's own.

use std::collections::{BTreeMap, HashMap}; // the latter is looked up, never iterated

use super::{ChainRow, FlowtableRow, Handles, RuleRow, SetRow};
use crate::nft::expr::{Collection, Element, Expr};
use crate::nft::{Chain, Flowtable, Learned, Other, Rule, Set, SetKind, Statement, Table};
use crate::state::Place;
use crate::wire::nft::write::identity;

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
