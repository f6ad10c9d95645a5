//! Rulesets as `nft list` writes them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::word;
use super::{
    Base, Chain, Ct, Each, Field, Flowtable, Learned, Match, Matcher, NatTarget, PortRange, Reject,
    Rule, Set, SetKind, Statement, Table,
};

/// `table inet NAME { … }`, with a newline at its end.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.name)?;
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.sets.iter().map(Set::to_string));
        parts.extend(self.learned.iter().map(Learned::to_string));
        parts.extend(self.flowtables.iter().map(Flowtable::to_string));
        parts.extend(self.chains.iter().map(Chain::to_string));
        if !self.raw.trim().is_empty() {
            let lines = self.raw.trim_matches('\n').lines().map(|line| format!("\t{line}\n"));
            parts.push(lines.collect());
        }
        f.write_str(&parts.join("\n"))?;
        f.write_str("}\n")
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tset {} {{", self.name)?;
        writeln!(f, "\t\ttype {}", self.kind.word())?;
        if self.has_intervals() {
            writeln!(f, "\t\tflags interval")?;
        }
        if !self.elements.is_empty() {
            writeln!(f, "\t\telements = {{ {} }}", self.words().join(", "))?;
        }
        f.write_str("\t}\n")
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\t{} {} {{", self.sort(), self.name)?;
        for word in self.words() {
            writeln!(f, "\t\t{word}")?;
        }
        f.write_str("\t}\n")
    }
}

impl Learned {
    /// `set` or `map`.
    pub fn sort(&self) -> &'static str {
        if self.data.is_empty() { "set" } else { "map" }
    }

    /// What is said of it, as nft writes it.
    pub fn words(&self) -> Vec<String> {
        let types = |fields: &[Field]| {
            fields.iter().map(|f| f.kind().word()).collect::<Vec<_>>().join(" . ")
        };
        let kind = match self.data.is_empty() {
            true => format!("type {}", types(&self.key)),
            false => format!("type {} : {}", types(&self.key), types(&self.data)),
        };
        let mut words = vec![kind, format!("size {}", self.size)];
        match self.timeout {
            0 => words.push("flags dynamic".to_owned()),
            seconds => {
                words.push("flags dynamic,timeout".to_owned());
                words.push(format!("timeout {}", word::duration(seconds)));
            }
        }
        words
    }
}

impl Field {
    /// What a set has to be of to hold it.
    pub fn kind(self) -> SetKind {
        match self {
            Self::Iif | Self::Oif => SetKind::Interface,
            Self::Saddr(false) | Self::Daddr(false) | Self::OriginalSaddr(false) => SetKind::Ipv4,
            Self::Saddr(true) | Self::Daddr(true) | Self::OriginalSaddr(true) => SetKind::Ipv6,
            Self::Sport(_) | Self::Dport(_) | Self::OriginalSport => SetKind::Port,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iif => f.write_str("iifname"),
            Self::Oif => f.write_str("oifname"),
            Self::Saddr(ipv6) => write!(f, "{} saddr", ip(*ipv6)),
            Self::Daddr(ipv6) => write!(f, "{} daddr", ip(*ipv6)),
            Self::Sport(protocol) => write!(f, "{} sport", protocol.header()),
            Self::Dport(protocol) => write!(f, "{} dport", protocol.header()),
            Self::OriginalSaddr(ipv6) => write!(f, "ct original {} saddr", ip(*ipv6)),
            Self::OriginalSport => f.write_str("ct original proto-src"),
        }
    }
}

/// `ip saddr . udp sport`.
fn fields(fields: &[Field]) -> String {
    fields.iter().map(Field::to_string).collect::<Vec<_>>().join(" . ")
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::ConnectionsOver(count) => write!(f, "ct count over {count}"),
        }
    }
}

impl Set {
    /// The elements as nft writes them.
    pub fn words(&self) -> Vec<String> {
        let quote = self.kind == SetKind::Interface;
        let word = |e: &String| if quote { format!("\"{e}\"") } else { e.clone() };
        self.elements.iter().map(word).collect()
    }
}

