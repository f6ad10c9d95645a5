//! Ports that rules forward.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::facts::Stack;
use crate::facts::ruleset::walk::{Packet, Translation};
use crate::facts::ruleset::{Expression, Ruleset};
use crate::nft::Hook;

/// A packet for each port that a nat chain at `prerouting` names, to each
/// address of the stack: what those rules could be about.
pub fn forwarded_ports(stack: &Stack, ruleset: &Ruleset) -> Vec<Packet> {
    let mut ports = BTreeSet::new();
    for table in &ruleset.tables {
        let nat = table.chains.iter().any(|chain| {
            chain.kind == "nat" && chain.hook.is_some_and(|(hook, _)| hook == Hook::Prerouting)
        });
        if !nat {
            continue;
        }
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            ports.extend(rule.expressions.iter().filter_map(port_of));
            for set in rule.expressions.iter().filter_map(|expression| match expression {
                Expression::Lookup { set, .. } => table.sets.get(set),
                _ => None,
            }) {
                ports.extend(set.elements.iter().filter_map(|element| two_bytes(&element.key)));
            }
        }
    }
    let mut addresses: Vec<IpAddr> = stack.addresses.iter().map(|one| one.net.addr()).collect();
    addresses.retain(|address| !address.is_loopback());
    addresses.sort();
    addresses.dedup();
    let mut packets = Vec::new();
    for port in ports {
        for protocol in [6, 17] {
            for to in &addresses {
                let from = match to {
                    IpAddr::V4(_) => IpAddr::from([203, 0, 113, 77]),
                    IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x77]),
                };
                let mut packet = Packet::new(Hook::Prerouting, from, *to, protocol);
                packet.dport = Some(port);
                packets.push(packet);
            }
        }
    }
    packets
}

/// Where a translation leads, in words.
pub fn target_text(translation: &Translation) -> String {
    let address = translation.address.map_or_else(|| "the host".to_owned(), |a| format!("`{a}`"));
    match translation.port {
        Some(port) => format!("{address} port {port}"),
        None => address,
    }
}

/// The port a rule may ask for: two bytes that are compared, or what the old
/// matches `tcp` and `udp` carry.
fn port_of(expression: &Expression) -> Option<u16> {
    match expression {
        Expression::Cmp { op: 0, value, .. } => two_bytes(value),
        Expression::Match { name, info, .. } if name == "tcp" || name == "udp" => {
            let at = |at: usize| Some(u16::from_ne_bytes(info.get(at..at + 2)?.try_into().ok()?));
            at(4).filter(|port| *port != 0 && at(6) == Some(*port))
        }
        _ => None,
    }
}

fn two_bytes(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.try_into().ok()?))
}
