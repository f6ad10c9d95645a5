//! A rule as text, near to what `nft list ruleset` writes: enough to know it by.

use std::net::IpAddr;

use super::expression::{Data, Expression, Verdict};
use super::{ForeignRule, ForeignTable};
use crate::wire;

/// What a register holds, by name, and how its bytes are written.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    Address,
    Big,
    Native,
    Protocol,
    Family,
    State,
    Status,
    Kind,
    Bytes,
}

const UNKNOWN: Field = Field { name: "?", form: Form::Bytes };

impl ForeignRule {
    /// As nft would write it, or nearly.
    pub fn text(&self, table: &ForeignTable) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut field = UNKNOWN;
        let mut prefix = None;
        let mut mask_of_bits = None;
        for expression in &self.expressions {
            match expression {
                Expression::Cmp { op, .. } if mask_of_bits.is_some() => {
                    let bits = mask_of_bits.take().unwrap_or_default();
                    let sign = if *op == 0 { "!= " } else { "" };
                    words.push(format!("{} {sign}{}", field.name, bits_text(field.form, bits)));
                }
                Expression::Cmp { op, value, .. } => {
                    let word = match (op, prefix.take()) {
                        (0, Some(length)) => {
                            format!("{} {}/{length}", field.name, write(field, value))
                        }
                        (1, Some(length)) => {
                            format!("{} != {}/{length}", field.name, write(field, value))
                        }
                        (0, None) => format!("{} {}", field.name, write(field, value)),
                        (op, _) => {
                            let sign = ["", "!= ", "< ", "<= ", "> ", ">= "];
                            let sign = sign.get(*op as usize).unwrap_or(&"? ");
                            format!("{} {sign}{}", field.name, write(field, value))
                        }
                    };
                    // A range is a pair of comparisons.
                    let low = words.last().and_then(|last| {
                        last.strip_prefix(&format!("{} >= ", field.name)).map(str::to_owned)
                    });
                    let word = match low.filter(|_| *op == 3) {
                        Some(low) => {
                            words.pop();
                            format!("{} {low}-{}", field.name, write(field, value))
                        }
                        None => word,
                    };
                    // What only prepares the next match is not worth a word.
                    if !matches!(field.form, Form::Family) || *op != 0 {
                        words.push(word);
                    }
                }
                Expression::Bitwise { mask, .. }
                    if matches!(field.form, Form::State | Form::Status) =>
                {
                    mask_of_bits = wire::u32_of(mask);
                }
                Expression::Bitwise { mask, .. } => {
                    prefix = matches!(field.form, Form::Address)
                        .then(|| mask.iter().map(|byte| byte.count_ones()).sum::<u32>());
                }
                other => {
                    if let Some(loaded) = loads(other) {
                        (field, prefix) = (loaded, None);
                    } else if let Some(word) = says(other, field, table) {
                        words.push(word);
                    }
                }
            }
        }
        drop_implied(&mut words);
        words.join(" ")
    }
}

/// `meta l4proto tcp` before `tcp dport …` is implied by it.
fn drop_implied(words: &mut Vec<String>) {
    for protocol in ["tcp", "udp"] {
        let port =
            |word: &String| word.starts_with("th ") || word.starts_with(&format!("{protocol} "));
        let named = format!("meta l4proto {protocol}");
        let Some(at) = words.iter().position(|word| *word == named) else { continue };
        let mut follows = false;
        for word in words[at + 1..].iter_mut().filter(|word| port(word)) {
            *word = word.replacen("th ", &format!("{protocol} "), 1);
            follows = true;
        }
        if follows {
            words.remove(at);
        }
    }
}

/// What an expression loads into a register.
fn loads(expression: &Expression) -> Option<Field> {
    let field = |name, form| Some(Field { name, form });
    match expression {
        Expression::Meta { key, .. } => match key {
            1 => field("meta protocol", Form::Family),
            3 => field("meta mark", Form::Native),
            4 => field("iif", Form::Native),
            5 => field("oif", Form::Native),
            6 => field("iifname", Form::Text),
            7 => field("oifname", Form::Text),
            15 => field("meta nfproto", Form::Family),
            16 => field("meta l4proto", Form::Protocol),
            10 => field("meta skuid", Form::Native),
            19 => field("meta pkttype", Form::Big),
            _ => field("meta ?", Form::Bytes),
        },
        Expression::Ct { key, .. } => match key {
            0 => field("ct state", Form::State),
            2 => field("ct status", Form::Status),
            3 => field("ct mark", Form::Native),
            _ => field("ct ?", Form::Bytes),
        },
        Expression::Fib { result: 3, flags, .. } if flags & 1 != 0 => {
            field("fib saddr type", Form::Kind)
        }
        Expression::Fib { result: 3, .. } => field("fib daddr type", Form::Kind),
        Expression::Fib { .. } => field("fib saddr oif", Form::Native),
        Expression::Payload { base, offset, length, .. } => match (base, offset, length) {
            (1, 12, 1..=4) => field("ip saddr", Form::Address),
            (1, 16, 1..=4) => field("ip daddr", Form::Address),
            (1, 8, 5..=16) => field("ip6 saddr", Form::Address),
            (1, 24, 5..=16) => field("ip6 daddr", Form::Address),
            (1, 9, 1) => field("ip protocol", Form::Protocol),
            (1, 6, 1) => field("ip6 nexthdr", Form::Protocol),
            (2, 0, 1) => field("icmp type", Form::Big),
            (2, 0, 2) => field("th sport", Form::Big),
            (2, 2, 2) => field("th dport", Form::Big),
            (2, 13, 1) => field("tcp flags", Form::Big),
            _ => field("payload", Form::Bytes),
        },
        _ => None,
    }
}

