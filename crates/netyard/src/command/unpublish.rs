use crate::cli::FileOption;
use crate::command::publish;
use crate::error::Result;

/// Take the names that `publish` gave away again
#[derive(Debug, clap::Args)]
pub struct Unpublish {
    #[command(flatten)]
    file: FileOption,
    /// The nodes; all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Unpublish {
    /// Does it.
    pub fn run(self) -> Result {
        publish::run(&self.file, &self.nodes, false)
    }
}
