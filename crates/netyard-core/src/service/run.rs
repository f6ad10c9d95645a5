//! Any program.
//!
//! ```yaml
//! services:
//!   web:
//!     run: [python3, -m, http.server, "80"]      # or a text for `sh -c`
//!     ready: { tcp: 80, within: 5s }
//!     restart: on-failure
//! ```

use super::{CARE, Care, Scene, Service};
use crate::diag::{Report, shape as say};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{PATIENCE, Process, Program, Ready, Restart};

const PORT: Type = Type::Int { min: 1, max: 65535 };

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "`run` service",
    doc: "Any program, for as long as the node is up.",
    fields: &[
        Field::required(
            "run",
            Type::Either(&[Type::Text, Type::List(&Type::Text)]),
            "The program: a list of it and its arguments, or a text for `sh -c`; `{dir}` and `{data}` are directories of its own.",
        ),
        Field::new(
            "ready",
            Type::Either(&[Type::Word(&["started", "notify", "exit"]), Type::Record(&READY)]),
            "When it counts as started: `started` when it runs (what is so where nothing is said), `notify` when it says so (sd_notify), `exit` when it has ended well, or what it must listen at.",
        ),
        Field::new(
            "data",
            Type::Bool,
            "`true`: it has a directory, `{data}`, that outlives restarts and reboots.",
        ),
    ],
    also: &[&CARE],
};

/// `ready:` of a service that says more than a word.
pub static READY: Shape = Shape {
    name: "`ready` section",
    doc: "What a service must listen at to count as started.",
    fields: &[
        Field::new("tcp", PORT, "A TCP port at which a socket listens in its node."),
        Field::new("udp", PORT, "A UDP port that a socket has in its node."),
        Field::new("socket", Type::Text, "The path of a Unix socket that takes connections."),
        Field::new("notify", Type::Bool, "`true`: it says so itself (sd_notify)."),
        Field::new("within", Type::Duration, "How long it has; 30 s where nothing is said."),
    ],
    also: &[],
};

/// A service that is any program.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `run:`.
    pub argv: Vec<String>,
    /// `ready:`.
    pub ready: Ready,
    /// `within:` of `ready`, in milliseconds.
    pub patience: u32,
    /// `data:`.
    pub keep: bool,
    /// What every service has.
    pub care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let care = Care::from_record(record, report);
    let (ready, patience) = ready(record, PATIENCE, report);
    let value = record.values.get("run")?;
    let argv: Vec<String> = match &value.value {
        Value::Text(text) if text.trim().is_empty() => Vec::new(),
        Value::Text(text) => vec!["sh".into(), "-c".into(), text.clone()],
        Value::List(list) => {
            let text = |v: &crate::diag::Spanned<Value>| match &v.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            };
            list.iter().filter_map(text).collect()
        }
        _ => return None,
    };
    if argv.first().is_none_or(String::is_empty) {
        report.push(say::empty_command(value.span));
        return None;
    }
    let keep = record.bool("data").is_some_and(|data| data.value);
    Some(Service::Run(Run { argv, ready, patience, keep, care }))
}

/// When it is ready, and how long it has for that; `patience` where nothing is said.
pub(crate) fn ready(record: &Record, patience: u32, report: &mut Report) -> (Ready, u32) {
    if let Some(word) = record.text("ready") {
        let ready = match &*word.value {
            "notify" => Ready::Notify,
            "exit" => Ready::Exit,
            _ => Ready::Started,
        };
        return (ready, patience);
    }
    let Some(said) = record.record("ready") else { return (Ready::Started, patience) };
    let within = said.value.milliseconds("within", 100, 3_600_000, report);
    let ways = [
        said.value.number("tcp").map(Ready::Tcp),
        said.value.number("udp").map(Ready::Udp),
        said.value.text("socket").map(|path| Ready::Socket(path.value)),
        said.value.bool("notify").filter(|on| on.value).map(|_| Ready::Notify),
    ];
    let mut ways = ways.into_iter().flatten();
    let ready = ways.next().unwrap_or(Ready::Started);
    if ways.next().is_some() {
        report.push(crate::diag::service::ready_twice(said.span));
    }
    (ready, within.unwrap_or(patience))
}

impl Run {
    pub(super) fn process(&self, scene: &Scene) -> Process {
        let program = Program::Argv(self.argv.clone());
        let restart = match self.ready {
            Ready::Exit => Restart::Never,
            _ => Restart::Always,
        };
        let mut process = Process {
            ready: self.ready.clone(),
            patience: self.patience,
            keep: self.keep,
            restart,
            ..Process::new(scene.place.clone(), &scene.name.value, program)
        };
        self.care.apply(&mut process);
        process
    }
}
