//! nft's own trace of packets: the table that asks for it, and the events that
//! come back (`NFNLGRP_NFTRACE`, linux/netfilter/nf_tables.h).
//!
//! The table belongs to the socket that made it (`NFT_TABLE_F_OWNER`, kernel
//! 5.12): the kernel removes it when the process ends, however it ends. Its
//! chains are the first and the last of each hook, so that their events tell how
//! far a packet came in the namespace; they decide nothing.

use super::attribute::text;
use super::nft::Message;
use super::{attributes, u32_of};

/// The table's name.
pub const TABLE: &str = "netyard_explain";
/// The multicast group of trace events.
pub const GROUP: u32 = 9; // NFNLGRP_NFTRACE, linux/netfilter/nfnetlink.h

const SUBSYSTEM: u16 = 10; // NFNL_SUBSYS_NFTABLES
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
const TRACE: u16 = SUBSYSTEM << 8 | 17; // NFT_MSG_TRACE
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
const OWNER: u32 = 2; // NFT_TABLE_F_OWNER
const INET: u8 = 1; // NFPROTO_INET
const BRIDGE: u8 = 7; // NFPROTO_BRIDGE
const NETDEV: u8 = 5; // NFPROTO_NETDEV
const META_NFTRACE: u32 = 12;
const META_L4PROTO: u32 = 16;
const REGISTER: u32 = 1;

/// Which packets are traced: those of a layer-4 protocol that have all of these
/// bytes at these offsets of their transport header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The number in the IP header.
    pub protocol: u8,
    /// Offset and bytes, at most 16 of them.
    pub bytes: Vec<(u32, Vec<u8>)>,
}

/// Where in a namespace a chain of ours stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Post {
    /// Made here, before any other chain saw it.
    Sent,
    /// Come in, before any other chain saw it.
    Came,
    /// All chains before routing let it pass.
    ToRouting,
    /// Routed through, before any other chain of that hook.
    Through,
    /// All chains for what goes through let it pass.
    PassedThrough,
    /// Routed to this namespace itself.
    ToItself,
    /// All chains for what comes in let it pass: it is given to a socket.
    Received,
    /// All chains let it pass: it goes to the interface.
    Left,
}

/// Name of a chain, its hook and priority (first or last), and the post it is.
const POSTS: [(&str, u32, i32, Post); 8] = [
    ("sent", 3, i32::MIN + 1, Post::Sent),
    ("came", 0, i32::MIN + 1, Post::Came),
    ("to-routing", 0, i32::MAX, Post::ToRouting),
    ("through", 2, i32::MIN + 1, Post::Through),
    ("passed-through", 2, i32::MAX, Post::PassedThrough),
    ("to-itself", 1, i32::MIN + 1, Post::ToItself),
    ("received", 1, i32::MAX, Post::Received),
    ("left", 4, i32::MAX, Post::Left),
];

/// The transaction that has packets of these patterns traced in a namespace,
/// frames on its bridges too, and on `devices` what comes in by them before
/// anything else sees it.
pub fn install(patterns: &[Pattern], bridges: bool, devices: &[String]) -> Vec<Message> {
    let mut parts = Vec::new();
    table(&mut parts, INET);
    for (name, hook, priority, post) in POSTS {
        let traced: &[Pattern] = match post {
            Post::Sent | Post::Came => patterns,
            _ => &[],
        };
        chain(&mut parts, INET, name, (hook, priority, None), traced);
    }
    if bridges {
        // Frames only pass by there: where they came is enough.
        table(&mut parts, BRIDGE);
        chain(&mut parts, BRIDGE, "came", (0, i32::MIN + 1, None), patterns);
    }
    if !devices.is_empty() {
        table(&mut parts, NETDEV);
        for (number, device) in devices.iter().enumerate() {
            // NF_NETDEV_INGRESS is 0, too.
            let hook = (0, i32::MIN + 1, Some(device.as_str()));
            chain(&mut parts, NETDEV, &format!("ingress{number}"), hook, patterns);
        }
    }
    parts
}

fn table(parts: &mut Vec<Message>, family: u8) {
    let mut body = header(family);
    put_text(&mut body, 1, TABLE);
    put(&mut body, 2, &OWNER.to_be_bytes());
    parts.push(part(NEW_TABLE, body));
}

