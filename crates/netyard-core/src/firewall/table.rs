//! One table for each namespace that needs one.

use super::filter::{self, Chains, Extra};
use super::nat::Nat;
use super::words::rule;
use super::{Direction, Firewall, cone, uplink};
use crate::nft::{
    Base, Chain, ChainKind, Ct, Flowtable, Hook, Matcher, Policy, Protocol, Rule, Set, SetKind,
    Statement, Table, table_name,
};
use crate::state::Place;
use crate::yard::Yard;

const OFFLOAD: &str = "fast";

/// The rulesets that a yard asks for: at most one in each namespace.
pub fn tables(yard: &Yard) -> Vec<Table> {
    let mut places: Vec<&Place> = yard.firewalls.iter().map(|f| &f.place).collect();
    if !yard.uplinks.is_empty() && !places.contains(&&Place::Host) {
        places.push(&Place::Host);
    }
    places.sort();
    places.into_iter().filter_map(|place| table(yard, place)).collect()
}

fn table(yard: &Yard, place: &Place) -> Option<Table> {
    let firewall = yard.firewalls.iter().find(|f| f.place == *place);
    let (mut nat, mut input, mut forward) = (Nat::default(), Extra::default(), Extra::default());
    let mut chains = Chains::default();
    let mut learned = Vec::new();
    let mut more = Vec::new();
    if let Some(firewall) = firewall {
        nat.add(firewall);
        if let Some((behaviour, out)) = &firewall.behaviour {
            let cone = cone::add(*behaviour, out, &mut nat, &mut input, &mut forward);
            learned.extend(cone.learned);
            more.push(cone.chain);
        }
        more.extend(firewall.mss.map(mss));
        if !firewall.offload.is_empty() {
            forward.first.push(offload());
            forward.needed = true;
        }
    }
    if *place == Place::Host {
        uplink::add(yard, firewall.is_some_and(decides_forward), &mut nat, &mut forward);
    }
    let passing = std::mem::take(&mut nat.passing);
    forward.early.extend(passing);
    let directions = [
        (Direction::Input, input),
        (Direction::Forward, forward),
        (Direction::Output, Extra::default()),
    ];
    let filters: Vec<Chain> = directions
        .into_iter()
        .filter_map(|(direction, extra)| filter::base(firewall, direction, extra, &mut chains))
        .collect();
    let all: Vec<Chain> =
        chains.jumped.into_iter().chain(filters).chain(more).chain(nat_chains(nat)).collect();
    learned.extend(chains.learned);
    let raw = firewall.and_then(|f| f.raw.as_ref()).map(|raw| raw.value.clone());
    (!all.is_empty() || raw.is_some()).then(|| Table {
        place: place.clone(),
        name: table_name(&yard.name),
        sets: firewall.map(sets).unwrap_or_default(),
        learned,
        others: Vec::new(),
        flowtables: firewall.map(flowtables).unwrap_or_default(),
        chains: all,
        raw: raw.unwrap_or_default(),
    })
}

/// True when the user has said what may be forwarded.
fn decides_forward(firewall: &Firewall) -> bool {
    firewall.forward.is_some() || firewall.pairs.iter().any(|p| p.direction == Direction::Forward)
}

fn nat_chains(nat: Nat) -> impl Iterator<Item = Chain> {
    let chain = |name: &str, hook, priority, rules: Vec<Rule>| {
        let base = Base { kind: ChainKind::Nat, hook, priority, policy: Policy::Accept };
        (!rules.is_empty()).then(|| Chain { name: name.to_owned(), base: Some(base), rules })
    };
    [
        chain("nat-prerouting", Hook::Prerouting, -100, nat.prerouting),
        chain("nat-output", Hook::Output, -100, nat.output),
        chain("nat-postrouting", Hook::Postrouting, 100, nat.postrouting),
    ]
    .into_iter()
    .flatten()
}

/// Before the filter, as `mangle` is (-150).
fn mss(bytes: Option<u16>) -> Chain {
    let words =
        vec![Statement::is(Matcher::TcpSyn), Statement::Counter, Statement::MaxSegment(bytes)];
    let base = Base {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority: -150,
        policy: Policy::Accept,
    };
    Chain { name: "mss".to_owned(), base: Some(base), rules: vec![rule(words, "mss-clamp")] }
}

fn offload() -> Rule {
    let words = vec![
        Statement::is(Matcher::Protocol(vec![Protocol::Tcp, Protocol::Udp])),
        Statement::is(Matcher::CtState(vec![Ct::Established])),
        Statement::Counter,
        Statement::Offload(OFFLOAD.to_owned()),
    ];
    rule(words, "offload")
}

fn flowtables(firewall: &Firewall) -> Vec<Flowtable> {
    let devices = firewall.offload.clone();
    let table = Flowtable { name: OFFLOAD.to_owned(), devices, priority: 0 };
    (!firewall.offload.is_empty()).then_some(table).into_iter().collect()
}

fn sets(firewall: &Firewall) -> Vec<Set> {
    let set = |set: &super::Set| Set {
        name: set.name.clone(),
        kind: if set.ipv6 { SetKind::Ipv6 } else { SetKind::Ipv4 },
        elements: set.nets.iter().map(element).collect(),
    };
    firewall.sets.iter().map(set).collect()
}

/// An address alone is written without its length.
fn element(net: &ipnet::IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    }
}
