//! A test in the Test Anything Protocol, version 14.

use std::fmt::Write as _;

use netyard_core::expect::Verdict;

use super::Trial;

impl Trial<'_> {
    /// A line for each expectation, and what was seen where it failed.
    pub fn tap(&self) -> String {
        let mut text = format!("TAP version 14\n1..{}\n", self.outcomes.len());
        for (index, outcome) in self.outcomes.iter().enumerate() {
            let (number, title) = (index + 1, escaped(&outcome.title()));
            let saw = outcome.verdict.saw();
            // Writing to a String cannot fail.
            let _ = match outcome.verdict {
                Verdict::Passed(_) => writeln!(text, "ok {number} - {title}"),
                Verdict::Skipped(_) => {
                    writeln!(text, "ok {number} - {title} # SKIP {}", escaped(saw))
                }
                Verdict::Failed(_) => {
                    let (file, line) = self.line(outcome.expectation.span);
                    // A JSON text is a YAML text, too.
                    let [saw, at] = [saw, &format!("{file}:{line}")].map(serde_json::Value::from);
                    writeln!(
                        text,
                        "not ok {number} - {title}\n  ---\n  message: {saw}\n  at: {at}\n  ..."
                    )
                }
            };
        }
        text
    }
}

/// A description, in which a `#` would begin a directive.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}
