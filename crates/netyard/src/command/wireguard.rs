use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Kind, Result};

/// Do the work of a tunnel where the kernel cannot; started by netyard
#[derive(Debug, clap::Args)]
pub struct Wireguard {
    /// Only look after endpoints with names, for a tunnel of the kernel's
    #[arg(long)]
    watch: bool,
    /// What it is told
    file: PathBuf,
    /// Where it tells of itself
    #[arg(required_unless_present = "watch")]
    socket: Option<PathBuf>,
}

impl Wireguard {
    /// Does it.
    pub fn run(self) -> Result {
        let ended = match &self.socket {
            Some(socket) if !self.watch => netyard_linux::wireguard::run(&self.file, socket),
            _ => netyard_linux::wireguard::watch(&self.file),
        };
        if ended == ExitCode::SUCCESS { Ok(()) } else { Err(Kind::Said.into()) }
    }
}
