use std::fs;
use std::io::Write;
use std::path::PathBuf;

use netyard_core::adopt;
use netyard_linux::{adopt as reader, netns};

use crate::error::{Error, Result, errno_text};
use crate::{live, ui};

/// Write the yard's file of what runs on this host already
///
/// Reads bridges, VLANs, WireGuard, cables into namespaces that have names, addresses, routes and
/// forwarding, whoever made them. The file goes to stdout, or where `--output` says; what
/// cannot be said in it goes to stderr. Nothing is changed: `netyard up --adopt` takes over
/// what the file says.
#[derive(Debug, clap::Args)]
pub struct Adopt {
    /// The yard's name
    #[arg(long, value_name = "NAME", default_value = "adopted")]
    yard: String,
    /// Write the file here; a file that is there is left alone
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

impl Adopt {
    /// Does it.
    pub fn run(self) -> Result {
        let yard = live::named(&self.yard)?;
        if !netns::has_root() {
            return Err(Error::failed("without root, what runs on the host cannot be read whole"));
        }
        let found = reader::read(&yard)?;
        if found.state.is_empty() {
            return Err(Error::failed("nothing runs here that a yard could describe"));
        }
        let description = adopt::describe(&yard, &found.state);
        for line in found.left_out.iter().chain(&description.left_out) {
            ui::warn(&format!("not in the file: {line}"));
        }
        match &self.output {
            None => ui::print(&description.text)?,
            Some(path) => {
                let mut options = fs::OpenOptions::new();
                let written = options
                    .write(true)
                    .create_new(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(description.text.as_bytes()));
                written.map_err(|error| {
                    let (path, why) = (path.display(), errno_text(&error));
                    Error::failed(format!("cannot write `{path}`: {why}"))
                })?;
                ui::hint(&format!("`netyard up --adopt -f {}` takes it over", path.display()));
            }
        }
        Ok(())
    }
}
