//! Translators of other makes, for labs: what they do to UDP.
//!
//! RFC 4787 tells two things apart: which outer port an inner one gets
//! (mapping), and who may send to it (filtering).
//!
//! | type | mapping | who may send to it |
//! |---|---|---|
//! | full-cone | one port for all destinations | anyone |
//! | restricted | the same | the addresses that it sent to, from any port |
//! | port-restricted | the same | the address and port that it sent to |
//! | symmetric | another port for each destination | the address and port that it sent to |
//! | cgnat | one port for all destinations, 1024 and up | anyone; each subscriber has [`SESSIONS`] connections (RFC 6888, 3) |
//!
//! The kernel's own way is `port-restricted`: it keeps a source port where it is
//! free, gives an inner port the same outer one for every destination
//! (`find_appropriate_src`, net/netfilter/nf_nat_core.c), and lets in what
//! answers. With ports drawn at random it is `symmetric`. For the others, a map
//! learns from what leaves, behind the translation, which outer address and port
//! stand for which inner ones; what comes in for one of them is translated by it.
//!
//! Whatever comes in for a port that is in use and may not pass is dropped
//! before connection tracking keeps it. Kept, it would take the very connection
//! that the inner side is about to open to that sender, which would then get
//! another port: two nodes behind such translators could never meet.
//!
//! IPv4 only: with IPv6 nobody has to share an address.

use super::filter::Extra;
use super::nat::Nat;
use super::words::{Side, end, rule};
use super::{Behaviour, End};
use crate::nft::{
    Base, Chain, ChainKind, Ct, Each, Field, Hook, Learned, Matcher, Policy, PortRange, Protocol,
    Statement,
};

/// Connections that one subscriber of a carrier has at a time.
pub const SESSIONS: u32 = 1000;
/// Outer ports in use that are remembered at most: all of four addresses.
const MAPPINGS: u32 = 4 * 65536;
/// Seconds for which an outer port stays with its inner one (RFC 4787, REQ-5).
const MAPPING_TIME: u32 = 300;

const UDP: Protocol = Protocol::Udp;
const OUTER: &str = "nat-outer";
const PEERS: &str = "nat-peers";
const SUBSCRIBERS: &str = "nat-subscribers";

/// What a behaviour adds to a table.
pub(super) struct Cone {
    /// Sets that rules fill.
    pub learned: Vec<Learned>,
    /// Behind the translation of sources.
    pub chain: Chain,
}

/// Adds what a behaviour needs to the chains that are there anyway.
pub(super) fn add(
    behaviour: Behaviour,
    out: &[End],
    nat: &mut Nat,
    input: &mut Extra,
    forward: &mut Extra,
) -> Cone {
    let label = format!("nat type: {}", word(behaviour));
    for outside in out {
        translate(behaviour, outside, &label, nat);
        let from = || end(outside, Side::From).into_iter().chain([v4()]);
        let mapped = Statement::is(Matcher::Learned { set: OUTER.to_owned(), key: incoming() });
        let words = from().chain([mapped, Statement::Counter, Statement::Drop]);
        input.early.push(rule(words.collect(), &format!("{label}, uninvited")));
        let passing = [
            Statement::is(Matcher::CtDnat),
            Statement::is(Matcher::Protocol(vec![UDP])),
            Statement::Counter,
            Statement::Accept,
        ];
        if behaviour.is_open() {
            let words = from().chain(passing);
            nat.passing.push(rule(words.collect(), &label));
        }
        if behaviour == Behaviour::Cgnat {
            let mut words: Vec<Statement> = end(outside, Side::To).into_iter().collect();
            words.extend([v4(), Statement::is(Matcher::CtState(vec![Ct::New]))]);
            words.extend([subscribers(), Statement::Counter, Statement::Drop]);
            forward.early.push(rule(words, &format!("{label}, a subscriber's share")));
            forward.needed = true;
        }
    }
    input.needed = true;
    Cone { learned: sets(behaviour), chain: learning(behaviour, out, &label) }
}

impl Behaviour {
    /// True when others than who was sent to may send to a port.
    fn is_open(self) -> bool {
        matches!(self, Self::FullCone | Self::Restricted | Self::Cgnat)
    }
}

fn word(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::FullCone => "full-cone",
        Behaviour::Restricted => "restricted",
        Behaviour::PortRestricted => "port-restricted",
        Behaviour::Symmetric => "symmetric",
        Behaviour::Cgnat => "cgnat",
    }
}

