//! The words that nft has for numbers.

use ipnet::IpNet;

use super::{ChainKind, Ct, Hook, IcmpKind, LogLevel, Policy, Protocol};

impl ChainKind {
    /// `filter`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

impl Hook {
    /// `prerouting`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    /// `NF_INET_*` (linux/netfilter.h).
    pub fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

impl Policy {
    /// `accept`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}

impl LogLevel {
    /// `warn`.
    pub fn word(self) -> &'static str {
        ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"][self.number() as usize]
    }

    /// syslog(3): 0 to 7.
    pub fn number(self) -> u32 {
        self as u32
    }
}

impl Ct {
    /// `established`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Established => "established",
            Self::Related => "related",
            Self::New => "new",
            Self::Untracked => "untracked",
        }
    }

    /// `NF_CT_STATE_*_BIT` (linux/netfilter/nf_conntrack_common.h).
    pub fn bit(self) -> u32 {
        match self {
            Self::Invalid => 1,
            Self::Established => 2,
            Self::Related => 4,
            Self::New => 8,
            Self::Untracked => 64,
        }
    }
}

impl Protocol {
    /// Its number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Icmp => 1,
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Gre => 47,
            Self::Esp => 50,
            Self::Ah => 51,
            Self::Icmpv6 => 58,
            Self::Sctp => 132,
            Self::Other(number) => number,
        }
    }

    /// As after `meta l4proto`.
    pub fn word(self) -> String {
        protocol(self.number())
    }

    /// As before `dport`.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            _ => "th",
        }
    }
}

/// A protocol's name, as in /etc/protocols, or its number.
pub(super) fn protocol(number: u8) -> String {
    let name = match number {
        1 => "icmp",
        2 => "igmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "ipv6-icmp",
        89 => "ospf",
        108 => "ipcomp",
        132 => "sctp",
        136 => "udplite",
        number => return number.to_string(),
    };
    name.to_owned()
}

const ICMP: [(u8, &str); 15] = [
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

const ICMPV6: [(u8, &str); 18] = [
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];

impl IcmpKind {
    /// As before `type`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
        }
    }

    /// The name of a type, or its number.
    pub fn name(self, number: u8) -> String {
        let all: &[(u8, &str)] = match self {
            Self::Icmp => &ICMP,
            Self::Icmpv6 => &ICMPV6,
        };
        let known = all.iter().find(|(n, _)| *n == number);
        known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
    }
}

/// An address without its length, a prefix with it.
pub(super) fn prefix(net: &IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.trunc().to_string(),
    }
}

/// Sorted, and without those that others hold.
pub(super) fn disjoint(nets: &[IpNet]) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = nets.iter().map(IpNet::trunc).collect();
    nets.sort();
    nets.dedup();
    let mut kept: Vec<IpNet> = Vec::with_capacity(nets.len());
    for net in nets {
        // Sorted by address, then length: who holds it comes just before.
        if !kept.last().is_some_and(|last| last.contains(&net)) {
            kept.push(net);
        }
    }
    kept
}

/// Bytes by the largest unit that fits.
pub(super) fn bytes(amount: u64) -> (u64, &'static str) {
    match amount {
        n if n > 0 && n % (1 << 20) == 0 => (n >> 20, "mbytes"),
        n if n > 0 && n % (1 << 10) == 0 => (n >> 10, "kbytes"),
        n => (n, "bytes"),
    }
}

/// Seconds as nft writes them: `1h30m`.
pub(super) fn duration(seconds: u32) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut text = String::new();
    for (size, unit) in units {
        if left >= size {
            text += &format!("{}{unit}", left / size);
            left %= size;
        }
    }
    text
}
