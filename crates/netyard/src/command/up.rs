use crate::cli::FileOption;
use crate::error::{Error, Result};

/// Build the network, or change a running one to what the file says
///
/// Only what differs is changed; `netyard plan` shows it beforehand. When a step
/// fails, those before it are undone. Afterwards the kernel is read again and
/// compared. Without root the yard lives in a user namespace of its own.
#[derive(Debug, clap::Args)]
pub struct Up {
    #[command(flatten)]
    file: FileOption,
}

impl Up {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
