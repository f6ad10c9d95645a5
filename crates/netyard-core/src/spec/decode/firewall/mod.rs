//! Entries of `firewall:`.

mod filter;
mod nat;

use super::{named_records, none_empty, records, texts};
use crate::diag::{Report, Span, Spanned, firewall as say};
use crate::nft::{PortRange, Protocol};
use crate::shape::{Record, Value};
use crate::spec::firewall::{FirewallSpec, Names, PolicySpec, What};

/// `NF_LOG_PREFIXLEN` of linux/netfilter/nf_log.h, without the closing zero.
const PREFIX_MAX: usize = 127;

pub(super) fn read_all(root: &Record, report: &mut Report) -> Vec<FirewallSpec> {
    named_records(root, "firewall").map(|(name, record)| read(name, record, report)).collect()
}

fn read(node: &Spanned<String>, record: &Record, report: &mut Report) -> FirewallSpec {
    let filter = |key, report: &mut Report| {
        record.record(key).map(|filter| filter::read(key, &filter.value, report))
    };
    let mut services = Vec::new();
    for (name, value) in record.map("services") {
        if is_free_name(name, report) {
            if list(value).is_empty() && matches!(value.value, Value::List(_)) {
                report.push(say::service_empty(name));
            }
            services.push((name.clone(), service(value, report)));
        }
    }
    let mut sets = Vec::new();
    for (name, value) in record.map("sets") {
        if is_free_name(name, report) {
            let nets = nets(list(value));
            if list(value).is_empty() && matches!(value.value, Value::List(_)) {
                report.push(say::set_empty(name));
            }
            sets.push((name.clone(), nets));
        }
    }
    none_empty(record, &["offload"], report);
    let zone = |(name, value): &(Spanned<String>, Spanned<Value>), report: &mut Report| {
        is_free_name(name, report).then(|| (name.clone(), names(list(value))))
    };
    FirewallSpec {
        node: node.clone(),
        zones: record.map("zones").iter().filter_map(|z| zone(z, report)).collect(),
        services,
        sets,
        input: filter("input", report),
        output: filter("output", report),
        forward: filter("forward", report),
        policies: records(record, "policies").map(|r| policy(r, report)).collect(),
        nat: nat::read(record, report),
        mss: match record.values.get("mss-clamp").map(|v| &v.value) {
            Some(Value::Bool(true)) => Some(None),
            Some(Value::Int(bytes)) => u16::try_from(*bytes).ok().map(Some),
            _ => None,
        },
        offload: texts(record, "offload"),
        raw: record.text("raw").filter(|raw| !raw.value.trim().is_empty()),
    }
}

fn policy(record: &Record, report: &mut Report) -> PolicySpec {
    none_empty(record, &["from", "to"], report);
    let (from, to) = (texts(record, "from"), texts(record, "to"));
    let text = |names: &Names| names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(",");
    let title = format!("{} to {}", text(&from), text(&to));
    PolicySpec { span: record.span, from, to, filter: filter::read(&title, record, report) }
}

/// Words that mean something of their own where names stand.
const RESERVED: [&str; 14] = [
    "any", "all", "self", "uplink", "from", "to", "tcp", "udp", "sctp", "icmp", "icmpv6", "ping",
    "esp", "gre",
];

fn is_free_name(name: &Spanned<String>, report: &mut Report) -> bool {
    let text = name.value.as_str();
    if RESERVED.contains(&text) {
        report.push(say::name_reserved(name));
        return false;
    }
    let is_word = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_word) {
        report.push(say::name_bad(name));
        return false;
    }
    true
}

fn list(value: &Spanned<Value>) -> &[Spanned<Value>] {
    match &value.value {
        Value::List(list) => list,
        _ => &[],
    }
}

fn names(values: &[Spanned<Value>]) -> Names {
    let text = |v: &Spanned<Value>| match &v.value {
        Value::Text(text) => Some(Spanned::new(text.clone(), v.span)),
        _ => None,
    };
    values.iter().filter_map(text).collect()
}

fn nets(values: &[Spanned<Value>]) -> Vec<Spanned<ipnet::IpNet>> {
    let net = |v: &Spanned<Value>| match v.value {
        Value::Net(net) => Some(Spanned::new(net, v.span)),
        Value::Ip(ip) => Some(Spanned::new(ip.into(), v.span)),
        _ => None,
    };
    values.iter().filter_map(net).collect()
}

