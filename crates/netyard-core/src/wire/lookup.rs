//! Questions to the kernel's routing: which way it would send one packet
//! (`RTM_GETROUTE`), and the tables it looks into.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::attribute::{ip, text};
use super::{attributes, u16_of, u32_of};

/// `RTM_GETROUTE`, linux/rtnetlink.h.
pub const GET_ROUTE: u16 = 26;
/// `RTM_GETRULE`.
pub const GET_RULE: u16 = 34;

const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
const RTM_F_FIB_MATCH: u32 = 0x2000;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_LINKDOWN: u32 = 16;
const HEADER: usize = 12; // struct rtmsg, struct fib_rule_hdr

/// Which way would this packet go?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteQuestion {
    /// To where.
    pub destination: IpAddr,
    /// From where; none: the kernel chooses.
    pub source: Option<IpAddr>,
    /// The index of the interface it came by; none for one made here.
    pub iif: Option<u32>,
    /// The packet's mark.
    pub mark: u32,
    /// Layer-4 protocol and both ports.
    pub flow: Option<(u8, u16, u16)>,
    /// Asks for the route that matched instead of what became of it.
    pub matched: bool,
}

impl RouteQuestion {
    /// The body of the request.
    pub fn body(&self) -> Vec<u8> {
        let bits = if self.destination.is_ipv6() { 128 } else { 32 };
        let family = family(self.destination);
        let source_bits = if self.source.is_some() { bits } else { 0 };
        let mut body = vec![family, bits, source_bits, 0, 0, 0, 0, 0];
        let matched = if self.matched { RTM_F_FIB_MATCH } else { 0 };
        // IPv6 tells the table in any case, and refuses the flag.
        let table = if self.destination.is_ipv6() { 0 } else { RTM_F_LOOKUP_TABLE };
        body.extend((table | matched).to_ne_bytes());
        put(&mut body, 1, &octets(self.destination));
        if let Some(source) = self.source {
            put(&mut body, 2, &octets(source));
        }
        if let Some(iif) = self.iif {
            put(&mut body, 3, &iif.to_ne_bytes());
        }
        if self.mark != 0 {
            put(&mut body, 16, &self.mark.to_ne_bytes());
        }
        // With an interface it came by, the kernel makes up a packet of that
        // protocol; of others than these three it knows nothing.
        if let Some((protocol @ (1 | 6 | 17 | 58), from, to)) = self.flow {
            put(&mut body, 27, &[protocol]);
            if matches!(protocol, 6 | 17) {
                put(&mut body, 28, &from.to_be_bytes());
                put(&mut body, 29, &to.to_be_bytes());
            }
        }
        body
    }
}

/// Asks for all routes of a family, in all tables.
pub fn all_routes(ipv6: bool) -> Vec<u8> {
    let mut body = vec![if ipv6 { 10 } else { 2 }];
    body.resize(HEADER, 0);
    body
}

/// What becomes of packets that take a route (`RTN_*`, linux/rtnetlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// To the next hop.
    Unicast,
    /// To this namespace itself.
    Local,
    /// To everybody on a link, or to a group.
    Many,
    /// They vanish.
    Blackhole,
    /// Answered with "host unreachable".
    Unreachable,
    /// Answered with "administratively prohibited".
    Prohibit,
    /// On to the next rule.
    Throw,
}

impl Fate {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Unicast,
            2 => Self::Local,
            3..=5 => Self::Many,
            6 => Self::Blackhole,
            7 => Self::Unreachable,
            8 => Self::Prohibit,
            9 => Self::Throw,
            _ => return None,
        })
    }

    /// The word `ip route` has for it; empty for the usual one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unicast => "",
            Self::Local => "local",
            Self::Many => "broadcast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

/// A route as the kernel tells it: an answer, or one out of its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAnswer {
    /// What becomes of the packet.
    pub fate: Fate,
    /// Table number.
    pub table: u32,
    /// What the route is for.
    pub destination: IpNet,
    /// The next router; none for a destination on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the interface it leads through.
    pub oif: Option<u32>,
    /// The source address the kernel would choose.
    pub source: Option<IpAddr>,
    /// The MTU the route says, in bytes.
    pub mtu: Option<u32>,
    /// Lower wins.
    pub metric: u32,
    /// True where the link it leads through has no carrier.
    pub link_down: bool,
    /// True for what became of one packet, false for a route of a table.
    pub cached: bool,
}

impl RouteAnswer {
    /// Reads an `RTM_NEWROUTE` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER)?;
        let any: IpAddr = match header[0] {
            10 => std::net::Ipv6Addr::UNSPECIFIED.into(),
            2 => std::net::Ipv4Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        let flags = u32_of(&header[8..])?;
        let mut answer = Self {
            fate: Fate::of(header[7])?,
            table: u32::from(header[4]),
            destination: IpNet::new(any, header[1]).ok()?,
            gateway: None,
            oif: None,
            source: None,
            mtu: None,
            metric: 0,
            link_down: flags & RTNH_F_LINKDOWN != 0,
            cached: flags & RTM_F_CLONED != 0,
        };
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                1 => answer.destination = IpNet::new(ip(value)?, header[1]).ok()?,
                4 => answer.oif = u32_of(value),
                5 => answer.gateway = ip(value),
                6 => answer.metric = u32_of(value)?,
                7 => answer.source = ip(value),
                8 => {
                    let mtu = attributes(value).find(|(kind, _)| *kind == 2); // RTAX_MTU
                    answer.mtu = mtu.and_then(|(_, value)| u32_of(value)).filter(|mtu| *mtu > 0);
                }
                9 => answer.first_hop(value)?, // RTA_MULTIPATH
                15 => answer.table = u32_of(value)?,
                18 => answer.gateway = ip(value.get(2..)?), // RTA_VIA
                _ => {}
            }
        }
        Some(answer)
    }

    fn first_hop(&mut self, hops: &[u8]) -> Option<()> {
        let length = usize::from(u16_of(hops)?);
        self.oif = u32_of(hops.get(4..)?);
        for (kind, value) in attributes(hops.get(8..length)?) {
            match kind {
                5 => self.gateway = ip(value),
                18 => self.gateway = ip(value.get(2..)?),
                _ => {}
            }
        }
        Some(())
    }
}

