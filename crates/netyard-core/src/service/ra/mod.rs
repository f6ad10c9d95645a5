//! Router advertisements (RFC 4861), with name servers (RFC 8106) and routes (RFC 4191).
//!
//! ```yaml
//! networks:
//!   lan:
//!     prefix: fd00:1::/64
//!     ra: on          # or { lifetime: 30m, slaac: no, managed: yes, rdnss: [fd00:1::1], … }
//! ```
//!
//! What goes over the wire is [`Ra`], both ways: what a server says, and what a
//! client or a watcher hears. The packets are written and read here, because no
//! well-kept codec knows the options of RFC 8106 and RFC 4191; the checksum is
//! the kernel's, which fills it in on raw ICMPv6 sockets.
//!
//! When advertisements are due is [`Schedule`], which is told the time and the dice.

mod schedule;

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::addr::Mac;

pub use schedule::Schedule;

/// `ND_ROUTER_SOLICIT` and `ND_ROUTER_ADVERT` (RFC 4861, 4.1 and 4.2).
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Bytes before the options.
const HEADER: usize = 16;

// Options: RFC 4861 4.6, RFC 4191 2.3, RFC 8106 5.
const SOURCE_MAC: u8 = 1;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const ROUTE: u8 = 24;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// Which of several routers a host prefers (RFC 4191, 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// One that is there if all others fail.
    Low,
    /// As most are.
    #[default]
    Medium,
    /// One before the others.
    High,
}

impl Preference {
    /// The words of the file.
    pub const WORDS: &'static [&'static str] = &["low", "medium", "high"];

    /// What a word of the file means.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            _ => None,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Low => 0b11 << 3,
            Self::Medium => 0,
            Self::High => 0b01 << 3,
        }
    }

    /// The reserved value is to be taken as medium.
    fn of_bits(flags: u8) -> Self {
        match flags >> 3 & 0b11 {
            0b01 => Self::High,
            0b11 => Self::Low,
            _ => Self::Medium,
        }
    }
}

/// What a router says of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ra {
    /// For how many seconds the sender is a way out; 0: it is none.
    pub lifetime: u16,
    /// The longest time between two unasked ones in seconds, 4 to 1800; not sent.
    pub interval: u16,
    /// What hosts put in their packets; 0 leaves it to them.
    pub hop_limit: u8,
    /// There are addresses by DHCPv6.
    pub managed: bool,
    /// There is other configuration by DHCPv6.
    pub other: bool,
    /// Before or behind other routers.
    pub preference: Preference,
    /// In bytes, of the link.
    pub mtu: Option<u32>,
    /// What is on the link, and what addresses are made of.
    pub prefixes: Vec<Advertised>,
    /// Beside those, the /64 that the server's interface has by delegation; not sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delegated: bool,
    /// What else the sender leads to.
    pub routes: Vec<Led>,
    /// Name servers.
    pub rdnss: Vec<Ipv6Addr>,
    /// Domains that are tried after a short name.
    pub dnssl: Vec<String>,
    /// For how many seconds name servers and domains are good.
    pub dns_lifetime: u32,
    /// The sender's hardware address, where one was heard; a server's is its interface's.
    #[serde(default, skip)]
    pub source: Option<Mac>,
}

/// A prefix of an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Advertised {
    /// The prefix.
    pub net: Ipv6Net,
    /// Hosts take its addresses to be neighbours.
    pub on_link: bool,
    /// Hosts make addresses in it; only of a /64 they do.
    pub autonomous: bool,
    /// Seconds, all ones is for ever.
    pub valid: u32,
    /// Seconds for which its addresses are good for new connections.
    pub preferred: u32,
}

/// A route of an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Led {
    /// Where it leads.
    pub net: Ipv6Net,
    /// Before or behind those of other routers.
    pub preference: Preference,
    /// Seconds; 0 takes it back.
    pub lifetime: u32,
}

impl Default for Ra {
    fn default() -> Self {
        Self {
            lifetime: 0,
            interval: Self::INTERVAL,
            hop_limit: 64,
            managed: false,
            other: false,
            preference: Preference::Medium,
            mtu: None,
            prefixes: Vec::new(),
            delegated: false,
            routes: Vec::new(),
            rdnss: Vec::new(),
            dnssl: Vec::new(),
            dns_lifetime: 3 * u32::from(Self::INTERVAL),
            source: None,
        }
    }
}

