use crate::error::{Error, Result};

/// Hold a yard's namespaces until it is told to end; started by `up`
#[derive(Debug, clap::Args)]
pub struct Keeper {}

impl Keeper {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
