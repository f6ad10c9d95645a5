//! A test as JUnit's XML, as continuous integration reads it.

use std::fmt::Write as _;

use netyard_core::expect::Verdict;

use super::Trial;

impl Trial<'_> {
    /// One suite, a case for each expectation.
    pub fn junit(&self) -> String {
        let counts = self.counts();
        let (yard, all, time) = (escaped(self.yard), self.outcomes.len(), self.took.as_secs_f64());
        let numbers = format!(
            "name=\"{yard}\" tests=\"{all}\" failures=\"{}\" skipped=\"{}\" errors=\"0\" time=\"{time:.3}\"",
            counts.failed, counts.skipped
        );
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a String cannot fail.
        let _ = writeln!(xml, "<testsuites {numbers}>\n  <testsuite {numbers}>");
        for outcome in &self.outcomes {
            let (file, line) = self.line(outcome.expectation.span);
            let (title, file) = (escaped(&outcome.title()), escaped(file));
            let time = outcome.took().as_secs_f64();
            let _ = write!(
                xml,
                "    <testcase classname=\"{yard}\" name=\"{title}\" file=\"{file}\" line=\"{line}\" time=\"{time:.3}\""
            );
            let saw = escaped(outcome.verdict.saw());
            let _ = match outcome.verdict {
                Verdict::Passed(_) => writeln!(xml, "/>"),
                Verdict::Failed(_) => {
                    writeln!(xml, ">\n      <failure message=\"{saw}\"/>\n    </testcase>")
                }
                Verdict::Skipped(_) => {
                    writeln!(xml, ">\n      <skipped message=\"{saw}\"/>\n    </testcase>")
                }
            };
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }
}

/// A text as the value of an attribute. Control characters, which XML 1.0 has no
/// way to write, become question marks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
