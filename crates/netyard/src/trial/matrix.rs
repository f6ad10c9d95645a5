//! Who reaches whom, as a table and as JSON.

use netyard_core::expect::{Family, Pair};
use netyard_core::yard::Node;
use netyard_linux::probe::Reach;
use serde_json::{Value, json};

use crate::ui;

/// Columns of a table that people can still read.
const WIDE: usize = 30;
/// Pairs that are named one by one.
const MOST: usize = 50;
/// Of the JSON format.
const VERSION: u32 = 1;

/// Who reaches whom.
pub struct Matrix<'y> {
    /// The yard's name.
    pub yard: &'y str,
    /// What was sent: `ping`, `tcp 80`.
    pub probe: String,
    /// Those that take part.
    pub nodes: Vec<&'y Node>,
    /// Who asked whom, and what came of it.
    pub answers: Vec<(Pair, Reach)>,
    /// How long it all took.
    pub took: std::time::Duration,
}

impl Matrix<'_> {
    /// A table, or of a large yard those who do not reach each other.
    pub fn text(&self) -> String {
        let body = if self.nodes.len() <= WIDE { self.table() } else { self.exceptions() };
        let reached = self.answers.iter().filter(|(_, reach)| *reach == Reach::Yes).count();
        let (all, took) = (self.answers.len(), ui::duration(self.took));
        let probe = &self.probe;
        format!("{body}matrix: {probe}: {reached} of {all} answered, in {took}\n")
    }

    fn table(&self) -> String {
        let count = self.nodes.len();
        let mut cells = vec![vec![String::new(); count]; count];
        for (at, row) in cells.iter_mut().enumerate() {
            row[at].push('-');
        }
        for (pair, reach) in &self.answers {
            cells[pair.from][pair.to].push(symbol(pair, *reach));
        }
        let names = self.nodes.iter().map(|node| node.name.to_string());
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(names.clone());
        rows.extend(names.zip(cells).map(|(name, cells)| {
            let mut row = vec![name];
            row.extend(cells);
            row
        }));
        let used = |c| self.answers.iter().any(|(pair, reach)| symbol(pair, *reach) == c);
        let legend = [
            ('4', "4 IPv4"),
            ('6', "6 IPv6"),
            ('.', ". silent"),
            ('x', "x rejected"),
            ('!', "! no way there"),
        ];
        let legend: Vec<&str> =
            legend.into_iter().filter(|(c, _)| used(*c)).map(|(_, text)| text).collect();
        let legend = match legend.is_empty() {
            true => "nobody has an address of a family that another one has".to_owned(),
            false => legend.join(", "),
        };
        format!("{}(a row asks; {legend})\n", ui::table(&rows))
    }

    fn exceptions(&self) -> String {
        let missed: Vec<_> = self.answers.iter().filter(|(_, r)| *r != Reach::Yes).collect();
        let row = |(pair, reach): &&(Pair, Reach)| {
            let name = |at: usize| self.nodes[at].name.to_string();
            let ends = format!("{} -> {}", name(pair.from), name(pair.to));
            vec![ends, pair.address.to_string(), word(*reach).to_owned()]
        };
        let rows: Vec<Vec<String>> = missed.iter().take(MOST).map(row).collect();
        let mut text = ui::table(&rows);
        if missed.len() > MOST {
            text.push_str(&format!("and {} more: `--json` has all\n", missed.len() - MOST));
        }
        text
    }

    /// For each node and family, whom it reaches and whom not.
    pub fn json(&self) -> Value {
        let rows = self.nodes.iter().enumerate().map(|(at, node)| {
            let of = |family: Family, wanted: Reach| -> Vec<&str> {
                let own = self.answers.iter().filter(|(pair, reach)| {
                    pair.from == at && Family::of(pair.address) == family && *reach == wanted
                });
                own.map(|(pair, _)| self.nodes[pair.to].name.as_str()).collect()
            };
            let family = |family| {
                json!({
                    "reaches": of(family, Reach::Yes),
                    "silent": of(family, Reach::Silent),
                    "rejected": of(family, Reach::Rejected),
                    "no_way": of(family, Reach::NoWay),
                })
            };
            json!({
                "node": node.name.as_str(),
                "ipv4": family(Family::Ipv4),
                "ipv6": family(Family::Ipv6),
            })
        });
        json!({
            "version": VERSION,
            "yard": self.yard,
            "probe": self.probe,
            "took_ms": self.took.as_secs_f64() * 1e3,
            "matrix": rows.collect::<Vec<_>>(),
        })
    }
}

fn symbol(pair: &Pair, reach: Reach) -> char {
    match (reach, pair.address.is_ipv4()) {
        (Reach::Yes, true) => '4',
        (Reach::Yes, false) => '6',
        (Reach::Silent, _) => '.',
        (Reach::Rejected, _) => 'x',
        (Reach::NoWay, _) => '!',
    }
}

fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::Yes => "answers",
        Reach::Silent => "silent",
        Reach::Rejected => "rejected",
        Reach::NoWay => "no way there",
    }
}
