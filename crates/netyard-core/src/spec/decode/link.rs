//! Entries of `links:`, and what is done to packets.

use super::address::prefixes;
use super::{beside, full_name};
use crate::diag::{Report, Span, Spanned, shape as say};
use crate::interface::wireguard;
use crate::name::FullName;
use crate::shape::{Record, Value};
use crate::spec::check::fill;
use crate::spec::{EndSpec, LinkSpec, TunnelSpec};
use crate::state::Impairment;

/// Reads a link, written as a mapping or as a list of its ends.
pub(super) fn read(
    value: &Spanned<Value>,
    defaults: Option<&Record>,
    report: &mut Report,
) -> Option<LinkSpec> {
    match &value.value {
        Value::Record(record) => link(record, record.place("ends").unwrap_or(value.span), report),
        Value::List(_) => {
            let mut record = Record { span: value.span, ..Record::default() };
            record.values.insert("ends", value.clone());
            if let Some(defaults) = defaults {
                fill(&mut record, defaults);
            }
            link(&record, value.span, report)
        }
        _ => None,
    }
}

fn link(record: &Record, place: Span, report: &mut Report) -> Option<LinkSpec> {
    let name = record.text("name").and_then(|n| full_name("link", &n, report));
    let side = |key: &str| record.record(key).map(|r| r.value).unwrap_or_default();
    let forward = impairment(&[record, &side("forward")], report);
    let backward = impairment(&[record, &side("backward")], report);
    let written = record.list("ends");
    let ends: Vec<EndSpec> = written.iter().filter_map(end).collect();
    if written.len() != 2 && record.values.contains_key("ends") {
        report.push(say::not_two_ends(place, written.len()));
    }
    let tunnel = tunnel(record, report);
    Some(LinkSpec {
        span: record.span,
        name,
        ends: ends.try_into().ok()?,
        mtu: record.spanned_number("mtu"),
        prefixes: prefixes(record),
        forward: forward.map(|i| i.value),
        backward: backward.map(|i| i.value),
        tunnel,
    })
}

/// The keys that only a tunnel has are refused where there is none.
fn tunnel(record: &Record, report: &mut Report) -> Option<TunnelSpec> {
    for key in ["birth", "keepalive", "preshared"] {
        beside(record, key, "tunnel", report);
    }
    let said = record.text("tunnel")?;
    Some(TunnelSpec {
        span: said.span,
        birth: record.text("birth"),
        keepalive: wireguard::keepalive(record, report),
        preshared: wireguard::preshared(record),
    })
}

/// One end; the check has seen that both names are names. The place of each is
/// its own part of the text, where that is as in the file.
fn end(value: &Spanned<Value>) -> Option<EndSpec> {
    let Value::Text(text) = &value.value else { return None };
    let (node, interface) = text.split_once(':')?;
    let span = value.span;
    let verbatim = (span.end - span.start) as usize == text.len();
    let colon = span.start + node.len() as u32;
    let (left, right) = if verbatim {
        (Span { end: colon, ..span }, Span { start: colon + 1, ..span })
    } else {
        (span, span)
    };
    Some(EndSpec {
        node: Spanned::new(node.to_owned(), left),
        interface: Spanned::new(FullName::new(interface).ok()?, right),
    })
}

/// What is done to packets, a later record's keys over an earlier one's; its
/// place is that of its first key. Nothing when none is there.
pub(super) fn impairment(records: &[&Record], report: &mut Report) -> Option<Spanned<Impairment>> {
    let (mut all, mut place) = (Record::default(), None);
    for record in records {
        for field in super::super::shapes::IMPAIRMENT.fields {
            if let Some(value) = record.values.get(field.key) {
                place = place.or(Some(value.span));
                all.values.insert(field.key, value.clone());
            }
        }
    }
    let place = place?;
    beside(&all, "jitter", "delay", report);
    beside(&all, "reorder", "delay", report);
    let percent = |key| all.percent(key).map_or(0, |p| p.value);
    let time = |key| all.duration(key).map_or(0, |d| d.value);
    let impairment = Impairment {
        delay: time("delay"),
        jitter: time("jitter"),
        loss: percent("loss"),
        duplicate: percent("duplicate"),
        reorder: percent("reorder"),
        corrupt: percent("corrupt"),
        rate: all.rate("rate").map_or(0, |r| r.value),
        limit: all.number("limit").unwrap_or(0),
    };
    Some(Spanned::new(impairment, place))
}
