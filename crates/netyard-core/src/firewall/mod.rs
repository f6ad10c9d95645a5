//! Firewalls, resolved: what may pass in one namespace and which addresses are
//! translated there, and the ruleset that makes it so.
//!
//! Order, the same in each direction (`input`, `output`, `forward`):
//!
//! 1. what belongs to a connection that was let through passes; what belongs to
//!    none and begins none (`invalid`) is dropped; the loopback passes;
//! 2. ICMP errors and the ICMPv6 without which there is no IPv6 pass ([`need`]);
//! 3. port forwards pass;
//! 4. `policies`, the first that fits; then `deny`, then `allow`;
//! 5. what the uplinks of networks need;
//! 6. `policy`.
//!
//! Every rule counts, and its comment says what in the file it comes from:
//! `input allow 2: ssh from admins`. That is a path and no number of a line,
//! because a line more at the top of a file would change every rule below.

mod cone;
mod filter;
mod nat;
mod need;
mod table;
mod uplink;
mod words;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Span, Spanned};
use crate::nft::{PortRange, Protocol};
use crate::spec::firewall::{Limit, Translated};
use crate::state::Place;

pub use crate::spec::firewall::{Behaviour, Verdict};
pub use table::tables;

/// A firewall of one namespace.
#[derive(Clone, Debug)]
pub struct Firewall {
    /// Where it is.
    pub place: Place,
    /// Where the file says it.
    pub span: Span,
    /// Named sets, sorted and without overlaps, each of one family.
    pub sets: Vec<Set>,
    /// `input:`.
    pub input: Option<Filter>,
    /// `output:`.
    pub output: Option<Filter>,
    /// `forward:`.
    pub forward: Option<Filter>,
    /// `policies:` in order, each for one direction.
    pub pairs: Vec<Pair>,
    /// `masquerade:`.
    pub masquerade: Vec<Masquerade>,
    /// `snat:`.
    pub snat: Vec<Snat>,
    /// `nat: forward:`, one for each family.
    pub forwards: Vec<PortForward>,
    /// `one-to-one:`.
    pub one_to_one: Vec<OneToOne>,
    /// `type:`, and what is outside.
    pub behaviour: Option<(Behaviour, Vec<End>)>,
    /// `mss-clamp:` none for what the route takes; in bytes.
    pub mss: Option<Option<u16>>,
    /// `offload:` kernel names, sorted.
    pub offload: Vec<String>,
    /// `raw:`, which only nft reads.
    pub raw: Option<Spanned<String>>,
}

impl Firewall {
    /// Where the file says what a rule of this comment does; none for rules that
    /// netyard makes on its own.
    pub fn place_of(&self, comment: &str) -> Option<Span> {
        let directions = [Direction::Input, Direction::Output, Direction::Forward];
        let own = directions.into_iter().filter_map(|direction| {
            let title = match direction {
                Direction::Input => "input",
                Direction::Output => "output",
                Direction::Forward => "forward",
            };
            Some((title, self.filter(direction)?))
        });
        let pairs = self.pairs.iter().map(|pair| (pair.title.as_str(), &pair.filter));
        // A long comment is cut off.
        let head = comment.trim_end_matches('…');
        let says = |label: &str| label.starts_with(head) || comment.starts_with(label);
        for (title, filter) in own.chain(pairs) {
            if let Some(rule) = filter.rules.iter().find(|rule| says(&rule.label)) {
                return Some(rule.span);
            }
            if comment == title || comment == format!("{title} policy") {
                return Some(filter.span);
            }
        }
        self.forwards.iter().find(|f| says(&f.label)).map(|f| f.span)
    }
}

/// A named set of one family.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name in the table.
    pub name: String,
    /// True for IPv6.
    pub ipv6: bool,
    /// Sorted, none within another.
    pub nets: Vec<IpNet>,
}

/// Which way packets go, seen from the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To it.
    Input,
    /// From it.
    Output,
    /// Through it.
    Forward,
}

/// Rules, and what becomes of the rest.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The place of the whole.
    pub span: Span,
    /// Of the rest; none goes on to the next policy.
    pub policy: Option<Verdict>,
    /// What a line of the log about what `policy` refuses begins with.
    pub log: Option<String>,
    /// In order.
    pub rules: Vec<Rule>,
}

