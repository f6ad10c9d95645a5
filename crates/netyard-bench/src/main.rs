//! The benchmark: a floor, netyard and its peers in turns, in a namespace of
//! its own. `netyard-bench --help` lists the options.

mod beside;
mod containers;
mod floor;
mod isolate;
mod measure;
mod nat;
mod options;
mod ping;
mod plot;
mod record;
mod report;
mod rules;
mod services;
mod tool;
mod wireguard;

use floor::Shape;
use options::Options;
use record::Record;
use std::io;
use std::process::ExitCode;

/// Size at which Mininet runs, once.
const PEER_SIZE: usize = 300;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some("ping") => ping_neighbour(),
        Some("drain") => nat::drain().map(|()| ExitCode::SUCCESS),
        Some("pour") => nat::pour(&words[1..]).map(|()| ExitCode::SUCCESS),
        Some("nat" | "rules" | "services" | "wireguard" | "containers" | "beside")
            if !isolate::isolated() =>
        {
            isolate::run_again()
        }
        Some("nat" | "rules" | "services" | "wireguard" | "containers") => beside::alone(&words),
        Some("beside") => beside::child(&words[1..]),
        Some("floor") if isolate::isolated() => floor_alone(&words[1..]),
        Some("--help" | "-h") => {
            println!("{}", options::HELP);
            Ok(ExitCode::SUCCESS)
        }
        _ => match Options::parse(&words) {
            Ok(_) if !isolate::isolated() => isolate::run_again(),
            Ok(options) => bench(&options),
            Err(problem) => {
                eprintln!("error: {problem}\n\n{}", options::HELP);
                return ExitCode::from(2);
            }
        },
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// Child mode, run in a node: prints the milliseconds to the first answer.
fn ping_neighbour() -> io::Result<ExitCode> {
    let time = ping::first_answer(&ping::neighbours()?)?;
    println!("{}", time.as_secs_f64() * 1e3);
    Ok(ExitCode::SUCCESS)
}

/// Child mode: one floor, its record on standard output.
fn floor_alone(words: &[String]) -> io::Result<ExitCode> {
    let [shape, nodes, hold] = words else { return Ok(ExitCode::from(2)) };
    let (Some(shape), Ok(nodes)) = (Shape::named(shape), nodes.parse()) else {
        return Ok(ExitCode::from(2));
    };
    let record = tool::floor_here(shape, nodes, hold == "mounted")?;
    println!("{}", serde_json::to_string(&record)?);
    Ok(ExitCode::SUCCESS)
}

fn bench(options: &Options) -> io::Result<ExitCode> {
    let mut records = Vec::new();
    let mut failures = 0;
    let mut take = |label: &str, result: io::Result<Record>| match result {
        Ok(record) => {
            for problem in &record.problems {
                eprintln!("PROBLEM {label}: {problem}");
            }
            failures += record.problems.len();
            eprintln!("{label}: up {:.0} ms, down {:.0} ms", record.up.wall, record.down.wall);
            records.push(record);
        }
        Err(error) => {
            eprintln!("FAILED {label}: {error}");
            failures += 1;
        }
    };
    for run in 0..options.runs {
        for &shape in &options.shapes {
            for &nodes in &options.sizes {
                let label = |tool: &str| format!("{tool} {} {nodes} run {run}", shape.name());
                take(&label("floor"), tool::floor(shape, nodes, false));
                if let Some(binary) = &options.netyard {
                    take(&label("netyard"), tool::netyard(binary, shape, nodes));
                }
                take(&label("floor-mounted"), tool::floor(shape, nodes, true));
            }
        }
    }
    if options.peers {
        // Once, and beside the largest yards: what it costs a node grows with them.
        let size = options.sizes.iter().copied().max().unwrap_or(PEER_SIZE);
        for &shape in &options.shapes {
            let label = format!("ip-batch {} {size}", shape.name());
            take(&label, tool::ip_batch(shape, size));
        }
        if options.shapes.contains(&Shape::Star) {
            match tool::mininet(PEER_SIZE) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    eprintln!("SKIPPED mininet: {error}");
                }
                result => take("mininet star 300", result),
            }
        }
    }
    let mut pairs = Vec::new();
    if options.firewalls {
        let failed;
        (pairs, failed) = beside::all(options);
        failures += failed;
    }
    report::write(options, &records, &pairs)?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