fn says(expression: &Expression, field: Field, table: &ForeignTable) -> Option<String> {
    Some(match expression {
        Expression::Range { not, low, high, .. } => {
            let sign = if *not { "!= " } else { "" };
            format!("{} {sign}{}-{}", field.name, write(field, low), write(field, high))
        }
        Expression::Lookup { set, to: None, not, .. } => {
            let sign = if *not { "!= " } else { "" };
            format!("{} {sign}{}", field.name, set_text(set, field, table))
        }
        Expression::Lookup { set, .. } => format!("{} vmap {}", field.name, set),
        Expression::Immediate { data: Data::Verdict(verdict), .. } => verdict_text(verdict),
        Expression::Limit { over: true } => "limit rate over …".to_owned(),
        Expression::Limit { .. } => "limit rate …".to_owned(),
        Expression::Match { name, .. } if name == "comment" => return None,
        Expression::Match { name, .. } => format!("-m {name} …"),
        Expression::Target { name, .. } if name == "REJECT" => "reject".to_owned(),
        Expression::Target { name, .. } => format!("-j {name}"),
        Expression::Reject => "reject".to_owned(),
        Expression::Nat { destination: true, .. } => "dnat".to_owned(),
        Expression::Nat { .. } => "snat".to_owned(),
        Expression::Masquerade => "masquerade".to_owned(),
        Expression::Redirect { .. } => "redirect".to_owned(),
        Expression::Aside("counter") => return None,
        Expression::Aside(name) => (*name).to_owned(),
        Expression::Other(name) => format!("{name} …"),
        _ => return None,
    })
}

/// A named set by its name, an unnamed one by its elements.
fn set_text(name: &str, field: Field, table: &ForeignTable) -> String {
    const MOST: usize = 6;
    if !name.starts_with("__") {
        return format!("@{name}");
    }
    let Some(set) = table.sets.get(name) else { return "{ … }".to_owned() };
    let mut elements: Vec<_> = set.elements.iter().filter(|element| !element.ends).collect();
    elements.sort_by(|a, b| a.key.cmp(&b.key));
    let mut texts: Vec<String> =
        elements.iter().take(MOST).map(|element| write(field, &element.key)).collect();
    if elements.len() > MOST {
        texts.push("…".to_owned());
    }
    format!("{{ {} }}", texts.join(", "))
}

fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Queue => "queue".to_owned(),
        Verdict::Jump(to) => format!("jump {to}"),
        Verdict::Goto(to) => format!("goto {to}"),
    }
}

fn write(field: Field, value: &[u8]) -> String {
    let big = || value.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    match field.form {
        Form::Text => {
            let end = value.iter().position(|byte| *byte == 0);
            let name = String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned();
            // A beginning of a name is compared without the zero at its end.
            if end.is_some() { format!("\"{name}\"") } else { format!("\"{name}*\"") }
        }
        Form::Address => address(value),
        Form::Big => big().to_string(),
        Form::Native => wire::u32_of(value).map_or_else(|| hex(value), |n| format!("{n:#x}")),
        Form::Protocol => match big() {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "ipv6-icmp".to_owned(),
            other => other.to_string(),
        },
        Form::Family if big() == 2 => "ipv4".to_owned(),
        Form::Family => "ipv6".to_owned(),
        Form::State | Form::Status => {
            bits_text(field.form, wire::u32_of(value).unwrap_or_default())
        }
        Form::Kind => match wire::u32_of(value).unwrap_or_default() {
            1 => "unicast".to_owned(),
            2 => "local".to_owned(),
            3 => "broadcast".to_owned(),
            5 => "multicast".to_owned(),
            other => other.to_string(),
        },
        Form::Bytes => hex(value),
    }
}

/// `NF_CT_STATE_BIT` and `NF_CT_STATE_UNTRACKED_BIT`, linux/netfilter/nf_conntrack_common.h.
const STATES: &[(u32, &str)] =
    &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];
/// `enum ip_conntrack_status`, likewise; the words are nft's.
const STATUSES: &[(u32, &str)] = &[
    (0x1, "expected"),
    (0x2, "seen-reply"),
    (0x4, "assured"),
    (0x8, "confirmed"),
    (0x10, "snat"),
    (0x20, "dnat"),
    (0x200, "dying"),
];

fn bits_text(form: Form, bits: u32) -> String {
    let names = if matches!(form, Form::Status) { STATUSES } else { STATES };
    let names: Vec<&str> =
        names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    // A mask was compared with zero: any of them.
    if names.is_empty() { "…".to_owned() } else { names.join(",") }
}

/// An address; one that was compared only as far as its prefix is filled up.
fn address(value: &[u8]) -> String {
    let whole = if value.len() <= 4 { 4 } else { 16 };
    let mut bytes = value.to_vec();
    bytes.resize(whole, 0);
    match wire::ip(&bytes) {
        Some(IpAddr::V4(address)) if value.len() < 4 => format!("{address}/{}", value.len() * 8),
        Some(IpAddr::V6(address)) if value.len() < 16 => format!("{address}/{}", value.len() * 8),
        Some(address) => address.to_string(),
        None => hex(value),
    }
}

fn hex(value: &[u8]) -> String {
    value.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
