//! Walks through rulesets made by hand.

use std::collections::BTreeMap;

use super::Verdict;
use super::expression::Data;
use super::walk::{Blame, Fate, Packet, Tracked};
use super::{
    Element, Expression, Family, ForeignChain, ForeignRule, ForeignSet, ForeignTable, Ruleset,
};
use crate::nft::{Ct, Expr, Hook, Match, Matcher, Statement};

const IIFNAME: u32 = 6;
const DPORT: Expression = Expression::Payload { base: 2, offset: 2, length: 2, to: 1 };

fn ends(verdict: Verdict) -> Expression {
    Expression::Immediate { to: 0, data: Data::Verdict(verdict) }
}

fn equals(value: &[u8]) -> Expression {
    Expression::Cmp { from: 1, op: 0, value: value.to_vec() }
}

fn source(prefix: [u8; 3]) -> [Expression; 2] {
    [Expression::Payload { base: 1, offset: 12, length: 3, to: 1 }, equals(&prefix)]
}

fn chain(name: &str, base: Option<(i32, bool)>, rules: Vec<Vec<Expression>>) -> ForeignChain {
    let rules = rules.into_iter().zip(10..).map(|(expressions, handle)| ForeignRule {
        handle,
        expressions,
        whole: Vec::new(),
        comment: None,
    });
    ForeignChain {
        name: name.to_owned(),
        handle: 1,
        kind: if base.is_some() { "filter".to_owned() } else { String::new() },
        hook: base.map(|(priority, _)| (Hook::Forward, priority)),
        policy_drop: base.is_some_and(|(_, drop)| drop),
        rules: rules.collect(),
    }
}

fn table(name: &str, family: Family, chains: Vec<ForeignChain>) -> ForeignTable {
    ForeignTable {
        family,
        name: name.to_owned(),
        handle: 1,
        owned: false,
        persists: false,
        dormant: false,
        chains,
        sets: BTreeMap::new(),
        flowtables: Vec::new(),
    }
}

fn packet() -> Packet {
    let mut packet = Packet::new(Hook::Forward, [10, 7, 0, 1].into(), [192, 0, 2, 1].into(), 6);
    packet.iif = Some(("lan".to_owned(), 3));
    packet.oif = Some(("eth0".to_owned(), 2));
    packet.dport = Some(443);
    packet
}

fn fate(tables: Vec<ForeignTable>) -> Fate {
    Ruleset { tables }.fate(&packet(), |_| true)
}