impl SetKind {
    /// The word of nft for what is in it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4_addr",
            Self::Ipv6 => "ipv6_addr",
            Self::Port => "inet_service",
            Self::Interface => "ifname",
        }
    }
}

impl fmt::Display for Flowtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tflowtable {} {{", self.name)?;
        writeln!(f, "\t\thook ingress priority {}", priority(self.priority))?;
        if !self.devices.is_empty() {
            writeln!(f, "\t\tdevices = {{ {} }}", self.devices.join(", "))?;
        }
        f.write_str("\t}\n")
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(base) = &self.base {
            writeln!(f, "\t\t{base}")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        f.write_str("\t}\n")
    }
}

/// `type filter hook input priority filter; policy drop;`
impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, hook) = (self.kind.word(), self.hook.word());
        let (priority, policy) = (hooked(self), self.policy.word());
        write!(f, "type {kind} hook {hook} priority {priority}; policy {policy};")
    }
}

/// A priority by the names that nft has for some of a hook.
fn hooked(base: &Base) -> String {
    use super::Hook::{Postrouting, Prerouting};
    let near = |name: &str, value: i32| match base.priority - value {
        0 => Some(name.to_owned()),
        more @ 1..=10 => Some(format!("{name} + {more}")),
        less @ -10..=-1 => Some(format!("{name} - {}", -less)),
        _ => None,
    };
    let own = match base.hook {
        Prerouting => near("dstnat", -100),
        Postrouting => near("srcnat", 100),
        _ => None,
    };
    let all = [("raw", -300), ("mangle", -150), ("filter", 0), ("security", 50)];
    own.or_else(|| all.iter().find_map(|(name, value)| near(name, *value)))
        .unwrap_or_else(|| base.priority.to_string())
}

fn priority(priority: i32) -> String {
    match priority {
        0 => "filter".to_owned(),
        other => other.to_string(),
    }
}

/// The statements, then the comment.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.statements.iter().map(Statement::to_string).collect();
        f.write_str(&words.join(" "))?;
        match &self.comment {
            Some(comment) if words.is_empty() => write!(f, "comment \"{comment}\""),
            Some(comment) => write!(f, " comment \"{comment}\""),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(m) => m.fmt(f),
            Self::Limit(limit) => limit.fmt(f),
            Self::Counter => f.write_str("counter"),
            Self::Log { prefix, level } => {
                f.write_str("log")?;
                if !prefix.is_empty() {
                    write!(f, " prefix \"{prefix}\"")?;
                }
                match level {
                    super::LogLevel::Warn => Ok(()),
                    level => write!(f, " level {}", level.word()),
                }
            }
            Self::SetMark(mark) => write!(f, "meta mark set {mark:#010x}"),
            Self::SetCtMark(mark) => write!(f, "ct mark set {mark:#010x}"),
            Self::RestoreMark => f.write_str("meta mark set ct mark"),
            Self::SaveMark => f.write_str("ct mark set meta mark"),
            Self::MaxSegment(None) => f.write_str("tcp option maxseg size set rt mtu"),
            Self::MaxSegment(Some(size)) => write!(f, "tcp option maxseg size set {size}"),
            Self::Offload(flowtable) => write!(f, "flow add @{flowtable}"),
            Self::Learn { set, key, data, each } => {
                let verb = match each {
                    Some(Each::ConnectionsOver(_)) => "add",
                    _ => "update",
                };
                write!(f, "{verb} @{set} {{ {}", fields(key))?;
                each.map_or(Ok(()), |each| write!(f, " {each}"))?;
                if !data.is_empty() {
                    write!(f, " : {}", fields(data))?;
                }
                f.write_str(" }")
            }
            Self::Dispatch { key, cases } => {
                let case = |(name, chain): &(String, String)| format!("\"{name}\" : jump {chain}");
                let cases: Vec<String> = cases.iter().map(case).collect();
                write!(f, "{key} vmap {{ {} }}", cases.join(", "))
            }
            Self::DnatLearned { map, key, ipv6 } => {
                write!(f, "dnat {} to {} map @{map}", ip(*ipv6), fields(key))
            }
            Self::DnatShift { address, protocol, ports, first } => {
                let port = |port: u16| format!("{port} : {}", port - ports.first + first);
                let cases: Vec<String> = (ports.first..=ports.last).map(port).collect();
                let (family, cases) = (ip(address.is_ipv6()), cases.join(", "));
                let address = match address {
                    IpAddr::V6(ip) => format!("[{ip}]"),
                    ip => ip.to_string(),
                };
                let header = protocol.header();
                write!(f, "dnat {family} to {address} : {header} dport map {{ {cases} }}")
            }
            Self::Notrack => f.write_str("notrack"),
            Self::Masquerade { ports, random } => {
                f.write_str("masquerade")?;
                ports.map_or(Ok(()), |ports| write!(f, " to :{ports}"))?;
                f.write_str(if *random { " fully-random" } else { "" })
            }
            Self::Snat(target) => write!(f, "snat {target}"),
            Self::Dnat(target) => write!(f, "dnat {target}"),
            Self::Redirect(None) => f.write_str("redirect"),
            Self::Redirect(Some(ports)) => write!(f, "redirect to :{ports}"),
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Reject(reject) => f.write_str(match reject {
                Reject::Closed | Reject::PortUnreachable => "reject",
                Reject::AdminProhibited => "reject with icmpx admin-prohibited",
                Reject::TcpReset => "reject with tcp reset",
            }),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Return => f.write_str("return"),
            Self::Machine(expressions) => f.write_str(&super::text_of(expressions)),
        }
    }
}

