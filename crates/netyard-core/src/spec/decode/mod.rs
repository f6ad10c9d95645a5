//! Record -> Spec: what fits its tables becomes the structs of the Spec.
//! Checked here is what one entry says about itself and no table can say.

mod address;
mod default;
mod expect;
mod firewall;
mod interface;
mod link;
mod node;
mod route;
mod serving;
mod serving6;
mod uplink;

use std::collections::BTreeSet;

use super::{HostSideSpec, NetworkSpec, Spec};
use crate::diag::{Report, Span, Spanned, shape as say};
use crate::interface::Bridge;
use crate::name::{BadName, FullName, InterfaceName, NodeName, YardName};
use crate::service::metrics::Metrics;
use crate::shape::{Record, Value};

/// Reads a checked file; `None` when the yard itself has no name.
pub(super) fn decode(root: &Record, fallback_name: &str, report: &mut Report) -> Option<Spec> {
    let yard = yard_name(root, fallback_name, report);
    let mut networks: Vec<_> = named_records(root, "networks")
        .filter_map(|(name, record)| network(name, record, report))
        .collect();
    let mut nodes: Vec<_> = named_records(root, "nodes")
        .filter_map(|(name, record)| node::read(name, record, report))
        .collect();
    let defaults = root.record("defaults").map(|d| d.value).unwrap_or_default();
    let link_defaults = defaults.record("link").map(|d| d.value);
    let links: Vec<_> = root
        .list("links")
        .iter()
        .filter_map(|value| link::read(value, link_defaults.as_ref(), report))
        .collect();
    let expect = records(root, "expect").filter_map(|r| expect::read(r, report)).collect();
    if let Some(defaults) = defaults.record("interface") {
        default::ends(&links, &mut nodes, &defaults.value, report);
        if let Some(mtu) = defaults.value.place("mtu") {
            default::mtus(&networks, &links, &mut nodes, mtu);
        }
    }
    crate::vm::wire(&mut nodes, &links, report);
    crate::libvirt::hand_over(&mut networks, report);
    Some(Spec {
        yard: yard?,
        pools: address::nets(root, "pools"),
        networks,
        nodes,
        links,
        expect,
        firewalls: firewall::read_all(root, report),
        metrics: Metrics::from_root(root, report),
    })
}

fn yard_name(root: &Record, fallback: &str, report: &mut Report) -> Option<Spanned<YardName>> {
    let text = match root.text("yard") {
        Some(text) => text,
        None => Spanned::new(fallback.to_owned(), Span { end: root.span.start, ..root.span }),
    };
    let name = YardName::new(&text.value).map_err(|why| match root.text("yard") {
        Some(_) => report.push(say::bad_name("yard", &text.value, text.span, why.0)),
        None => report.push(say::bad_fallback_name(&text.value, text.span, why.0)),
    });
    Some(Spanned::new(name.ok()?, text.span))
}

fn network(name: &Spanned<String>, record: &Record, report: &mut Report) -> Option<NetworkSpec> {
    let full = full_name("network", name, report);
    let host = record.values.get("host").and_then(|host| match &host.value {
        Value::Bool(true) => Some(HostSideSpec {
            span: host.span,
            addresses: Default::default(),
            vlans: Default::default(),
        }),
        Value::Record(side) => Some(HostSideSpec {
            span: host.span,
            addresses: address::addresses(side),
            vlans: address::port_vlans(side, report),
        }),
        _ => None,
    });
    let uplink = uplink::read(record, report);
    let host = host.or_else(|| uplink::host_side(record, uplink.as_ref(), report));
    Some(NetworkSpec {
        prefixes: address::prefixes(record),
        bridge: kernel_name(record, "bridge", report),
        mtu: record.spanned_number("mtu"),
        mac: record.mac("mac"),
        settings: Bridge::from_record(record, report),
        vlan_filtering: record.bool("vlan-filtering"),
        host,
        uplink,
        delegated: serving6::delegated(record),
        serving: serving::read(record, report),
        ports: uplink::ports(record, report),
        libvirt: crate::libvirt::parse(record, &name.value, report),
        name: full?,
    })
}

