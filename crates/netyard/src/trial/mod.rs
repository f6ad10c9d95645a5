//! What became of a yard's expectations, and how it is told: to people, as
//! JSON, JUnit's XML and TAP.

mod json;
mod junit;
pub mod matrix;
mod tap;
mod text;

use std::time::Duration;

use netyard_core::diag::{Sources, Span};
use netyard_core::expect::{Expectation, Sighting, Verdict, judge};
use netyard_linux::Proved;

use crate::exposition;

/// A test of a yard.
pub struct Trial<'y> {
    /// The yard's name.
    pub yard: &'y str,
    /// For the lines of the file.
    pub sources: &'y Sources,
    /// One for each expectation, in the order of the file.
    pub outcomes: Vec<Outcome<'y>>,
    /// How long it all took.
    pub took: Duration,
}

/// What became of an expectation.
pub struct Outcome<'y> {
    /// What was expected.
    pub expectation: &'y Expectation,
    /// What was seen.
    pub sighting: Sighting,
    /// Whether that is the same.
    pub verdict: Verdict,
}

impl<'y> Outcome<'y> {
    /// Judges what was seen.
    pub fn new(expectation: &'y Expectation, sighting: Sighting) -> Self {
        let verdict = judge(expectation, &sighting);
        Self { expectation, sighting, verdict }
    }

    /// `h1 -> h3 tcp 80 is blocked (IPv4)`, after the name where it has one.
    fn title(&self) -> String {
        format!("{} ({})", self.words(), self.expectation.family)
    }

    /// The same without the family.
    fn words(&self) -> String {
        let Expectation { name, want, .. } = self.expectation;
        let name = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let want = match want.word() {
            "ok" => String::new(),
            word => format!(" is {word}"),
        };
        format!("{name}{}{want}", self.expectation.title())
    }

    fn took(&self) -> Duration {
        Duration::from_nanos(self.sighting.took)
    }
}

/// How many came true, did not, and did not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came true.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Did not apply.
    pub skipped: usize,
}

impl Trial<'_> {
    /// How it went.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            match outcome.verdict {
                Verdict::Passed(_) => counts.passed += 1,
                Verdict::Failed(_) => counts.failed += 1,
                Verdict::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// What is to be remembered of it, at this moment (seconds since 1970).
    pub fn to_note(&self, ended: f64) -> netyard_linux::Trial {
        let note = |outcome: &Outcome<'_>| {
            let passed = match outcome.verdict {
                Verdict::Passed(_) => true,
                Verdict::Failed(_) => false,
                Verdict::Skipped(_) => return None,
            };
            let Expectation { family, span, .. } = *outcome.expectation;
            let place = exposition::line(self.sources, span).unwrap_or_default();
            Some(Proved { expectation: outcome.words(), family, place, passed })
        };
        let results = self.outcomes.iter().filter_map(note).collect();
        netyard_linux::Trial::new(ended, self.took.as_secs_f64(), results)
    }

    /// The file and the line of a place.
    fn line(&self, span: Span) -> (&str, usize) {
        let Some(source) = self.sources.0.get(span.file as usize) else { return ("", 0) };
        let before = source.text.get(..span.start as usize).unwrap_or_default();
        (&source.name, before.matches('\n').count() + 1)
    }
}

#[cfg(test)]
mod tests;
