use crate::error::Result;
use crate::ui;

/// Print the JSON schema of netyard.yaml, for editors
///
/// An editor that speaks YAML completes and checks keys with it:
/// `netyard schema > netyard.schema.json`, and in the first line of the file
/// `# yaml-language-server: $schema=netyard.schema.json`.
#[derive(Debug, clap::Args)]
pub struct Schema {}

impl Schema {
    /// Does it.
    pub fn run(self) -> Result {
        ui::print_json(&serde_json::json!({}))
    }
}
