use netyard_core::spec;

use crate::error::Result;
use crate::ui;

/// Print the JSON schema of netyard.yaml, for editors
///
/// An editor that speaks YAML completes and checks keys with it:
/// `netyard schema > netyard.schema.json`, and in the first line of the file
/// `# yaml-language-server: $schema=netyard.schema.json`.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// Print the reference of all keys instead, in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Schema {
    /// Does it.
    pub fn run(self) -> Result {
        if self.markdown {
            return ui::print(&spec::reference());
        }
        ui::print_json(&spec::schema())
    }
}
