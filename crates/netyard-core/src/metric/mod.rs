//! What a yard tells a monitoring system, in Prometheus' text format.
//!
//! [`table`] says which metrics there are; an [`Exposition`] collects their
//! values and writes them. Nothing is counted here: the kernel and the services
//! count, and what they say is written down each time somebody asks. A registry
//! of counters, which is what libraries for this are, would only be in the way.
//!
//! The format: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! version 0.0.4, which every collector reads.

mod table;

use std::collections::BTreeMap;
use std::fmt::Write;

pub use table::Metric;

/// What an exposition is sent as (`Content-Type`).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Bytes of a label's value at most; of a longer one the beginning is told.
const LONGEST: usize = 200;

/// What sort of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It only rises, until what is counted is made anew.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Sort {
    /// Its word in a `# TYPE` line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count, to the last digit.
    Whole(u64),
    /// Anything else.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// The metrics of one yard at one moment.
#[derive(Clone, Debug)]
pub struct Exposition {
    yard: String,
    values: BTreeMap<Metric, BTreeMap<Vec<String>, Value>>,
}

impl Exposition {
    /// Of this yard, whose name every metric has as its label `yard`.
    pub fn new(yard: &str) -> Self {
        Self { yard: yard.to_owned(), values: BTreeMap::new() }
    }

    /// Tells a value. `labels` are in the order of the table; a value that was
    /// told before under the same labels is replaced.
    pub fn put(&mut self, metric: Metric, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), metric.labels().len(), "labels of {}", metric.name());
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.values.entry(metric).or_default().insert(labels, value.into());
    }

    /// Adds to what was told under the same labels.
    pub fn add(&mut self, metric: Metric, labels: &[&str], value: u64) {
        debug_assert_eq!(labels.len(), metric.labels().len(), "labels of {}", metric.name());
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let there = self.values.entry(metric).or_default().entry(labels).or_insert(0_u64.into());
        if let Value::Whole(sum) = there {
            *sum = sum.saturating_add(value);
        }
    }

    /// In Prometheus' text format; the same values give the same bytes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (metric, values) in &self.values {
            // Writing into a String cannot fail.
            let (name, sort) = (metric.name(), metric.sort().word());
            let _ = writeln!(text, "# HELP {name} {}", metric.help().replace('\\', "\\\\"));
            let _ = writeln!(text, "# TYPE {name} {sort}");
            for (labels, value) in values {
                text.push_str(name);
                let _ = write!(text, "{{yard=\"{}\"", escaped(&self.yard));
                for (label, value) in metric.labels().iter().zip(labels) {
                    let _ = write!(text, ",{label}=\"{}\"", escaped(value));
                }
                let _ = match value {
                    Value::Whole(value) => writeln!(text, "}} {value}"),
                    Value::Real(value) => writeln!(text, "}} {value}"),
                };
            }
        }
        text
    }
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if text.len() >= LONGEST {
            text.push('…');
            break;
        }
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // What a terminal would obey is none of a label's.
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_metric_stand_together_below_its_head() {
        let mut told = Exposition::new("home");
        told.put(Metric::NodeUp, &["b"], true);
        told.put(Metric::YardUp, &[], true);
        told.put(Metric::NodeUp, &["a"], false);
        let expected = "\
# HELP netyard_yard_up 1 when anything of the yard is there.
# TYPE netyard_yard_up gauge
netyard_yard_up{yard=\"home\"} 1
# HELP netyard_node_up 1 when the node is there.
# TYPE netyard_node_up gauge
netyard_node_up{yard=\"home\",node=\"a\"} 0
netyard_node_up{yard=\"home\",node=\"b\"} 1
";
        assert_eq!(told.text(), expected);
    }

    #[test]
    fn labels_are_escaped_and_no_longer_than_one_reads() {
        let mut told = Exposition::new("a\\b");
        told.put(Metric::NodeUp, &["say \"hi\"\nthere\u{1b}[2J"], true);
        let text = told.text();
        let line = text.lines().last().unwrap();
        let expected =
            "netyard_node_up{yard=\"a\\\\b\",node=\"say \\\"hi\\\"\\nthere\u{fffd}[2J\"} 1";
        assert_eq!(line, expected);
        assert_eq!(escaped(&"x".repeat(1000)).len(), LONGEST + '…'.len_utf8());
    }

    #[test]
    fn counts_keep_their_last_digit_and_rules_of_one_line_are_one() {
        let mut told = Exposition::new("y");
        let labels = ["gw", "input", "ssh", "netyard.yaml:7"];
        told.add(Metric::FirewallRuleBytes, &labels, u64::MAX - 3);
        told.add(Metric::FirewallRuleBytes, &labels, 2);
        told.put(Metric::LinkDelay, &["l", "a", "x"], 0.02);
        let text = told.text();
        assert!(text.contains(" 18446744073709551614\n"), "{text}");
        assert!(text.contains(" 0.02\n"), "{text}");
    }
}
