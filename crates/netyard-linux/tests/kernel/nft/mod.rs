//! Rulesets: made, read back as they were asked for, listed by nft as we write
//! them, obeyed by packets, changed without a gap, taken away.

mod change;
mod random;
mod said;
mod sets;
mod traffic;

use netyard_core::name::YardName;
use netyard_core::nft::*;
use netyard_core::state::{Object, Place, State};

/// A table of the test yard's with these chains.
pub fn table(place: &Place, chains: Vec<Chain>) -> Table {
    Table {
        place: place.clone(),
        name: table_name(&YardName::new("bed").unwrap()),
        sets: vec![],
        learned: vec![],
        others: vec![],
        flowtables: vec![],
        chains,
        raw: String::new(),
    }
}

/// A base chain of type filter.
pub fn filter(name: &str, hook: Hook, policy: Policy, rules: Vec<Rule>) -> Chain {
    base(name, ChainKind::Filter, hook, 0, policy, rules)
}

pub fn base(
    name: &str,
    kind: ChainKind,
    hook: Hook,
    priority: i32,
    policy: Policy,
    rules: Vec<Rule>,
) -> Chain {
    let base = Some(Base { kind, hook, priority, policy });
    Chain { name: name.to_owned(), base, rules }
}

/// A chain to jump to.
pub fn plain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain { name: name.to_owned(), base: None, rules }
}

pub fn rule(statements: &[Statement]) -> Rule {
    Rule { statements: statements.to_vec(), comment: None }
}

pub fn tcp(port: u16) -> Statement {
    Statement::is(Matcher::Dport(Protocol::Tcp, vec![port_range(port, port)]))
}

pub fn port_range(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

pub fn with_table(objects: &[Object], table: Table) -> State {
    objects.iter().cloned().chain([Object::Table(Box::new(table))]).collect::<State>().settled()
}

/// A table that lets all through.
pub fn lenient(place: &Place) -> Table {
    let rules = vec![rule(&[tcp(22), Statement::Counter, Statement::Accept])];
    table(place, vec![filter("input", Hook::Input, Policy::Accept, rules)])
}
