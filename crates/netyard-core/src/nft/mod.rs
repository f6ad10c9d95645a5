//! nftables rulesets as data: what a firewall asks of one namespace, the words
//! it is made of ([`Statement`]), and how nft writes them.
//!
//! A namespace has at most one [`Table`] of a yard's, of family `inet`, which is
//! changed in one transaction: a packet meets the old ruleset or the new one.

mod attributes;
mod compile;
mod diff;
pub(crate) mod expr;
mod mark;
mod reading;
pub(crate) mod span;
mod stale;
mod statement;
mod text;
mod word;

use serde::{Deserialize, Serialize};

use crate::state::Place;

pub use attributes::Attributes;
pub use diff::{Edit, edits};
pub use expr::{Collection, Element, Expr};
pub use mark::table_name;
pub(crate) use reading::foreign_text;
pub use reading::text_of;
pub use stale::Connection;
pub use statement::{
    Ct, Each, Field, IcmpKind, Ifnames, LogLevel, Match, Matcher, NatTarget, PortRange, Protocol,
    RateLimit, Reject, Statement,
};

/// A yard's table in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// The namespace it is in.
    pub place: Place,
    /// Its name, by which everyone sees whose it is.
    pub name: String,
    /// Named sets, before the rules that look into them.
    pub sets: Vec<Set>,
    /// Named sets and maps that rules fill.
    pub learned: Vec<Learned>,
    /// Named sets and maps of any sort.
    #[serde(default)]
    pub others: Vec<Other>,
    /// Flowtables, before the rules that offload to them.
    pub flowtables: Vec<Flowtable>,
    /// In the order in which nft lists them.
    pub chains: Vec<Chain>,
    /// More chains, as nft's own text of what stands within a table; empty for none.
    pub raw: String,
}

/// What a named set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetKind {
    /// IPv4 addresses and prefixes (`ipv4_addr`, flags interval).
    Ipv4,
    /// IPv6 addresses and prefixes (`ipv6_addr`, flags interval).
    Ipv6,
    /// Port numbers and ranges of them (`inet_service`, flags interval).
    Port,
    /// Names of interfaces (`ifname`).
    Interface,
}

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Set {
    /// Its name within the table.
    pub name: String,
    /// What it holds.
    pub kind: SetKind,
    /// Sorted, without overlaps: `10.0.0.0/8`, `10.0.0.5`, `1024-2048`, `eth0`.
    pub elements: Vec<String>,
}

/// A named set or map (`flags dynamic,timeout`) that rules fill from the packets
/// they see. What is in it is the kernel's, and no part of a State: a reload of
/// the ruleset that keeps the set keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Learned {
    /// Its name within the table.
    pub name: String,
    /// Of what its keys are made (`type ipv4_addr . inet_service`).
    pub key: Vec<Field>,
    /// What it keeps with a key; empty for a set.
    pub data: Vec<Field>,
    /// Seconds after which a key that is not seen again is forgotten; 0 keeps
    /// it, as sets that count connections must.
    pub timeout: u32,
    /// Keys that it holds at most.
    pub size: u32,
}

/// A named set or map that no other word describes: found in the kernel, or
/// made of nft's own text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Other {
    /// Its name within the table.
    pub name: String,
    /// As the kernel has it.
    pub collection: Collection,
}

/// A flowtable: established flows between its devices skip the ruleset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flowtable {
    /// Its name within the table.
    pub name: String,
    /// Kernel names of the devices, sorted.
    pub devices: Vec<String>,
    /// Of its ingress hook; lower is earlier, 0 is `filter`.
    pub priority: i32,
}

/// A chain, with a hook or to be jumped to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chain {
    /// Its name within the table.
    pub name: String,
    /// Where packets enter it; none: only by a jump.
    pub base: Option<Base>,
    /// In order.
    pub rules: Vec<Rule>,
}

/// How a base chain hangs on a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Base {
    /// `type` of the chain.
    pub kind: ChainKind,
    /// Which hook.
    pub hook: Hook,
    /// Lower is earlier; 0 is `filter`, -100 `dstnat`, 100 `srcnat`.
    pub priority: i32,
    /// What becomes of packets that no rule decides.
    pub policy: Policy,
}

