use std::process::ExitCode;

use crate::error::{Kind, Result};

/// Look after the network of a firmware while it boots; started by netyard
#[derive(Debug, clap::Args)]
pub struct Firmware {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Firmware {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::supervise::firmware::run(&self.arguments) == ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
