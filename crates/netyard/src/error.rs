//! How a command ends when it does not end well: one error type with a kind,
//! hints and an exit code.

use std::io;

use netyard_core::diag::{Report, Sources};
use netyard_linux::ErrorKind;

use crate::ui::count;

/// The text is wrong, the work failed, or something differs.
pub const FAILED: u8 = 1;
/// The command line is wrong; clap uses it too.
pub const COMMAND_LINE: u8 = 2;
/// `plan --check` found differences.
pub const DIFFERENCES: u8 = 3;
/// A bug in netyard.
pub const BUG: u8 = 70;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Error {
    /// What sort of end this is.
    pub kind: Kind,
    /// What to do about it, each one line.
    pub hints: Vec<String>,
    /// The place in the file that it is due to: `netyard.yaml:14:5`.
    pub place: Option<String>,
    /// The exit code, where it is not the kind's.
    pub code: Option<u8>,
}

/// The sorts of end.
#[derive(Debug)]
pub enum Kind {
    /// The user's text is wrong.
    Text(Sources, Report),
    /// The world said no: one line, and what belongs to it, each a line.
    Failed(String, Vec<String>),
    /// The words of the command line do not make sense together.
    CommandLine(String),
    /// It failed, and all is said.
    Said,
    /// Something differs, and all is said.
    Differences,
    /// netyard itself is wrong.
    Bug(String),
    /// A command ran in a node and ended with this code; it has said its own.
    Child(u8),
    /// Whoever read the output no longer wants it (`netyard plan | head`).
    ReaderGone,
}

impl Error {
    /// The world said no.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::from(Kind::Failed(message.into(), Vec::new()))
    }

    /// The command line makes no sense.
    pub fn command_line(message: impl Into<String>) -> Self {
        Self::from(Kind::CommandLine(message.into()))
    }

    /// Adds something to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Ends with this code instead.
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        if let Some(code) = self.code {
            return code;
        }
        match self.kind {
            Kind::Text(..) | Kind::Failed(..) | Kind::Said => FAILED,
            Kind::CommandLine(_) => COMMAND_LINE,
            Kind::Differences => DIFFERENCES,
            Kind::Bug(_) => BUG,
            Kind::Child(code) => code,
            Kind::ReaderGone => 0,
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { kind, hints: Vec::new(), place: None, code: None }
    }
}

/// The world said no, and said why.
impl From<netyard_linux::Error> for Error {
    fn from(error: netyard_linux::Error) -> Self {
        Self::of(&error)
    }
}

impl Error {
    /// The world said no, told.
    pub fn of(error: &netyard_linux::Error) -> Self {
        let mut details = Vec::new();
        let commands = error.get_commands();
        if !commands.is_empty() {
            details.push(format!("while doing: {}", commands.join("\n  ")));
        }
        if let Some(undone) = error.get_undone() {
            details.push(format!("undone: {} of {}", undone.done, count(undone.of, "step")));
            details.extend(undone.failures.iter().map(|line| format!("not undone: {line}")));
        }
        details.extend(error.get_others().iter().map(|line| format!("and: {line}")));
        let kind = match error.kind() {
            ErrorKind::Bug => Kind::Bug(error.to_string()),
            _ => Kind::Failed(error.to_string(), details),
        };
        let hints = error.get_hint().map(Into::into).into_iter().collect();
        Self { kind, hints, place: None, code: None }
    }
}

/// The outcome of a command.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// The system's word for an error, as in `no such file or directory (ENOENT)`.
pub fn errno_text(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else {
        return error.to_string().to_lowercase();
    };
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    match ERRNO_NAMES.iter().find(|(number, _)| *number == code) {
        Some((_, name)) => format!("{text} ({name})"),
        None => format!("{text} (errno {code})"),
    }
}

/// Those that opening, reading and writing files brings (errno(3); the numbers
/// are the same on all Linux architectures Rust runs on for these).
const ERRNO_NAMES: &[(i32, &str)] = &[
    (1, "EPERM"),
    (2, "ENOENT"),
    (5, "EIO"),
    (13, "EACCES"),
    (17, "EEXIST"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (23, "ENFILE"),
    (24, "EMFILE"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (30, "EROFS"),
    (32, "EPIPE"),
];
