//! One run of one tool on one shape, and the medians of many.

use crate::floor::Shape;
use crate::measure::Cost;
use serde::{Deserialize, Serialize};

/// What one run showed. A tool that failed has `problems` and zero costs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// `floor`, `floor-mounted`, `netyard`, `ip-batch` or `mininet`.
    pub tool: String,
    /// Name of the shape.
    pub shape: String,
    /// Number of nodes.
    pub nodes: usize,
    /// Bringing the network up.
    pub up: Cost,
    /// A second `up` that has nothing to do.
    pub noop: Option<Cost>,
    /// A plan on the running network.
    pub plan: Option<Cost>,
    /// Taking it down.
    pub down: Cost,
    /// Milliseconds to the first answer, one for each node asked.
    pub pings: Vec<f64>,
    /// Milliseconds the kernel still cleaned up after `down` returned.
    pub drain: f64,
    /// What went wrong.
    pub problems: Vec<String>,
}

impl Record {
    /// An empty record.
    pub fn new(tool: &str, shape: Shape, nodes: usize) -> Record {
        Record { tool: tool.into(), shape: shape.name().into(), nodes, ..Record::default() }
    }
}

/// The records of all runs of one tool on one shape and size.
pub struct Cell<'a>(pub Vec<&'a Record>);

impl<'a> Cell<'a> {
    /// Picks the runs that succeeded; `None` when there are none.
    pub fn of(records: &'a [Record], tool: &str, shape: Shape, nodes: usize) -> Option<Cell<'a>> {
        let found: Vec<_> = records
            .iter()
            .filter(|r| r.tool == tool && r.shape == shape.name() && r.nodes == nodes)
            .filter(|r| r.up.wall > 0.0 && r.down.wall > 0.0)
            .collect();
        (!found.is_empty()).then_some(Cell(found))
    }

    /// Median of one number over the runs that have it.
    pub fn median(&self, take: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.0.iter().filter_map(|r| take(r)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// Median milliseconds of `up`.
    pub fn up(&self) -> f64 {
        self.median(|r| Some(r.up.wall)).unwrap_or(f64::NAN)
    }

    /// Median milliseconds of `down`.
    pub fn down(&self) -> f64 {
        self.median(|r| Some(r.down.wall)).unwrap_or(f64::NAN)
    }

    /// First pings in time, and all of them.
    pub fn pings(&self) -> (usize, usize) {
        let limit = crate::ping::DEADLINE.as_secs_f64() * 1e3;
        let all = || self.0.iter().flat_map(|r| &r.pings);
        (all().filter(|&&p| p <= limit).count(), all().count())
    }

    /// Largest resident memory in MiB.
    pub fn memory(&self) -> f64 {
        let peak = |r: &&Record| {
            [Some(r.up), r.noop, r.plan, Some(r.down)].into_iter().flatten().map(|c| c.memory).max()
        };
        self.0.iter().filter_map(peak).max().unwrap_or(0) as f64 / 1024.0
    }
}
