//! Parts of packets and connections, by the names that nft has for them.

use std::net::IpAddr;

use crate::nft::expr::Expr;
use crate::nft::{Ct, IcmpKind, word};

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Name,
    Address,
    /// A number in network byte order.
    Big,
    /// A number in the machine's byte order.
    Native,
    Mark,
    Protocol,
    Family,
    EtherType,
    State,
    Status,
    Kind(IcmpKind),
    TcpFlags,
    RouteType,
    Truth,
    Bytes,
}

/// A part of a packet, loaded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub form: Form,
    pub mask: Option<Vec<u8>>,
    /// Its name says what family it is of.
    pub needs_family: bool,
    /// Its name says what protocol it is of.
    pub needs_protocol: bool,
    /// Of an address, how many bits were loaded.
    pub bits: Option<usize>,
}

impl Field {
    fn new(name: impl Into<String>, form: Form) -> Self {
        let (name, mask, bits) = (name.into(), None, None);
        Self { name, form, mask, needs_family: false, needs_protocol: false, bits }
    }

    /// A value as nft writes it beside this field.
    pub fn write(&self, value: &[u8]) -> String {
        match (self.form, self.bits) {
            (Form::Address, Some(bits)) => {
                let mut whole = value.to_vec();
                whole.resize(if self.name.starts_with("ip6") { 16 } else { 4 }, 0);
                format!("{}/{bits}", Form::Address.write(&whole))
            }
            // nft compares a beginning without the zero at its end; iptables writes that of a whole
            // name, and no more.
            (Form::Name, _) if value.len() < 16 && !value.ends_with(&[0]) => {
                format!("\"{}*\"", String::from_utf8_lossy(value))
            }
            _ => self.form.write(value),
        }
    }

    /// A comparison.
    pub fn compared(&self, op: u32, value: &[u8], text: &str) -> String {
        let name = &self.name;
        let sign = *["", "!= ", "< ", "<= ", "> ", ">= "].get(op as usize).unwrap_or(&"? ");
        let Some(mask) = &self.mask else {
            return format!("{name} {sign}{text}");
        };
        let zero = value.iter().all(|b| *b == 0);
        let flags = match self.form {
            Form::State => Some(states(mask)),
            Form::Status => Some(statuses(mask)),
            _ => None,
        };
        let relation = if op == 0 { "==" } else { "!=" };
        match (flags, self.form) {
            (Some(flags), _) if zero && op == 1 => format!("{name} {flags}"),
            (Some(flags), _) if zero => format!("{name} ! {flags}"),
            (_, Form::Address) => {
                let bits: u32 = mask.iter().map(|b| b.count_ones()).sum();
                format!("{name} {sign}{text}/{bits}")
            }
            (_, Form::TcpFlags) => {
                format!(
                    "{name} & ({}) {relation} {text}",
                    Form::TcpFlags.write(mask).replace(',', " | ")
                )
            }
            _ => format!("{name} & {} {relation} {text}", self.form.write(mask)),
        }
    }
}

impl Form {
    /// Bytes as nft writes them.
    pub fn write(self, value: &[u8]) -> String {
        let native = || {
            let mut bytes = [0; 8];
            let length = value.len().min(8);
            bytes[..length].copy_from_slice(&value[..length]);
            u64::from_le_bytes(bytes)
        };
        let first = value.first().copied().unwrap_or_default();
        match self {
            Self::Name => format!("\"{}\"", crate::wire::text(value).unwrap_or("?")),
            Self::Address => match crate::wire::ip(value) {
                Some(IpAddr::V4(ip)) => ip.to_string(),
                Some(IpAddr::V6(ip)) => ip.to_string(),
                None => hex(value),
            },
            Self::Big if value.len() <= 8 => {
                value.iter().fold(0_u64, |all, b| all << 8 | u64::from(*b)).to_string()
            }
            Self::Native => native().to_string(),
            Self::Mark => format!("{:#010x}", native()),
            Self::Protocol => word::protocol(first),
            Self::Family if first == 2 => "ipv4".to_owned(),
            Self::Family if first == 10 => "ipv6".to_owned(),
            Self::EtherType => match value {
                [0x08, 0x00] => "ip".to_owned(),
                [0x08, 0x06] => "arp".to_owned(),
                [0x86, 0xdd] => "ip6".to_owned(),
                other => hex(other),
            },
            Self::State => states(value),
            Self::Status => statuses(value),
            Self::Kind(kind) => kind.name(first),
            Self::TcpFlags => {
                let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
                let set = names.iter().enumerate().filter(|(bit, _)| first >> bit & 1 == 1);
                set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
            }
            Self::RouteType => match native() {
                1 => "unicast".to_owned(),
                2 => "local".to_owned(),
                3 => "broadcast".to_owned(),
                5 => "multicast".to_owned(),
                6 => "blackhole".to_owned(),
                7 => "unreachable".to_owned(),
                other => other.to_string(),
            },
            Self::Truth => if first == 0 { "missing" } else { "exists" }.to_owned(),
            Self::Big | Self::Family | Self::Bytes => hex(value),
        }
    }
}

