use crate::cli::YardOptions;
use crate::error::{Error, Result};

/// Show the health of every node, interface and link
///
/// And what differs from the file, and a run that was interrupted.
#[derive(Debug, clap::Args)]
pub struct Status {
    #[command(flatten)]
    yard: YardOptions,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
    /// Go on showing it, until Ctrl-C
    #[arg(short, long, conflicts_with = "json")]
    watch: bool,
}

impl Status {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
