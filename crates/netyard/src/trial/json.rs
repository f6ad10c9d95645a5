//! A test as JSON; its `version` changes when a reader must change.

use netyard_core::expect::Verdict;
use serde_json::{Value, json};

use super::{Outcome, Trial};

/// Of the format.
const VERSION: u32 = 1;

impl Trial<'_> {
    /// The whole test.
    pub fn json(&self) -> Value {
        let counts = self.counts();
        json!({
            "version": VERSION,
            "yard": self.yard,
            "passed": counts.passed,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "took_ms": self.took.as_secs_f64() * 1e3,
            "results": self.outcomes.iter().map(|o| self.result(o)).collect::<Vec<_>>(),
        })
    }

    fn result(&self, outcome: &Outcome<'_>) -> Value {
        let (expectation, sighting) = (outcome.expectation, &outcome.sighting);
        let (file, line) = self.line(expectation.span);
        json!({
            "name": expectation.name,
            "from": expectation.from.label,
            "to": expectation.to.label,
            "address": sighting.address,
            "probe": expectation.probe.to_string(),
            "family": expectation.family,
            "expected": expectation.want,
            "result": word(&outcome.verdict),
            "seen": outcome.verdict.saw(),
            "tries": sighting.tries,
            "took_ms": outcome.took().as_secs_f64() * 1e3,
            "netyard_listened": sighting.listened,
            "file": file,
            "line": line,
        })
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed(_) => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Skipped(_) => "skipped",
    }
}
