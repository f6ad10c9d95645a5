//! `resolv.conf` and `hosts` of a node, for `ip netns exec` and netyard's own
//! `exec`, which mount what is below `/etc/netns/NAME` over `/etc`.
//!
//! `hosts` is written for a node with `hosts:`. It has the file's entries and
//! every node that shares a network or link with this one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::address::Addressing;
use super::client;
use super::gather::Cast;
use super::serving::{self, Seat};
use crate::spec::{DnsSpec, NodeSpec};
use crate::state::File;

/// By node: name and content.
pub(super) fn resolve(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
) -> Vec<Vec<(String, String)>> {
    let nodes = cast.nodes.iter().enumerate();
    nodes.map(|(index, _)| of_node(cast, plan, seats, index)).collect()
}

fn of_node(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
    index: usize,
) -> Vec<(String, String)> {
    let node = &cast.nodes[index];
    let Some(spec) = node.spec.filter(|_| !cast.is_host(index)) else { return Vec::new() };
    let marker = || format!("{}: yard {}, node {}\n", File::MARK, cast.spec.yard.value, node.name);
    let mut files = Vec::new();
    match &spec.dns {
        Some(dns) => files.push(("resolv.conf".to_owned(), resolv_conf(&marker(), dns))),
        None if client::has_client(cast, index) => {
            files.push(("resolv.conf".to_owned(), client::resolv_conf(&marker())));
        }
        None => {
            let served = served_resolver(cast, plan, seats, index, &marker());
            files.extend(served.map(|text| ("resolv.conf".to_owned(), text)));
        }
    }
    if !spec.hosts.is_empty() {
        files.push(("hosts".to_owned(), hosts(&marker(), cast, plan, index, spec)));
    }
    files
}

/// What answers for names on the first of its networks where something does.
fn served_resolver(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
    node: usize,
    marker: &str,
) -> Option<String> {
    let segments = cast.nodes[node].interfaces.iter().filter_map(|i| cast.segment(*i));
    let mut networks = segments.filter(|segment| *segment < cast.spec.networks.len());
    let (servers, domain) =
        networks.find_map(|network| serving::resolver(cast, plan, seats, network))?;
    let mut text = marker.to_owned();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    let _ = writeln!(text, "search {domain}");
    Some(text)
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
