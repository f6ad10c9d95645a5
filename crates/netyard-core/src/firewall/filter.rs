//! Filters: chains of rules, and which packets go to which of them.

use super::words::{ends, identifier, log, rate, rule, sides};
use super::{Direction, End, Filter, Firewall, Pair, Rule, Traffic, need};
use crate::nft::{
    self, Base, Chain, ChainKind, Ct, Each, Field, Hook, IcmpKind, Learned, Matcher, Policy,
    Protocol, Statement,
};
use crate::spec::firewall::Verdict;

/// Keys that a set for counting sources holds at most.
const SOURCES: u32 = 65535;
/// Policies of one direction from which on they are found by a lookup.
const LOOKUP: usize = 4;

/// What is being built: chains that others jump to, and sets that rules fill.
#[derive(Default)]
pub(super) struct Chains {
    /// Chains without a hook, in the order in which they were made.
    pub jumped: Vec<Chain>,
    /// Sets of sources.
    pub learned: Vec<Learned>,
}

impl Chains {
    /// A name that no chain has, as near to `wanted` as may be.
    pub fn free(&self, wanted: &str) -> String {
        let wanted = identifier(wanted);
        let taken = |name: &String| self.jumped.iter().any(|c| c.name == *name);
        let others = (2..).map(|n| format!("{wanted}-{n}"));
        std::iter::once(wanted.clone()).chain(others).find(|n| !taken(n)).unwrap_or(wanted)
    }

    fn jumped(&mut self, name: &str, rules: Vec<nft::Rule>) -> String {
        let name = self.free(name);
        self.jumped.push(Chain { name: name.clone(), base: None, rules });
        name
    }
}

/// What others than the user want of a direction.
#[derive(Default)]
pub(super) struct Extra {
    /// Before all others.
    pub first: Vec<nft::Rule>,
    /// Before the user's rules.
    pub early: Vec<nft::Rule>,
    /// Behind the user's rules, before the policy.
    pub late: Vec<nft::Rule>,
    /// There is a chain for these alone.
    pub needed: bool,
}

/// The chain of a direction, if the firewall says anything about it.
pub(super) fn base(
    firewall: Option<&Firewall>,
    direction: Direction,
    extra: Extra,
    chains: &mut Chains,
) -> Option<Chain> {
    let filter = firewall.and_then(|f| f.filter(direction));
    let pairs: Vec<&Pair> =
        firewall.iter().flat_map(|f| &f.pairs).filter(|p| p.direction == direction).collect();
    if filter.is_none() && pairs.is_empty() && !extra.needed {
        return None;
    }
    let (name, hook) = match direction {
        Direction::Input => ("input", Hook::Input),
        Direction::Output => ("output", Hook::Output),
        Direction::Forward => ("forward", Hook::Forward),
    };
    let mut rules = extra.first;
    rules.extend(connections(direction));
    rules.extend(need::rules(direction));
    rules.extend(extra.early);
    rules.extend(dispatch(&pairs, chains));
    let policy = filter.and_then(|f| f.policy).unwrap_or(Verdict::Accept);
    if let Some(filter) = filter {
        filter.rules.iter().for_each(|r| push(r, chains, &mut rules));
    }
    rules.extend(extra.late);
    if let Some(filter) = filter {
        rules.extend(rest(policy, filter, name));
    }
    // What becomes of the rest, its last rule says. The chain's own policy stays `accept`:
    // rules change all at once, but the kernel sets policies, and takes chains away, one after
    // the other when the rules are gone already, and what comes in between would be dropped.
    let base = Base { kind: ChainKind::Filter, hook, priority: 0, policy: Policy::Accept };
    Some(Chain { name: name.to_owned(), base: Some(base), rules })
}

impl Firewall {
    /// The filter of a direction.
    pub fn filter(&self, direction: Direction) -> Option<&Filter> {
        match direction {
            Direction::Input => self.input.as_ref(),
            Direction::Output => self.output.as_ref(),
            Direction::Forward => self.forward.as_ref(),
        }
    }
}

/// What belongs to a connection, and the loopback.
fn connections(direction: Direction) -> Vec<nft::Rule> {
    let state = |states: &[Ct]| Statement::is(Matcher::CtState(states.to_vec()));
    let (accept, drop) = (Statement::Accept, Statement::Drop);
    let mut rules = vec![rule(
        vec![state(&[Ct::Established, Ct::Related]), Statement::Counter, accept.clone()],
        "what belongs to a connection",
    )];
    if direction != Direction::Output {
        rules.push(rule(
            vec![state(&[Ct::Invalid]), Statement::Counter, drop],
            "what belongs to no connection and begins none",
        ));
    }
    let lo = vec!["lo".to_owned()];
    let matcher = match direction {
        Direction::Input => Matcher::Iif(lo),
        Direction::Output => Matcher::Oif(lo),
        Direction::Forward => return rules,
    };
    rules.push(rule(vec![Statement::is(matcher), Statement::Counter, accept], "the loopback"));
    rules
}