/// `ip to 10.0.0.1-10.0.0.9:80 fully-random`.
impl fmt::Display for NatTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, last)) = self.addresses {
            let prefix = if self.prefix { "prefix " } else { "" };
            let family = if first.is_ipv6() { "ip6" } else { "ip" };
            write!(f, "{family} {prefix}to ")?;
            let bracket = |ip: IpAddr| match (ip, self.ports) {
                (IpAddr::V6(ip), Some(_)) => format!("[{ip}]"),
                (ip, _) => ip.to_string(),
            };
            match spanned(first, last) {
                Some(net) if self.prefix => write!(f, "{net}")?,
                _ if first == last => f.write_str(&bracket(first))?,
                _ => write!(f, "{}-{}", bracket(first), bracket(last))?,
            }
        } else {
            f.write_str("to ")?;
        }
        self.ports.map_or(Ok(()), |ports| write!(f, ":{ports}"))?;
        f.write_str(match (self.random, self.persistent) {
            (true, true) => " fully-random,persistent",
            (true, false) => " fully-random",
            (false, true) => " persistent",
            (false, false) => "",
        })
    }
}

/// The prefix whose first and last address these are.
pub(super) fn spanned(first: IpAddr, last: IpAddr) -> Option<IpNet> {
    let bits = if first.is_ipv4() { 32 } else { 128 };
    let nets = (0..=bits).filter_map(|length| IpNet::new(first, length).ok());
    nets.into_iter().find(|net| net.network() == first && net.broadcast() == last)
}

