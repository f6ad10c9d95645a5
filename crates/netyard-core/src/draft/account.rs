//! What became of each part of a foreign file.

use serde::Serialize;

use super::Map;
use crate::diag::{Report, Span};

/// How much of a key's meaning the yard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// All of it.
    Lossless,
    /// Nearly, as the note says.
    Approximated,
    /// Nothing; the note says why.
    Ignored,
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it is.
    pub span: Span,
    /// The key, from the top: `topology.nodes.r1.image`.
    pub key: String,
    /// How much was taken over.
    pub fate: Fate,
    /// Why not all of it, or what was made of it; empty where all is.
    pub why: String,
}

/// An import at work.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub draft: Map,
    pub notes: Vec<Note>,
    pub report: Report,
}

impl Work {
    /// Says what became of a part.
    pub(crate) fn note(
        &mut self,
        span: Span,
        key: impl Into<String>,
        fate: Fate,
        why: impl Into<String>,
    ) {
        self.notes.push(Note { span, key: key.into(), fate, why: why.into() });
    }

    /// Taken over whole.
    pub(crate) fn kept(&mut self, span: Span, key: impl Into<String>) {
        self.note(span, key, Fate::Lossless, "");
    }

    /// Taken over, nearly.
    pub(crate) fn nearly(&mut self, span: Span, key: impl Into<String>, why: impl Into<String>) {
        self.note(span, key, Fate::Approximated, why);
    }

    /// Not taken over.
    pub(crate) fn ignored(&mut self, span: Span, key: impl Into<String>, why: impl Into<String>) {
        self.note(span, key, Fate::Ignored, why);
    }
}
