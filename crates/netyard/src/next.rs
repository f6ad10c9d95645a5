//! What is worth trying in a yard that has just come up: a ping that works in
//! THIS yard, because both ends are in one prefix on one segment.

use std::net::IpAddr;

use ipnet::IpNet;
use netyard_core::state::Place;
use netyard_core::yard::{Attachment, Interface, Node, Yard};

/// A node and the address of another that answers it.
#[derive(Debug, PartialEq, Eq)]
pub struct Ping<'a> {
    /// Where to ping.
    pub from: &'a str,
    /// Whom.
    pub to: IpAddr,
}

/// The first pair of neighbours in the order of the file, if there is one.
pub fn ping(yard: &Yard) -> Option<Ping<'_>> {
    let seats: Vec<Seat<'_>> = yard.nodes.iter().flat_map(seats).collect();
    seats.iter().find_map(|from| {
        let to = seats.iter().find_map(|to| from.reaches(to))?;
        Some(Ping { from: from.node, to })
    })
}

/// A node's interface on a segment.
struct Seat<'a> {
    node: &'a str,
    interface: &'a Interface,
}

fn seats(node: &Node) -> impl Iterator<Item = Seat<'_>> {
    let usable = matches!(node.place, Place::Node(_));
    node.interfaces
        .iter()
        .filter(move |interface| usable && interface.device.up && !interface.addresses.is_empty())
        .map(|interface| Seat { node: node.name.as_str(), interface })
}

impl Seat<'_> {
    /// The other's address, where nothing but their segment is between them.
    fn reaches(&self, other: &Self) -> Option<IpAddr> {
        if self.node == other.node || !self.same_segment(other) {
            return None;
        }
        let mine = &self.interface.addresses;
        other.interface.addresses.iter().map(|address| address.net).find_map(|theirs: IpNet| {
            mine.iter().any(|a| a.net.trunc() == theirs.trunc()).then(|| theirs.addr())
        })
    }

    fn same_segment(&self, other: &Self) -> bool {
        match (self.interface.attachment, other.interface.attachment) {
            (Attachment::Network(a), Attachment::Network(b)) => a == b,
            (Attachment::Link(a, _), Attachment::Link(b, _)) => a == b,
            _ => false,
        }
    }
}
