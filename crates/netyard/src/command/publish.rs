use crate::cli::YardOptions;
use crate::error::{Error, Result};

/// Give nodes a name under /run/netns, for `ip netns`
///
/// Small yards have them always; a large yard's nodes only where they are
/// asked for, because each is a mount that every process on the host pays for.
#[derive(Debug, clap::Args)]
pub struct Publish {
    #[command(flatten)]
    yard: YardOptions,
    /// The nodes; all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Publish {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}