fn hex(value: &[u8]) -> String {
    value.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn number(value: &[u8]) -> u32 {
    value.try_into().map(u32::from_ne_bytes).unwrap_or_default()
}

fn states(value: &[u8]) -> String {
    let all = [Ct::Invalid, Ct::Established, Ct::Related, Ct::New, Ct::Untracked];
    let bits = number(value);
    let set = all.iter().filter(|state| bits & state.bit() != 0);
    set.map(|state| state.word()).collect::<Vec<_>>().join(",")
}

fn statuses(value: &[u8]) -> String {
    let all = [(1, "expected"), (2, "seen-reply"), (4, "assured"), (8, "confirmed")];
    let all = all.into_iter().chain([(0x10, "snat"), (0x20, "dnat"), (0x200, "dying")]);
    let bits = number(value);
    all.filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect::<Vec<_>>().join(",")
}

/// What an expression writes, and from which register.
pub(super) fn written(e: &Expr) -> Option<(String, u32)> {
    match &*e.name {
        "meta" => Some((meta(e.number(2)).name, e.number(3)?)),
        "ct" => Some((ct(e).name, e.number(4)?)),
        "exthdr" => {
            let source = e.number(7)?;
            let option = e.attributes.get(2).and_then(|v| v.first()).copied();
            let name = match (e.number(6), option, e.number(3)) {
                (Some(1), Some(2), Some(2)) => "tcp option maxseg size".to_owned(),
                (_, option, offset) => {
                    format!("tcp option {} {}", option.unwrap_or(0), offset.unwrap_or(0))
                }
            };
            Some((name, source))
        }
        "payload" => {
            let (base, offset) = (e.number(2)?, e.number(3)?);
            Some((format!("@{base},{offset}"), e.number(5)?))
        }
        _ => None,
    }
}

/// What an expression loads.
pub(super) fn loaded(e: &Expr, family: Option<u8>, protocol: Option<u8>) -> Field {
    match &*e.name {
        "meta" => meta(e.number(2)),
        "ct" => ct(e),
        "payload" => payload(e, family, protocol),
        "fib" => fib(e),
        "rt" if e.number(2) == Some(3) => Field::new("rt mtu", Form::Big),
        other => Field::new(format!("[ {other} ]"), Form::Bytes),
    }
}

fn meta(key: Option<u32>) -> Field {
    let (name, form) = match key.unwrap_or(u32::MAX) {
        0 => ("meta length", Form::Native),
        1 => ("meta protocol", Form::EtherType),
        3 => ("meta mark", Form::Mark),
        4 => ("iif", Form::Native),
        5 => ("oif", Form::Native),
        6 => ("iifname", Form::Name),
        7 => ("oifname", Form::Name),
        10 => ("meta skuid", Form::Native),
        11 => ("meta skgid", Form::Native),
        12 => ("meta nftrace", Form::Native),
        15 => ("meta nfproto", Form::Family),
        16 => ("meta l4proto", Form::Protocol),
        17 => ("meta ibrname", Form::Name),
        18 => ("meta obrname", Form::Name),
        19 => ("meta pkttype", Form::Native),
        key => return Field::new(format!("meta {key}"), Form::Bytes),
    };
    Field::new(name, form)
}

fn ct(e: &Expr) -> Field {
    let direction = match e.attributes.get(3).and_then(|v| v.first()) {
        Some(0) => "original ",
        Some(_) => "reply ",
        None => "",
    };
    let (name, form) = match e.number(2).unwrap_or(u32::MAX) {
        0 => ("state", Form::State),
        1 => ("direction", Form::Native),
        2 => ("status", Form::Status),
        3 => ("mark", Form::Mark),
        8 => ("saddr", Form::Address),
        9 => ("daddr", Form::Address),
        10 => ("protocol", Form::Protocol),
        11 => ("proto-src", Form::Big),
        12 => ("proto-dst", Form::Big),
        17 => ("zone", Form::Native),
        19 => ("ip saddr", Form::Address),
        20 => ("ip daddr", Form::Address),
        21 => ("ip6 saddr", Form::Address),
        22 => ("ip6 daddr", Form::Address),
        key => return Field::new(format!("ct {direction}{key}"), Form::Bytes),
    };
    let mut field = Field::new(format!("ct {direction}{name}"), form);
    field.needs_family = name.starts_with("ip");
    field
}

fn payload(e: &Expr, family: Option<u8>, protocol: Option<u8>) -> Field {
    let all = (e.number(2), e.number(3), e.number(4));
    let (Some(base), Some(offset), Some(length)) = all else {
        return Field::new("@?", Form::Bytes);
    };
    let named = match base {
        1 => network(offset, length, family),
        2 => transport(offset, length, protocol),
        _ => None,
    };
    named.unwrap_or_else(|| {
        let base = ["ll", "nh", "th", "ih"].get(base as usize).unwrap_or(&"?");
        Field::new(format!("@{base},{},{}", 8 * offset, 8 * length), Form::Bytes)
    })
}

fn network(offset: u32, length: u32, family: Option<u8>) -> Option<Field> {
    let ipv6 = family == Some(10);
    let (name, form, whole) = match (offset, ipv6) {
        (12, false) => ("ip saddr", Form::Address, 4),
        (16, false) => ("ip daddr", Form::Address, 4),
        (9, false) => ("ip protocol", Form::Protocol, 1),
        (8, false) if length == 1 => ("ip ttl", Form::Big, 1),
        (8, _) => ("ip6 saddr", Form::Address, 16),
        (24, _) => ("ip6 daddr", Form::Address, 16),
        (6, true) => ("ip6 nexthdr", Form::Protocol, 1),
        (7, true) => ("ip6 hoplimit", Form::Big, 1),
        _ => return None,
    };
    let mut field = Field::new(name, form);
    field.needs_family = true;
    if length < whole {
        field.bits = Some(8 * length as usize);
    }
    (length <= whole).then_some(field)
}

fn transport(offset: u32, length: u32, protocol: Option<u8>) -> Option<Field> {
    let header = match protocol {
        Some(6) => "tcp",
        Some(17) => "udp",
        Some(33) => "dccp",
        Some(132) => "sctp",
        Some(136) => "udplite",
        _ => "th",
    };
    let (name, form) = match (offset, length, protocol) {
        (0, 1, Some(1)) => ("icmp type".to_owned(), Form::Kind(IcmpKind::Icmp)),
        (0, 1, Some(58)) => ("icmpv6 type".to_owned(), Form::Kind(IcmpKind::Icmpv6)),
        (1, 1, Some(1)) => ("icmp code".to_owned(), Form::Big),
        (1, 1, Some(58)) => ("icmpv6 code".to_owned(), Form::Big),
        (13, 1, Some(6)) => ("tcp flags".to_owned(), Form::TcpFlags),
        (0, 2, _) => (format!("{header} sport"), Form::Big),
        (2, 2, _) => (format!("{header} dport"), Form::Big),
        _ => return None,
    };
    let mut field = Field::new(name, form);
    field.needs_protocol = header != "th" || matches!(form, Form::Kind(_));
    field.needs_family = matches!(protocol, Some(1 | 58)) && length == 1;
    Some(field)
}

fn fib(e: &Expr) -> Field {
    let flags = e.number(3).unwrap_or_default();
    let parts = [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];
    let parts = parts.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    let parts = parts.collect::<Vec<_>>().join(" . ");
    let (result, form) = match e.number(2) {
        Some(1) if flags & 32 != 0 => ("oif", Form::Truth),
        Some(1) => ("oif", Form::Native),
        Some(2) => ("oifname", Form::Name),
        _ => ("type", Form::RouteType),
    };
    Field::new(format!("fib {parts} {result}"), form)
}
