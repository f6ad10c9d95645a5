//! Which connections a change of translations has made stale: the kernel asks
//! the rules for the first packet of a connection only, so one that began under
//! the old rules goes on as they said.
//!
//! A connection is stale when how it is translated is what the old rules gave,
//! and not what the new ones would give. What cannot be known of it any more,
//! such as by which interface it came in, may have been anything, so of what is
//! doubtful nothing is called stale; neither is what other tables translate.

use std::net::IpAddr;

use super::span::Span;
use super::{
    ChainKind, Hook, Match, Matcher, NatTarget, PortRange, Protocol, SetKind, Statement, Table,
};

/// A connection as conntrack has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its protocol's number.
    pub protocol: u8,
    /// Source and its port as it began; ports are 0 where there are none.
    pub source: (IpAddr, u16),
    /// Destination as it began.
    pub destination: (IpAddr, u16),
    /// Where answers come from: the destination after translation.
    pub answers_from: (IpAddr, u16),
    /// Where answers go to: the source after translation.
    pub answers_to: (IpAddr, u16),
}

/// What the rules may have made of one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Untouched,
    To(NatTarget),
    Ports(Option<PortRange>),
    Masqueraded,
    /// By what rules have learned: anything.
    Unknown,
}

/// True, false, or not known.
type Truth = Option<bool>;

impl Connection {
    /// True when the change from `old` to `new` has made it stale; `local` are the
    /// namespace's own addresses.
    pub fn is_stale(&self, old: &Table, new: &Table, local: &[IpAddr]) -> bool {
        let begins = if local.contains(&self.source.0) { Hook::Output } else { Hook::Prerouting };
        [begins, Hook::Postrouting].into_iter().any(|hook| {
            let fits = |table| {
                let outcomes = outcomes(self, table, hook);
                outcomes.iter().any(|outcome| self.fits(outcome, hook, local))
            };
            fits(old) && !fits(new)
        })
    }

    fn fits(&self, outcome: &Outcome, hook: Hook, local: &[IpAddr]) -> bool {
        let (before, after) = match hook {
            Hook::Postrouting => (self.source, self.answers_to),
            _ => (self.destination, self.answers_from),
        };
        let within = |ports: Option<PortRange>| match ports {
            Some(ports) => (ports.first..=ports.last).contains(&after.1),
            None => true,
        };
        match outcome {
            Outcome::Unknown => true,
            Outcome::Untouched => before == after,
            Outcome::Masqueraded => local.contains(&after.0),
            Outcome::Ports(ports) => local.contains(&after.0) && within(*ports),
            Outcome::To(target) => {
                let inside = |(first, last): (IpAddr, IpAddr)| first <= after.0 && after.0 <= last;
                target.addresses.is_none_or(inside) && within(target.ports)
            }
        }
    }

    fn holds(&self, table: &Table, m: &Match) -> Truth {
        let ipv6 = self.source.0.is_ipv6();
        let in_set = |name: &str, of_ipv6: bool, ip: IpAddr| {
            if of_ipv6 != ipv6 {
                return Some(false);
            }
            let kind = if ipv6 { SetKind::Ipv6 } else { SetKind::Ipv4 };
            contains(table, name, kind, Span::of_net(&ip.into()).first)
        };
        let port = |of: &Protocol, port: u16, ranges: &[PortRange]| {
            let within = ranges.iter().any(|r| (r.first..=r.last).contains(&port));
            Some(of.number() == self.protocol && within)
        };
        let truth = match &m.matcher {
            Matcher::Saddr(nets) => Some(nets.iter().any(|net| net.contains(&self.source.0))),
            Matcher::Daddr(nets) => Some(nets.iter().any(|net| net.contains(&self.destination.0))),
            Matcher::SaddrSet { set, ipv6 } => in_set(set, *ipv6, self.source.0),
            Matcher::DaddrSet { set, ipv6 } => in_set(set, *ipv6, self.destination.0),
            Matcher::Family(of) => Some(*of == ipv6),
            Matcher::Protocol(all) => Some(all.iter().any(|p| p.number() == self.protocol)),
            Matcher::Sport(of, ranges) => port(of, self.source.1, ranges),
            Matcher::Dport(of, ranges) => port(of, self.destination.1, ranges),
            Matcher::DportSet(of, set) if of.number() == self.protocol => {
                contains(table, set, SetKind::Port, self.destination.1.into())
            }
            Matcher::DportSet(..) => Some(false),
            _ => None,
        };
        truth.map(|truth| truth != m.not)
    }
}