impl Ra {
    /// `MaxRtrAdvInterval` in seconds (RFC 4861, 6.2.1).
    pub const INTERVAL: u16 = 600;
    /// `AdvDefaultLifetime`, three times that.
    pub const LIFETIME: u16 = 1800;
    /// How long addresses are valid in seconds, and for how long good for new
    /// connections: a day and half of one, where RFC 4861 has 30 and 7 days, which
    /// outlive most yards.
    pub const VALID: u32 = 86_400;
    /// See [`Ra::VALID`].
    pub const PREFERRED: u32 = 43_200;

    /// The packet: an ICMPv6 message without checksum.
    pub fn packet(&self, source: Option<Mac>) -> Vec<u8> {
        let mut packet = vec![ADVERTISEMENT, 0, 0, 0, self.hop_limit];
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        packet.push(flag(self.managed, MANAGED) | flag(self.other, OTHER) | self.preference.bits());
        packet.extend(self.lifetime.to_be_bytes());
        packet.extend([0; 8]); // reachable time, retransmission timer: the hosts' own
        if let Some(mac) = source {
            packet.extend([SOURCE_MAC, 1]);
            packet.extend(mac.0);
        }
        if let Some(mtu) = self.mtu {
            packet.extend([MTU, 1, 0, 0]);
            packet.extend(mtu.to_be_bytes());
        }
        for one in &self.prefixes {
            let flags = flag(one.on_link, ON_LINK) | flag(one.autonomous, AUTONOMOUS);
            packet.extend([PREFIX, 4, one.net.prefix_len(), flags]);
            packet.extend(one.valid.to_be_bytes());
            packet.extend(one.preferred.to_be_bytes());
            packet.extend([0; 4]);
            packet.extend(one.net.network().octets());
        }
        for route in &self.routes {
            let length = route.net.prefix_len();
            let units = length.div_ceil(64);
            packet.extend([ROUTE, 1 + units, length, route.preference.bits()]);
            packet.extend(route.lifetime.to_be_bytes());
            packet.extend(&route.net.network().octets()[..usize::from(units) * 8]);
        }
        // 127 addresses fill the option's length.
        for servers in self.rdnss.chunks(127) {
            packet.extend([RDNSS, 1 + 2 * servers.len() as u8, 0, 0]);
            packet.extend(self.dns_lifetime.to_be_bytes());
            servers.iter().for_each(|server| packet.extend(server.octets()));
        }
        self.push_domains(&mut packet);
        packet
    }

    fn push_domains(&self, packet: &mut Vec<u8>) {
        let mut names: Vec<u8> =
            self.dnssl.iter().filter_map(|name| wire_name(name)).flatten().collect();
        names.resize(names.len().next_multiple_of(8), 0);
        let Ok(units) = u8::try_from(names.len() / 8 + 1) else { return };
        if units > 1 {
            packet.extend([DNSSL, units, 0, 0]);
            packet.extend(self.dns_lifetime.to_be_bytes());
            packet.extend(names);
        }
    }

