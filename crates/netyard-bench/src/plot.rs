//! The plot: milliseconds over nodes, both logarithmic, one panel per shape.

use crate::options::Options;
use crate::record::{Cell, Record};
use std::fmt::Write as _;

const PANEL: f64 = 340.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 44.0;
const GAP: f64 = 34.0;
/// Room for the legend below the panels.
const FOOT: f64 = 84.0;
/// Room for the four entries of a row of the legend.
const LEGEND: f64 = 680.0;

/// One line of a panel.
struct Series {
    label: &'static str,
    colour: &'static str,
    dash: &'static str,
    tool: &'static str,
    take: fn(&Record) -> Option<f64>,
}

const SERIES: [Series; 8] = [
    Series {
        label: "netyard up",
        colour: "#0b62c4",
        dash: "",
        tool: "netyard",
        take: |r| Some(r.up.wall),
    },
    Series {
        label: "floor up",
        colour: "#0b62c4",
        dash: "5 4",
        tool: "floor",
        take: |r| Some(r.up.wall),
    },
    Series {
        label: "netyard down",
        colour: "#c4460b",
        dash: "",
        tool: "netyard",
        take: |r| Some(r.down.wall),
    },
    Series {
        label: "floor down",
        colour: "#c4460b",
        dash: "5 4",
        tool: "floor",
        take: |r| Some(r.down.wall),
    },
    Series {
        label: "no-op up",
        colour: "#2a8a3c",
        dash: "",
        tool: "netyard",
        take: |r| r.noop.map(|c| c.wall),
    },
    Series {
        label: "plan",
        colour: "#8a2a86",
        dash: "",
        tool: "netyard",
        take: |r| r.plan.map(|c| c.wall),
    },
    Series {
        label: "ip -batch up",
        colour: "#555555",
        dash: "",
        tool: "ip-batch",
        take: |r| Some(r.up.wall),
    },
    Series {
        label: "Mininet up",
        colour: "#b08900",
        dash: "",
        tool: "mininet",
        take: |r| Some(r.up.wall),
    },
];

/// The whole picture.
pub fn svg(options: &Options, records: &[Record]) -> String {
    let mut sizes = options.sizes.clone();
    sizes.extend(records.iter().map(|record| record.nodes));
    sizes.sort_unstable();
    sizes.dedup();
    let times = || {
        let all = records.iter().flat_map(|r| SERIES.iter().filter_map(|s| (s.take)(r)));
        all.filter(|&time| time > 0.0)
    };
    let scale = Scale {
        nodes: (
            sizes.first().copied().unwrap_or(1) as f64,
            sizes.last().copied().unwrap_or(10) as f64,
        ),
        time: (
            10f64.powf(times().fold(f64::MAX, f64::min).clamp(0.1, 1e6).log10().floor()),
            10f64.powf(times().fold(1.0, f64::max).log10().ceil()),
        ),
    };
    let width = (LEFT + options.shapes.len() as f64 * (PANEL + GAP)).max(LEGEND);
    let height = TOP + HEIGHT + FOOT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (number, &shape) in options.shapes.iter().enumerate() {
        let left = LEFT + number as f64 * (PANEL + GAP);
        frame(&mut text, left, shape.name(), &scale, &sizes, number == 0);
        for series in &SERIES {
            let point = |&nodes: &usize| {
                let cell = Cell::of(records, series.tool, shape, nodes)?;
                let time = cell.median(series.take).filter(|&time| time > 0.0)?;
                Some((left + scale.x(nodes as f64), scale.y(time)))
            };
            let points: Vec<_> = sizes.iter().filter_map(point).collect();
            line(&mut text, series, &points);
        }
    }
    legend(&mut text, records);
    text.push_str("</svg>\n");
    text
}

/// Maps values to places; both axes are logarithmic.
struct Scale {
    nodes: (f64, f64),
    time: (f64, f64),
}

impl Scale {
    fn x(&self, nodes: f64) -> f64 {
        let span = (self.nodes.1 / self.nodes.0).ln();
        let share = if span > 0.0 { (nodes / self.nodes.0).ln() / span } else { 0.5 };
        18.0 + share * (PANEL - 36.0)
    }

    fn y(&self, time: f64) -> f64 {
        let span = (self.time.1 / self.time.0).ln().max(1e-9);
        TOP + HEIGHT * (1.0 - (time / self.time.0).ln() / span)
    }
}

fn frame(text: &mut String, left: f64, name: &str, scale: &Scale, sizes: &[usize], first: bool) {
    let middle = left + PANEL / 2.0;
    let _ = writeln!(
        text,
        "<rect x=\"{left}\" y=\"{TOP}\" width=\"{PANEL}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999999\"/>\n\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-size=\"15\" font-weight=\"bold\">{name}</text>\n\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">nodes</text>",
        TOP - 14.0,
        TOP + HEIGHT + 34.0
    );
    for &nodes in sizes {
        let x = left + scale.x(nodes as f64);
        let bottom = TOP + HEIGHT;
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#eeeeee\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{nodes}</text>",
            bottom + 16.0
        );
    }
    let mut time = scale.time.0;
    while time <= scale.time.1 * 1.001 {
        let y = scale.y(time);
        let right = left + PANEL;
        let _ = writeln!(
            text,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>"
        );
        if first {
            let label =
                if time >= 1e3 { format!("{} s", time / 1e3) } else { format!("{time} ms") };
            let _ = writeln!(
                text,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        time *= 10.0;
    }
}

fn line(text: &mut String, series: &Series, points: &[(f64, f64)]) {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let colour = series.colour;
    if points.len() > 1 {
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>",
            path.join(" "),
            series.dash
        );
    }
    for (x, y) in points {
        let fill = if series.dash.is_empty() { colour } else { "#ffffff" };
        let _ = writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"{colour}\"/>"
        );
    }
}

fn legend(text: &mut String, records: &[Record]) {
    let present = |series: &&Series| {
        records.iter().any(|r| r.tool == series.tool && (series.take)(r).is_some())
    };
    for (number, series) in SERIES.iter().filter(present).enumerate() {
        let (x, y) =
            (LEFT + (number % 4) as f64 * 150.0, TOP + HEIGHT + 54.0 + (number / 4) as f64 * 18.0);
        line(text, series, &[(x, y), (x + 28.0, y)]);
        let _ =
            writeln!(text, "<text x=\"{}\" y=\"{}\">{}</text>", x + 36.0, y + 4.0, series.label);
    }
}
