use netyard_linux::list_yards;
use serde_json::json;

use crate::error::Result;
use crate::ui;

/// List the yards that are up on this host
///
/// Those of this user; root's are not shown to others, nor theirs to root.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Does it.
    pub fn run(self) -> Result {
        let yards: Vec<String> =
            list_yards()?.into_iter().map(|known| known.yard.to_string()).collect();
        if self.json {
            let yards: Vec<_> = yards.iter().map(|yard| json!({ "yard": yard })).collect();
            return ui::print_json(&json!({ "version": 1, "yards": yards }));
        }
        ui::print(&yards.iter().map(|yard| format!("{yard}\n")).collect::<String>())
    }
}
