//! `resolv.conf` and `hosts` of a node, for `ip netns exec` and netyard's own
//! `exec`, which mount what is below `/etc/netns/NAME` over `/etc`.
//!
//! `hosts` is written for a node with `hosts:`. It has the file's entries and
//! every node that shares a network or link with this one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::address::Addressing;
use super::gather::Cast;
use crate::diag::Report;
use crate::diag::yard as diag;
use crate::spec::{DnsSpec, NodeSpec};

/// By node: name and content.
pub(super) fn resolve(
    cast: &Cast<'_>,
    plan: &Addressing,
    report: &mut Report,
) -> Vec<Vec<(String, String)>> {
    let mut all = Vec::with_capacity(cast.nodes.len());
    for (index, node) in cast.nodes.iter().enumerate() {
        let mut files = Vec::new();
        if let Some(spec) = node.spec {
            if cast.is_host(index) {
                refuse_on_host(spec, report);
            } else {
                let marker = format!(
                    "# made by netyard: yard {}, node {}\n",
                    cast.spec.yard.value, node.name
                );
                if let Some(dns) = &spec.dns {
                    files.push(("resolv.conf".to_owned(), resolv_conf(&marker, dns)));
                }
                if !spec.hosts.is_empty() {
                    files.push(("hosts".to_owned(), hosts(&marker, cast, plan, index, spec)));
                }
            }
        }
        all.push(files);
    }
    all
}

fn refuse_on_host(spec: &NodeSpec, report: &mut Report) {
    let span = spec.name.span;
    if spec.dns.is_some() {
        report.push(diag::host_only_network("dns", span));
    }
    if let Some((name, _)) = spec.hosts.first() {
        report.push(diag::host_only_network("hosts", name.span));
    }
    if let Some(command) = spec.exec.first() {
        report.push(diag::host_only_network("exec", command.span));
    }
    if let Some(hostname) = &spec.hostname {
        report.push(diag::host_only_network("hostname", hostname.span));
    }
    if let Some(netns) = &spec.netns {
        report.push(diag::host_only_network("netns", netns.span));
    }
}

fn resolv_conf(marker: &str, dns: &DnsSpec) -> String {
    let mut text = marker.to_owned();
    for server in &dns.servers {
        let _ = writeln!(text, "nameserver {}", server.value);
    }
    for (word, list) in [("search", &dns.search), ("options", &dns.options)] {
        if !list.is_empty() {
            let list: Vec<&str> = list.iter().map(|s| s.value.as_str()).collect();
            let _ = writeln!(text, "{word} {}", list.join(" "));
        }
    }
    text
}

fn hosts(marker: &str, cast: &Cast<'_>, plan: &Addressing, node: usize, spec: &NodeSpec) -> String {
    let mut text = format!("{marker}127.0.0.1\tlocalhost\n::1\tlocalhost\n");
    for (name, addresses) in &spec.hosts {
        for address in addresses {
            let _ = writeln!(text, "{}\t{}", address.value, name.value);
        }
    }
    let own = cast.nodes[node].interfaces.iter();
    let segments: BTreeSet<usize> = own.filter_map(|i| cast.segment(*i)).collect();
    let mut near: BTreeSet<(usize, IpAddr)> = BTreeSet::new();
    for member in segments.iter().flat_map(|s| &cast.members[*s]) {
        let addresses = plan.interfaces[*member].iter();
        near.extend(addresses.map(|a| (cast.interfaces[*member].node, a.net.addr())));
    }
    for (other, address) in near {
        let _ = writeln!(text, "{address}\t{}", cast.nodes[other].name);
    }
    text
}
