//! Entries of `nodes:`.

use super::address::ips;
use super::{file_name, interface, named, named_records, records, route, settings, texts};
use crate::container;
use crate::diag::{Report, Spanned, shape as say};
use crate::name::NodeName;
use crate::service;
use crate::shape::{Record, Value};
use crate::spec::{DnsSpec, NodeKind, NodeSpec, ServiceSpec};

/// `__NEW_UTS_LEN` of linux/utsname.h.
const HOSTNAME_MAX: usize = 64;

/// Keys that say nothing about the host itself.
const NOT_FOR_HOST: [&str; 8] =
    ["kind", "netns", "hostname", "dns", "hosts", "exec", "container", "vm"];

pub(super) fn read(
    name: &Spanned<String>,
    record: &Record,
    report: &mut Report,
) -> Option<NodeSpec> {
    let kind = if name.value == "host" { NodeKind::Host } else { NodeKind::Netns };
    if kind == NodeKind::Host {
        for key in NOT_FOR_HOST {
            if let Some(span) = record.place(key) {
                report.push(say::not_for_host(key, span));
            }
        }
    }
    let node = named("node", name, NodeName::new, report);
    let netns = file_name(record, "netns", "namespace", report);
    let hostname = file_name(record, "hostname", "host", report);
    if let Some(name) = hostname.as_ref().filter(|n| n.value.len() > HOSTNAME_MAX) {
        report.push(say::bad_name("host", &name.value, name.span, "is longer than 64 bytes"));
    }
    let dns = record.record("dns").map(|dns| DnsSpec {
        servers: ips(dns.value.list("servers")),
        search: texts(&dns.value, "search"),
        options: texts(&dns.value, "options"),
    });
    let lines = dns.iter().flat_map(|dns| dns.search.iter().chain(&dns.options));
    let names = record.map("hosts").iter().map(|(name, _)| name);
    for word in lines.chain(names).filter(|word| !is_word(&word.value)) {
        report.push(say::bad_word(&word.value, word.span));
    }
    let hosts = |(name, value): &(Spanned<String>, Spanned<Value>)| match &value.value {
        Value::List(list) => Some((name.clone(), ips(list))),
        _ => None,
    };
    Some(NodeSpec {
        kind,
        netns,
        hostname,
        forward: record.bool("forward"),
        sysctl: settings(record, "sysctl"),
        dns,
        hosts: record.map("hosts").iter().filter_map(hosts).collect(),
        exec: record.list("exec").iter().filter_map(|v| command(v, report)).collect(),
        services: named_records(record, "services")
            .filter_map(|(name, record)| read_service(name, record, report))
            .collect(),
        vm: record.record("vm").and_then(|section| crate::vm::parse(&section.value, report)),
        container: record
            .record("container")
            .and_then(|section| container::parse(&section.value, report)),
        interfaces: named_records(record, "interfaces")
            .filter_map(|(name, record)| interface::read(name, record, report))
            .collect(),
        routes: records(record, "routes").filter_map(|r| route::route(r, report)).collect(),
        rules: records(record, "rules").filter_map(|r| route::rule(r, report)).collect(),
        neighbours: records(record, "neighbours")
            .filter_map(|r| route::neighbour(r, report))
            .collect(),
        name: node?,
    })
}

/// True for what is one word in `/etc/hosts` and `resolv.conf`.
fn is_word(text: &str) -> bool {
    let apart = |c: char| c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.starts_with(['#', ';']) && !text.contains(apart)
}

fn read_service(
    name: &Spanned<String>,
    record: &Record,
    report: &mut Report,
) -> Option<ServiceSpec> {
    let named = named("service", name, NodeName::new, report);
    if service::is_reserved(&name.value) {
        report.push(crate::diag::service::reserved(&name.value, name.span));
    }
    let service = (service::entry(&name.value).parse)(record, report);
    named.and(service).map(|service| ServiceSpec { name: name.clone(), service })
}

fn command(value: &Spanned<Value>, report: &mut Report) -> Option<Spanned<Vec<String>>> {
    let argv: Vec<String> = match &value.value {
        Value::Text(text) if text.trim().is_empty() => Vec::new(),
        Value::Text(text) => vec!["sh".into(), "-c".into(), text.clone()],
        Value::List(list) => list
            .iter()
            .filter_map(|v| match &v.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        _ => return None,
    };
    if argv.first().is_none_or(String::is_empty) {
        report.push(say::empty_command(value.span));
        return None;
    }
    Some(Spanned::new(argv, value.span))
}