/// The ports that a service of the file has: `udp 27000-27050`.
fn service(value: &Spanned<Value>, report: &mut Report) -> Vec<What> {
    let mut all = Vec::new();
    for text in names(list(value)) {
        let (word, rest) = text.value.split_once(char::is_whitespace).unwrap_or((&text.value, ""));
        match (protocol_with_ports(word), word) {
            (Some(protocol), _) if !rest.trim().is_empty() => {
                let ranges = port_texts(rest, &text, report);
                all.extend(ranges.map(|ranges| What::Ports(protocol, ranges)));
            }
            (None, "icmp" | "icmpv6" | "esp" | "ah" | "gre") if rest.is_empty() => {
                all.extend(protocol(word));
            }
            _ => report.push(say::service_text(&text)),
        }
    }
    all
}

fn protocol_with_ports(word: &str) -> Option<Protocol> {
    Some(match word {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    })
}

/// A protocol by name or number, whole.
fn protocol(word: &str) -> Option<What> {
    Some(What::Protocol(match word {
        "icmp" => return Some(What::Icmp),
        "ping" => return Some(What::Ping),
        "icmpv6" => Protocol::Icmpv6,
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "esp" => Protocol::Esp,
        "ah" => Protocol::Ah,
        "gre" => Protocol::Gre,
        _ => Protocol::Other(word.parse().ok()?),
    }))
}

/// `80,443,8000-8010`; `any` is all. None where it is none, which is reported.
fn port_texts(text: &str, whole: &Spanned<String>, report: &mut Report) -> Option<Vec<PortRange>> {
    if text.trim() == "any" {
        return Some(vec![ANY_PORT]);
    }
    let mut ranges = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let port = |t: &str| t.trim().parse::<u16>().ok().filter(|p| *p > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => ranges.push(PortRange { first, last }),
            (Some(first), Some(last)) => {
                report.push(say::ports_reversed(place(whole, part), first, last));
                return None;
            }
            _ => {
                report.push(say::ports_bad(place(whole, part), part));
                return None;
            }
        }
    }
    Some(merged(ranges))
}

/// Every port.
const ANY_PORT: PortRange = PortRange { first: 1, last: u16::MAX };

/// The ranges of a key, sorted and joined where they touch.
fn port_values(record: &Record, key: &str) -> Vec<PortRange> {
    let range = |v: &Spanned<Value>| match v.value {
        Value::Range(first, last) => {
            Some(PortRange { first: u16::try_from(first).ok()?, last: u16::try_from(last).ok()? })
        }
        Value::Text(_) => Some(ANY_PORT),
        _ => None,
    };
    merged(record.list(key).iter().filter_map(range).collect())
}

fn merged(mut ranges: Vec<PortRange>) -> Vec<PortRange> {
    ranges.sort_unstable();
    let mut merged: Vec<PortRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// A range of a key that takes one.
fn port_range(record: &Record, key: &str) -> Option<PortRange> {
    let Some(Spanned { value: Value::Range(first, last), .. }) = record.values.get(key) else {
        return None;
    };
    Some(PortRange { first: u16::try_from(*first).ok()?, last: u16::try_from(*last).ok()? })
}

/// The place of a part of a text, where the text is as in the file.
fn place(whole: &Spanned<String>, part: &str) -> Span {
    let span = whole.span;
    let written = (span.end - span.start) as usize;
    let quotes = written.saturating_sub(whole.value.len());
    match whole.value.find(part) {
        Some(at) if quotes == 0 || quotes == 2 => {
            let start = span.start + (quotes / 2 + at) as u32;
            Span { start, end: start + part.len() as u32, ..span }
        }
        _ => span,
    }
}

/// `log:` what the line begins with; `default` where it is `true`.
fn log(record: &Record, default: &str, report: &mut Report) -> Option<String> {
    let value = record.values.get("log")?;
    match &value.value {
        Value::Bool(true) => {
            let mut text = format!("netyard {default}");
            let end = (0..PREFIX_MAX).rev().find(|i| text.is_char_boundary(*i));
            text.truncate(end.unwrap_or(0));
            Some(text + " ")
        }
        Value::Text(text) if text.len() > PREFIX_MAX => {
            report.push(say::log_too_long(value.span, text.len(), PREFIX_MAX));
            None
        }
        Value::Text(text) if text.contains(|c: char| c == '"' || c.is_control()) => {
            report.push(say::log_text(value.span));
            None
        }
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}
