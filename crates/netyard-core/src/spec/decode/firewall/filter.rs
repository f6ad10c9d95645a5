//! Rules of filters, in their short and their long form.

use std::num::IntErrorKind;

use super::{log, place, port_texts, port_values, protocol, protocol_with_ports};
use crate::diag::{Report, Span, Spanned, firewall as say, shape};
use crate::nft::{PortRange, Protocol, RateLimit};
use crate::shape::{Record, Value};
use crate::spec::decode::{none_empty, texts};
use crate::spec::firewall::{FilterRuleSpec, FilterSpec, Limit, Names, Verdict, What};

/// A filter; `title` is what rules and log lines call it.
pub(super) fn read(title: &str, record: &Record, report: &mut Report) -> FilterSpec {
    let policy = record.text("policy").map(|word| {
        word.map(|word| match word.as_str() {
            "drop" => Verdict::Drop,
            "reject" => Verdict::Reject,
            _ => Verdict::Accept,
        })
    });
    let mut rules = Vec::new();
    for (key, verdict) in [("deny", Verdict::Drop), ("allow", Verdict::Accept)] {
        for (value, number) in record.list(key).iter().zip(1..) {
            let mut draft = Draft {
                label: format!("{title} {key} {number}"),
                verdict,
                span: value.span,
                report,
            };
            rules.extend(match &value.value {
                Value::Text(text) => draft.short(&Spanned::new(text.clone(), value.span)),
                Value::Record(record) => draft.long(record),
                _ => None,
            });
        }
    }
    let has_allow = record.has("allow");
    FilterSpec { span: record.span, policy, rules, has_allow, log: log(record, title, report) }
}

struct Draft<'a> {
    label: String,
    verdict: Verdict,
    span: Span,
    report: &'a mut Report,
}