/// An entry of `policies:` in one direction.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `outside to inside`.
    pub title: String,
    /// Which way.
    pub direction: Direction,
    /// Where packets come from: any of these.
    pub from: Vec<End>,
    /// Where they go: any of these.
    pub to: Vec<End>,
    /// What may pass.
    pub filter: Filter,
}

/// One way in which a side of a packet can fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Whatever it is.
    Any,
    /// By one of these interfaces: kernel names, or beginnings with `*`; sorted.
    Interfaces(Vec<String>),
    /// By an interface that is none of these.
    NotInterfaces(Vec<String>),
    /// An address in these, all of one family, sorted.
    Nets(Vec<IpNet>),
    /// An address in a named set; IPv6 where true.
    Set(String, bool),
}

impl End {
    /// The family it is confined to: true for IPv6.
    pub fn family(&self) -> Option<bool> {
        match self {
            Self::Nets(nets) => nets.first().map(|n| matches!(n, IpNet::V6(_))),
            Self::Set(_, ipv6) => Some(*ipv6),
            Self::Any | Self::Interfaces(_) | Self::NotInterfaces(_) => None,
        }
    }
}

/// A rule of a filter.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where the file says it.
    pub span: Span,
    /// Where it is and what it says: the comment.
    pub label: String,
    /// What is done.
    pub verdict: Verdict,
    /// What it is about: any of these; empty is everything.
    pub what: Vec<Traffic>,
    /// Any of these.
    pub from: Vec<End>,
    /// Any of these.
    pub to: Vec<End>,
    /// Only this family; IPv6 where true.
    pub ipv6: Option<bool>,
    /// How often.
    pub limit: Option<Limit>,
    /// Connections of each source at a time.
    pub connections: Option<u32>,
    /// What its line in the log begins with.
    pub log: Option<String>,
}

/// What packets a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// These destination ports; sorted, none touching another.
    Ports(Protocol, Vec<PortRange>),
    /// A protocol.
    Protocol(Protocol),
    /// ICMP of both families.
    Icmp,
    /// ICMP echo of both families.
    Ping,
}

/// What leaves gets the address of the interface it leaves by.
#[derive(Clone, Debug)]
pub struct Masquerade {
    /// The comment.
    pub label: String,
    /// By which interfaces.
    pub out: Vec<End>,
    /// Only what comes from any of these.
    pub from: Vec<End>,
    /// Source ports.
    pub ports: Option<PortRange>,
    /// Ports are drawn at random.
    pub random: bool,
    /// IPv4, IPv6.
    pub families: [bool; 2],
}

/// What leaves gets an address that is said.
#[derive(Clone, Debug)]
pub struct Snat {
    /// The comment.
    pub label: String,
    /// By which interfaces.
    pub out: Vec<End>,
    /// Only what comes from any of these.
    pub from: Vec<End>,
    /// What the source becomes.
    pub to: Translated,
    /// Source ports.
    pub ports: Option<PortRange>,
}

/// Ports that lead to another address.
#[derive(Clone, Debug)]
pub struct PortForward {
    /// Where the file says it.
    pub span: Span,
    /// The comment.
    pub label: String,
    /// Which ports.
    pub ports: Vec<(Protocol, Vec<PortRange>)>,
    /// What they come in by.
    pub on: Vec<End>,
    /// The address they are sent to; none for any of the node's.
    pub at: Option<IpAddr>,
    /// Only what comes from any of these.
    pub from: Vec<End>,
    /// Where they lead.
    pub to: IpAddr,
    /// What the first port of a range becomes; none for the same.
    pub port: Option<u16>,
    /// For those inside, too.
    pub hairpin: Option<Hairpin>,
    /// What its line in the log begins with.
    pub log: Option<String>,
}

/// How those inside reach a forwarded port by its outer address.
#[derive(Clone, Debug)]
pub struct Hairpin {
    /// The outer addresses, as far as they are known.
    pub outer: Vec<IpNet>,
    /// Addresses of the node that are not outer ones, where those are not known.
    pub inner: Vec<IpNet>,
    /// Whose answers would take the short way: what shares a segment with the target.
    pub beside: Vec<IpNet>,
}

/// Addresses that stand for others.
#[derive(Clone, Debug)]
pub struct OneToOne {
    /// The comment.
    pub label: String,
    /// What others see.
    pub outside: IpNet,
    /// What it is, of the same length.
    pub inside: IpNet,
    /// What leads outside.
    pub on: Vec<End>,
}
