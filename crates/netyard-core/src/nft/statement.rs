//! The words of a rule.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A match, negated or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Match {
    /// Matches what the rest does not match (`!=`).
    pub not: bool,
    /// What is compared.
    pub matcher: Matcher,
}

/// What is compared. Lists match when any element does; none is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matcher {
    /// The interface it came in by, by kernel name (`iifname`).
    Iif(Ifnames),
    /// The interface it goes out by, by kernel name (`oifname`).
    Oif(Ifnames),
    /// Source prefixes of one family (`ip saddr`, `ip6 saddr`).
    Saddr(Vec<IpNet>),
    /// Destination prefixes of one family.
    Daddr(Vec<IpNet>),
    /// The source is in a named set of the family that is said.
    SaddrSet {
        /// The set.
        set: String,
        /// `ip6` where true.
        ipv6: bool,
    },
    /// The destination is in a named set of the family that is said.
    DaddrSet {
        /// The set.
        set: String,
        /// `ip6` where true.
        ipv6: bool,
    },
    /// `meta nfproto`: IPv6 where true.
    Family(bool),
    /// `meta l4proto`.
    Protocol(Vec<Protocol>),
    /// Source ports of one protocol (`tcp sport`).
    Sport(Protocol, Vec<PortRange>),
    /// Destination ports of one protocol (`tcp dport`).
    Dport(Protocol, Vec<PortRange>),
    /// Ports of a protocol in a named set of ports, as destination.
    DportSet(Protocol, String),
    /// A [`super::Learned`] set or map has this key
    /// (`ip saddr . udp sport @name`).
    Learned {
        /// The set or map.
        set: String,
        /// As its key says.
        key: Vec<Field>,
    },
    /// `icmp type` or `icmpv6 type`.
    Icmp(IcmpKind, Vec<u8>),
    /// `ct state` is any of these.
    CtState(Vec<Ct>),
    /// The connection's destination was translated (`ct status dnat`).
    CtDnat,
    /// The connection's source was translated (`ct status snat`).
    CtSnat,
    /// `meta mark`, under a mask.
    Mark(u32, u32),
    /// `ct mark`, under a mask.
    CtMark(u32, u32),
    /// TCP SYN is set and RST is not (`tcp flags & (syn | rst) == syn`).
    TcpSyn,
    /// The destination belongs to this namespace (`fib daddr type local`).
    DaddrLocal,
    /// The source has no route back by the interface it came in by
    /// (`fib saddr . iif oif missing`).
    SaddrUnreachable,
}

/// Names of interfaces: exact, or a beginning and `*`.
pub type Ifnames = Vec<String>;

/// A layer-4 protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is the protocol of its name
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Sctp,
    Esp,
    Ah,
    Gre,
    /// By its number in the IP header.
    Other(u8),
}

/// ICMP of which family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is the protocol of its name
pub enum IcmpKind {
    Icmp,
    Icmpv6,
}

/// A part of a packet, or of its connection, that sets and maps are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// `iifname`.
    Iif,
    /// `oifname`.
    Oif,
    /// `ip saddr`; IPv6 where true.
    Saddr(bool),
    /// `ip daddr`; IPv6 where true.
    Daddr(bool),
    /// `tcp sport`, of the protocol that is said.
    Sport(Protocol),
    /// `tcp dport`, of the protocol that is said.
    Dport(Protocol),
    /// The source that the connection's first packet had before it was
    /// translated (`ct original ip saddr`); IPv6 where true.
    OriginalSaddr(bool),
    /// Its source port (`ct original proto-src`).
    OriginalSport,
}

/// What is counted for each key of a [`super::Learned`] set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// Goes on only within (or over) the rate that each key has.
    Limit(RateLimit),
    /// Goes on only where a key has more connections than this (`ct count over 5`).
    ConnectionsOver(u32),
}

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A state of connection tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is nft's word of its name
pub enum Ct {
    Invalid,
    Established,
    Related,
    New,
    Untracked,
}

/// A rate: `limit rate 10/second burst 5 packets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// Packets, or bytes where `bytes`, per `seconds`.
    pub amount: u64,
    /// Bytes are counted instead of packets.
    pub bytes: bool,
    /// 1, 60, 3600, 86400 or 604800.
    pub seconds: u64,
    /// What may pass at once, in packets or bytes.
    pub burst: u32,
    /// Matches what is over the limit.
    pub over: bool,
}

/// How a refused packet is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// TCP with a reset, anything else with port unreachable: what a closed port answers.
    Closed,
    /// ICMP port unreachable (`icmpx port-unreachable`).
    PortUnreachable,
    /// ICMP administratively prohibited (`icmpx admin-prohibited`).
    AdminProhibited,
    /// A TCP reset; the rule must match TCP.
    TcpReset,
}

