//! Everything that is written to the user. Results go to stdout; notes,
//! progress, diagnostics and errors to stderr. Colours follow `--color`,
//! `NO_COLOR`, `CLICOLOR_FORCE` and whether the stream is a terminal, which
//! `anstream` knows; nothing is understandable by colour alone.

mod diagnostic;
mod finding;
mod plan;
mod progress;
mod table;

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use netyard_core::state::Place;
use netyard_core::yard::Yard;

use crate::error::{Error, Kind, Result, errno_text};

pub use diagnostic::{place, printable, report_json, show_report};
pub use finding::finding_text;
pub use plan::plan_lines;
pub use progress::{Progress, restore_terminal};
pub use table::table;

const BOLD: Style = Style::new().bold();
/// The head of an error.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The head of a warning; something that changes.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The head of a hint; a command to type.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Something that comes, or is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something that goes, or is not well.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What explains, beside what matters.
pub const FAINT: Style = Style::new().dimmed();

/// Writes to stdout. A reader that has gone away ends the command quietly; a
/// full disk is an error.
pub fn print(text: &str) -> Result {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(no_output)
}

/// Writes bytes to stdout as they are.
pub fn print_raw(bytes: &[u8]) -> Result {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(no_output)
}

/// Writes a value to stdout as JSON, indented, with a newline.
pub fn print_json(value: &serde_json::Value) -> Result {
    print_raw(format!("{value:#}\n").as_bytes())
}

fn no_output(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Kind::ReaderGone.into();
    }
    Error::failed(format!("could not write to stdout: {}", errno_text(&error)))
}

/// Lines beside the result.
pub fn say(text: &str) {
    to_stderr(text);
}

/// One plain line beside the result.
pub fn note(text: &str) {
    to_stderr(&format!("{FAINT}{text}{FAINT:#}\n"));
}

/// Something that does not stop the work and should be known.
pub fn warn(text: &str) {
    to_stderr(&format!("{WARNING}warning{WARNING:#}{BOLD}: {text}{BOLD:#}\n"));
}

/// What a check found, beside a result.
pub fn show_finding(finding: &netyard_core::check::Finding) {
    to_stderr(&finding_text(finding));
}

/// Something to do.
pub fn hint(text: &str) {
    to_stderr(&format!("{HINT}hint{HINT:#}: {}\n", as_called(text)));
}

/// A hint with its commands as the user calls netyard: who has it in no directory
/// of the PATH, but calls `target/release/netyard`, can type what the hint says.
pub fn as_called(hint: &str) -> Cow<'_, str> {
    let called = std::env::args_os().next().and_then(|program| program.into_string().ok());
    match called.filter(|program| is_a_way(program)) {
        Some(program) => hint.replace("`netyard ", &format!("`{program} ")).into(),
        None => hint.into(),
    }
}

/// True for a relative path that can be typed as it is.
fn is_a_way(program: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    program.contains('/') && !program.starts_with('/') && program.chars().all(plain)
}

/// Says why a command ended.
pub fn show_error(error: &Error) {
    match &error.kind {
        Kind::Text(sources, report) => show_report(sources, report),
        Kind::Failed(message, details) => {
            headline(message);
            if let Some(place) = &error.place {
                to_stderr(&format!("  {FAINT}-->{FAINT:#} {place}\n"));
            }
            details.iter().for_each(|line| to_stderr(&format!("  {line}\n")));
        }
        Kind::CommandLine(message) => headline(message),
        Kind::Bug(what) => show_bug(what, false),
        Kind::Said | Kind::Differences | Kind::Child(_) | Kind::ReaderGone => {}
    }
    error.hints.iter().for_each(|text| hint(text));
}

/// Says that netyard itself is wrong.
pub fn show_bug(what: &str, host_was_changing: bool) {
    headline(&format!("this is a bug in netyard: {what}"));
    if host_was_changing {
        hint("the run is in the yard's journal; `netyard up` or `netyard down` takes it up");
    }
}

fn headline(message: &str) {
    to_stderr(&format!("{ERROR}error{ERROR:#}{BOLD}: {message}{BOLD:#}\n"));
}

/// Nobody can be told that stderr is gone.
fn to_stderr(text: &str) {
    progress::above(|| {
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
    });
}

/// `1 node`, `2 nodes`.
pub fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// `4 nodes, 2 networks`: what is in a yard beside the host; nothing is
/// said of what is not.
pub fn size(yard: &Yard) -> String {
    let nodes = yard.nodes.iter().filter(|node| node.place != Place::Host).count();
    let parts = [(nodes, "node"), (yard.networks.len(), "network"), (yard.links.len(), "link")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, what)| *number > 0 || *what == "node")
        .map(|(number, what)| count(number, what))
        .collect();
    parts.join(", ")
}

/// A time that a person reads: `35 ms`, `1.2 s`.
pub fn duration(time: std::time::Duration) -> String {
    match time.as_millis() {
        0 => format!("{} µs", time.as_micros()),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