/// What becomes of the rest.
fn rest(verdict: Verdict, filter: &Filter, title: &str) -> Vec<nft::Rule> {
    let comment = format!("{title} policy");
    let prefix = filter.log.as_deref().filter(|_| verdict != Verdict::Accept);
    let mut rules: Vec<nft::Rule> = Vec::new();
    let ends = ends(verdict);
    // A refusal is two rules; what both refuse is logged once, before them.
    let separate = ends.len() > 1;
    if let (Some(prefix), true) = (prefix, separate) {
        rules.push(rule(vec![log(prefix)], &comment));
    }
    for words in ends {
        let (matches, verdict) = words.split_at(words.len() - 1);
        let mut words = matches.to_vec();
        words.push(Statement::Counter);
        words.extend(prefix.filter(|_| !separate).map(log));
        words.extend(verdict.iter().cloned());
        rules.push(rule(words, &comment));
    }
    rules
}

/// Which packets go to which chain of a policy.
fn dispatch(pairs: &[&Pair], chains: &mut Chains) -> Vec<nft::Rule> {
    let mut rules = Vec::new();
    let mut run: Vec<&Pair> = Vec::new();
    for pair in pairs {
        let is_exact = exact(&pair.from).is_some();
        if is_exact && run.iter().all(|other| same_or_apart(&other.from, &pair.from)) {
            run.push(pair);
            continue;
        }
        rules.extend(lookup(&std::mem::take(&mut run), chains));
        if is_exact {
            run.push(pair);
        } else {
            rules.extend(jumps(pair, true, chains));
        }
    }
    rules.extend(lookup(&run, chains));
    rules
}

/// Policies whose sources are exact interfaces, the same or none shared: by a
/// lookup where they are many, one after the other where they are few.
fn lookup(run: &[&Pair], chains: &mut Chains) -> Vec<nft::Rule> {
    if run.len() < LOOKUP {
        return run.iter().flat_map(|pair| jumps(pair, true, chains)).collect();
    }
    let mut cases: Vec<(String, String)> = Vec::new();
    let mut done: Vec<&[String]> = Vec::new();
    for pair in run {
        let Some(names) = exact(&pair.from).filter(|names| !done.contains(names)) else { continue };
        done.push(names);
        let same = run.iter().filter(|other| exact(&other.from) == Some(names));
        let rules = same.flat_map(|pair| jumps(pair, false, chains)).collect();
        let source = pair.title.split(" to ").next().unwrap_or_default();
        let chain = chains.jumped(&format!("from-{source}"), rules);
        cases.extend(names.iter().map(|name| (name.clone(), chain.clone())));
    }
    cases.sort();
    let word = Statement::Dispatch { key: Field::Iif, cases };
    vec![rule(vec![word], "policies, by where it comes from")]
}

/// The names of a side that is exact interfaces and nothing else.
fn exact(ends: &[End]) -> Option<&[String]> {
    match ends {
        [End::Interfaces(names)] if names.iter().all(|n| !n.ends_with('*')) => Some(names),
        _ => None,
    }
}

fn same_or_apart(a: &[End], b: &[End]) -> bool {
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a == b || a.iter().all(|name| !b.contains(name)),
        _ => false,
    }
}

/// The jumps to a policy's chain, which is made.
fn jumps(pair: &Pair, with_source: bool, chains: &mut Chains) -> Vec<nft::Rule> {
    let mut rules = Vec::new();
    pair.filter.rules.iter().for_each(|r| push(r, chains, &mut rules));
    if let Some(policy) = pair.filter.policy {
        rules.extend(rest(policy, &pair.filter, &pair.title));
    }
    let chain = chains.jumped(&pair.title.replace(' ', "-"), rules);
    let any = [End::Any];
    let from = if with_source { &pair.from[..] } else { &any };
    sides(from, &pair.to, None)
        .into_iter()
        .map(|(mut words, _)| {
            words.push(Statement::Counter);
            words.push(Statement::Jump(chain.clone()));
            rule(words, &pair.title)
        })
        .collect()
}

/// A rule of the file, as many of nft's as it takes.
fn push(spec: &Rule, chains: &mut Chains, rules: &mut Vec<nft::Rule>) {
    for (side, family) in sides(&spec.from, &spec.to, spec.ipv6) {
        for (words, family) in traffic(spec, family) {
            let matches = [side.clone(), words].concat();
            let families: &[bool] = match family {
                Some(false) => &[false],
                Some(true) => &[true],
                None => &[false, true],
            };
            if let Some(most) = spec.connections {
                let each = Each::ConnectionsOver(most);
                for ipv6 in families {
                    let mut words = per_source(&matches, family, *ipv6, each, spec, chains);
                    words.extend([Statement::Counter, Statement::Drop]);
                    let comment = format!("{}, more than {most} connections", spec.label);
                    rules.push(rule(words, &comment));
                }
            }
            match spec.limit {
                Some(limit) if limit.per_source => {
                    let over = spec.verdict != Verdict::Accept;
                    let each = Each::Limit(rate(limit.rate, over));
                    for ipv6 in families {
                        let words = per_source(&matches, family, *ipv6, each, spec, chains);
                        finish(spec, &words, rules);
                    }
                }
                Some(limit) => {
                    let limit = rate(limit.rate, spec.verdict != Verdict::Accept);
                    finish(spec, &[matches, vec![Statement::Limit(limit)]].concat(), rules);
                }
                None => finish(spec, &matches, rules),
            }
        }
    }
}