/// syslog(3) level of a logged packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is the level of its name
pub enum LogLevel {
    Emerg,
    Alert,
    Crit,
    Err,
    Warn,
    Notice,
    Info,
    Debug,
}

/// Where an address is translated to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NatTarget {
    /// The first and the last address of a range; the same for one.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Ports it is translated to.
    pub ports: Option<PortRange>,
    /// Another address of equal offset: `10.0.0.0/24` to `10.1.0.0/24`
    /// (`snat ip prefix to …`); then both addresses span a prefix.
    pub prefix: bool,
    /// Ports are drawn at random (`fully-random`).
    pub random: bool,
    /// A client keeps its address (`persistent`).
    pub persistent: bool,
}

/// A word of a rule: it matches or does something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statement {
    /// Goes on only where it matches.
    Match(Match),
    /// Goes on only within (or over) the rate.
    Limit(RateLimit),
    /// Counts packets and bytes; what it counted is not part of it.
    Counter,
    /// Writes a line to the kernel's log.
    Log {
        /// What the line begins with; at most 127 bytes.
        prefix: String,
        /// Its level.
        level: LogLevel,
    },
    /// Sets the packet's mark.
    SetMark(u32),
    /// Sets the connection's mark.
    SetCtMark(u32),
    /// Lets the packet's mark be the connection's, or the other way round.
    RestoreMark,
    /// See [`Self::RestoreMark`].
    SaveMark,
    /// Sets the TCP maximum segment size: to a number of bytes, or to what the route allows.
    MaxSegment(Option<u16>),
    /// Offloads the flow to a flowtable.
    Offload(String),
    /// Notes a key in a [`super::Learned`] set or map, or renews its time
    /// (`update @name { ip saddr . udp sport : … }`; `add` with connections,
    /// which have no time).
    Learn {
        /// The set or map.
        set: String,
        /// As its key says.
        key: Vec<Field>,
        /// What a map keeps with it; empty for a set.
        data: Vec<Field>,
        /// What is counted for each key.
        each: Option<Each>,
    },
    /// Jumps to the chain of the case that fits; goes on where none does
    /// (`iifname vmap { "eth0" : jump lan, … }`). Names are exact.
    Dispatch {
        /// What is looked at: interfaces.
        key: Field,
        /// Value and chain, sorted.
        cases: Vec<(String, String)>,
    },
    /// Leaves connection tracking out (`notrack`).
    Notrack,
    /// Translates the source to the address of the interface it leaves by.
    Masquerade {
        /// Source ports it is translated to.
        ports: Option<PortRange>,
        /// Ports are drawn at random (`fully-random`).
        random: bool,
    },
    /// Translates the source, of the family of the address.
    Snat(NatTarget),
    /// Translates the destination, of the family of the address.
    Dnat(NatTarget),
    /// Translates the destination to what a [`super::Learned`] map of address
    /// and port has for this key; goes on where it has nothing
    /// (`dnat ip to ip daddr . udp dport map @name`).
    DnatLearned {
        /// The map.
        map: String,
        /// As its key says.
        key: Vec<Field>,
        /// `ip6` where true.
        ipv6: bool,
    },
    /// Translates the destination to an address, and each port of a range to
    /// that of the same place in another one
    /// (`dnat ip to 10.0.0.1 : tcp dport map { 8000 : 80, 8001 : 81 }`).
    DnatShift {
        /// The address.
        address: IpAddr,
        /// Of which protocol the ports are; the rule matches it.
        protocol: Protocol,
        /// As they come in.
        ports: PortRange,
        /// What the first of them becomes.
        first: u16,
    },
    /// To this namespace itself.
    Redirect(Option<PortRange>),
    /// Lets it pass this chain.
    Accept,
    /// Makes it vanish.
    Drop,
    /// Refuses it with an answer.
    Reject(Reject),
    /// Goes on in another chain and comes back.
    Jump(String),
    /// Goes on in another chain and does not come back.
    Goto(String),
    /// Goes back to where the jump was.
    Return,
    /// What no other word says: found in the kernel, or made of nft's own text.
    Machine(Vec<super::Expr>),
}

impl Statement {
    /// A match.
    pub fn is(matcher: Matcher) -> Self {
        Self::Match(Match { not: false, matcher })
    }

    /// A negated match.
    pub fn is_not(matcher: Matcher) -> Self {
        Self::Match(Match { not: true, matcher })
    }
}
