use crate::error::{Kind, Result};

/// Serve addresses and names to the networks of a place; started by `up`
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Serve {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::serve::run(&self.arguments) == std::process::ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
