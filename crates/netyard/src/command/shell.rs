use crate::cli::YardOptions;
use crate::command::exec;
use crate::error::Result;

/// Open a shell in a node
///
/// `$SHELL`, or /bin/sh; in a container, its /bin/sh.
#[derive(Debug, clap::Args)]
pub struct Shell {
    #[command(flatten)]
    yard: YardOptions,
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
}

impl Shell {
    /// Does it.
    pub fn run(self) -> Result {
        exec::run(&self.yard, &self.node, &[])
    }
}
