//! Diagnostics: the user's text is wrong.
//!
//! A [`Diagnostic`] has a code, a message, places and hints. All of a file's are
//! gathered in one [`Report`]. They are made only by the named functions of this
//! folder, one for each message and one file for each subject, so that a reader
//! finds every sentence netyard says about a file in one place.

pub mod client;
pub mod container;
pub mod expand;
pub mod firewall;
pub mod import;
pub mod libvirt;
pub mod radio;
pub mod service;
pub mod serving;
pub mod serving6;
pub mod shape;
pub mod syntax;
pub mod vm;
pub mod yard;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// A place in one of the source files: a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Index into [`Sources`].
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value to its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }

    /// The same place, the value borrowed.
    pub fn as_ref(&self) -> Spanned<&T> {
        Spanned { value: &self.value, span: self.span }
    }
}

/// One source text: the yard's file or one that it includes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name shown to the user, as given (`netyard.yaml`, `-`).
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// All source texts of a yard; a [`Span`] points into them.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Vec<Source>);

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is done until it is mended.
    Error,
    /// Works, but hardly as meant.
    Warning,
}

/// A place and what to say beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is said there; may be empty.
    pub text: String,
}

/// One thing that is wrong with the user's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the work.
    pub severity: Severity,
    /// Stable, kebab-case: `unknown-key`.
    pub code: &'static str,
    /// One lower-case sentence without a full stop, names in backticks.
    pub message: String,
    /// The place it is about first, then others that explain it; may be empty
    /// (a whole file that cannot be read).
    pub labels: Vec<Label>,
    /// What to do, each one line.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error, to be completed by [`Diagnostic::at`] and the others; private
    /// to this folder, so that every message has a function here.
    fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// As [`Diagnostic::error`], for what works, but hardly as meant.
    fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place and what is said there.
    fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds what to do.
    fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Adds "did you mean" when one of `candidates` is near to `found`.
    fn did_you_mean<'a>(self, found: &str, candidates: impl Iterator<Item = &'a str>) -> Self {
        match nearest(found, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// The candidate that a typing mistake may have turned into `found`.
pub fn nearest<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase().replace('_', "-");
    candidates
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= c.chars().count().max(found.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `a`, `b` and `c`.
pub(crate) fn quoted_list(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// All diagnostics of one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(pub Vec<Diagnostic>);

impl Report {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Sorts by place; says once what a range of a thousand says a thousand
    /// times; keeps at most `most`.
    pub fn settle(&mut self, most: usize) {
        let mut kept: Vec<(Diagnostic, usize)> = Vec::new();
        let mut seen = BTreeMap::new();
        for diagnostic in self.0.drain(..) {
            let place = diagnostic.labels.first().map(|l| l.span);
            let shape = diagnostic.message.replace(|c: char| c.is_ascii_digit(), "");
            match seen.entry((place, diagnostic.code, shape)) {
                Entry::Vacant(entry) => {
                    entry.insert(kept.len());
                    kept.push((diagnostic, 0));
                }
                Entry::Occupied(entry) => {
                    let (first, more) = &mut kept[*entry.get()];
                    *more += usize::from(first.message != diagnostic.message);
                }
            }
        }
        kept.sort_by_key(|(d, _)| d.labels.first().map(|l| (l.span.file, l.span.start)));
        let over = kept.len().saturating_sub(most);
        kept.truncate(most);
        self.0.extend(kept.into_iter().map(|(mut diagnostic, more)| {
            if more > 0 {
                diagnostic.message.push_str(&format!(" (and {more} more like it)"));
            }
            diagnostic
        }));
        if over > 0 {
            let place = self.0.last().and_then(|d| d.labels.first()).map(|l| l.span);
            self.0.push(shape::and_more(place.unwrap_or_default(), over));
        }
    }

    /// True when something stops the work.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_and_another_word_does_not() {
        let words = ["forward", "hostname", "sysctl"];
        assert_eq!(nearest("forwad", words.into_iter()), Some("forward"));
        assert_eq!(nearest("Host_name", words.into_iter()), Some("hostname"));
        assert_eq!(nearest("banana", words.into_iter()), None);
    }
}