fn v4() -> Statement {
    Statement::is(Matcher::Family(false))
}

/// The outer address and port that a packet comes in for.
fn incoming() -> Vec<Field> {
    vec![Field::Daddr(false), Field::Dport(UDP)]
}

fn subscribers() -> Statement {
    Statement::Learn {
        set: SUBSCRIBERS.to_owned(),
        key: vec![Field::Saddr(false)],
        data: Vec::new(),
        each: Some(Each::ConnectionsOver(SESSIONS)),
    }
}

fn translate(behaviour: Behaviour, outside: &End, label: &str, nat: &mut Nat) {
    let udp = || Statement::is(Matcher::Protocol(vec![UDP]));
    if behaviour.is_open() {
        let mut words: Vec<Statement> = end(outside, Side::From).into_iter().collect();
        words.extend([v4(), udp()]);
        if behaviour == Behaviour::Restricted {
            let mut key = incoming();
            key.push(Field::Saddr(false));
            words.push(Statement::is(Matcher::Learned { set: PEERS.to_owned(), key }));
        }
        words.push(Statement::Counter);
        let map = OUTER.to_owned();
        words.push(Statement::DnatLearned { map, key: incoming(), ipv6: false });
        nat.prerouting.push(rule(words, label));
    }
    let mut words: Vec<Statement> = end(outside, Side::To).into_iter().collect();
    words.push(v4());
    if behaviour == Behaviour::Cgnat {
        let ports = Some(PortRange { first: 1024, last: u16::MAX });
        let mut words = words.clone();
        words.push(Statement::is(Matcher::Protocol(vec![Protocol::Tcp, UDP])));
        words.extend([Statement::Counter, Statement::Masquerade { ports, random: false }]);
        nat.postrouting.push(rule(words, label));
    }
    let random = behaviour == Behaviour::Symmetric;
    words.extend([Statement::Counter, Statement::Masquerade { ports: None, random }]);
    nat.postrouting.push(rule(words, label));
}

fn sets(behaviour: Behaviour) -> Vec<Learned> {
    let mut sets = vec![Learned {
        name: OUTER.to_owned(),
        key: incoming(),
        data: vec![Field::OriginalSaddr(false), Field::OriginalSport],
        timeout: MAPPING_TIME,
        size: MAPPINGS,
    }];
    if behaviour == Behaviour::Restricted {
        let mut key = incoming();
        key.push(Field::Saddr(false));
        sets.push(Learned {
            name: PEERS.to_owned(),
            key,
            data: Vec::new(),
            timeout: MAPPING_TIME,
            size: MAPPINGS,
        });
    }
    if behaviour == Behaviour::Cgnat {
        sets.push(Learned {
            name: SUBSCRIBERS.to_owned(),
            key: vec![Field::Saddr(false)],
            data: Vec::new(),
            timeout: 0,
            size: MAPPINGS,
        });
    }
    sets
}

/// The chain that learns, behind the translation (`srcnat` is 100): what leaves
/// has its outer address and port there, and its connection knows the inner ones.
fn learning(behaviour: Behaviour, out: &[End], label: &str) -> Chain {
    let mut rules = Vec::new();
    for outside in out {
        let mut matches: Vec<Statement> = end(outside, Side::To).into_iter().collect();
        // What answers a connection from outside has that one's source as original.
        matches.extend([v4(), Statement::is(Matcher::CtSnat)]);
        matches.push(Statement::is(Matcher::Protocol(vec![UDP])));
        let outer = vec![Field::Saddr(false), Field::Sport(UDP)];
        let mut words = matches.clone();
        words.push(Statement::Learn {
            set: OUTER.to_owned(),
            key: outer.clone(),
            data: vec![Field::OriginalSaddr(false), Field::OriginalSport],
            each: None,
        });
        rules.push(rule(words, label));
        if behaviour == Behaviour::Restricted {
            let mut key = outer;
            key.push(Field::Daddr(false));
            let mut words = matches;
            let set = PEERS.to_owned();
            words.push(Statement::Learn { set, key, data: Vec::new(), each: None });
            rules.push(rule(words, label));
        }
    }
    let base = Base {
        kind: ChainKind::Filter,
        hook: Hook::Postrouting,
        priority: 110,
        policy: Policy::Accept,
    };
    Chain { name: "nat-learn".to_owned(), base: Some(base), rules }
}
