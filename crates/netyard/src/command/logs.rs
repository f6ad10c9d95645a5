use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use netyard_core::name::NodeName;
use netyard_core::state::Place;
use netyard_linux::{Access, Ears, Heard, ProcessState};

use crate::cli::YardOptions;
use crate::error::{Error, Result};
use crate::{live, ui};

/// Show what the services of a node wrote
///
/// All that is kept of their output, of several services each line with the
/// service's name. A service that was ended by `up` or `down` has no log any more.
#[derive(Debug, clap::Args)]
pub struct Logs {
    #[command(flatten)]
    yard: YardOptions,
    /// The node; `host` is this machine
    #[arg(value_name = "NODE")]
    node: String,
    /// The service; all where none is named
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Go on with what they write, until standard input ends or an interrupt
    #[arg(short = 'F', long)]
    follow: bool,
}

/// The place that the command line calls a node.
pub fn place(node: &str) -> Result<Place> {
    if node == "host" {
        return Ok(Place::Host);
    }
    let node = NodeName::new(node)
        .map_err(|bad| Error::command_line(format!("the name `{node}` {}", bad.0)))?;
    Ok(Place::Node(node))
}

impl Logs {
    /// Does it.
    pub fn run(self) -> Result {
        let mut logs = self.logs()?;
        loop {
            for log in &mut logs {
                log.show()?;
            }
            if !self.follow || logs.iter().all(Log::has_gone) {
                return Ok(());
            }
            let directories: Vec<PathBuf> =
                logs.iter().filter_map(|log| log.path.parent().map(Path::to_owned)).collect();
            let ears = Ears::default().and_logs(directories.iter().map(PathBuf::as_path));
            // What was written before the ears were there.
            if logs.iter().any(Log::has_more) {
                continue;
            }
            let failed = |e| Error::failed(format!("could not wait: {e}"));
            if ears.wait(None).map_err(failed)? == Heard::EndOfInput {
                return Ok(());
            }
        }
    }

    fn logs(&self) -> Result<Vec<Log>> {
        let place = place(&self.node)?;
        let yard = live::name(&self.yard)?;
        if !live::is_known(&yard)? {
            return Err(live::not_up(&yard));
        }
        let session = live::open(&yard, Access::Read)?;
        let wanted = |state: &ProcessState| {
            state.process.place == place
                && self.name.as_ref().is_none_or(|name| *name == state.process.name)
        };
        let found: Vec<ProcessState> = session.processes()?.into_iter().filter(wanted).collect();
        if found.is_empty() {
            let what = match &self.name {
                Some(name) => format!("`{place}` has no process `{name}`"),
                None => format!("`{place}` has no processes"),
            };
            return Err(Error::failed(what).hint("`netyard status` shows those there are"));
        }
        let width = found.iter().map(|state| state.process.name.chars().count()).max();
        let log = |state: &ProcessState| Log {
            path: state.log.clone(),
            shown: 0,
            rest: Vec::new(),
            head: match found.len() {
                1 => String::new(),
                _ => format!("{:1$} | ", state.process.name, width.unwrap_or(0)),
            },
        };
        Ok(found.iter().map(log).collect())
    }
}

/// A log, as far as it was shown.
struct Log {
    path: PathBuf,
    shown: u64,
    /// A line that has no end yet.
    rest: Vec<u8>,
    head: String,
}

impl Log {
    fn length(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().map(|meta| meta.len())
    }

    fn has_gone(&self) -> bool {
        self.length().is_none()
    }

    fn has_more(&self) -> bool {
        self.length().is_some_and(|length| length != self.shown)
    }

    /// Shows what is new.
    fn show(&mut self) -> Result {
        let Some(length) = self.length() else { return Ok(()) };
        let mut text = std::mem::take(&mut self.rest);
        if self.shown == 0 {
            // What was moved away when the log became too long.
            let older = std::fs::read(self.path.with_extension("1"));
            text.extend(older.unwrap_or_default());
        }
        if length < self.shown {
            self.shown = 0;
        }
        let mut new = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.shown))?;
            file.read_to_end(&mut new)
        });
        self.shown += read.unwrap_or(0) as u64;
        text.extend(new);
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.rest = text.split_off(whole);
        let mut lines = String::new();
        for line in String::from_utf8_lossy(&text).lines() {
            // A log may have anything in it; a terminal should not obey it.
            let line: String = line
                .chars()
                .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
                .collect();
            lines += &format!("{}{line}\n", self.head);
        }
        ui::print(&lines)
    }
}