fn contains(table: &Table, name: &str, kind: SetKind, value: u128) -> Truth {
    let set = table.sets.iter().find(|set| set.name == name && set.kind == kind)?;
    let spans = set.elements.iter().filter_map(|element| kind.span(element));
    Some(spans.into_iter().any(|span| (span.first..=span.last).contains(&value)))
}

/// All that the rules of a hook may have done to a connection.
fn outcomes(connection: &Connection, table: &Table, hook: Hook) -> Vec<Outcome> {
    let mut walk = Walk { connection, table, hook, outcomes: Vec::new() };
    let base = |c: &&super::Chain| {
        c.base.is_some_and(|base| base.kind == ChainKind::Nat && base.hook == hook)
    };
    let mut chains: Vec<_> = table.chains.iter().filter(base).collect();
    chains.sort_by_key(|chain| chain.base.map(|base| base.priority));
    let decided = chains.iter().any(|chain| walk.chain(&chain.name, 0) == Some(true));
    if !decided {
        walk.outcomes.push(Outcome::Untouched);
    }
    walk.outcomes
}

struct Walk<'a> {
    connection: &'a Connection,
    table: &'a Table,
    hook: Hook,
    outcomes: Vec<Outcome>,
}

/// The kernel allows no more jumps than that (`NFT_JUMP_STACK_SIZE`).
const DEPTH: usize = 16;

impl Walk<'_> {
    /// Walks a chain; true when it surely decided, none when it may have.
    fn chain(&mut self, name: &str, depth: usize) -> Truth {
        let chain = self.table.chains.iter().find(|chain| chain.name == name);
        let chain = chain.filter(|_| depth < DEPTH)?;
        let mut result = Some(false);
        for rule in &chain.rules {
            match self.rule(&rule.statements, depth) {
                Step::Decided(true) => return Some(true),
                Step::Decided(false) => result = None,
                Step::Return(true) => return result,
                Step::Return(false) | Step::Next => {}
            }
        }
        result
    }

    fn rule(&mut self, statements: &[Statement], depth: usize) -> Step {
        let mut sure = true;
        for statement in statements {
            let outcome = match statement {
                Statement::Match(m) => match self.connection.holds(self.table, m) {
                    Some(true) => continue,
                    Some(false) => return Step::Next,
                    None => {
                        sure = false;
                        continue;
                    }
                },
                Statement::Limit(_) => {
                    sure = false;
                    continue;
                }
                Statement::Return => return Step::Return(sure),
                Statement::Accept | Statement::Drop | Statement::Reject(_) => Outcome::Untouched,
                Statement::Jump(chain) | Statement::Goto(chain) => {
                    return match self.chain(chain, depth + 1) {
                        Some(true) => Step::Decided(sure),
                        Some(false) => Step::Next,
                        None => Step::Decided(false),
                    };
                }
                Statement::Dispatch { cases, .. } => {
                    for (_, chain) in cases {
                        let _ = self.chain(chain, depth + 1);
                    }
                    return Step::Decided(false);
                }
                Statement::Machine(_) => {
                    self.outcomes.push(Outcome::Unknown);
                    return Step::Decided(false);
                }
                other => match self.translation(other) {
                    Some(outcome) => outcome,
                    None => continue,
                },
            };
            self.outcomes.push(outcome);
            return Step::Decided(sure);
        }
        Step::Next
    }

    fn translation(&self, statement: &Statement) -> Option<Outcome> {
        let outcome = match statement {
            Statement::Masquerade { .. } => Outcome::Masqueraded,
            Statement::Snat(target) | Statement::Dnat(target) => {
                let ipv6 = self.connection.source.0.is_ipv6();
                let other = target.addresses.is_some_and(|(first, _)| first.is_ipv6() != ipv6);
                if other {
                    return None;
                }
                Outcome::To(target.clone())
            }
            Statement::DnatLearned { .. } => Outcome::Unknown,
            Statement::DnatShift { address, ports, first, .. } => {
                let port = self.connection.destination.1;
                if self.hook == Hook::Postrouting || !(ports.first..=ports.last).contains(&port) {
                    return None;
                }
                let to = (port - ports.first).wrapping_add(*first);
                Outcome::To(NatTarget {
                    addresses: Some((*address, *address)),
                    ports: Some(PortRange { first: to, last: to }),
                    prefix: false,
                    random: false,
                    persistent: false,
                })
            }
            Statement::Redirect(ports) => Outcome::Ports(*ports),
            _ => return None,
        };
        Some(outcome)
    }
}

