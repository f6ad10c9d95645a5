use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::error::{Error, Result, errno_text};
use crate::source::DEFAULT_FILE;
use crate::ui;

/// The file that is written: a small yard that comes up as it is.
const STARTER: &str = include_str!("init.yaml");

/// Write a netyard.yaml to begin with
///
/// A small yard with comments: two hosts and a router between two networks. It
/// comes up as it is. A file that is already there stays as it is.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

impl Init {
    /// Does it.
    pub fn run(self) -> Result {
        let name = self.file.display();
        if self.file.as_os_str() == "-" {
            return ui::print(STARTER);
        }
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.file)
            .and_then(|mut file| file.write_all(STARTER.as_bytes()));
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let error = Error::failed(format!("`{name}` is already there"));
                return Err(error.hint("`-f FILE` writes another one; `-f -` writes to stdout"));
            }
            Err(error) => {
                let why = errno_text(&error);
                return Err(Error::failed(format!("could not write `{name}`: {why}")));
            }
        }
        ui::print(&format!("wrote {name}\n"))?;
        let option = if self.file.as_os_str() == DEFAULT_FILE {
            String::new()
        } else {
            format!(" -f {name}")
        };
        ui::hint(&format!("`netyard up{option}` builds it; `netyard plan{option}` shows how"));
        Ok(())
    }
}
