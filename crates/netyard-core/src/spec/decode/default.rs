//! Defaults of interfaces where other entries have a say: ends of links that no
//! node speaks of, and MTUs of networks and links.

use std::collections::{BTreeMap, BTreeSet};

use super::interface;
use crate::diag::{Report, Span};
use crate::name::FullName;
use crate::shape::Record;
use crate::spec::{LinkSpec, NetworkSpec, NodeSpec};

/// Gives ends of links that no node speaks of the defaults of interfaces.
pub(super) fn ends(
    links: &[LinkSpec],
    nodes: &mut [NodeSpec],
    defaults: &Record,
    report: &mut Report,
) {
    let index: BTreeMap<String, usize> =
        nodes.iter().enumerate().map(|(i, n)| (n.name.value.to_string(), i)).collect();
    let mut known: Vec<BTreeSet<FullName>> =
        nodes.iter().map(|n| n.interfaces.iter().map(|i| i.name.value.clone()).collect()).collect();
    for end in links.iter().flat_map(|l| &l.ends) {
        let Some(at) = index.get(&end.node.value).copied() else { continue };
        if known[at].insert(end.interface.value.clone()) {
            let name = end.interface.clone().map(|n| n.to_string());
            nodes[at].interfaces.extend(interface::read(&name, defaults, report));
        }
    }
}

/// Takes the default MTU, which was written at `default`, back where the network
/// or the link of an interface has one of its own.
pub(super) fn mtus(
    networks: &[NetworkSpec],
    links: &[LinkSpec],
    nodes: &mut [NodeSpec],
    default: Span,
) {
    let networks: BTreeSet<&str> =
        networks.iter().filter(|n| n.mtu.is_some()).map(|n| n.name.value.as_str()).collect();
    let ends: BTreeSet<(&str, &str)> = links
        .iter()
        .filter(|l| l.mtu.is_some())
        .flat_map(|l| &l.ends)
        .map(|e| (e.node.value.as_str(), e.interface.value.as_str()))
        .collect();
    for node in nodes {
        for interface in &mut node.interfaces {
            let plugged = interface.network.as_ref().map(|n| n.value.as_str());
            let end = (node.name.value.as_str(), interface.name.value.as_str());
            let by_default = interface.mtu.as_ref().is_some_and(|m| m.span == default);
            let other = plugged.is_some_and(|n| networks.contains(n)) || ends.contains(&end);
            if by_default && other {
                interface.mtu = None;
            }
        }
    }
}
