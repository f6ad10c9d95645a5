use crate::error::{Kind, Result};

/// Hold a yard's namespaces until it is told to end; started by `up`
#[derive(Debug, clap::Args)]
pub struct Keeper {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Keeper {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::keeper::run(&self.arguments) == std::process::ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
