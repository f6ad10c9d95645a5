//! Building the three shapes; the module above argues the order.

use super::space::{Space, Switches, bridge_only, create, visit};
use super::wire::{Batch, End, Socket};
use super::{SHARD, Shape, Yard};
use std::io;
use std::os::fd::AsFd;

/// Messages per send: below the default send buffer of an unprivileged socket.
const CHUNK: usize = 800;
/// Queries per send: their replies (4 KiB of accounting each) must fit in the
/// receive buffer of an unprivileged socket, 208 KiB.
const QUERIES: usize = 40;
const LO: u32 = 1;
/// The only interface of a host, and the `left` one of a router.
const FIRST: u32 = 2;
/// The `right` interface of a router.
const SECOND: u32 = 3;
const BRIDGES: u32 = 10;
const TRUNKS: u32 = 1_000;
const TRUNK_PEERS: u32 = 2_000;
/// Ports of a star and interfaces of a hub.
const PORTS: u32 = 10_000;
const NET4: u32 = 0x0a00_0000;
const NET6: u128 = 0xfd00 << 112;

/// Builds a shape of `count` nodes; ready for traffic on return.
///
/// # Errors
/// What the kernel said; the namespaces made so far die with their descriptors.
pub fn build(shape: Shape, count: usize, mounted: bool) -> io::Result<Yard> {
    match shape {
        Shape::Star => star(count, mounted),
        Shape::Ring => ring(count, mounted),
        Shape::Hub => hub(count, mounted),
    }
}

/// An address that node `from` must reach over its own link or network.
pub fn neighbour(shape: Shape, count: usize, from: usize) -> u32 {
    match shape {
        Shape::Star => host4((from + count / 2) % count),
        Shape::Ring => link4(from, 1),
        Shape::Hub => link4(from, 0),
    }
}

fn host4(node: usize) -> u32 {
    NET4 + node as u32 + 1
}

fn host6(node: usize) -> u128 {
    NET6 + node as u128 + 1
}

fn link4(link: usize, side: usize) -> u32 {
    NET4 + (2 * link + side) as u32
}

fn link6(link: usize, side: usize) -> u128 {
    NET6 + (2 * link + side) as u128
}

fn bridge_of(host: usize) -> u32 {
    BRIDGES + (host / SHARD) as u32
}

fn star(count: usize, mounted: bool) -> io::Result<Yard> {
    let mut nodes = create(count + 1, mounted, || Ok(()))?;
    let fabric = nodes.pop().ok_or(io::ErrorKind::InvalidInput)?;
    visit(fabric.fd.as_fd(), bridge_only)?;
    let bridges = count.div_ceil(SHARD) as u32;
    let mut batch = Batch::default();
    for number in 0..bridges {
        let [_, _, high, low] = number.to_be_bytes();
        batch.bridge(&format!("br{number}"), BRIDGES + number, [2, 0, 0, 0, high, low]);
    }
    for number in 1..bridges {
        let (near, far) = (format!("t{number}"), format!("u{number}"));
        let near = End { name: &near, index: TRUNKS + number, space: None };
        let far = End { name: &far, index: TRUNK_PEERS + number, space: None };
        batch.veth(&near, Some(BRIDGES), &far);
        batch.enslave(TRUNK_PEERS + number, BRIDGES + number);
    }
    for (host, node) in nodes.iter().enumerate() {
        let port = format!("p{host}");
        let port = End { name: &port, index: PORTS + host as u32, space: None };
        let eth0 = End { name: "eth0", index: FIRST, space: Some(node.number()) };
        batch.veth(&port, Some(bridge_of(host)), &eth0);
    }
    fabric.socket.run(&mut batch, CHUNK)?;
    for (host, node) in nodes.iter().enumerate() {
        configure(node, &mut batch, host4(host), 16, host6(host), 64)?;
    }
    batch.clear();
    for number in 1..bridges {
        batch.settle(TRUNKS + number).settle(TRUNK_PEERS + number);
    }
    for host in 0..count {
        batch.settle(PORTS + host as u32);
    }
    fabric.socket.run(&mut batch, QUERIES)?;
    Ok(Yard { nodes, centre: Some(fabric), mounted })
}

fn configure(
    node: &Space,
    batch: &mut Batch,
    four: u32,
    prefix4: u8,
    six: u128,
    prefix6: u8,
) -> io::Result<()> {
    batch.clear();
    batch.up(LO).up(FIRST).settle(FIRST);
    batch.address4(FIRST, four, prefix4).address6(FIRST, six, prefix6);
    node.socket.run(batch, CHUNK)
}

fn ring(count: usize, mounted: bool) -> io::Result<Yard> {
    let mut switches = Switches::default();
    let nodes = create(count, mounted, || switches.forward())?;
    let home = Socket::open()?;
    let mut batch = Batch::default();
    for (number, node) in nodes.iter().enumerate() {
        let next = &nodes[(number + 1) % count];
        let right = End { name: "right", index: SECOND, space: Some(node.number()) };
        let left = End { name: "left", index: FIRST, space: Some(next.number()) };
        batch.veth(&right, None, &left);
    }
    home.run(&mut batch, CHUNK)?;
    for (number, node) in nodes.iter().enumerate() {
        let previous = (number + count - 1) % count;
        batch.clear();
        batch.up(LO).up(FIRST).settle(FIRST);
        batch.address4(FIRST, link4(previous, 1), 31).address6(FIRST, link6(previous, 1), 127);
        batch.address4(SECOND, link4(number, 0), 31).address6(SECOND, link6(number, 0), 127);
        node.socket.run(&mut batch, CHUNK)?;
    }
    for node in &nodes {
        batch.clear();
        batch.settle(SECOND);
        node.socket.run(&mut batch, CHUNK)?;
    }
    Ok(Yard { nodes, centre: None, mounted })
}

fn hub(count: usize, mounted: bool) -> io::Result<Yard> {
    let mut nodes = create(count + 1, mounted, || Ok(()))?;
    let hub = nodes.pop().ok_or(io::ErrorKind::InvalidInput)?;
    let mut batch = Batch::default();
    for (number, node) in nodes.iter().enumerate() {
        let near = format!("eth{}", number + 1);
        let near = End { name: &near, index: PORTS + number as u32, space: None };
        let far = End { name: "eth0", index: FIRST, space: Some(node.number()) };
        batch.veth(&near, None, &far);
    }
    hub.socket.run(&mut batch, CHUNK)?;
    for (number, node) in nodes.iter().enumerate() {
        configure(node, &mut batch, link4(number, 1), 31, link6(number, 1), 127)?;
    }
    batch.clear();
    batch.up(LO);
    for number in 0..count {
        let index = PORTS + number as u32;
        batch.settle(index);
        batch.address4(index, link4(number, 0), 31).address6(index, link6(number, 0), 127);
    }
    hub.socket.run(&mut batch, 3 * QUERIES)?;
    Ok(Yard { nodes, centre: Some(hub), mounted })
}
