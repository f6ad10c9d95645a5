//! The floor: the fewest kernel calls that give a working network, in the
//! fastest order found by experiment (Linux 6.18, 1,000 nodes, CPU time of
//! interleaved runs). netyard is measured against it.
//!
//! # Up
//! 1. One thread makes all namespaces: `unshare`, a route socket inside, the
//!    descriptor by `SIOCGSKNS`. Half a millisecond each, half of it sysctl and
//!    loopback registration. A second thread gains nothing.
//!    Sysctls are written now, while only `lo` exists, through a young procfs
//!    ([`space::Switches`] tells why: 0.6 ms per node otherwise).
//! 2. All links in one batch, acknowledged once. A veth is one message for both
//!    ends: names, ifindexes (DIFFERENT ones, or the kernel thinks its carrier
//!    event not urgent), both namespaces, master, `UP` for the first end (the
//!    peer cannot be born up). One queue per end saves a quarter of the
//!    creation. A socket of the home namespace and one of the end's own
//!    namespace cost the same. Making and configuring node by node instead costs
//!    three times as much.
//! 3. One batch per namespace: `lo` up, the peer end up, `GETLINK` of it,
//!    addresses. `GETLINK` runs the pending linkwatch event of the device at
//!    once; the worker is rate limited and may take seconds.
//! 4. The same `GETLINK` for every first end, whose carrier came with step 3.
//!
//! A star is cut in bridges of [`SHARD`] ports: the cost of a port event grows
//! with the ports of its bridge (250 ports: +20 %), and 1,023 is the limit.
//! Its fabric shows no frame to packet filters: where the kernel has `br_netfilter`,
//! a flooded frame would pass them all once for every port.
//! A hub of 1,000 interfaces is linear in this order, IPv6 included.
//!
//! # Down
//! Close every descriptor at once and let the kernel's `cleanup_net` take the
//! namespaces in batches. To know when it is done: a sentinel namespace, dropped
//! last, with a veth into our own namespace. Batches run one after another, so
//! `RTM_DELLINK` of that veth means that all earlier batches are over; one more
//! request that takes the rtnl lock waits for the rest of the last one (up to
//! 0.5 s). Deleting links by group first wins nothing for ring and hub (a
//! delete per namespace costs 20 ms of grace periods EACH: 11 s for a ring).
//! Mounted namespaces go with one detached unmount of the tmpfs they are on.

pub mod down;
pub mod shape;
pub mod space;
pub mod wire;

use space::Space;
use std::io;

/// Interface group of every link the floor makes.
pub const GROUP: u32 = 77;
/// Ports per bridge of a star.
pub const SHARD: usize = 64;

/// What is to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// N hosts on one network.
    Star,
    /// N routers, each linked to the next.
    Ring,
    /// N hosts, each linked to one node.
    Hub,
}

impl Shape {
    /// All shapes, in the order of the report.
    pub const ALL: [Shape; 3] = [Shape::Star, Shape::Ring, Shape::Hub];

    /// The name on the command line and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Star => "star",
            Shape::Ring => "ring",
            Shape::Hub => "hub",
        }
    }

    /// The shape of a name.
    pub fn named(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }
}

/// A running floor.
pub struct Yard {
    /// The N nodes.
    pub nodes: Vec<Space>,
    /// The fabric of a star or the hub.
    pub centre: Option<Space>,
    mounted: bool,
}

/// Turns the result of a libc call into a [`io::Result`].
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