/// What is counted for each source by itself.
fn per_source(
    matches: &[Statement],
    family: Option<bool>,
    ipv6: bool,
    each: Each,
    spec: &Rule,
    chains: &mut Chains,
) -> Vec<Statement> {
    let mut words = matches.to_vec();
    if family.is_none() {
        words.insert(0, Statement::is(Matcher::Family(ipv6)));
    }
    let key = vec![Field::Saddr(ipv6)];
    let what = match each {
        Each::Limit(_) => "rate",
        Each::ConnectionsOver(_) => "connections",
    };
    let place = spec.label.split(':').next().unwrap_or_default();
    let family = if ipv6 { "6" } else { "4" };
    let set = identifier(&format!("{place}-{what}{family}").replace(' ', "-"));
    if !chains.learned.iter().any(|l| l.name == set) {
        // Connections are forgotten when they end; rates, when nobody asks for a day.
        let timeout = match each {
            Each::Limit(_) => 86400,
            Each::ConnectionsOver(_) => 0,
        };
        let learned = Learned {
            name: set.clone(),
            key: key.clone(),
            data: Vec::new(),
            timeout,
            size: SOURCES,
        };
        chains.learned.push(learned);
    }
    words.push(Statement::Learn { set, key, data: Vec::new(), each: Some(each) });
    words
}

fn finish(spec: &Rule, matches: &[Statement], rules: &mut Vec<nft::Rule>) {
    let ends = ends(spec.verdict);
    let separate = ends.len() > 1;
    if let (Some(prefix), true) = (&spec.log, separate) {
        rules.push(rule([matches, &[log(prefix)]].concat(), &spec.label));
    }
    let count = ends.len();
    for (end, number) in ends.into_iter().zip(1..) {
        let is_last = number == count;
        let (more, verdict) = end.split_at(end.len() - 1);
        let said = protocol(matches);
        if said.is_some_and(|p| p != Protocol::Tcp) && !more.is_empty() {
            continue; // a reset is for TCP only
        }
        let more = if said.is_some() { &[] } else { more };
        let mut words: Vec<Statement> = matches.iter().chain(more).cloned().collect();
        words.push(Statement::Counter);
        words.extend(spec.log.as_deref().filter(|_| !separate).map(log));
        words.extend(verdict.iter().cloned());
        rules.push(rule(words, &spec.label));
        if said == Some(Protocol::Tcp) && !is_last {
            return; // all that the rule matches has been answered
        }
    }
}

/// The one protocol that words are about.
fn protocol(words: &[Statement]) -> Option<Protocol> {
    words.iter().find_map(|word| match word {
        Statement::Match(m) => match &m.matcher {
            Matcher::Dport(protocol, _) => Some(*protocol),
            Matcher::Protocol(all) => (all.len() == 1).then(|| all[0]),
            Matcher::Icmp(IcmpKind::Icmp, _) => Some(Protocol::Icmp),
            Matcher::Icmp(IcmpKind::Icmpv6, _) => Some(Protocol::Icmpv6),
            _ => None,
        },
        _ => None,
    })
}

/// What a rule is about, in every way, with the family it is then of.
fn traffic(spec: &Rule, family: Option<bool>) -> Vec<(Vec<Statement>, Option<bool>)> {
    if spec.what.is_empty() {
        return vec![(Vec::new(), family)];
    }
    let mut ways = Vec::new();
    for what in &spec.what {
        match what {
            Traffic::Ports(protocol, ports) => {
                let word = match ports[..] {
                    [all] if all.first <= 1 && all.last == u16::MAX => {
                        Matcher::Protocol(vec![*protocol])
                    }
                    _ => Matcher::Dport(*protocol, ports.clone()),
                };
                ways.push((vec![Statement::is(word)], family));
            }
            Traffic::Protocol(protocol) => {
                ways.push((vec![Statement::is(Matcher::Protocol(vec![*protocol]))], family));
            }
            Traffic::Icmp => {
                for (ipv6, protocol) in [(false, Protocol::Icmp), (true, Protocol::Icmpv6)] {
                    if family.is_none_or(|f| f == ipv6) {
                        let word = Statement::is(Matcher::Protocol(vec![protocol]));
                        ways.push((vec![word], Some(ipv6)));
                    }
                }
            }
            Traffic::Ping => {
                let kinds = [(false, IcmpKind::Icmp, 8), (true, IcmpKind::Icmpv6, 128)];
                for (ipv6, kind, echo) in kinds {
                    if family.is_none_or(|f| f == ipv6) {
                        let word = Statement::is(Matcher::Icmp(kind, vec![echo]));
                        ways.push((vec![word], Some(ipv6)));
                    }
                }
            }
        }
    }
    ways
}
