//! netyard itself, by its command line.

use super::{asked, leftovers};
use crate::floor::{Shape, down};
use crate::measure;
use crate::record::Record;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Milliseconds of a ping that was not answered.
const NEVER: f64 = 1e6;

/// Brings a yard up, up again, plans it, pings, takes it down.
///
/// # Errors
/// When a file cannot be written; what netyard does wrong is in the record.
pub fn run(binary: &Path, shape: Shape, nodes: usize) -> io::Result<Record> {
    let mut record = Record::new("netyard", shape, nodes);
    let file = std::env::temp_dir().join(format!("netyard-bench-{}-{nodes}.yaml", shape.name()));
    std::fs::write(&file, yard(shape, nodes))?;
    let netyard = |verb: &str| {
        let mut command = Command::new(binary);
        command.args([verb, "-f"]).arg(&file);
        command
    };
    match measure::command(&mut netyard("up")) {
        Ok(up) => {
            record.up = up;
            for node in asked(nodes) {
                let ping = note(&mut record.problems, first_ping(netyard("exec"), shape, node));
                record.pings.push(ping.unwrap_or(NEVER));
            }
            record.noop = note(&mut record.problems, measure::command(&mut netyard("up")));
            record.plan = note(&mut record.problems, measure::command(&mut netyard("plan")));
        }
        Err(error) => record.problems.push(error.to_string()),
    }
    if let Some(down) = note(&mut record.problems, measure::command(&mut netyard("down"))) {
        record.down = down;
    }
    record.drain = down::drain()?.as_secs_f64() * 1e3;
    record.problems.extend(leftovers().into_iter().map(|what| format!("left: {what}")));
    std::fs::remove_file(&file)?;
    Ok(record)
}

fn note<T>(problems: &mut Vec<String>, result: io::Result<T>) -> Option<T> {
    result.map_err(|error| problems.push(error.to_string())).ok()
}

fn first_ping(mut exec: Command, shape: Shape, node: usize) -> io::Result<f64> {
    let letter = if shape == Shape::Ring { 'r' } else { 'h' };
    exec.arg(format!("{letter}{}", node + 1)).arg("--");
    exec.arg(std::env::current_exe()?).arg("ping").stdin(Stdio::null());
    let output = exec.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        io::Error::other(format!("no first ping from node {}: {}", node + 1, said.trim()))
    })
}

/// The yard file of a shape; netyard allots the addresses.
fn yard(shape: Shape, n: usize) -> String {
    match shape {
        Shape::Star => format!(
            "yard: star\nnetworks: {{ lan: {{}} }}\nnodes:\n  \"h[1..{n}]\": {{ interfaces: {{ eth0: {{ network: lan }} }} }}\n"
        ),
        Shape::Ring => format!(
            "yard: ring\nnodes:\n  \"r[1..{n}]\": {{ forward: true }}\nlinks:\n  - {{ for: {{ i: 1..{n} }}, ends: [ r$i:right, \"r$(i % {n} + 1):left\" ] }}\n"
        ),
        Shape::Hub => format!(
            "yard: hub\nnodes:\n  hub: {{}}\n  \"h[1..{n}]\": {{}}\nlinks:\n  - {{ for: {{ i: 1..{n} }}, ends: [ hub:eth$i, h$i:eth0 ] }}\n"
        ),
    }
}
