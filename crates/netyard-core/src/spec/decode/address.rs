//! Addresses, prefixes and VLANs.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Seen, beside, exclusive};
use crate::diag::{Report, Spanned, shape as say};
use crate::shape::{Record, Value};
use crate::spec::{AddressesSpec, PortVlansSpec, SourcesSpec, ViaSpec};

/// The networks of a list key.
pub(super) fn nets(record: &Record, key: &str) -> Vec<Spanned<IpNet>> {
    let net = |v: &Spanned<Value>| match v.value {
        Value::Net(net) => Some(Spanned::new(net, v.span)),
        _ => None,
    };
    record.list(key).iter().filter_map(net).collect()
}

/// `prefix:`; `none` is no prefix at all.
pub(super) fn prefixes(record: &Record) -> Option<Vec<Spanned<IpNet>>> {
    record.values.contains_key("prefix").then(|| nets(record, "prefix"))
}

/// `address:`.
pub(super) fn addresses(record: &Record) -> AddressesSpec {
    match record.values.get("address").map(|v| &v.value) {
        // By a lease or by advertisements: nothing of it is known before.
        Some(Value::Text(word)) if word != "auto" => AddressesSpec::None,
        Some(Value::List(_)) => match nets(record, "address") {
            list if list.is_empty() && sources(record).is_any() => AddressesSpec::None,
            list => AddressesSpec::These(list),
        },
        _ => AddressesSpec::Auto,
    }
}

/// The words of `address:` that say where addresses come from.
pub(super) fn sources(record: &Record) -> SourcesSpec {
    let mut sources = SourcesSpec::default();
    let Some(value) = record.values.get("address") else { return sources };
    let mut take = |value: &Spanned<Value>| {
        let Value::Text(word) = &value.value else { return };
        match word.as_str() {
            "dhcp" => sources.dhcp = Some(value.span),
            "dhcp6" => sources.dhcp6 = Some(value.span),
            "ra" => sources.ra = Some(value.span),
            _ => {}
        }
    };
    match &value.value {
        Value::List(list) => list.iter().for_each(take),
        _ => take(value),
    }
    sources
}

/// The addresses of a list of values.
pub(super) fn ips(values: &[Spanned<Value>]) -> Vec<Spanned<IpAddr>> {
    let ip = |v: &Spanned<Value>| match v.value {
        Value::Ip(ip) => Some(Spanned::new(ip, v.span)),
        _ => None,
    };
    values.iter().filter_map(ip).collect()
}

/// An address, or `node:interface`.
pub(super) fn via(value: &Spanned<Value>) -> Option<Spanned<ViaSpec>> {
    let via = match &value.value {
        Value::Ip(ip) => ViaSpec::Address(*ip),
        Value::Text(text) => ViaSpec::Interface(text.clone()),
        _ => return None,
    };
    Some(Spanned::new(via, value.span))
}

/// `vlan:`, `vlans:` and `native:`.
pub(super) fn port_vlans(record: &Record, report: &mut Report) -> PortVlansSpec {
    exclusive(record, "port", ["vlan", "vlans"], report);
    exclusive(record, "port", ["vlan", "native"], report);
    if !record.has("vlan") {
        beside(record, "native", "vlans", report);
    }
    let native: Option<Spanned<u16>> = record.spanned_number("native");
    let (mut tagged, mut seen) = (Vec::<Spanned<u16>>::new(), Seen::new());
    for value in record.list("vlans") {
        let Value::Range(from, to) = value.value else { continue };
        for id in (from..=to).filter_map(|id| u16::try_from(id).ok()) {
            let first = native.as_ref().filter(|n| n.value == id).map(|n| n.span);
            let again = || tagged.iter().find(|t| t.value == id).map(|t| t.span);
            if !seen.insert(id) || first.is_some() {
                let first = first.or_else(again).unwrap_or(value.span);
                report.push(say::vlan_twice(id, value.span, first));
            } else {
                tagged.push(Spanned::new(id, value.span));
            }
        }
    }
    PortVlansSpec { access: record.spanned_number("vlan"), tagged, native }
}