impl fmt::Display for super::RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = if self.over { "over " } else { "" };
        let per = match self.seconds {
            60 => "minute",
            3600 => "hour",
            86_400 => "day",
            604_800 => "week",
            _ => "second",
        };
        if self.bytes {
            let (amount, unit) = word::bytes(self.amount);
            write!(f, "limit rate {over}{amount} {unit}/{per}")?;
            if self.burst > 0 {
                let (amount, unit) = word::bytes(u64::from(self.burst));
                write!(f, " burst {amount} {unit}")?;
            }
            return Ok(());
        }
        write!(f, "limit rate {over}{}/{per}", self.amount)?;
        match self.burst {
            // What nft takes where nothing is said.
            5 => Ok(()),
            burst => write!(f, " burst {burst} packets"),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = self.not;
        match &self.matcher {
            Matcher::Iif(names) => write!(f, "iifname {}", quoted(names, not)),
            Matcher::Oif(names) => write!(f, "oifname {}", quoted(names, not)),
            Matcher::Saddr(nets) => write!(f, "{} saddr {}", family(nets), prefixes(nets, not)),
            Matcher::Daddr(nets) => write!(f, "{} daddr {}", family(nets), prefixes(nets, not)),
            Matcher::SaddrSet { set, ipv6 } => {
                write!(f, "{} saddr {}@{set}", ip(*ipv6), unlike(not))
            }
            Matcher::DaddrSet { set, ipv6 } => {
                write!(f, "{} daddr {}@{set}", ip(*ipv6), unlike(not))
            }
            Matcher::Family(ipv6) => {
                write!(f, "meta nfproto {}{}", unlike(not), if *ipv6 { "ipv6" } else { "ipv4" })
            }
            Matcher::Protocol(protocols) => {
                let mut protocols = protocols.clone();
                protocols.sort_by_key(|p| p.number());
                write!(f, "meta l4proto {}", list(protocols.iter().map(|p| p.word()), not))
            }
            Matcher::Sport(protocol, ports) => {
                write!(f, "{} sport {}", protocol.header(), numbers(ports, not))
            }
            Matcher::Dport(protocol, ports) => {
                write!(f, "{} dport {}", protocol.header(), numbers(ports, not))
            }
            Matcher::DportSet(protocol, set) => {
                write!(f, "{} dport {}@{set}", protocol.header(), unlike(not))
            }
            Matcher::Learned { set, key } => write!(f, "{} {}@{set}", fields(key), unlike(not)),
            Matcher::Icmp(kind, types) => {
                let mut types = types.clone();
                types.sort_unstable();
                write!(f, "{} type {}", kind.word(), list(types.iter().map(|t| kind.name(*t)), not))
            }
            Matcher::CtState(states) => write!(f, "ct state {}{}", bang(not), in_order(states)),
            Matcher::CtDnat => write!(f, "ct status {}dnat", bang(not)),
            Matcher::CtSnat => write!(f, "ct status {}snat", bang(not)),
            Matcher::Mark(value, mask) => write!(f, "meta mark {}", masked(*value, *mask, not)),
            Matcher::CtMark(value, mask) => write!(f, "ct mark {}", masked(*value, *mask, not)),
            Matcher::TcpSyn => {
                write!(f, "tcp flags & (syn | rst) {} syn", if not { "!=" } else { "==" })
            }
            Matcher::DaddrLocal => write!(f, "fib daddr type {}local", unlike(not)),
            Matcher::SaddrUnreachable => {
                write!(f, "fib saddr . iif oif {}", if not { "exists" } else { "missing" })
            }
        }
    }
}

fn unlike(not: bool) -> &'static str {
    if not { "!= " } else { "" }
}

/// Before flags: none of them is set.
fn bang(not: bool) -> &'static str {
    if not { "! " } else { "" }
}

fn ip(ipv6: bool) -> &'static str {
    if ipv6 { "ip6" } else { "ip" }
}

fn family(nets: &[IpNet]) -> &'static str {
    ip(nets.first().is_some_and(|net| net.addr().is_ipv6()))
}

/// One as it is, several in braces.
fn list(words: impl Iterator<Item = String>, not: bool) -> String {
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [one] => format!("{}{one}", unlike(not)),
        many => format!("{}{{ {} }}", unlike(not), many.join(", ")),
    }
}

fn quoted(names: &[String], not: bool) -> String {
    list(names.iter().map(|name| format!("\"{name}\"")), not)
}

/// Addresses and prefixes, in order, those that others hold left out.
fn prefixes(nets: &[IpNet], not: bool) -> String {
    let nets = word::disjoint(nets);
    list(nets.iter().map(word::prefix), not)
}

fn numbers(ports: &[PortRange], not: bool) -> String {
    let mut ports = ports.to_vec();
    ports.sort();
    list(ports.iter().map(PortRange::to_string), not)
}

fn in_order(states: &[Ct]) -> String {
    let mut states = states.to_vec();
    states.sort();
    states.dedup();
    states.iter().map(|s| s.word()).collect::<Vec<_>>().join(",")
}

fn masked(value: u32, mask: u32, not: bool) -> String {
    match mask {
        u32::MAX => format!("{}{value:#010x}", unlike(not)),
        mask => format!("& {mask:#010x} {} {value:#010x}", if not { "!=" } else { "==" }),
    }
}