/// The entries of a map key whose values are mappings.
fn named_records<'a>(
    record: &'a Record,
    key: &str,
) -> impl Iterator<Item = (&'a Spanned<String>, &'a Record)> {
    record.map(key).iter().filter_map(|(name, value)| match &value.value {
        Value::Record(record) => Some((name, record)),
        _ => None,
    })
}

/// The items of a list key that are mappings.
fn records<'a>(record: &'a Record, key: &str) -> impl Iterator<Item = &'a Record> {
    record.list(key).iter().filter_map(|value| match &value.value {
        Value::Record(record) => Some(record),
        _ => None,
    })
}

/// The texts of a list key.
fn texts(record: &Record, key: &str) -> Vec<Spanned<String>> {
    let text = |v: &Spanned<Value>| match &v.value {
        Value::Text(text) => Some(Spanned::new(text.clone(), v.span)),
        _ => None,
    };
    record.list(key).iter().filter_map(text).collect()
}

/// The settings of a key.
fn settings(record: &Record, key: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
    let text = |(name, value): &(Spanned<String>, Spanned<Value>)| match &value.value {
        Value::Text(text) => Some((name.clone(), Spanned::new(text.clone(), value.span))),
        _ => None,
    };
    record.map(key).iter().filter_map(text).collect()
}

fn named<T>(
    sort: &str,
    name: &Spanned<String>,
    new: impl Fn(&str) -> Result<T, BadName>,
    report: &mut Report,
) -> Option<Spanned<T>> {
    match new(&name.value) {
        Ok(value) => Some(Spanned::new(value, name.span)),
        Err(why) => {
            report.push(say::bad_name(sort, &name.value, name.span, why.0));
            None
        }
    }
}

fn full_name(sort: &str, name: &Spanned<String>, report: &mut Report) -> Option<Spanned<FullName>> {
    named(sort, name, FullName::new, report)
}

/// An exact interface name of a key.
fn kernel_name(record: &Record, key: &str, report: &mut Report) -> Option<Spanned<InterfaceName>> {
    let text = record.text(key)?;
    match InterfaceName::new(&text.value) {
        Ok(name) => Some(Spanned::new(name, text.span)),
        Err(why) => {
            report.push(say::bad_kernel_name(&text.value, text.span, why.0));
            None
        }
    }
}

/// A name that becomes a file name below `/run/netns`, or a host name.
fn file_name(
    record: &Record,
    key: &str,
    sort: &str,
    report: &mut Report,
) -> Option<Spanned<String>> {
    let text = record.text(key)?;
    named(sort, &text, NodeName::new, report).map(|_| text)
}

/// Says it when two keys are there of which only one may be.
fn exclusive(record: &Record, shape: &str, keys: [&str; 2], report: &mut Report) {
    let [first, second] = keys;
    if let (Some(a), Some(b)) = (record.place(first), record.place(second)) {
        report.push(say::exclude_each_other(shape, (first, a), (second, b)));
    }
}

/// Says it when a key is there without another.
fn beside(record: &Record, key: &str, other: &str, report: &mut Report) {
    if let (Some(span), false) = (record.place(key), record.has(other)) {
        report.push(say::needs_beside(key, span, other));
    }
}

/// Says it of lists in which there is nothing: they match nothing, which nobody
/// writes down on purpose.
fn none_empty(record: &Record, keys: &[&str], report: &mut Report) {
    for key in keys {
        if let Some(Spanned { value: Value::List(list), span }) = record.values.get(key)
            && list.is_empty()
            && !record.failed.contains(key)
        {
            report.push(say::list_empty(key, *span));
        }
    }
}

/// Numbers of all VLANs once, in order, for telling those that are named twice.
type Seen = BTreeSet<u16>;
