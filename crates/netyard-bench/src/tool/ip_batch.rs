//! The shell way at its best: `ip netns add`, one `ip -batch` for the links,
//! one `ip -n NODE -batch` per node.

use super::leftovers;
use crate::floor::{Shape, down};
use crate::measure::{self, Cost};
use crate::record::Record;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Ports per bridge, as the floor has them.
const SHARD: usize = crate::floor::SHARD;

/// Brings a shape up and takes it down.
///
/// # Errors
/// When `ip` is missing or fails.
pub fn run(shape: Shape, nodes: usize) -> io::Result<Record> {
    let mut record = Record::new("ip-batch", shape, nodes);
    let directory = std::env::temp_dir().join(format!("netyard-bench-ip-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let start = Instant::now();
    let mut total = Cost::default();
    for name in names(shape, nodes) {
        ip(&mut total, &["netns", "add", &name])?;
    }
    let fabric = (shape == Shape::Star).then_some("fabric");
    batch(&mut total, &directory, fabric, &links(shape, nodes))?;
    for node in 0..nodes {
        batch(&mut total, &directory, Some(&name(shape, node)), &inside(shape, nodes, node))?;
        if shape == Shape::Ring {
            ip(
                &mut total,
                &[
                    "netns",
                    "exec",
                    &name(shape, node),
                    "sysctl",
                    "-qw",
                    "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1",
                ],
            )?;
        }
    }
    if shape == Shape::Hub {
        batch(&mut total, &directory, Some("hub"), &inside_hub(nodes))?;
    }
    record.up = Cost { wall: start.elapsed().as_secs_f64() * 1e3, ..total };
    let start = Instant::now();
    let mut total = Cost::default();
    for name in names(shape, nodes) {
        ip(&mut total, &["netns", "delete", &name])?;
    }
    record.down = Cost { wall: start.elapsed().as_secs_f64() * 1e3, ..total };
    record.drain = down::drain()?.as_secs_f64() * 1e3;
    record.problems.extend(leftovers().into_iter().map(|what| format!("left: {what}")));
    std::fs::remove_dir_all(&directory)?;
    Ok(record)
}

fn ip(total: &mut Cost, words: &[&str]) -> io::Result<()> {
    let cost = measure::command(Command::new("ip").args(words))?;
    total.cpu += cost.cpu;
    total.memory = total.memory.max(cost.memory);
    Ok(())
}

fn batch(total: &mut Cost, directory: &Path, node: Option<&str>, text: &str) -> io::Result<()> {
    let file = directory.join("batch");
    std::fs::write(&file, text)?;
    let file = file.display().to_string();
    match node {
        Some(node) => ip(total, &["-n", node, "-batch", &file]),
        None => ip(total, &["-batch", &file]),
    }
}

fn name(shape: Shape, node: usize) -> String {
    let letter = if shape == Shape::Ring { 'r' } else { 'h' };
    format!("{letter}{}", node + 1)
}

fn names(shape: Shape, nodes: usize) -> Vec<String> {
    let centre = match shape {
        Shape::Star => Some("fabric"),
        Shape::Hub => Some("hub"),
        Shape::Ring => None,
    };
    (0..nodes).map(|n| name(shape, n)).chain(centre.map(Into::into)).collect()
}

fn links(shape: Shape, nodes: usize) -> String {
    let mut text = String::new();
    let mut line = |words: String| text.push_str(&format!("{words}\n"));
    match shape {
        Shape::Star => {
            for bridge in 0..nodes.div_ceil(SHARD) {
                line(format!("link add br{bridge} up type bridge"));
            }
            for bridge in 1..nodes.div_ceil(SHARD) {
                line(format!("link add t{bridge} master br0 up type veth peer name u{bridge}"));
                line(format!("link set u{bridge} master br{bridge} up"));
            }
            for node in 0..nodes {
                let (bridge, host) = (node / SHARD, name(shape, node));
                line(format!(
                    "link add p{node} master br{bridge} up type veth peer name eth0 netns {host}"
                ));
            }
        }
        Shape::Ring => {
            for node in 0..nodes {
                let next = name(shape, (node + 1) % nodes);
                let node = name(shape, node);
                line(format!(
                    "link add right netns {node} up type veth peer name left netns {next}"
                ));
            }
        }
        Shape::Hub => {
            for node in 0..nodes {
                let (number, node) = (node + 1, name(shape, node));
                line(format!(
                    "link add eth{number} netns hub up type veth peer name eth0 netns {node}"
                ));
            }
        }
    }
    text
}

fn inside(shape: Shape, nodes: usize, node: usize) -> String {
    let [high, low] = (node as u16 + 1).to_be_bytes();
    let mut text = String::from("link set lo up\n");
    let mut address = |device: &str, link: usize, side: usize| {
        let [third, fourth] = ((2 * link + side) as u16).to_be_bytes();
        let _ = write!(
            text,
            "link set {device} up\naddr add 10.0.{third}.{fourth}/31 dev {device}\n\
             addr add fd00::{:x}/127 dev {device} nodad\n",
            2 * link + side
        );
    };
    match shape {
        Shape::Ring => {
            address("left", (node + nodes - 1) % nodes, 1);
            address("right", node, 0);
        }
        Shape::Hub => address("eth0", node, 1),
        Shape::Star => {
            let _ = write!(
                text,
                "link set eth0 up\naddr add 10.0.{high}.{low}/16 dev eth0\n\
                 addr add fd00::{:x}/64 dev eth0 nodad\n",
                node + 1
            );
        }
    }
    text
}

fn inside_hub(nodes: usize) -> String {
    let mut text = String::from("link set lo up\n");
    for link in 0..nodes {
        let [third, fourth] = ((2 * link) as u16).to_be_bytes();
        let device = link + 1;
        let _ = write!(
            text,
            "addr add 10.0.{third}.{fourth}/31 dev eth{device}\n\
             addr add fd00::{:x}/127 dev eth{device} nodad\n",
            2 * link
        );
    }
    text
}