impl Draft<'_> {
    fn rule(&self, words: &str, what: Vec<What>, from: Names, to: Names) -> FilterRuleSpec {
        FilterRuleSpec {
            span: self.span,
            label: format!("{}: {words}", self.label),
            verdict: self.verdict,
            what,
            from,
            to,
            ipv6: None,
            limit: None,
            connections: None,
            log: None,
        }
    }

    /// `ssh`, `tcp 80,443 from inside to web`.
    fn short(&mut self, text: &Spanned<String>) -> Option<FilterRuleSpec> {
        let (mut what, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let mut side = None;
        for word in text.value.split_whitespace() {
            match (word, &mut side) {
                ("from" | "to", _) => side = Some(word),
                (_, None) => what.push(word),
                (_, Some(side)) => {
                    let list = if *side == "from" { &mut from } else { &mut to };
                    let parts = word.split(',').filter(|p| !p.is_empty());
                    list.extend(parts.map(|p| Spanned::new(p.to_owned(), place(text, p))));
                }
            }
        }
        let bare = |side: &str, list: &Names| {
            list.is_empty() && text.value.split_whitespace().any(|w| w == side)
        };
        if bare("from", &from) || bare("to", &to) || what.is_empty() {
            self.report.push(say::rule_text(text));
            return None;
        }
        let words = text.value.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = self.what(&what, text)?;
        Some(self.rule(&words, what, from, to))
    }

    fn what(&mut self, words: &[&str], text: &Spanned<String>) -> Option<Vec<What>> {
        let [first, rest @ ..] = words else { return None };
        if let (Some(protocol), false) = (protocol_with_ports(first), rest.is_empty()) {
            let ports = port_texts(&rest.join(" ").replace(", ", ","), text, self.report)?;
            return Some(vec![What::Ports(protocol, ports)]);
        }
        let is_number = |w: &str| w.starts_with(|c: char| c.is_ascii_digit());
        match (*first, rest) {
            ("any" | "all", []) => Some(Vec::new()),
            (port, []) if is_number(port) => {
                self.report.push(say::port_without_protocol(place(text, port), port));
                None
            }
            (word, []) => Some(vec![protocol(word).unwrap_or_else(|| {
                What::Service(Spanned::new(word.to_owned(), place(text, word)))
            })]),
            _ => {
                self.report.push(say::rule_text(text));
                None
            }
        }
    }

    fn long(&mut self, record: &Record) -> Option<FilterRuleSpec> {
        if record.values.is_empty() && record.failed.is_empty() {
            self.report.push(say::rule_empty(record.span));
            return None;
        }
        let about = ["service", "protocol", "tcp", "udp", "sctp"];
        none_empty(record, &about, self.report);
        none_empty(record, &["from", "to"], self.report);
        let mut what: Vec<What> = texts(record, "service").into_iter().map(What::Service).collect();
        for word in texts(record, "protocol") {
            match protocol(&word.value) {
                Some(protocol) => what.push(protocol),
                None => self.report.push(say::protocol_unknown(&word)),
            }
        }
        for key in ["tcp", "udp", "sctp"] {
            let ports = port_values(record, key);
            if let (Some(protocol), false) = (protocol_with_ports(key), ports.is_empty()) {
                what.push(What::Ports(protocol, ports));
            }
        }
        if what.is_empty() && about.iter().any(|key| record.has(key)) {
            return None; // empty or wrong, and that is said
        }
        let (from, to) = (texts(record, "from"), texts(record, "to"));
        let words = describe(&what, &from, &to);
        let default = self.label.clone();
        let limit = self.limit(record);
        let log = log(record, &default, self.report);
        let verdict = self.verdict(record);
        let mut rule = self.rule(&words, what, from, to);
        rule.verdict = verdict;
        rule.ipv6 = record.text("family").map(|f| f.value == "ipv6");
        rule.limit = limit;
        rule.connections = record.number("connections");
        if let (Some(span), true) = (record.place("connections"), verdict != Verdict::Accept) {
            self.report.push(say::only_in_allow("connections", span));
        }
        rule.log = log;
        Some(rule)
    }

    fn verdict(&mut self, record: &Record) -> Verdict {
        let Some(word) = record.text("with") else { return self.verdict };
        if self.verdict == Verdict::Accept {
            self.report.push(say::only_in_deny("with", word.span));
            return self.verdict;
        }
        match word.value.as_str() {
            "reject" => Verdict::Reject,
            "unreachable" => Verdict::Unreachable,
            "prohibited" => Verdict::Prohibited,
            _ => Verdict::Drop,
        }
    }

    fn limit(&mut self, record: &Record) -> Option<Limit> {
        let value = record.values.get("limit")?;
        let (text, burst, per_source) = match &value.value {
            Value::Text(text) => (Spanned::new(text.clone(), value.span), None, false),
            Value::Record(limit) => {
                let per = limit.text("per").is_some_and(|p| p.value == "source");
                (limit.text("rate")?, limit.number("burst"), per)
            }
            _ => return None,
        };
        let (amount, unit) = text.value.split_once('/').unwrap_or((&text.value, ""));
        let seconds = match unit.trim() {
            "s" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            "d" | "day" => 86400,
            "week" => 604_800,
            _ => 0,
        };
        match (amount.trim().parse::<u64>(), seconds) {
            (Ok(0), 1..) => self.report.push(say::rate_zero(text.span)),
            (Ok(amount), 1..) => {
                let over = self.verdict != Verdict::Accept;
                let burst = burst.unwrap_or(5);
                if let Err(most) = countable(amount, seconds, burst) {
                    self.report.push(say::limit_too_large(value.span, most));
                    return None;
                }
                let rate = RateLimit { amount, bytes: false, seconds, burst, over };
                return Some(Limit { rate, per_source });
            }
            (Err(error), 1..) if *error.kind() == IntErrorKind::PosOverflow => {
                self.report.push(say::limit_too_large(value.span, FASTEST));
            }
            _ => {
                let found = format!("`{}`", text.value);
                self.report.push(shape::bad_value(text.span, &found, "a rate", "10/minute"));
            }
        }
        None
    }
}

/// What the kernel's clock tells apart.
const FASTEST: &str = "1000000000 each second: its clock counts nanoseconds";

/// Whether the kernel can count it (`nft_limit_init` of net/netfilter/nft_limit.c):
/// each takes a whole number of nanoseconds, and a burst of them 64 bits at most.
fn countable(amount: u64, seconds: u64, burst: u32) -> Result<(), &'static str> {
    let each = seconds * 1_000_000_000 / amount;
    if each == 0 {
        return Err(FASTEST);
    }
    match each.checked_mul(burst.into()) {
        Some(_) => Ok(()),
        None => Err("a burst that takes 584 years to come again"),
    }
}

/// A rule's long form in a few words.
fn describe(what: &[What], from: &Names, to: &Names) -> String {
    let mut text = what.iter().map(word).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("any");
    }
    for (side, names) in [("from", from), ("to", to)] {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
            text.push_str(&format!(" {side} {}", names.join(",")));
        }
    }
    text
}

fn word(what: &What) -> String {
    match what {
        What::Service(name) => name.value.clone(),
        What::Ports(protocol, ports) => {
            let ports: Vec<String> = ports.iter().map(PortRange::to_string).collect();
            format!("{} {}", protocol_word(*protocol), ports.join(","))
        }
        What::Protocol(protocol) => protocol_word(*protocol),
        What::Icmp => "icmp".to_owned(),
        What::Ping => "ping".to_owned(),
    }
}

fn protocol_word(protocol: Protocol) -> String {
    match protocol {
        Protocol::Other(number) => format!("protocol {number}"),
        named => format!("{named:?}").to_lowercase(),
    }
}
