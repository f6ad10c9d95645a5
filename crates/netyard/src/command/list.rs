use netyard_linux::list_yards;
use serde_json::json;

use crate::error::Result;
use crate::{live, ui};

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
        let yards = list_yards()?;
        if self.json {
            let yards: Vec<_> = yards
                .iter()
                .map(|known| json!({ "yard": known.yard.to_string(), "up": !known.keeper_ended }))
                .collect();
            return ui::print_json(&json!({ "version": 1, "yards": yards }));
        }
        ui::print(&yards.iter().map(|known| format!("{}\n", known.yard)).collect::<String>())?;
        for known in yards.iter().filter(|known| known.keeper_ended) {
            ui::warn(&format!("yard `{}` is not up: {}", known.yard, live::KEEPER_ENDED));
        }
        Ok(())
    }
}
