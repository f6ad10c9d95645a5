use std::path::PathBuf;

use crate::cli;
use crate::error::{Error, Result, errno_text};
use crate::ui;

/// Print the manual page, or write all of them
///
/// `netyard man | man -l -` shows it.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write netyard.1 and a page for each command into this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

impl Man {
    /// Does it.
    pub fn run(self) -> Result {
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(cli::tree()).render(&mut page);
            rendered.map_err(|e| Error::failed(errno_text(&e)))?;
            return ui::print_raw(&page);
        };
        clap_mangen::generate_to(cli::tree(), &dir).map_err(|error| {
            let why = errno_text(&error);
            Error::failed(format!("could not write manual pages to `{}`: {why}", dir.display()))
        })
    }
}