    /// Reads an ICMPv6 message; none where it is no advertisement, or one that
    /// hosts must pass over (RFC 4861, 6.1.2). Its hop limit of 255 and the
    /// link-local source are for the caller to see.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let header = packet.get(..HEADER)?;
        if header[..2] != [ADVERTISEMENT, 0] {
            return None;
        }
        let mut ra = Self {
            lifetime: u16::from_be_bytes([header[6], header[7]]),
            hop_limit: header[4],
            managed: header[5] & MANAGED != 0,
            other: header[5] & OTHER != 0,
            preference: Preference::of_bits(header[5]),
            ..Self::default()
        };
        for option in options(&packet[HEADER..]) {
            ra.take(option?);
        }
        Some(ra)
    }

    /// Takes in an option; one that is not as it should be is passed over.
    fn take(&mut self, (kind, value): (u8, &[u8])) -> Option<()> {
        let number = |at: usize| Some(u32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?));
        match kind {
            SOURCE_MAC => self.source = Some(Mac(value.get(..6)?.try_into().ok()?)),
            MTU => self.mtu = Some(number(2)?),
            PREFIX => {
                let octets: [u8; 16] = value.get(14..30)?.try_into().ok()?;
                self.prefixes.push(Advertised {
                    net: Ipv6Net::new(octets.into(), value[0]).ok()?.trunc(),
                    on_link: value[1] & ON_LINK != 0,
                    autonomous: value[1] & AUTONOMOUS != 0,
                    valid: number(2)?,
                    preferred: number(6)?,
                });
            }
            ROUTE => {
                let mut octets = [0; 16];
                let said = value.get(6..)?.get(..16).unwrap_or(&value[6..]);
                octets[..said.len()].copy_from_slice(said);
                self.routes.push(Led {
                    net: Ipv6Net::new(octets.into(), value[0]).ok()?.trunc(),
                    preference: Preference::of_bits(value[1]),
                    lifetime: number(2)?,
                });
            }
            RDNSS => {
                self.dns_lifetime = number(2)?;
                let servers = value.get(6..)?.chunks_exact(16);
                self.rdnss.extend(
                    servers.filter_map(|s| <[u8; 16]>::try_from(s).ok()).map(Ipv6Addr::from),
                );
            }
            DNSSL => {
                self.dns_lifetime = number(2)?;
                self.dnssl.extend(names(value.get(6..)?));
            }
            _ => {}
        }
        Some(())
    }

    /// The last words of a router that goes: hosts forget it and its name servers.
    pub fn farewell(&self) -> Self {
        let mut last = Self { lifetime: 0, dns_lifetime: 0, ..self.clone() };
        last.routes.iter_mut().for_each(|route| route.lifetime = 0);
        last
    }

    /// This one, beside what takes back what `before` said and this one does not.
    pub fn after(&self, before: &Self) -> Self {
        let mut next = self.clone();
        for old in &before.prefixes {
            if self.prefixes.iter().all(|one| one.net != old.net) {
                // RFC 4862, 5.5.3: hosts keep an address for two hours at least.
                next.prefixes.push(Advertised { valid: 0, preferred: 0, ..*old });
            }
        }
        for old in &before.routes {
            if self.routes.iter().all(|one| one.net != old.net) {
                next.routes.push(Led { lifetime: 0, ..*old });
            }
        }
        next
    }
}

/// True for a message by which a host asks for an advertisement, as one must be
/// (RFC 4861, 6.1.1).
pub fn is_solicitation(packet: &[u8], from: Ipv6Addr) -> bool {
    let Some(rest) = packet.get(8..) else { return false };
    let good = |option: Option<(u8, &[u8])>| {
        option.is_some_and(|(kind, _)| kind != SOURCE_MAC || !from.is_unspecified())
    };
    packet[..2] == [SOLICITATION, 0] && options(rest).all(good)
}

/// The message by which a host asks.
pub fn solicitation(source: Option<Mac>) -> Vec<u8> {
    let mut packet = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    if let Some(mac) = source {
        packet.extend([SOURCE_MAC, 1]);
        packet.extend(mac.0);
    }
    packet
}

/// Options, each a type and what follows the length; none, and nothing after it,
/// for one that is not as long as it says.
fn options(mut rest: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    std::iter::from_fn(move || {
        let (&kind, after) = rest.split_first()?;
        let length = after.first().map_or(0, |units| usize::from(*units) * 8);
        let Some(value) = rest.get(2..length) else {
            rest = &[];
            return Some(None);
        };
        rest = &rest[length..];
        Some(Some((kind, value)))
    })
}

/// A domain's name as DNS has it over the wire; none for what is no name.
fn wire_name(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= 255).then_some(bytes)
}

/// The domains' names of a DNSSL option, up to one that cannot be read.
fn names(mut rest: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut labels: Vec<String> = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        rest = after;
        if length == 0 {
            // What follows the last name is zeroes.
            if !labels.is_empty() {
                names.push(std::mem::take(&mut labels).join("."));
            }
            continue;
        }
        let Some(label) = rest.get(..usize::from(length)) else { return names };
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if length > 63 || !label.iter().all(plain) {
            return names;
        }
        labels.push(label.iter().map(|b| char::from(*b)).collect());
        rest = &rest[usize::from(length)..];
    }
    names
}

#[cfg(test)]
mod tests;
