//! The tools that are measured, one function each.

mod ip_batch;
mod mininet;
mod netyard;

pub use ip_batch::run as ip_batch;
pub use mininet::run as mininet;
pub use netyard::run as netyard;

use crate::floor::{Shape, Yard, down, shape, space};
use crate::measure;
use crate::ping;
use crate::record::Record;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

/// Nodes pinged after each `up`: the first, the last and two between them.
pub fn asked(nodes: usize) -> [usize; 4] {
    [nodes - 1, 0, nodes / 3, 2 * nodes / 3]
}

/// Runs the floor in a process of its own.
///
/// # Errors
/// When the process fails.
pub fn floor(shape: Shape, nodes: usize, mounted: bool) -> io::Result<Record> {
    let hold = if mounted { "mounted" } else { "held" };
    let output = Command::new(std::env::current_exe()?)
        .args(["floor", shape.name(), &nodes.to_string(), hold])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("the floor failed: {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs the floor in this process; see [`floor`].
///
/// # Errors
/// What the kernel said.
pub fn floor_here(shape: Shape, nodes: usize, mounted: bool) -> io::Result<Record> {
    let tool = if mounted { "floor-mounted" } else { "floor" };
    let mut record = Record::new(tool, shape, nodes);
    let (yard, up) = measure::inside(|| shape::build(shape, nodes, mounted))?;
    record.up = up;
    for from in asked(nodes) {
        record.pings.push(ping_in(&yard, shape, from)?);
    }
    let ((), down) = measure::inside(|| down::down(shape, yard))?;
    record.down = down;
    record.drain = down::drain()?.as_secs_f64() * 1e3;
    Ok(record)
}

fn ping_in(yard: &Yard, shape: Shape, from: usize) -> io::Result<f64> {
    let target = Ipv4Addr::from_bits(shape::neighbour(shape, yard.nodes.len(), from));
    let node = yard.nodes[from].fd.as_fd();
    Ok(space::visit(node, || ping::first_answer(&[target]))?.as_secs_f64() * 1e3)
}

/// What is still there after `down`, in words; empty when nothing is.
pub fn leftovers() -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(text) = std::fs::read_to_string("/proc/thread-self/net/dev") {
        let names = text.lines().skip(2).filter_map(|line| line.split(':').next());
        found.extend(
            names.map(str::trim).filter(|&name| name != "lo").map(|name| format!("link {name}")),
        );
    }
    if let Ok(entries) = std::fs::read_dir(space::MOUNTS) {
        let count = entries.count();
        if count > 0 {
            found.push(format!("{count} names in {}", space::MOUNTS));
        }
    }
    found.extend(strange_processes());
    found
}

/// Processes of our process namespace besides us; the dead do not count.
fn strange_processes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id();
    let living = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| !rest.starts_with(['Z', 'X']) && !rest.is_empty())
    };
    numbers
        .filter(|&pid| pid != own && pid != 1)
        .filter(living)
        .map(|p| format!("process {p}"))
        .collect()
}
