use crate::error::{Error, Result};

/// List the yards that are up on this host
#[derive(Debug, clap::Args)]
pub struct List {
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
