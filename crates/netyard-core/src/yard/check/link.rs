//! MAC addresses.

use std::collections::HashMap; // looked up, never iterated

use super::super::assemble::derive_mac;
use super::super::gather::{Cast, Role};
use crate::addr::Mac;
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::interface::Kind;

pub(super) fn macs(cast: &Cast<'_>, report: &mut Report) {
    for interface in &cast.interfaces {
        let Some(entry) = interface.spec else { continue };
        let why = match interface.role {
            Role::Own(Kind::Ipvlan(_)) => "an ipvlan has its parent's",
            Role::Own(Kind::Tun(_)) => "a tun has no Ethernet header",
            Role::Loopback => "`lo` has none",
            _ => continue,
        };
        if let Some(mac) = &entry.mac {
            report.push(diag::mac_refused(&interface.name, why, mac.span));
        }
    }
    twice(cast, report);
}

/// Only a segment with an explicit address is looked at: derived ones differ.
fn twice(cast: &Cast<'_>, report: &mut Report) {
    for (segment, members) in cast.members.iter().enumerate() {
        let network = cast.spec.networks.get(segment).and_then(|n| n.mac.as_ref());
        let said = |i: &usize| cast.interfaces[*i].spec.and_then(|s| s.mac.as_ref());
        let ports = |i: &usize| cast.interfaces[*i].spec.and_then(|s| s.port_mac.as_ref());
        if network.is_none() && !members.iter().any(|m| said(m).or(ports(m)).is_some()) {
            continue;
        }
        let mut seen: HashMap<Mac, Span> = HashMap::new();
        let yard = cast.spec.yard.value.as_str();
        let own = members.iter().map(|m| match said(m) {
            Some(mac) => (mac.value, mac.span),
            None => (derive_mac(yard, &cast.id(*m)), cast.interfaces[*m].span),
        });
        let others = network.into_iter().chain(members.iter().filter_map(ports));
        for (mac, span) in own.chain(others.map(|m| (m.value, m.span))) {
            if let Some(first) = seen.insert(mac, span) {
                report.push(diag::mac_twice(&cast.segment_name(segment), mac, span, first));
            }
        }
    }
}