#[track_caller]
fn dropped(fate: Fate) -> Blame {
    match fate {
        Fate::Dropped(blame) => blame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_accept_ends_its_own_chain_and_a_later_one_still_drops() {
    let early = chain("early", Some((-10, false)), vec![vec![ends(Verdict::Accept)]]);
    let late = chain("late", Some((10, true)), vec![]);
    let tables =
        vec![table("late", Family::Ip, vec![late]), table("early", Family::Inet, vec![early])];
    let blame = dropped(fate(tables));
    assert_eq!((blame.table.as_str(), blame.rule, blame.priority), ("late", None, 10));
}

#[test]
fn other_families_and_dormant_tables_are_not_asked() {
    let strict = || vec![chain("c", Some((0, true)), vec![])];
    let mut asleep = table("t", Family::Ip, strict());
    asleep.dormant = true;
    assert_eq!(fate(vec![asleep, table("u", Family::Ip6, strict())]), Fate::Accepted);
}

#[test]
fn a_jump_comes_back_and_a_goto_does_not() {
    let deep = || chain("deep", None, vec![vec![ends(Verdict::Return)]]);
    let with = |verdict: Verdict| {
        let base =
            chain("base", Some((0, false)), vec![vec![ends(verdict)], vec![ends(Verdict::Drop)]]);
        fate(vec![table("t", Family::Ip, vec![base, deep()])])
    };
    assert_eq!(dropped(with(Verdict::Jump("deep".into()))).handle, 11);
    assert_eq!(with(Verdict::Goto("deep".into())), Fate::Accepted);
}

#[test]
fn a_rule_matches_by_address_interface_and_state() {
    let with = |prefix, name: &[u8], mask: u32| {
        let mut rule = source(prefix).to_vec();
        rule.extend([Expression::Meta { key: IIFNAME, to: 1 }, equals(name)]);
        rule.extend([
            Expression::Ct { key: 0, to: 1 },
            Expression::Bitwise {
                from: 1,
                to: 1,
                mask: mask.to_ne_bytes().to_vec(),
                xor: vec![0; 4],
            },
            Expression::Cmp { from: 1, op: 1, value: vec![0; 4] },
            ends(Verdict::Drop),
        ]);
        fate(vec![table("t", Family::Ip, vec![chain("c", Some((0, false)), vec![rule])])])
    };
    // New is 8, established 2; `la*` is compared without the zero at its end.
    assert_eq!(dropped(with([10, 7, 0], b"la", 8)).handle, 10);
    assert_eq!(dropped(with([10, 7, 0], b"lan\0", 8)).handle, 10);
    assert_eq!(with([10, 8, 0], b"lan\0", 8), Fate::Accepted);
    assert_eq!(with([10, 7, 0], b"lan0\0", 8), Fate::Accepted);
    assert_eq!(with([10, 7, 0], b"lan\0", 2), Fate::Accepted);
}

#[test]
fn sets_of_intervals_and_maps_of_verdicts_are_looked_into() {
    let key = |key: u16, ends: bool| Element {
        key: key.to_be_bytes().to_vec(),
        ends,
        ..Element::default()
    };
    let with = |set: ForeignSet, to: Option<u32>| {
        let look = Expression::Lookup { set: "s".into(), from: 1, to, not: false };
        let mut rule = vec![DPORT, look];
        rule.extend(to.is_none().then(|| ends(Verdict::Drop)));
        let mut one = table("t", Family::Ip, vec![chain("c", Some((0, false)), vec![rule])]);
        one.sets.insert("s".into(), set);
        fate(vec![one])
    };
    let interval =
        |elements| ForeignSet { key_length: 2, interval: true, elements, ..ForeignSet::default() };
    dropped(with(interval(vec![key(400, false), key(444, true)]), None));
    assert_eq!(with(interval(vec![key(400, false), key(443, true)]), None), Fate::Accepted);
    dropped(with(interval(vec![key(1, false), key(443, true), key(443, false)]), None));
    let mut element = key(443, false);
    element.data = Some(Data::Verdict(Verdict::Drop));
    let map = ForeignSet { key_length: 2, elements: vec![element], ..ForeignSet::default() };
    dropped(with(map, Some(0)));
}

#[test]
fn what_one_cannot_tell_makes_the_answer_unclear_and_not_wrong() {
    let unknown = || Expression::Other("osf".into());
    let base =
        |rules, drop| fate(vec![table("t", Family::Ip, vec![chain("c", Some((0, drop)), rules)])]);
    let fate = base(vec![vec![unknown(), ends(Verdict::Drop)]], false);
    assert!(matches!(fate, Fate::Unclear(blame) if blame.handle == 10));
    // It may have been accepted before the policy.
    let fate = base(vec![vec![unknown(), ends(Verdict::Accept)]], true);
    assert!(matches!(fate, Fate::Unclear(blame) if blame.rule.is_none()));
    // What is certain anyhow is not unclear.
    dropped(base(vec![vec![unknown(), ends(Verdict::Drop)], vec![ends(Verdict::Drop)]], false));
    // A limit is not used up by one packet.
    dropped(base(vec![vec![Expression::Limit { over: false }, ends(Verdict::Drop)]], false));
    assert_eq!(
        base(vec![vec![Expression::Limit { over: true }, ends(Verdict::Drop)]], false),
        Fate::Accepted
    );
}

#[test]
fn an_answer_is_of_a_connection_that_is_known() {
    let rule = vec![
        Expression::Match {
            name: "conntrack".into(),
            revision: 3,
            info: {
                let mut info = vec![0; 160];
                info[146..148].copy_from_slice(&1_u16.to_ne_bytes());
                info[150..152].copy_from_slice(&6_u16.to_ne_bytes());
                info
            },
        },
        ends(Verdict::Accept),
    ];
    let base = chain("c", Some((0, true)), vec![rule]);
    let ruleset = Ruleset { tables: vec![table("t", Family::Ip, vec![base])] };
    dropped(ruleset.fate(&packet(), |_| true));
    let answer = Packet { state: Tracked::Established, ..packet() };
    assert_eq!(ruleset.fate(&answer, |_| true), Fate::Accepted);
}

/// A rule of one table, as it is told.
fn told(family: Family, statements: &[Statement], sets: &[(&str, ForeignSet)]) -> String {
    let rule = crate::nft::Rule { statements: statements.to_vec(), comment: None };
    let whole = rule.compile();
    let expressions = whole.iter().map(Expression::of).collect();
    let rule = ForeignRule { handle: 1, expressions, whole, comment: None };
    let mut one = table("t", family, vec![]);
    one.sets = sets.iter().map(|(name, set)| ((*name).to_owned(), set.clone())).collect();
    rule.text(&one)
}

#[test]
fn a_rule_is_told_as_nft_writes_it() {
    let from = Statement::is(Matcher::Saddr(vec!["10.7.0.0/24".parse().unwrap()]));
    let by = Statement::is(Matcher::Iif(vec!["lan".into()]));
    let state = |not, state| {
        let matcher = Matcher::CtState(vec![state]);
        Statement::Match(Match { not, matcher })
    };
    let all = [from, by, state(false, Ct::New), Statement::Counter, Statement::Drop];
    assert_eq!(
        told(Family::Inet, &all, &[]),
        "ip saddr 10.7.0.0/24 iifname \"lan\" ct state new drop"
    );
    let all = [state(true, Ct::Invalid), Statement::Accept];
    assert_eq!(told(Family::Inet, &all, &[]), "ct state ! invalid accept");
}

#[test]
fn of_a_large_set_without_a_name_the_first_are_told() {
    let element = |n: u16| Element { key: n.to_be_bytes().to_vec(), ..Element::default() };
    let set = |most: u16| ForeignSet {
        key_type: 13,
        key_length: 2,
        elements: (1..=most).map(element).collect(),
        ..ForeignSet::default()
    };
    let look = [
        Statement::Machine(vec![
            Expr::new("payload").be32(1, 1).be32(2, 2).be32(3, 2).be32(4, 2),
            Expr::new("lookup").text(1, "__set0").be32(2, 1),
        ]),
        Statement::Accept,
    ];
    let text = |most| told(Family::Ip, &look, &[("__set0", set(most))]);
    assert_eq!(text(3), "th dport { 1, 2, 3 } accept");
    assert_eq!(text(7), "th dport { 1, 2, 3, 4, 5, 6, … } accept");
}

#[test]
fn what_iptables_and_single_devices_have_is_told_as_nft_tells_it() {
    let name = |value: &[u8]| {
        Statement::Machine(vec![
            Expr::new("meta").be32(1, 1).be32(2, 7),
            Expr::new("cmp").be32(1, 1).be32(2, 0).data(3, value),
            Expr::new("match").text(1, "comment"),
            Expr::new("target").text(1, "REJECT"),
        ])
    };
    let text = |value| told(Family::Ip, &[name(value)], &[]);
    assert_eq!(text(b"virbr0\0"), "oifname \"virbr0\" reject");
    assert_eq!(text(b"virbr"), "oifname \"virbr*\" reject");
    let frame = Statement::Machine(vec![
        Expr::new("meta").be32(1, 1).be32(2, 1),
        Expr::new("cmp").be32(1, 1).be32(2, 0).data(3, &[8, 0]),
        Expr::new("payload").be32(1, 1).be32(2, 1).be32(3, 12).be32(4, 4),
        Expr::new("cmp").be32(1, 1).be32(2, 0).data(3, &[10, 0, 0, 1]),
        Expr::new("reject").be32(1, 0).byte(2, 13),
    ]);
    assert_eq!(
        told(Family::Netdev, &[frame], &[]),
        "ip saddr 10.0.0.1 reject with icmp admin-prohibited"
    );
}
