//! Who could reach whom: every pair of a yard's nodes, at the addresses a probe
//! would go to.

use std::net::IpAddr;

use super::Family;
use crate::state::Place;
use crate::yard::{Attachment, Node, Yard};

/// One node's question to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Index of the one who asks, in the places given.
    pub from: usize,
    /// Index of the one who is asked.
    pub to: usize,
    /// The address at which it is asked: one on a segment of both, where there
    /// is one.
    pub address: IpAddr,
    /// Both are on one segment.
    pub near: bool,
}

/// A segment, or an interface that is on none.
type Segment = Option<(bool, usize)>;

/// Every node that can be asked, and each pair of them in every family that both
/// have.
pub fn matrix<'y>(yard: &'y Yard, wanted: &dyn Fn(&Node) -> bool) -> (Vec<&'y Node>, Vec<Pair>) {
    let nodes: Vec<&Node> = yard.nodes.iter().filter(|node| wanted(node)).collect();
    let seats: Vec<Vec<(Segment, IpAddr)>> = nodes.iter().map(|node| seats(node)).collect();
    let mut pairs = Vec::new();
    for (from, own) in seats.iter().enumerate() {
        for (to, theirs) in seats.iter().enumerate().filter(|(to, _)| *to != from) {
            for family in Family::BOTH {
                let of = |(_, address): &&(Segment, IpAddr)| Family::of(*address) == family;
                if !own.iter().any(|seat| of(&seat)) {
                    continue;
                }
                let near = |(segment, _): &&(Segment, IpAddr)| {
                    segment.is_some()
                        && own.iter().any(|(s, a)| s == segment && Family::of(*a) == family)
                };
                let all = || theirs.iter().filter(of);
                let neighbour = all().find(near);
                let found = neighbour.or_else(|| all().next());
                let near = neighbour.is_some();
                pairs.extend(found.map(|(_, a)| Pair { from, to, address: *a, near }));
            }
        }
    }
    (nodes, pairs)
}

/// The addresses of a node that mean the same everywhere, with their segments;
/// those of segments first.
fn seats(node: &Node) -> Vec<(Segment, IpAddr)> {
    let mut seats = Vec::new();
    for interface in node.interfaces.iter().filter(|interface| interface.device.up) {
        let segment = match interface.attachment {
            Attachment::Network(network) | Attachment::Bridge(network) => Some((true, network)),
            Attachment::Link(link, _) => Some((false, link)),
            _ => None,
        };
        let addresses = interface.addresses.iter().map(|address| address.net.addr());
        seats.extend(addresses.filter(is_usable).map(|address| (segment, address)));
    }
    seats.sort_by_key(|(segment, _)| segment.is_none());
    seats
}

fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

/// An expectation of a TCP connection between a pair, at whose end netyard may
/// listen.
pub fn tcp(nodes: &[&Node], pair: &Pair, port: u16, within: u64) -> super::Expectation {
    use super::{Expectation, Host, Origin, PROOF, Probe, Target, Want};
    let label = |at: usize| nodes[at].name.to_string();
    let place = |at: usize| -> Place { nodes[at].place.clone() };
    let from =
        Origin { label: label(pair.from), place: place(pair.from), device: None, address: None };
    let host = Host::Address(pair.address);
    Expectation {
        name: None,
        span: nodes[pair.from].span,
        from,
        to: Target { label: label(pair.to), host, place: Some(place(pair.to)) },
        family: Family::of(pair.address),
        if_it_has: false,
        probe: Probe::Tcp(port),
        want: Want::Ok,
        within,
        proof: PROOF,
        listen: Some(true),
        forwarded: None,
    }
}
