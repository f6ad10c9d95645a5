use crate::cli::FileOption;
use crate::error::{Error, Result};

/// Show what `up` would change, why, and the equal commands
///
/// `+` is made, `~` is changed in place, `-` is taken away. Nothing is changed.
#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    file: FileOption,
    /// Write the plan as JSON
    #[arg(long)]
    json: bool,
    /// End with 3 when something differs
    #[arg(long)]
    check: bool,
}

impl Plan {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
