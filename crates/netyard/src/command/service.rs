use crate::error::{Kind, Result};

/// Become a yard's process, or wait until it is ready; run by systemd
#[derive(Debug, clap::Args)]
pub struct Service {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Service {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::supervise::start::run(&self.arguments) == std::process::ExitCode::SUCCESS
        {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
