use std::ffi::OsString;
use std::process::ExitCode;

use crate::error::{Kind, Result};

/// Watch over a virtual machine of libvirt's; started by netyard
#[derive(Debug, clap::Args)]
pub struct Domain {
    /// For netyard alone
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Domain {
    /// Does it.
    pub fn run(self) -> Result {
        if netyard_linux::supervise::domain::run(&self.arguments) == ExitCode::SUCCESS {
            return Ok(());
        }
        Err(Kind::Said.into())
    }
}
