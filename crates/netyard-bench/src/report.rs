//! The report: a Markdown table, the raw records as JSON, the plot.

use crate::beside::{self, Beside};
use crate::floor::Shape;
use crate::options::Options;
use crate::record::{Cell, Record};
use crate::{PEER_SIZE, plot};
use std::fmt::Write as _;
use std::io;

/// Version of the JSON.
const FORMAT: u32 = 1;
/// Milliseconds of drain that are noise: an empty namespace alone takes up to 50.
const DRAIN_NOISE: f64 = 50.0;

/// Writes report.md, report.json and plot.svg and prints the first.
///
/// # Errors
/// When a file cannot be written.
pub fn write(options: &Options, records: &[Record], pairs: &[Beside]) -> io::Result<()> {
    std::fs::create_dir_all(&options.out)?;
    let mut text = markdown(options, records);
    if !pairs.is_empty() {
        let _ = write!(text, "\n## Firewalls\n\n{}", beside::table(pairs));
    }
    print!("{text}");
    std::fs::write(options.out.join("report.md"), text)?;
    let json = serde_json::json!({ "format": FORMAT, "records": records, "beside": pairs });
    std::fs::write(options.out.join("report.json"), serde_json::to_string_pretty(&json)?)?;
    std::fs::write(options.out.join("plot.svg"), plot::svg(options, records))
}

fn markdown(options: &Options, records: &[Record]) -> String {
    let mut text = format!(
        "# Benchmark\n\nMedians of {} interleaved runs; milliseconds unless said otherwise. \
         `floor` holds its namespaces by descriptors, `floor-mounted` mounts them. \
         Drain is what the kernel still cleaned up after `down` returned.\n\n\
         | shape | nodes | tool | up | up CPU | no-op up | plan | down | down CPU | drain | \
         memory MiB | first ping <= 50 ms | worst ping |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        options.runs
    );
    let mut sizes = options.sizes.clone();
    if !sizes.contains(&PEER_SIZE) {
        sizes.push(PEER_SIZE);
    }
    for &shape in &options.shapes {
        for &nodes in &sizes {
            for tool in ["floor", "floor-mounted", "netyard", "ip-batch", "mininet"] {
                if let Some(cell) = Cell::of(records, tool, shape, nodes) {
                    row(&mut text, shape, nodes, tool, &cell);
                }
            }
        }
    }
    text.push_str(
        "\n## Targets\n\n| target | shape | nodes | value | |\n|---|---|---:|---:|---|\n",
    );
    for &shape in &options.shapes {
        for &nodes in &options.sizes {
            targets(&mut text, options, records, shape, nodes);
        }
    }
    text
}

fn row(text: &mut String, shape: Shape, nodes: usize, tool: &str, cell: &Cell) {
    let number = |take: &dyn Fn(&Record) -> Option<f64>| {
        cell.median(take).map_or("-".into(), |value| format!("{value:.0}"))
    };
    let (in_time, all) = cell.pings();
    let worst = cell.0.iter().flat_map(|r| &r.pings).copied().fold(0.0, f64::max);
    let pings = if all == 0 { "- | -".into() } else { format!("{in_time}/{all} | {worst:.1}") };
    let _ = writeln!(
        text,
        "| {} | {nodes} | {tool} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {pings} |",
        shape.name(),
        number(&|r| Some(r.up.wall)),
        number(&|r| Some(r.up.cpu)),
        number(&|r| r.noop.map(|c| c.wall)),
        number(&|r| r.plan.map(|c| c.wall)),
        number(&|r| Some(r.down.wall)),
        number(&|r| Some(r.down.cpu)),
        number(&|r| Some(r.drain)),
        cell.memory(),
    );
}

fn targets(text: &mut String, options: &Options, records: &[Record], shape: Shape, nodes: usize) {
    let mut judge = |name: &str, value: Option<f64>, good: &dyn Fn(f64) -> bool| {
        let Some(value) = value else { return };
        let mark = if good(value) { "pass" } else { "FAIL" };
        let _ = writeln!(text, "| {name} | {} | {nodes} | {value:.2} | {mark} |", shape.name());
    };
    let cell = |tool, nodes| Cell::of(records, tool, shape, nodes);
    let Some(netyard) = cell("netyard", nodes) else {
        // Nothing to judge but the floor's own readiness.
        if let Some(floor) = cell("floor", nodes) {
            judge("floor: first ping in time", Some(share(&floor)), &|v| v >= 1.0);
        }
        return;
    };
    let up = netyard.up();
    let floor = cell("floor", nodes);
    let within = |limit: f64| move |value: f64| value <= limit;
    let at_least = |limit: f64| move |value: f64| value >= limit;
    judge("up <= 1.3x floor", floor.as_ref().map(|f| up / f.up()), &within(1.3));
    let (noop, plan) =
        (netyard.median(|r| r.noop.map(|c| c.wall)), netyard.median(|r| r.plan.map(|c| c.wall)));
    judge("no-op up <= 0.1x up", noop.map(|value| value / up), &within(0.1));
    judge("plan <= 0.1x up", plan.map(|value| value / up), &within(0.1));
    judge("down <= 1.3x floor", floor.as_ref().map(|f| netyard.down() / f.down()), &within(1.3));
    let drain = |cell: &Cell| cell.median(|r| Some((r.drain - DRAIN_NOISE).max(0.0)));
    let excess = floor.as_ref().and_then(|f| Some(drain(&netyard)? - drain(f)?));
    judge("nothing left: drain over the floor's, ms", excess, &within(DRAIN_NOISE));
    judge("memory < 100 MiB", Some(netyard.memory()), &|value| value < 100.0);
    judge("first ping <= 50 ms, share", Some(share(&netyard)), &at_least(1.0));
    let against = |tool| cell(tool, nodes).map(|peer| peer.up() / up);
    judge("ip -batch / up >= 12", against("ip-batch"), &at_least(12.0));
    judge("Mininet / up >= 20", against("mininet"), &at_least(20.0));
    let (least, most) = (options.sizes.iter().min(), options.sizes.iter().max());
    if let (Some(&least), Some(&most)) = (least, most)
        && nodes == most
        && least < most
    {
        let small = cell("netyard", least).map(|cell| cell.up() / least as f64);
        let growth = small.map(|small| up / nodes as f64 / small);
        judge(&format!("cost per node <= 1.3x that at {least}"), growth, &within(1.3));
    }
}

fn share(cell: &Cell) -> f64 {
    let (in_time, all) = cell.pings();
    in_time as f64 / all.max(1) as f64
}
