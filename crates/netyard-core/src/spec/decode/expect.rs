//! Entries of `expect:`.

use super::{beside, exclusive, none_empty, texts};
use crate::diag::yard as about;
use crate::diag::{Report, Span, Spanned, shape as say};
use crate::expect::{Answer, Family, HttpGet, Metric, Question, Want};
use crate::shape::{Record, Value};
use crate::spec::expand::names;
use crate::spec::{ExpectSpec, ProbeSpec};

/// Keys of probes.
const PROBES: [&str; 10] =
    ["ping", "tcp", "udp", "http", "dns", "path-mtu", "delay", "jitter", "loss", "rate"];
const MEASURES: [(&str, Metric); 4] = [
    ("delay", Metric::Delay),
    ("jitter", Metric::Jitter),
    ("loss", Metric::Loss),
    ("rate", Metric::Rate),
];
/// Longest that a test may wait, in milliseconds.
const LONGEST: u64 = 600_000;

pub(super) fn read(record: &Record, report: &mut Report) -> Option<ExpectSpec> {
    let before = report.0.len();
    ends(record, report);
    none_empty(record, &["from", "to", "link", "tcp", "udp"], report);
    if !PROBES.iter().any(|key| record.has(key)) {
        report.push(say::needs_one_of("expectation", record.span, &PROBES));
    }
    if !MEASURES.iter().any(|(key, _)| record.has(key)) {
        beside(record, "tolerance", "delay", report);
    }
    let mut probes = Vec::new();
    let result = result(record);
    probes.extend(ping(record, result.as_ref(), report));
    ports(record, "tcp", ProbeSpec::Tcp, &mut probes);
    ports(record, "udp", ProbeSpec::Udp, &mut probes);
    if let Some(value) = record.values.get("http") {
        probes
            .extend(http(value, report).map(|get| Spanned::new(ProbeSpec::Http(get), value.span)));
    }
    if let Some(value) = record.values.get("dns") {
        let probe = ProbeSpec::Dns(dns(value, report));
        probes.push(Spanned::new(probe, value.span));
    }
    if let Some(bytes) = record.spanned_number("path-mtu") {
        probes.push(bytes.map(ProbeSpec::PathMtu));
    }
    let measures = MEASURES.into_iter();
    probes.extend(measures.filter_map(|(key, metric)| measure(record, key, metric, report)));
    listening(record, report);
    let time = |key, report: &mut Report| record.milliseconds(key, 1, LONGEST, report);
    let spec = ExpectSpec {
        span: record.span,
        name: record.text("name"),
        from: named(record, "from", report),
        to: named(record, "to", report),
        links: named(record, "link", report),
        probes,
        result,
        families: record.text("family").map(|word| word.map(|word| families(&word))),
        within: time("within", report),
        proof: time("proof", report),
        listen: record.bool("listen").map(|listen| listen.value),
        tolerance: record.percent("tolerance").map(|t| t.value),
    };
    (report.0.len() == before).then_some(spec)
}

/// Either a link, or who sends to whom.
fn ends(record: &Record, report: &mut Report) {
    exclusive(record, "expectation", ["from", "link"], report);
    exclusive(record, "expectation", ["to", "link"], report);
    if record.has("link") {
        for key in PROBES.iter().filter(|key| !MEASURES.iter().any(|(m, _)| m == *key)) {
            exclusive(record, "expectation", [key, "link"], report);
        }
        return;
    }
    if !record.has("from") {
        report.push(say::needs_one_of("expectation", record.span, &["from", "link"]));
    } else if !record.has("to") && !record.has("dns") {
        report.push(say::needs_beside("from", record.place("from").unwrap_or(record.span), "to"));
    }
    for (key, _) in MEASURES {
        // As the file says: that is of a link.
        if let Some(Spanned { value: Value::Bool(_), span }) = record.values.get(key) {
            report.push(say::measured_by_the_file(key, *span));
        }
    }
}

fn result(record: &Record) -> Option<Spanned<Want>> {
    let word = record.text("result")?;
    Some(Spanned::new(Want::of(&word.value)?, word.span))
}

/// `ping: true`, `ping: blocked`.
fn ping(
    record: &Record,
    result: Option<&Spanned<Want>>,
    report: &mut Report,
) -> Option<Spanned<ProbeSpec>> {
    let value = record.values.get("ping")?;
    let (want, word) = match &value.value {
        Value::Bool(true) => (None, "true"),
        Value::Bool(false) => (Some(Want::Blocked), "false"),
        Value::Text(word) => (Want::of(word), word.as_str()),
        _ => return None,
    };
    if let (Some(want), Some(result)) = (want, result)
        && want != result.value
    {
        let said = (result.value.word(), result.span);
        report.push(about::ping_contradicts((word, value.span), said));
    }
    Some(Spanned::new(ProbeSpec::Ping(want), value.span))
}