/// A chain at a hook, priority and perhaps a device, that has these traced.
fn chain(
    parts: &mut Vec<Message>,
    family: u8,
    name: &str,
    (hook, priority, device): (u32, i32, Option<&str>),
    traced: &[Pattern],
) {
    let mut body = header(family);
    put_text(&mut body, 1, TABLE);
    put_text(&mut body, 3, name);
    nest(&mut body, 4, |hooked| {
        put(hooked, 1, &hook.to_be_bytes());
        put(hooked, 2, &priority.to_be_bytes());
        if let Some(device) = device {
            put_text(hooked, 3, device); // NFTA_HOOK_DEV
        }
    });
    put(&mut body, 5, &1_u32.to_be_bytes()); // policy accept
    put_text(&mut body, 7, "filter");
    parts.push(part(NEW_CHAIN, body));
    for pattern in traced {
        let mut body = header(family);
        put_text(&mut body, 1, TABLE);
        put_text(&mut body, 2, name);
        nest(&mut body, 4, |list| expressions(list, pattern));
        parts.push(part(NEW_RULE, body));
    }
}

fn expressions(list: &mut Vec<u8>, pattern: &Pattern) {
    expression(list, "meta", |data| {
        put(data, 1, &REGISTER.to_be_bytes());
        put(data, 2, &META_L4PROTO.to_be_bytes());
    });
    compare(list, &[pattern.protocol]);
    for (offset, bytes) in &pattern.bytes {
        expression(list, "payload", |data| {
            put(data, 1, &REGISTER.to_be_bytes());
            put(data, 2, &2_u32.to_be_bytes()); // NFT_PAYLOAD_TRANSPORT_HEADER
            put(data, 3, &offset.to_be_bytes());
            put(data, 4, &(bytes.len() as u32).to_be_bytes());
        });
        compare(list, bytes);
    }
    expression(list, "immediate", |data| {
        put(data, 1, &REGISTER.to_be_bytes());
        nest(data, 2, |value| put(value, 1, &[1]));
    });
    expression(list, "meta", |data| {
        put(data, 2, &META_NFTRACE.to_be_bytes());
        put(data, 3, &REGISTER.to_be_bytes());
    });
}

fn compare(list: &mut Vec<u8>, bytes: &[u8]) {
    expression(list, "cmp", |data| {
        put(data, 1, &REGISTER.to_be_bytes());
        put(data, 2, &0_u32.to_be_bytes()); // NFT_CMP_EQ
        nest(data, 3, |value| put(value, 1, bytes));
    });
}

fn expression(list: &mut Vec<u8>, name: &str, data: impl FnOnce(&mut Vec<u8>)) {
    nest(list, 1, |element| {
        put_text(element, 1, name);
        nest(element, 2, data);
    });
}

fn part(ty: u16, body: Vec<u8>) -> Message {
    Message { ty, flags: NLM_F_CREATE | NLM_F_APPEND, body }
}

fn header(family: u8) -> Vec<u8> {
    vec![family, 0, 0, 0]
}

fn put(to: &mut Vec<u8>, ty: u16, value: &[u8]) {
    to.extend((4 + value.len() as u16).to_ne_bytes());
    to.extend(ty.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn put_text(to: &mut Vec<u8>, ty: u16, value: &str) {
    put(to, ty, &[value.as_bytes(), &[0]].concat());
}

fn nest(to: &mut Vec<u8>, ty: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    put(to, ty | NESTED, &inner);
}

/// What a chain said of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A rule matched, and this was its verdict.
    Rule {
        /// By which the rule is told from others of its chain.
        handle: u64,
        /// Its verdict.
        verdict: Decision,
    },
    /// No rule decided: the policy did.
    Policy(Decision),
    /// The chain gave it back to the one that jumped here.
    Return,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may pass this chain.
    Accept,
    /// It vanishes; a rule may have answered it before.
    Drop,
    /// A program decides, or has taken it.
    Taken,
    /// The next rule.
    Continue,
    /// On in another chain, or back.
    Elsewhere,
}

/// One event of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same for all events of one packet in one namespace.
    pub id: u32,
    /// The family of the table, `NFPROTO_*`.
    pub family: u8,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// What it said.
    pub said: Said,
    /// The beginnings of the network and the transport header, in the first
    /// event of each base chain.
    pub headers: Option<(Vec<u8>, Vec<u8>)>,
    /// Index of the interface it came by.
    pub iif: Option<u32>,
    /// Index of the interface it is to leave by.
    pub oif: Option<u32>,
    /// The packet's mark.
    pub mark: u32,
}

