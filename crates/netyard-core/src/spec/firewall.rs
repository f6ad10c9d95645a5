//! What the file says of firewalls and address translation; names are not yet
//! resolved.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Span, Spanned};
use crate::nft::{PortRange, Protocol, RateLimit};

/// A list of names, each with its place.
pub type Names = Vec<Spanned<String>>;

/// An entry of `firewall:`.
#[derive(Clone, Debug)]
pub struct FirewallSpec {
    /// The node it is in, or `host`.
    pub node: Spanned<String>,
    /// `zones:` their parts as written.
    pub zones: Vec<(Spanned<String>, Names)>,
    /// `services:`.
    pub services: Vec<(Spanned<String>, Vec<What>)>,
    /// `sets:`.
    pub sets: Vec<(Spanned<String>, Vec<Spanned<IpNet>>)>,
    /// `input:`.
    pub input: Option<FilterSpec>,
    /// `output:`.
    pub output: Option<FilterSpec>,
    /// `forward:`.
    pub forward: Option<FilterSpec>,
    /// `policies:` in the order of the file.
    pub policies: Vec<PolicySpec>,
    /// `nat:`.
    pub nat: NatSpec,
    /// `mss-clamp:` none for what the route takes; in bytes.
    pub mss: Option<Option<u16>>,
    /// `offload:`.
    pub offload: Names,
    /// `raw:`.
    pub raw: Option<Spanned<String>>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Accept,
    /// It vanishes.
    Drop,
    /// It is answered as a closed port answers.
    Reject,
    /// It is answered with "port unreachable".
    Unreachable,
    /// It is answered with "administratively prohibited".
    Prohibited,
}

/// `input:`, `output:`, `forward:`, or the rules of an entry of `policies:`.
#[derive(Clone, Debug)]
pub struct FilterSpec {
    /// The place of the whole.
    pub span: Span,
    /// `policy:`.
    pub policy: Option<Spanned<Verdict>>,
    /// `deny:` first, then `allow:`.
    pub rules: Vec<FilterRuleSpec>,
    /// `allow:` was written, be there anything in it or not.
    pub has_allow: bool,
    /// `log:` what the line begins with.
    pub log: Option<String>,
}

/// An item of `allow:` or `deny:`.
#[derive(Clone, Debug)]
pub struct FilterRuleSpec {
    /// The place of the whole.
    pub span: Span,
    /// Where it is and what it says, in a few words: `allow 2: ssh from admins`.
    pub label: String,
    /// What is done.
    pub verdict: Verdict,
    /// What it is about; empty is everything.
    pub what: Vec<What>,
    /// `from:`.
    pub from: Names,
    /// `to:`.
    pub to: Names,
    /// `family:`; true for IPv6.
    pub ipv6: Option<bool>,
    /// `limit:`.
    pub limit: Option<Limit>,
    /// `connections:`.
    pub connections: Option<u32>,
    /// `log:` what the line begins with.
    pub log: Option<String>,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A service by its name.
    Service(Spanned<String>),
    /// Destination ports of a protocol.
    Ports(Protocol, Vec<PortRange>),
    /// All of a protocol.
    Protocol(Protocol),
    /// ICMP of both families.
    Icmp,
    /// ICMP echo of both families.
    Ping,
}

/// `limit:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How often.
    pub rate: RateLimit,
    /// Counted for each source address.
    pub per_source: bool,
}

/// An entry of `policies:`.
#[derive(Clone, Debug)]
pub struct PolicySpec {
    /// The place of the whole.
    pub span: Span,
    /// `from:`.
    pub from: Names,
    /// `to:`.
    pub to: Names,
    /// What may pass.
    pub filter: FilterSpec,
}

/// `nat:`.
#[derive(Clone, Debug, Default)]
pub struct NatSpec {
    /// `masquerade:`.
    pub masquerade: Vec<MasqueradeSpec>,
    /// `snat:`.
    pub snat: Vec<SnatSpec>,
    /// `forward:`.
    pub forward: Vec<PortForwardSpec>,
    /// `one-to-one:`.
    pub one_to_one: Vec<OneToOneSpec>,
    /// `type:` and `out:`.
    pub behaviour: Option<(Spanned<Behaviour>, Names)>,
}

/// How a translator treats UDP, as RFC 4787 and, in its words, RFC 3489 call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// One port for all destinations; anyone may answer.
    FullCone,
    /// One port for all destinations; whoever was sent to may answer, from any port.
    Restricted,
    /// One port for all destinations; only where it was sent to may answer.
    PortRestricted,
    /// Another port for each destination, which alone may answer.
    Symmetric,
    /// As a carrier's: full cone, and each subscriber has a share of the ports.
    Cgnat,
}

/// An item of `masquerade:`.
#[derive(Clone, Debug)]
pub struct MasqueradeSpec {
    /// The place of the whole.
    pub span: Span,
    /// `out:`.
    pub out: Names,
    /// `from:`.
    pub from: Names,
    /// `ports:`.
    pub ports: Option<PortRange>,
    /// `random:`.
    pub random: bool,
    /// `family:` IPv4, IPv6; none where it was left out.
    pub families: Option<[bool; 2]>,
}

/// An item of `snat:`.
#[derive(Clone, Debug)]
pub struct SnatSpec {
    /// The place of the whole.
    pub span: Span,
    /// `from:`.
    pub from: Names,
    /// `out:`.
    pub out: Names,
    /// `to:`.
    pub to: Spanned<Translated>,
    /// `ports:`.
    pub ports: Option<PortRange>,
}

/// What an address becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translated {
    /// One of a range; of one, where both are the same.
    Range(IpAddr, IpAddr),
    /// That of the same place in a network.
    Network(IpNet),
}

/// An item of `nat: forward:`.
#[derive(Clone, Debug)]
pub struct PortForwardSpec {
    /// The place of the whole.
    pub span: Span,
    /// TCP or UDP, or both, and which ports.
    pub ports: Vec<(Protocol, Vec<PortRange>)>,
    /// `to:`.
    pub to: Spanned<TargetSpec>,
    /// `in:`.
    pub on: Names,
    /// `at:`.
    pub at: Option<Spanned<IpAddr>>,
    /// `from:`.
    pub from: Names,
    /// `hairpin:`.
    pub hairpin: bool,
    /// `log:` what the line begins with.
    pub log: Option<String>,
}

/// Where a forwarded port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// A node, or one of its interfaces, or an address.
    pub whom: Whom,
    /// The port, or the first of a range; none for the same.
    pub port: Option<PortRange>,
}

/// Somebody who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A node.
    Node(String),
    /// An address.
    Address(IpAddr),
}

/// An item of `one-to-one:`.
#[derive(Clone, Debug)]
pub struct OneToOneSpec {
    /// The place of the whole.
    pub span: Span,
    /// `outside:`.
    pub outside: Spanned<IpNet>,
    /// `inside:` a node, an address or a network.
    pub inside: Spanned<String>,
    /// `on:`.
    pub on: Names,
}
