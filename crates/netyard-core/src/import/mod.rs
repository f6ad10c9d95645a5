//! Files of other tools -> a yard's file, and what became of each word of them.
//!
//! ONE FILE FOR EACH FORMAT. An importer reads the texts it is given, draws a
//! [`Map`](crate::draft::Map) and notes for every key whether it was taken over whole, nearly,
//! or not at all. Whatever it draws is then read as any yard's file is, so that
//! nothing is called imported that `netyard up` would refuse.

mod containerlab;
mod kathara;
mod libvirt;
mod meshnet;
mod netplan;
mod networkd;
mod wg_netns;
mod wg_quick;

use crate::diag::{Report, Source, Sources};
use crate::draft::Work;
pub use crate::draft::{Fate, Note};
use crate::facts::Facts;
use crate::spec;
use crate::yard;

/// A format of another tool.
pub struct Format {
    /// The word that names it on the command line.
    pub word: &'static str,
    /// What it is called in a sentence: "containerlab topology".
    pub title: &'static str,
    /// Ends of names of files that belong to it, beside the one that is named; read
    /// when a directory is given, or the file that lies in one.
    pub beside: &'static [&'static str],
    /// What the file is called, by the ends of its name; for a directory.
    pub main: &'static [&'static str],
    /// A directory is read whole: all such files, in the order of their names.
    pub whole: bool,
    /// Reads the first text, and the others that belong to it.
    read: fn(&Sources, &mut Work),
    /// True when a yard's file that cannot be read is one of these instead.
    pub is_one: fn(&serde_json::Value) -> bool,
}

/// All formats, in the order of the help.
pub static FORMATS: &[&Format] = &[
    &containerlab::FORMAT,
    &kathara::FORMAT,
    &libvirt::FORMAT,
    &meshnet::FORMAT,
    &netplan::FORMAT,
    &networkd::FORMAT,
    &wg_netns::FORMAT,
    &wg_quick::FORMAT,
];

/// The format of a word.
pub fn format(word: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.word == word)
}

/// The format of a text that was taken for a yard's file and is another tool's.
pub fn recognised(text: &str) -> Option<&'static Format> {
    let file = spec::plain_tree(text)?;
    FORMATS.iter().copied().find(|format| (format.is_one)(&file))
}

/// What an import gives.
#[derive(Debug)]
pub struct Imported {
    /// The yard's file; none when the foreign one could not be read.
    pub text: Option<String>,
    /// What became of each key, in the order of the files.
    pub notes: Vec<Note>,
    /// What is wrong with the foreign file.
    pub report: Report,
    /// What netyard says of the file it made: the text as a source, and the messages.
    pub verdict: (Sources, Report),
}

/// Imports the first of these texts, with those that belong to it.
pub fn import(format: &Format, sources: &Sources) -> Imported {
    let mut work = Work::default();
    (format.read)(sources, &mut work);
    work.notes.sort_by_key(|note| (note.span.file, note.span.start));
    // What many nodes inherit is said once.
    work.notes.dedup();
    work.report.settle(spec::limit::DIAGNOSTICS);
    if work.report.has_errors() {
        let verdict = Default::default();
        return Imported { text: None, notes: work.notes, report: work.report, verdict };
    }
    let name = sources.0.first().map(|source| one_line(&source.name)).unwrap_or_default();
    let text = format!(
        "# Made from the {} {name}\n# by `netyard import {}`, which said what became of each part.\n{}",
        format.title,
        format.word,
        work.draft.text()
    );
    let verdict = judge(&text);
    Imported { text: Some(text), notes: work.notes, report: work.report, verdict }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Reads a made file as `netyard check` does.
fn judge(text: &str) -> (Sources, Report) {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "imported", &mut |_, _| Err("nothing is included".into()));
    let mut report = parsed.report;
    if let Some(spec) = &parsed.spec {
        let host = Facts { host_reachable: true, ..Facts::default() };
        report.0.extend(yard::resolve(spec, &host).1.0);
    }
    // The host that the foreign file was written for may be another one.
    report.0.retain(|d| !["interface-unknown", "interface-absent"].contains(&d.code));
    report.settle(spec::limit::DIAGNOSTICS);
    (parsed.sources, report)
}