impl Event {
    /// Reads a message of type `ty` without its netlink header; none where it is
    /// no trace event.
    pub fn read(ty: u16, message: &[u8]) -> Option<Self> {
        if ty != TRACE {
            return None;
        }
        let mut event = Self {
            id: 0,
            family: *message.first()?,
            table: String::new(),
            chain: String::new(),
            said: Said::Return,
            headers: None,
            iif: None,
            oif: None,
            mark: 0,
        };
        let (mut kind, mut handle, mut verdict) = (0, 0, Decision::Continue);
        let (mut policy, mut network, mut transport) = (Decision::Continue, None, Vec::new());
        let number = |value: &[u8]| u32_of(value).map(u32::from_be);
        for (ty, value) in attributes(message.get(4..)?) {
            match ty {
                1 => event.table = text(value)?.to_owned(),
                2 => event.chain = text(value)?.to_owned(),
                3 => handle = u64::from_be_bytes(value.get(..8)?.try_into().ok()?),
                4 => kind = number(value)?,
                5 => {
                    let code = attributes(value).find(|(ty, _)| *ty == 1);
                    verdict = decision(code.and_then(|(_, code)| number(code))?);
                }
                6 => event.id = number(value)?,
                8 => network = Some(value.to_vec()),
                9 => transport = value.to_vec(),
                10 => event.iif = number(value),
                12 => event.oif = number(value),
                14 => event.mark = number(value)?,
                16 => policy = decision(number(value)?),
                _ => {}
            }
        }
        event.headers = network.map(|network| (network, transport));
        event.said = match kind {
            1 => Said::Policy(policy), // NFT_TRACETYPE_POLICY
            3 => Said::Rule { handle, verdict },
            _ => Said::Return,
        };
        Some(event)
    }

    /// Which of our chains it is of; none for anybody else's.
    pub fn post(&self) -> Option<Post> {
        if self.table != TABLE || self.family != INET {
            return None;
        }
        POSTS.iter().find(|(name, ..)| *name == self.chain).map(|(.., post)| *post)
    }

    /// True for a table of ours.
    pub fn is_own(&self) -> bool {
        self.table == TABLE
    }
}

fn decision(code: u32) -> Decision {
    match code as i32 & if (code as i32) < 0 { -1 } else { 0xff } {
        0 => Decision::Drop,
        1 => Decision::Accept,
        -1 => Decision::Continue,
        code if code < 0 => Decision::Elsewhere,
        _ => Decision::Taken,
    }
}

/// nft's word for a family (`NFPROTO_*`).
pub fn family_word(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = header(2);
        attributes.iter().for_each(|(ty, value)| put(&mut bytes, *ty, value));
        bytes
    }

    #[test]
    fn a_rule_that_drops_is_read_with_its_handle() {
        let mut verdict = Vec::new();
        put(&mut verdict, 1, &0_u32.to_be_bytes());
        let message = event(&[
            (1, b"filter\0".to_vec()),
            (2, b"FORWARD\0".to_vec()),
            (3, 7_u64.to_be_bytes().to_vec()),
            (4, 3_u32.to_be_bytes().to_vec()),
            (5, verdict),
            (6, 9_u32.to_be_bytes().to_vec()),
            (8, vec![0x45; 20]),
            (9, vec![8; 8]),
        ]);
        let event = Event::read(TRACE, &message).unwrap();
        assert_eq!(event.said, Said::Rule { handle: 7, verdict: Decision::Drop });
        assert_eq!(
            (event.table.as_str(), event.chain.as_str(), event.id),
            ("filter", "FORWARD", 9)
        );
        assert_eq!(event.headers, Some((vec![0x45; 20], vec![8; 8])));
        assert_eq!(event.post(), None);
        assert_eq!(Event::read(TRACE + 1, &message), None);
        assert_eq!(Event::read(TRACE, &[]), None);
    }

    #[test]
    fn a_verdict_with_a_reason_is_a_drop() {
        assert_eq!(decision(0), Decision::Drop);
        assert_eq!(decision(0x000d_0000), Decision::Drop);
        assert_eq!(decision(u32::MAX), Decision::Continue);
        assert_eq!(decision((-3_i32) as u32), Decision::Elsewhere);
    }

    #[test]
    fn only_the_first_chains_have_rules() {
        let pattern = Pattern { protocol: 17, bytes: vec![(8, vec![1, 2, 3, 4])] };
        let count = |bridges, devices: &[String]| {
            let parts = install(std::slice::from_ref(&pattern), bridges, devices);
            parts.iter().filter(|part| part.ty == NEW_RULE).count()
        };
        assert_eq!((count(false, &[]), count(true, &[])), (2, 3));
        assert_eq!(count(false, &["eth0".into(), "eth1".into()]), 4);
    }
}
