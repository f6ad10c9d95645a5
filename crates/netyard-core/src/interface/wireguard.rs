//! `wireguard`: an encrypted tunnel to any number of peers.
//!
//! ```yaml
//! wg0:
//!   kind: wireguard
//!   listen: 51820
//!   address: 10.9.0.1/24
//!   peers:
//!     - { node: gw2, interface: wg0, keepalive: 25s }
//!     - { public-key: "…", endpoint: "vpn.example:51820", allowed-ips: 10.9.0.7/32 }
//!     - { name: phone, allowed-ips: 10.9.0.8/32 }
//! ```
//!
//! A device of the kernel has no attributes of its own in `IFLA_INFO_DATA`: what it
//! is told over generic netlink is an object beside it ([`crate::state::Tunnel`]).
//! Where the kernel has no WireGuard, the interface is a tun and a process does
//! the rest.

use ipnet::IpNet;

use super::Kind;
use crate::diag::{Report, Span, Spanned, yard as say};
use crate::key::PublicKey;
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type, Value};

/// What a file says of a WireGuard interface.
#[derive(Clone, Debug, Default)]
pub struct WireguardSpec {
    /// `listen:` a UDP port; left out, one is derived from the names.
    pub listen: Option<Spanned<u16>>,
    /// `birth:` the namespace its packets leave from.
    pub birth: Option<Spanned<String>>,
    /// `engine:`; left out, the kernel's where it has one.
    pub engine: Option<Spanned<Engine>>,
    /// `endpoint:` how others reach it.
    pub endpoint: Option<Spanned<String>>,
    /// `private-key-file:`; left out, netyard makes a key and keeps it.
    pub key_file: Option<Spanned<String>>,
    /// `peers:` in the order of the file.
    pub peers: Vec<PeerSpec>,
}

/// An entry of `peers:`.
#[derive(Clone, Debug)]
pub struct PeerSpec {
    /// The place of the whole.
    pub span: Span,
    /// Who it is.
    pub who: Who,
    /// `endpoint:` address or name, and port.
    pub endpoint: Option<Spanned<String>>,
    /// `keepalive:` in seconds; 0: none.
    pub keepalive: u16,
    /// `allowed-ips:` where it is said.
    pub allowed_ips: Option<Vec<Spanned<IpNet>>>,
    /// `preshared: true`: netyard makes a key for the two.
    pub preshared: Option<Span>,
    /// `preshared-key-file:`.
    pub preshared_file: Option<Spanned<String>>,
}

/// Who a peer is.
#[derive(Clone, Debug)]
pub enum Who {
    /// `node:` and `interface:` an interface of this yard; without the latter, of
    /// the same name.
    Node(Spanned<String>, Option<Spanned<String>>),
    /// `public-key:` somebody outside.
    Key(Spanned<PublicKey>),
    /// `name:` alone: somebody who gets a configuration from `netyard peer-config`.
    Guest(Spanned<String>),
}

/// Who does the work of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The kernel's driver.
    Kernel,
    /// A process of netyard's, and a tun.
    Userspace,
}

impl Engine {
    /// The word that a file has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
        }
    }
}

const KEEPALIVE: Field = Field::new(
    "keepalive",
    Type::Duration,
    "How often an idle side sends a packet, so that firewalls on the way stay open: `25s`; left out, never.",
);
const PRESHARED: Field = Field::new(
    "preshared",
    Type::Bool,
    "`true`: both sides share a secret more, made and kept by netyard.",
);
/// Where the packets of a tunnel leave from; of an interface, or of both ends of a link.
pub(crate) const BIRTH: Field = Field::new(
    "birth",
    Type::Text,
    "The namespace in which the encrypted packets come and go: `host`, `fabric`, a node, or `own` for that of the interface; left out, the host, and without root the fabric.",
);

/// The keys of `kind: wireguard`.
pub static SHAPE: Shape = Shape {
    name: "`wireguard` interface",
    doc: "An encrypted tunnel to any number of peers.",
    fields: &[
        Field::new(
            "listen",
            Type::Int { min: 1, max: 65535 },
            "The UDP port it listens on, 51820 by custom; left out, one of 20000 to 29999 that follows from the names.",
        ),
        BIRTH,
        Field::new("peers", Type::List(&Type::Record(&PEER)), "Who is at the other ends."),
        Field::new(
            "private-key-file",
            Type::Text,
            "A file with its private key, as `wg genkey` writes it, that nobody else can read; left out, netyard makes a key and keeps it.",
        ),
        Field::new(
            "endpoint",
            Type::Text,
            "How others reach it, for peers that name it by its node and for `netyard peer-config`: `vpn.example:51820`; left out, from the addresses of its birth namespace.",
        ),
        Field::new(
            "engine",
            Type::Word(&["auto", "kernel", "userspace"]),
            "Who does the work: the kernel, or a process of netyard's; left out, the kernel where it can.",
        ),
    ],
    also: &[],
};

