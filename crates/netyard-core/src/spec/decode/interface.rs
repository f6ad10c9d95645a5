//! Entries of `interfaces:`.

use super::address::{addresses, port_vlans, sources, via};
use super::{beside, full_name, kernel_name, link, settings};
use crate::diag::{Report, Spanned, shape as say};
use crate::interface::{BridgePort, Kind, kind_entry};
use crate::shape::{Record, UNKNOWN};
use crate::spec::{InterfaceSpec, KindSpec};

pub(super) fn read(
    name: &Spanned<String>,
    record: &Record,
    report: &mut Report,
) -> Option<InterfaceSpec> {
    let name = full_name("interface", name, report)?;
    let word = record.text("kind");
    let read = word.as_ref().and_then(|word| {
        let kind = (kind_entry(&word.value)?.parse)(record, &name, report)?;
        Some(Spanned::new(KindSpec { kind }, word.span))
    });
    // A kind that could not be read is taken for the plainest: so the report
    // does not go on about an interface without a kind.
    let unread = record.failed.contains(&"kind")
        || word.as_ref().is_some_and(|w| read.is_none() && w.value != "veth");
    let kind = match unread {
        true => Some(Spanned::new(KindSpec { kind: Kind::Dummy }, name.span)),
        false => read,
    };
    relations(record, report);
    let wireguard = word
        .as_ref()
        .filter(|w| w.value == "wireguard")
        .map(|_| crate::interface::wireguard::spec(record, report));
    let physical = word.as_ref().is_some_and(|w| w.value == "physical");
    Some(InterfaceSpec {
        network: record.text("network"),
        kind,
        wireguard,
        parent: record.text("parent").filter(|_| !unread),
        master: record.text("master"),
        port: record.record("port").map(|p| p.map(|p| BridgePort::from_record(&p))),
        vlans: port_vlans(record, report),
        // Of a physical interface it is the name of itself, which its kind has read.
        port_name: if physical { None } else { kernel_name(record, "host-name", report) },
        port_mac: record.mac("port-mac"),
        addresses: addresses(record),
        sources: sources(record),
        dad: record.bool("dad").is_some_and(|d| d.value),
        no_gateway: record.text("gateway").is_some(),
        gateways: record.list("gateway").iter().filter_map(via).collect(),
        mtu: record.spanned_number("mtu"),
        mac: record.mac("mac"),
        up: record.bool("up").is_none_or(|u| u.value),
        sysctl: settings(record, "sysctl"),
        impairment: link::impairment(&[record], report),
        unsure: record.failed.contains(&UNKNOWN),
        name,
    })
}

/// What keys of one interface mean only beside each other.
fn relations(record: &Record, report: &mut Report) {
    let kind = record.text("kind").filter(|k| k.value != "veth");
    let shares = kind.as_ref().is_some_and(|k| k.value == "macvlan");
    if shares && record.has("network") {
        if let Some(parent) = record.place("parent") {
            let network = record.place("network").unwrap_or(parent);
            report.push(say::exclude_each_other(
                "interface",
                ("network", network),
                ("parent", parent),
            ));
        }
    } else if let (Some(network), Some(kind)) = (record.place("network"), &kind) {
        report.push(say::exclude_each_other(
            "interface",
            ("network", network),
            ("kind", kind.span),
        ));
    }
    let kind = kind.as_ref().map_or("", |k| &*k.value);
    if kind != "physical" {
        beside(record, "host-name", "network", report);
    }
    beside(record, "port-mac", "network", report);
    let plugged = record.has("network") || record.has("master");
    for key in ["vlan", "vlans", "native", "port"] {
        let own = kind == "bridge" && key != "port" || kind == "vxlan" && key == "port";
        if let (Some(span), false) = (record.place(key), plugged || own) {
            report.push(say::needs_bridge(key, span));
        }
    }
}
