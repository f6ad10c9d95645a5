//! Diagnostics: the user's text is wrong.
//!
//! A [`Diagnostic`] has a code, a message, places and hints. All of a file's are
//! gathered in one [`Report`]. They are made only by the named functions of this
//! module, one for each message, so that a reader finds every sentence netyard
//! says about a file in one folder.

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

/// All diagnostics of one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(pub Vec<Diagnostic>);

impl Report {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// True when something stops the work.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
}