/// `type` of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainKind {
    /// Any hook; decides over every packet.
    Filter,
    /// Sees the first packet of a connection.
    Nat,
    /// Reroutes packets that it marks.
    Route,
}

/// A hook of the `inet` family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this namespace.
    Input,
    /// Through it.
    Forward,
    /// From it.
    Output,
    /// After routing.
    Postrouting,
}

/// What becomes of packets that no rule of a base chain decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// They go on.
    Accept,
    /// They vanish.
    Drop,
}

/// A rule: what must match, and what is done, from left to right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// From left to right.
    pub statements: Vec<Statement>,
    /// What `nft list` shows beside it: where in the file it comes from, as
    /// users call it; at most 127 bytes.
    pub comment: Option<String>,
}

impl Set {
    /// Elements as nft writes them, in their order, those that overlap as one.
    fn settle(&mut self) {
        let kind = self.kind;
        let spans = self.elements.iter().filter_map(|element| kind.span(element)).collect();
        let spans = span::Span::disjoint(spans);
        self.elements = spans.into_iter().map(|span| kind.text(span)).collect();
    }

    /// True where an element is more than one value: the kernel keeps such a set
    /// in a tree, and not by hashes.
    pub fn has_intervals(&self) -> bool {
        match self.kind {
            SetKind::Ipv4 | SetKind::Ipv6 | SetKind::Port => true,
            SetKind::Interface => self.elements.iter().any(|name| name.ends_with('*')),
        }
    }
}

impl Table {
    /// With its sets, flowtables and chains in the order of their names, in which
    /// it is compared, and with what no single rule can say said by several:
    /// [`Reject::Closed`] where a rule does not say the protocol goes on in a
    /// chain of its own.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let mut used = false;
        for rule in self.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            used |= rule.settle();
        }
        if used && self.chains.iter().all(|chain| chain.name != REFUSED) {
            let reset = [
                Statement::is(Matcher::Protocol(vec![Protocol::Tcp])),
                Statement::Reject(Reject::TcpReset),
            ];
            let unreachable = [Statement::Reject(Reject::PortUnreachable)];
            let rule =
                |statements: &[Statement]| Rule { statements: statements.to_vec(), comment: None };
            let rules = vec![rule(&reset), rule(&unreachable)];
            self.chains.push(Chain { name: REFUSED.to_owned(), base: None, rules });
        }
        for set in &mut self.sets {
            set.settle();
        }
        self.sets.sort_by(|a, b| a.name.cmp(&b.name));
        self.learned.sort_by(|a, b| a.name.cmp(&b.name));
        self.others.sort_by(|a, b| a.name.cmp(&b.name));
        self.flowtables.sort_by(|a, b| a.name.cmp(&b.name));
        self.chains.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }
}

/// The chain that answers like a closed port.
const REFUSED: &str = "refused";

impl Rule {
    /// Says [`Reject::Closed`] by what the kernel has; true where it goes on in
    /// [`REFUSED`].
    fn settle(&mut self) -> bool {
        let tcp = |s: &Statement| match s {
            Statement::Match(Match { not: false, matcher }) => match matcher {
                Matcher::Protocol(p) if !p.contains(&Protocol::Tcp) => Some(false),
                Matcher::Protocol(p) if p.len() == 1 => Some(true),
                Matcher::Sport(p, _) | Matcher::Dport(p, _) | Matcher::DportSet(p, _) => {
                    Some(*p == Protocol::Tcp)
                }
                Matcher::Icmp(..) => Some(false),
                Matcher::TcpSyn => Some(true),
                _ => None,
            },
            _ => None,
        };
        let known = self.statements.iter().find_map(tcp);
        let mut used = false;
        for statement in &mut self.statements {
            if *statement == Statement::Reject(Reject::Closed) {
                used |= known.is_none();
                *statement = match known {
                    Some(true) => Statement::Reject(Reject::TcpReset),
                    Some(false) => Statement::Reject(Reject::PortUnreachable),
                    None => Statement::Goto(REFUSED.to_owned()),
                };
            }
        }
        used
    }
}
