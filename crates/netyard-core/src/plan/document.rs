//! A plan as a file: versioned JSON, for the journal and for other programs.

use serde::{Deserialize, Serialize};

use super::Plan;

/// The format this netyard writes.
const VERSION: u32 = 1;

/// A plan with the version of its format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// 1; raised when a reader of an older one would misread it.
    version: u32,
    /// The name of the yard.
    pub yard: String,
    /// What will change.
    #[serde(flatten)]
    pub plan: Plan,
    /// What of the host will be in its way, as `netyard doctor --json` writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<serde_json::Value>,
}

/// Why a text is no plan that this netyard can read.
#[derive(Debug)]
pub enum Unreadable {
    /// It was written by another version of netyard; the version of its format.
    Version(u64),
    /// It is no plan at all.
    Text(serde_json::Error),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "the plan has format {version}, and this netyard reads format {VERSION}")
            }
            Self::Text(error) => write!(f, "not a plan: {error}"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl PlanDocument {
    /// A plan of a yard, in the current format.
    pub fn new(yard: &str, plan: Plan) -> Self {
        Self { version: VERSION, yard: yard.to_string(), plan, concerns: Vec::new() }
    }

    /// The text: JSON, indented, with a newline at its end.
    pub fn to_json(&self) -> String {
        // Plain data with text keys: serialising it cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a text that [`Self::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(Unreadable::Text)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => Err(Unreadable::Version(version)),
            _ => serde_json::from_value(value).map_err(Unreadable::Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_what_it_writes() {
        let document = PlanDocument::new("home", Plan::default());
        assert_eq!(PlanDocument::from_json(&document.to_json()).unwrap(), document);
    }

    #[test]
    fn a_plan_of_another_format_is_told_from_a_text_that_is_none() {
        let newer = r#"{ "version": 2, "yard": "home", "batches": [], "disturbances": [] }"#;
        assert!(matches!(PlanDocument::from_json(newer), Err(Unreadable::Version(2))));
        assert!(matches!(PlanDocument::from_json("{}"), Err(Unreadable::Text(_))));
    }
}
