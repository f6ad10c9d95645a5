use crate::error::{Kind, Result};

/// Get an interface its address from the network; started by `up`
#[derive(Debug, clap::Args)]
pub struct Client {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Client {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::client::run(&self.arguments) == std::process::ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