fn ports(
    record: &Record,
    key: &str,
    probe: fn(u16) -> ProbeSpec,
    probes: &mut Vec<Spanned<ProbeSpec>>,
) {
    for value in record.list(key) {
        match &value.value {
            Value::Range(from, to) => {
                let ports = (*from..=*to).filter_map(|port| u16::try_from(port).ok());
                probes.extend(ports.map(|port| Spanned::new(probe(port), value.span)));
            }
            Value::Text(name) => {
                let service = ProbeSpec::Service(key == "udp", name.clone());
                probes.push(Spanned::new(service, value.span));
            }
            _ => {}
        }
    }
}

/// `80`, `8080/path`, `/path`, or a mapping.
fn http(value: &Spanned<Value>, report: &mut Report) -> Option<HttpGet> {
    let (port, path, host, status) = match &value.value {
        Value::Text(text) => {
            let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, path) = text.split_at(at);
            let port = if digits.is_empty() { Some(80) } else { digits.parse().ok() };
            match port.filter(|port| *port > 0 && (path.is_empty() || path.starts_with('/'))) {
                Some(port) => (port, path.to_owned(), None, None),
                None => {
                    let found = format!("`{text}`");
                    let what = "a port and a path";
                    report.push(say::bad_value(value.span, &found, what, "8080/path"));
                    return None;
                }
            }
        }
        Value::Record(record) => (
            record.number("port").unwrap_or(80),
            record.text("path").map(|p| p.value).unwrap_or_default(),
            record.text("host").map(|h| h.value),
            record.number("status"),
        ),
        _ => return None,
    };
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let odd = |text: &str| text.chars().any(|c| c.is_control() || c.is_whitespace());
    if odd(&path) || host.as_deref().is_some_and(odd) {
        report.push(say::bad_value(value.span, "white space", "a path as in a URL", "/a%20b"));
        return None;
    }
    Some(HttpGet { port, path, host, status })
}

/// A name, or a mapping.
fn dns(value: &Spanned<Value>, report: &mut Report) -> Question {
    let record = match &value.value {
        Value::Record(record) => record,
        Value::Text(name) => {
            let (name, record) = (name.clone(), "A".to_owned());
            return Question { port: 53, name, record, answer: Answer::Any };
        }
        _ => &Record::default(),
    };
    none_empty(record, &["answer"], report);
    let text = |key| record.text(key).map(|t| t.value);
    let answers: Vec<String> = texts(record, "answer").into_iter().map(|t| t.value).collect();
    let answer = match &answers[..] {
        [] => Answer::Any,
        [only] if only == "none" => Answer::Nothing,
        _ => Answer::These(answers),
    };
    Question {
        port: record.number("port").unwrap_or(53),
        name: text("name").unwrap_or_default(),
        record: text("type").unwrap_or_else(|| "A".to_owned()),
        answer,
    }
}

fn measure(
    record: &Record,
    key: &'static str,
    metric: Metric,
    report: &mut Report,
) -> Option<Spanned<ProbeSpec>> {
    let value = record.values.get(key)?;
    let given = match value.value {
        Value::Bool(true) => None,
        Value::Duration(time) => Some(time),
        Value::Percent(share) => Some(share.into()),
        Value::Rate(0) => {
            report.push(about::rate_of_nothing(value.span));
            return None;
        }
        Value::Rate(rate) => Some(rate),
        _ => return None,
    };
    Some(Spanned::new(ProbeSpec::Measure(metric, given), value.span))
}

/// `listen:` is about ports.
fn listening(record: &Record, report: &mut Report) {
    if !record.has("udp") {
        beside(record, "listen", "tcp", report);
    }
}

fn families(word: &str) -> Vec<Family> {
    match word {
        "ipv4" => vec![Family::Ipv4],
        "ipv6" => vec![Family::Ipv6],
        _ => Family::BOTH.to_vec(),
    }
}

/// The texts of a key, ranges in them expanded.
fn named(record: &Record, key: &str, report: &mut Report) -> Vec<Spanned<String>> {
    let mut all = Vec::new();
    for text in texts(record, key) {
        match expanded(&text.value, text.span, report) {
            Some(names) => all.extend(names.into_iter().map(|name| Spanned::new(name, text.span))),
            None => all.push(text),
        }
    }
    all
}

fn expanded(text: &str, span: Span, report: &mut Report) -> Option<Vec<String>> {
    if !text.contains('[') {
        return None;
    }
    match names(text, span) {
        Ok(names) => Some(names),
        Err(diagnostic) => {
            report.push(*diagnostic);
            Some(Vec::new())
        }
    }
}