/// An entry of `peers:`.
pub static PEER: Shape = Shape {
    name: "WireGuard peer",
    doc: "The other end of a tunnel: a `node` of this yard, a `public-key` outside, or a `name` for which `netyard peer-config` writes a configuration.",
    fields: &[
        Field::new("node", Type::Text, "The node that the other end is in."),
        Field::new(
            "interface",
            Type::Text,
            "Its interface; left out, the one of the same name as this.",
        ),
        Field::new("public-key", Type::Text, "The public key of a peer outside, in base64."),
        Field::new("name", Type::Text, "What the peer is called, for people."),
        Field::new(
            "endpoint",
            Type::Text,
            "Its address or name, and its port: `vpn.example:51820`, `[2001:db8::1]:51820`; left out, of a node it is found, and of others they are the ones who call.",
        ),
        KEEPALIVE,
        Field::new(
            "allowed-ips",
            Type::Either(&[Type::Word(&["none"]), Type::OneOrMore(&Type::Prefix)]),
            "The addresses that are behind it; of a node left out: all, where it is the only peer, else its own and those that routes lead to it.",
        ),
        PRESHARED,
        Field::new(
            "preshared-key-file",
            Type::Text,
            "A file with the secret that both sides share, as `wg genpsk` writes it, that nobody else can read.",
        ),
    ],
    also: &[],
};

/// What a link says that is a tunnel.
pub static TUNNEL: Shape = Shape {
    name: "tunnel",
    doc: "What a link is that is no cable.",
    fields: &[
        Field::new(
            "tunnel",
            Type::Word(&["wireguard"]),
            "The link is no cable but a tunnel: `wireguard`.",
        ),
        BIRTH,
        KEEPALIVE,
        PRESHARED,
    ],
    also: &[],
};

/// Names the kind; its settings are read by [`spec`].
pub(super) fn parse(_: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Wireguard)
}

/// Reads the keys of [`SHAPE`].
pub(crate) fn spec(record: &Record, report: &mut Report) -> WireguardSpec {
    let engine = record.text("engine").and_then(|word| {
        let engine = match &*word.value {
            "kernel" => Engine::Kernel,
            "userspace" => Engine::Userspace,
            _ => return None,
        };
        Some(Spanned::new(engine, word.span))
    });
    let peers = record.list("peers").iter();
    WireguardSpec {
        listen: record.spanned_number("listen"),
        birth: record.text("birth"),
        engine,
        endpoint: endpoint(record, report),
        key_file: record.text("private-key-file"),
        peers: peers
            .filter_map(|peer| match &peer.value {
                Value::Record(record) => peer_spec(record, peer.span, report),
                _ => None,
            })
            .collect(),
    }
}

/// `keepalive:` in seconds.
pub(crate) fn keepalive(record: &Record, report: &mut Report) -> u16 {
    let found = record.milliseconds("keepalive", 1000, 65_535_000, report);
    found.map_or(0, |ms| u16::try_from(ms / 1000).unwrap_or(u16::MAX))
}

/// `preshared: true`, and where it says so.
pub(crate) fn preshared(record: &Record) -> Option<Span> {
    record.bool("preshared").filter(|said| said.value).map(|said| said.span)
}

fn peer_spec(record: &Record, span: Span, report: &mut Report) -> Option<PeerSpec> {
    let key = record.text("public-key");
    let who = match (record.text("node"), &key, record.text("name")) {
        (Some(node), Some(key), _) => {
            report.push(say::peer_twofold(node.span, key.span));
            return None;
        }
        (Some(node), None, _) => Who::Node(node, record.text("interface")),
        (None, Some(key), _) => match PublicKey::parse(&key.value) {
            Ok(found) => Who::Key(Spanned::new(found, key.span)),
            Err(why) => {
                report.push(say::key_wrong("this public key", why, key.span));
                return None;
            }
        },
        (None, None, Some(name)) => Who::Guest(name),
        (None, None, None) => {
            if record.failed.is_empty() {
                report.push(say::peer_unnamed(span));
            }
            return None;
        }
    };
    Some(PeerSpec {
        span,
        who,
        endpoint: endpoint(record, report),
        keepalive: keepalive(record, report),
        allowed_ips: allowed_ips(record),
        preshared: preshared(record),
        preshared_file: record.text("preshared-key-file"),
    })
}

fn allowed_ips(record: &Record) -> Option<Vec<Spanned<IpNet>>> {
    if record.text("allowed-ips").is_some() {
        return Some(Vec::new());
    }
    record.place("allowed-ips")?;
    let nets = record.list("allowed-ips").iter().filter_map(|item| match item.value {
        Value::Net(net) => Some(Spanned::new(net, item.span)),
        _ => None,
    });
    Some(nets.collect())
}

fn endpoint(record: &Record, report: &mut Report) -> Option<Spanned<String>> {
    let said = record.text("endpoint")?;
    if split_endpoint(&said.value).is_some() {
        return Some(said);
    }
    report.push(say::endpoint_wrong(&said));
    None
}

/// The host and the port of `vpn.example:51820` or `[2001:db8::1]:51820`.
pub fn split_endpoint(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok().map(|_| inner)?
        }
        None if host.is_empty() || host.contains([':', ' ', '/']) => return None,
        None => host,
    };
    Some((host, port))
}

/// The kernel option that brings WireGuard.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_WIREGUARD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        assert_eq!(split_endpoint("vpn.example:51820"), Some(("vpn.example", 51820)));
        assert_eq!(split_endpoint("[2001:db8::1]:1"), Some(("2001:db8::1", 1)));
        for wrong in
            ["vpn.example", "2001:db8::1:1", ":1", "a:0", "a:65536", "[::1", "[x]:1", "a b:1"]
        {
            assert_eq!(split_endpoint(wrong), None, "{wrong}");
        }
    }
}
