//! Metrics for a monitoring system, served on the host for as long as the yard is up.
//!
//! ```yaml
//! metrics: true                              # http://127.0.0.1:9917/metrics
//! metrics: { listen: unix:/run/lab.sock }    # or another ADDRESS:PORT
//! ```

use std::net::SocketAddr;

use crate::diag::{Report, Span, service as say};
use crate::name::YardName;
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{Place, Process, Program, Ready};

/// Where it listens unless the file says otherwise.
pub const LISTEN: &str = "127.0.0.1:9917";

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "`metrics` section",
    doc: "Metrics for Prometheus (docs/metrics.md), served on the host.",
    fields: &[Field::new(
        "listen",
        Type::Text,
        "`ADDRESS:PORT` of the host, or `unix:PATH` for a socket of root's alone; left out, `127.0.0.1:9917`.",
    )],
    also: &[],
};

/// `metrics:` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where the file says it.
    pub span: Span,
    /// Where it listens.
    pub listen: String,
}

impl Metrics {
    /// Reads the key of the whole file.
    pub fn from_root(root: &Record, report: &mut Report) -> Option<Self> {
        let said = root.values.get("metrics")?;
        let record = match &said.value {
            Value::Bool(true) => return Some(Self { span: said.span, listen: LISTEN.to_owned() }),
            Value::Record(record) => record,
            _ => return None,
        };
        let listen = match record.text("listen") {
            None => LISTEN.to_owned(),
            Some(text) => {
                if !is_address(&text.value) {
                    report.push(say::bad_listen(&text.value, text.span));
                }
                text.value
            }
        };
        Some(Self { span: said.span, listen })
    }

    /// The process that serves them.
    pub fn process(&self, yard: &YardName) -> Process {
        let words = ["metrics", "--yard", yard.as_str(), "--listen", &self.listen];
        let program = Program::Netyard(words.map(str::to_owned).to_vec());
        Process { ready: Ready::Notify, ..Process::new(Place::Host, "metrics", program) }
    }
}

/// A path must be whole: the process is at home in no directory of the user's.
fn is_address(text: &str) -> bool {
    match text.strip_prefix("unix:") {
        Some(path) => path.starts_with('/'),
        None => text.parse::<SocketAddr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_a_socket_a_whole_path() {
        for good in [LISTEN, "[::1]:9917", "0.0.0.0:80", "unix:/run/a"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "localhost:9917", "127.0.0.1", "unix:", "unix:a", "::1:9917", "9917"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
