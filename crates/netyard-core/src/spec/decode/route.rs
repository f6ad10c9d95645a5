//! Entries of `routes:`, `rules:` and `neighbours:`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::via;
use super::{exclusive, records};
use crate::diag::{Report, Spanned, shape as say};
use crate::shape::{Record, Value};
use crate::spec::{HopSpec, NeighbourSpec, RouteSpec, RuleSpec};
use crate::state::{RouteKind, RuleAction};

/// Keys that end a packet's way, and what they make of the route.
const ENDS: [(&str, RouteKind); 3] = [
    ("blackhole", RouteKind::Blackhole),
    ("unreachable", RouteKind::Unreachable),
    ("prohibit", RouteKind::Prohibit),
];

/// Keys that say where a route leads.
const WAYS: [&str; 3] = ["via", "dev", "nexthops"];

pub(super) fn route(record: &Record, report: &mut Report) -> Option<RouteSpec> {
    let mark = report.0.len();
    let ends: Vec<_> = ENDS
        .iter()
        .filter(|(key, _)| record.bool(key).is_some_and(|b| b.value))
        .filter_map(|(key, kind)| Some(((*key, record.place(key)?), *kind)))
        .collect();
    let ways: Vec<_> = WAYS.iter().filter_map(|key| Some((*key, record.place(key)?))).collect();
    let failed = |key: &&str| record.failed.contains(key);
    match (&ends[..], &ways[..]) {
        ([], []) if !WAYS.iter().chain(ENDS.iter().map(|(key, _)| key)).any(failed) => {
            let keys = ["via", "dev", "nexthops", "blackhole", "unreachable", "prohibit"];
            report.push(say::needs_one_of("route", record.span, &keys));
        }
        ([(end, _), ..], [way, ..]) => report.push(say::exclude_each_other("route", *end, *way)),
        ([(a, _), (b, _), ..], _) => report.push(say::exclude_each_other("route", *a, *b)),
        _ => {}
    }
    for key in ["via", "dev", "weight", "onlink"] {
        exclusive(record, "route", [key, "nexthops"], report);
    }
    if report.0.len() > mark {
        return None; // what such a route means nobody knows
    }
    let kind = ends.first().map_or(RouteKind::Unicast, |(_, kind)| *kind);
    let hops = match (kind, record.values.contains_key("nexthops")) {
        (RouteKind::Unicast, true) => records(record, "nexthops").map(|r| hop(r, report)).collect(),
        (RouteKind::Unicast, false) => vec![hop(record, report)],
        _ => Vec::new(),
    };
    Some(RouteSpec {
        span: record.span,
        to: selector(record, "to")?,
        kind,
        hops,
        metric: record.spanned_number("metric"),
        table: table(record),
        source: record.ip("source"),
        mtu: record.spanned_number("mtu"),
    })
}

fn hop(record: &Record, report: &mut Report) -> HopSpec {
    let via = record.values.get("via").and_then(via);
    let dev = record.text("dev");
    if !["via", "dev", "to"].iter().any(|k| record.has(k)) {
        report.push(say::needs_one_of("next hop", record.span, &["via", "dev"]));
    }
    HopSpec {
        span: record.span,
        via,
        dev,
        onlink: record.bool("onlink").is_some_and(|o| o.value),
        weight: record.number("weight").unwrap_or(1),
    }
}

/// A network; an address alone is a network of its own; a word is none.
fn selector(record: &Record, key: &str) -> Option<Spanned<Option<IpNet>>> {
    let value = record.values.get(key)?;
    let net = match &value.value {
        Value::Net(net) => Some(*net),
        Value::Ip(ip) => Some(IpNet::from(*ip)),
        _ => None,
    };
    Some(Spanned::new(net, value.span))
}

fn table(record: &Record) -> Option<Spanned<u32>> {
    let value = record.values.get("table")?;
    // Their numbers are the kernel's, RT_TABLE_* of linux/rtnetlink.h.
    let number = match &value.value {
        Value::Int(n) => u32::try_from(*n).ok()?,
        Value::Text(word) if word == "local" => 255,
        Value::Text(word) if word == "default" => 253,
        _ => 254,
    };
    Some(Spanned::new(number, value.span))
}

pub(super) fn rule(record: &Record, report: &mut Report) -> Option<RuleSpec> {
    let net = |key| {
        let selector = selector(record, key)?;
        Some(Spanned::new(selector.value?, selector.span))
    };
    let (from, to): (Option<Spanned<IpNet>>, Option<Spanned<IpNet>>) = (net("from"), net("to"));
    let family = record.text("family").map(|f| f.map(|f| f == "ipv6"));
    let is_v6 = |n: &Spanned<IpNet>| Spanned::new(matches!(n.value, IpNet::V6(_)), n.span);
    let families: Vec<Spanned<bool>> =
        family.into_iter().chain(from.as_ref().map(is_v6)).chain(to.as_ref().map(is_v6)).collect();
    if let Some(other) = families.iter().find(|f| f.value != families[0].value) {
        report.push(say::mixed_families(families[0].span, other.span));
    }
    for keys in [["table", "goto"], ["table", "action"], ["goto", "action"]] {
        exclusive(record, "rule", keys, report);
    }
    let action = action(record);
    if action.is_none() && !["table", "goto", "action"].iter().any(|k| record.has(k)) {
        report.push(say::needs_one_of("rule", record.span, &["table", "goto", "action"]));
    }
    Some(RuleSpec {
        span: record.span,
        ipv6: families.first().map(|f| f.value),
        priority: record.spanned_number("priority"),
        from,
        to,
        fwmark: record.text("fwmark").and_then(|text| mark(text, report)),
        iif: record.text("iif"),
        oif: record.text("oif"),
        not: record.bool("not").is_some_and(|n| n.value),
        action: action?,
        suppress_prefix_length: record.number("suppress-prefix-length"),
    })
}

fn action(record: &Record) -> Option<RuleAction> {
    if let Some(table) = table(record) {
        return Some(RuleAction::Table(table.value));
    }
    if let Some(priority) = record.number("goto") {
        return Some(RuleAction::Goto(priority));
    }
    Some(match &*record.text("action")?.value {
        "blackhole" => RuleAction::Blackhole,
        "unreachable" => RuleAction::Unreachable,
        _ => RuleAction::Prohibit,
    })
}

/// `0x10`, `16`, `0x10/0xff`: mark and mask.
fn mark(text: Spanned<String>, report: &mut Report) -> Option<Spanned<(u32, u32)>> {
    let number = |t: &str| match t.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        _ => t.parse().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit())),
    };
    let (mark, mask) = text.value.split_once('/').unwrap_or((&text.value, "0xffffffff"));
    match (number(mark), number(mask)) {
        (Some(mark), Some(mask)) => Some(Spanned::new((mark, mask), text.span)),
        _ => {
            let found = format!("`{}`", text.value);
            report.push(say::bad_value(text.span, &found, "a firewall mark", "0x10/0xff"));
            None
        }
    }
}

pub(super) fn neighbour(record: &Record, report: &mut Report) -> Option<NeighbourSpec> {
    let proxy = record.bool("proxy").is_some_and(|p| p.value);
    let mac = record.mac("mac");
    match (&mac, proxy) {
        (Some(_), true) => exclusive(record, "neighbour", ["mac", "proxy"], report),
        (None, false) if !record.has("mac") => {
            report.push(say::needs_one_of("neighbour", record.span, &["mac", "proxy"]));
        }
        _ => {}
    }
    let address: Spanned<IpAddr> = record.ip("address")?;
    Some(NeighbourSpec { address, mac, dev: record.text("dev")? })
}
