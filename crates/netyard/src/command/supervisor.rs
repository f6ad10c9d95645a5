use crate::error::{Kind, Result};

/// Watch over a yard's processes until none is left; started by `up`
#[derive(Debug, clap::Args)]
pub struct Supervisor {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Supervisor {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::supervise::run(&self.arguments) == std::process::ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
