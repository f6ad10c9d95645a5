//! Mininet with Linux bridges and no controller, where it is installed.

use super::leftovers;
use crate::floor::{Shape, down};
use crate::measure::Cost;
use crate::record::Record;
use std::io;
use std::process::{Command, Stdio};

/// One host per port of one switch: its nearest thing to a star.
const SCRIPT: &str = r#"
import json, resource, sys, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
def cpu():
    uses = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return 1e3 * sum(u.ru_utime + u.ru_stime for u in uses)
def cost(act):
    wall, before = time.monotonic(), cpu()
    act()
    wall = 1e3 * (time.monotonic() - wall)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"wall": wall, "cpu": cpu() - before, "memory": memory}
def start():
    global net
    net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=LinuxBridge, controller=None)
    net.start()
print(json.dumps([cost(start), cost(lambda: net.stop())]))
"#;

/// The Python that finds Mininet, where there is one and Mininet's `mnexec`: the first
/// one in the path may be another than the system's.
fn python() -> Option<&'static str> {
    let works = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status()
    };
    let finds = |python: &&str| {
        works(python, &["-c", "import mininet.net"]).is_ok_and(|status| status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(finds)?;
    works("mnexec", &["-h"]).is_ok().then_some(python)
}

/// Brings a star up and takes it down.
///
/// # Errors
/// When Mininet is missing or fails.
pub fn run(nodes: usize) -> io::Result<Record> {
    let Some(python) = python() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "Mininet is not installed"));
    };
    let mut record = Record::new("mininet", Shape::Star, nodes);
    let output = Command::new(python)
        .args(["-c", SCRIPT, &nodes.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let [up, down]: [Cost; 2] = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    (record.up, record.down) = (up, down);
    record.drain = down::drain()?.as_secs_f64() * 1e3;
    record.problems.extend(leftovers().into_iter().map(|what| format!("left: {what}")));
    Ok(record)
}