/// A policy rule, whoever's it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Lower comes first.
    pub priority: u32,
    /// Sources it is for.
    pub from: Option<IpNet>,
    /// Destinations it is for.
    pub to: Option<IpNet>,
    /// Mark and mask it is for.
    pub mark: Option<(u32, u32)>,
    /// The interface the packet came by, by kernel name.
    pub iif: Option<String>,
    /// True when it is for all that the rest does not match.
    pub not: bool,
    /// The table it looks into.
    pub table: Option<u32>,
    /// What it does where it looks into no table.
    pub fate: Option<Fate>,
}

impl PolicyRule {
    /// Reads an `RTM_NEWRULE` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER)?;
        let mut rule = Self {
            priority: 0,
            from: None,
            to: None,
            mark: None,
            iif: None,
            not: u32_of(&header[8..])? & 2 != 0, // FIB_RULE_INVERT
            table: None,
            fate: None,
        };
        let (mut table, mut mark, mut mask) = (u32::from(header[4]), 0, 0);
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                1 => rule.to = IpNet::new(ip(value)?, header[1]).ok(),
                2 => rule.from = IpNet::new(ip(value)?, header[2]).ok(),
                3 => rule.iif = text(value).map(str::to_owned),
                6 => rule.priority = u32_of(value)?,
                10 => mark = u32_of(value)?,
                15 => table = u32_of(value)?,
                16 => mask = u32_of(value)?,
                _ => {}
            }
        }
        rule.mark = (mark != 0 || mask != 0).then_some((mark, mask));
        match header[7] {
            1 => rule.table = Some(table), // FR_ACT_TO_TBL
            6 => rule.fate = Some(Fate::Blackhole),
            7 => rule.fate = Some(Fate::Unreachable),
            8 => rule.fate = Some(Fate::Prohibit),
            _ => {}
        }
        Some(rule)
    }

    /// True when the rule is about such a packet; `iif` is the kernel name of the
    /// interface it came by, `lo` for one made here.
    pub fn matches(&self, source: IpAddr, destination: IpAddr, mark: u32, iif: &str) -> bool {
        let all = self.from.is_none_or(|net| net.contains(&source))
            && self.to.is_none_or(|net| net.contains(&destination))
            && self.mark.is_none_or(|(value, mask)| mark & mask == value)
            && self.iif.as_deref().is_none_or(|name| name == iif);
        all != self.not
    }

    /// As `ip rule` shows it.
    pub fn text(&self) -> String {
        let mut text = format!("{}:{}", self.priority, if self.not { " not" } else { "" });
        match self.from {
            Some(net) => text.push_str(&format!(" from {net}")),
            None => text.push_str(" from all"),
        }
        if let Some(net) = self.to {
            text.push_str(&format!(" to {net}"));
        }
        if let Some((mark, mask)) = self.mark {
            text.push_str(&format!(" fwmark {mark:#x}/{mask:#x}"));
        }
        if let Some(iif) = &self.iif {
            text.push_str(&format!(" iif {iif}"));
        }
        match (self.table, self.fate) {
            (Some(table), _) => text.push_str(&format!(" lookup {}", table_word(table))),
            (None, Some(fate)) => text.push_str(&format!(" {}", fate.word())),
            _ => {}
        }
        text
    }
}

/// iproute2's word for a table.
pub fn table_word(table: u32) -> String {
    match table {
        253 => "default".to_owned(),
        254 => "main".to_owned(),
        255 => "local".to_owned(),
        other => other.to_string(),
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(address: IpAddr) -> u8 {
    if address.is_ipv6() { 10 } else { 2 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn put(to: &mut Vec<u8>, ty: u16, value: &[u8]) {
    to.extend((4 + value.len() as u16).to_ne_bytes());
    to.extend(ty.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blackhole_route_is_read() {
        let mut message = vec![2, 8, 0, 0, 254, 3, 0, 6, 0, 0, 0, 0];
        put(&mut message, 1, &[10, 0, 0, 0]);
        let answer = RouteAnswer::read(&message).unwrap();
        assert_eq!((answer.fate, answer.table), (Fate::Blackhole, 254));
        assert_eq!(answer.destination.to_string(), "10.0.0.0/8");
        assert_eq!(RouteAnswer::read(&message[..11]), None);
    }

    #[test]
    fn a_rule_is_about_what_it_says() {
        let mut message = vec![2, 0, 24, 0, 100, 0, 0, 1, 0, 0, 0, 0];
        put(&mut message, 2, &[10, 0, 0, 0]);
        put(&mut message, 6, &1000_u32.to_ne_bytes());
        put(&mut message, 10, &7_u32.to_ne_bytes());
        put(&mut message, 16, &0xff_u32.to_ne_bytes());
        let rule = PolicyRule::read(&message).unwrap();
        assert_eq!(rule.text(), "1000: from 10.0.0.0/24 fwmark 0x7/0xff lookup 100");
        let [inside, outside, to] =
            ["10.0.0.9", "10.0.1.9", "1.1.1.1"].map(|text| text.parse().unwrap());
        assert!(rule.matches(inside, to, 7, "lo"));
        assert!(!rule.matches(outside, to, 7, "lo"));
        assert!(!rule.matches(inside, to, 8, "lo"));
    }
}
