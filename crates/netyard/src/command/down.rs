use crate::cli::YardOptions;
use crate::error::{Error, Result};

/// Take the network away without a trace
///
/// Everything that carries the yard's mark goes: namespaces, interfaces, routes,
/// names, files, and the processes netyard started. What is not the yard's stays.
#[derive(Debug, clap::Args)]
pub struct Down {
    #[command(flatten)]
    yard: YardOptions,
}

impl Down {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
