use crate::cli::YardOptions;
use crate::command::publish;
use crate::error::Result;

/// Take the names that `publish` gave away again
#[derive(Debug, clap::Args)]
pub struct Unpublish {
    #[command(flatten)]
    yard: YardOptions,
    /// The nodes; all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Unpublish {
    /// Does it.
    pub fn run(self) -> Result {
        publish::run(&self.yard, &self.nodes, false)
    }
}