/// How a rule ends; `true`: surely.
enum Step {
    Next,
    Decided(bool),
    Return(bool),
}

impl Table {
    /// True when it translates anything.
    pub fn translates(&self) -> bool {
        self.chains.iter().any(|c| c.base.is_some_and(|base| base.kind == ChainKind::Nat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Base, Chain, Policy, Rule};
    use crate::state::Place;

    fn table(rules: Vec<Vec<Statement>>) -> Table {
        let base = Base {
            kind: ChainKind::Nat,
            hook: Hook::Prerouting,
            priority: -100,
            policy: Policy::Accept,
        };
        let rules = rules.into_iter().map(|statements| Rule { statements, comment: None });
        let chains = vec![Chain { name: "c".into(), base: Some(base), rules: rules.collect() }];
        let (name, raw) = Default::default();
        let (sets, learned, others, flowtables) = Default::default();
        Table { place: Place::Host, name, sets, learned, others, flowtables, chains, raw }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forward(port: u16, to: &str) -> Vec<Statement> {
        let dport = Matcher::Dport(Protocol::Udp, vec![PortRange { first: port, last: port }]);
        let addresses = Some((ip(to), ip(to)));
        let (ports, prefix, random, persistent) = Default::default();
        let target = NatTarget { addresses, ports, prefix, random, persistent };
        vec![Statement::is(dport), Statement::Dnat(target)]
    }

    fn connection(port: u16, answers_from: &str) -> Connection {
        Connection {
            protocol: 17,
            source: (ip("10.0.0.1"), 4000),
            destination: (ip("10.0.0.9"), port),
            answers_from: (ip(answers_from), port),
            answers_to: (ip("10.0.0.1"), 4000),
        }
    }

    #[test]
    fn what_goes_where_the_old_rules_said_is_stale() {
        let (old, new) =
            (table(vec![forward(53, "10.1.0.1")]), table(vec![forward(53, "10.1.0.2")]));
        assert!(connection(53, "10.1.0.1").is_stale(&old, &new, &[]));
        assert!(!connection(53, "10.1.0.2").is_stale(&old, &new, &[]));
        // Another rule's, and nobody's.
        assert!(!connection(54, "10.0.0.9").is_stale(&old, &new, &[]));
        assert!(!connection(54, "10.9.9.9").is_stale(&old, &new, &[]));
    }

    #[test]
    fn what_began_before_it_was_forwarded_is_stale() {
        let (none, some) = (table(vec![]), table(vec![forward(53, "10.1.0.2")]));
        assert!(connection(53, "10.0.0.9").is_stale(&none, &some, &[]));
        assert!(connection(53, "10.1.0.2").is_stale(&some, &none, &[]));
        assert!(!connection(54, "10.0.0.9").is_stale(&none, &some, &[]));
        // One that begins here goes through another hook.
        assert!(!connection(53, "10.0.0.9").is_stale(&none, &some, &[ip("10.0.0.1")]));
    }

    #[test]
    fn of_what_is_doubtful_nothing_is_stale() {
        let doubtful = |to: &str| {
            let mut rule = vec![Statement::is(Matcher::Iif(vec!["eth0".into()]))];
            rule.extend(forward(53, to));
            table(vec![rule])
        };
        let (old, new) = (doubtful("10.1.0.1"), doubtful("10.1.0.2"));
        assert!(connection(53, "10.1.0.1").is_stale(&old, &new, &[]));
        assert!(!connection(53, "10.0.0.9").is_stale(&old, &new, &[]));
    }
}
