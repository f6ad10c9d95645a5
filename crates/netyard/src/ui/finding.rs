//! What a check found, as people read it.

use netyard_core::check::{Finding, Severity};
use netyard_core::state::Place;
use serde_json::Value;

use super::{BOLD, ERROR, FAINT, HINT, WARNING, as_called};

/// Its sentence, what was seen, what to do.
pub fn finding_text(finding: &Finding) -> String {
    let style = match finding.severity {
        Severity::Error => ERROR,
        Severity::Warning => WARNING,
        Severity::Note => FAINT,
    };
    let head = format!("{}[{}]", finding.severity.word(), finding.check.id);
    let place = match &finding.place {
        Place::Host => String::new(),
        Place::Fabric => "in the fabric: ".to_owned(),
        Place::Node(node) => format!("in node `{node}`: "),
    };
    let mut text = format!("{style}{head}{style:#}{BOLD}: {place}{}{BOLD:#}\n", finding.message);
    let seen: Vec<String> =
        finding.evidence.iter().map(|(name, value)| word(name, value)).collect();
    text += &format!("  {FAINT}seen: {}{FAINT:#}\n", seen.join(", "));
    for fix in &finding.fixes {
        text += &format!("{HINT}hint{HINT:#}: {}\n", as_called(fix));
    }
    text
}

fn word(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    }
}
