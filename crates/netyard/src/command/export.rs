use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use netyard_core::export::{self, Paper, Subject, TARGETS};
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::error::{Error, Result, errno_text};
use crate::live::Meeting;
use crate::load::File;
use crate::ui;

/// Write the yard down as files that work without netyard
///
/// What a target cannot express is listed; nothing on the host is changed, and no secret
/// is written.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// What to write
    #[arg(value_parser = targets())]
    target: String,
    /// The directory to write to; made where it is missing
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directory: PathBuf,
    #[command(flatten)]
    file: FileOption,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
    /// List all that the target has no word for, not only how much
    #[arg(long)]
    all: bool,
}

fn targets() -> PossibleValuesParser {
    PossibleValuesParser::new(
        TARGETS.iter().map(|target| PossibleValue::new(target.word).help(target.doc)),
    )
}

impl Export {
    /// Does it.
    pub fn run(self) -> Result {
        let target = export::target(&self.target)
            .ok_or_else(|| Error::command_line(format!("no target `{}`", self.target)))?;
        let origin = self.file.origin();
        let file = File::read(&origin)?;
        let met = Meeting::of(&file, Access::Read)?;
        let subject = Subject { yard: &met.yard, desired: &met.desired, origin: &origin.name() };
        let papers = export::export(target, &subject);
        fs::create_dir_all(&self.directory).map_err(|e| cannot_write(&self.directory, &e))?;
        for paper in &papers.files {
            self.write(paper)?;
        }
        if papers.files.is_empty() {
            ui::note(&format!("there is nothing in yard `{}` for {}", met.yard.name, target.word));
        }
        for line in &papers.left_out {
            ui::warn(&format!("not exported: {line}"));
        }
        for (sort, names) in &papers.beyond {
            if self.all {
                names.iter().for_each(|name| ui::warn(&format!("not exported: {name}")));
            } else {
                ui::warn(&format!("not exported: {} {sort} (`--all` lists them)", names.len()));
            }
        }
        Ok(())
    }

    fn write(&self, paper: &Paper) -> Result {
        let path = self.directory.join(&paper.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|e| cannot_write(directory, &e))?;
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).mode(paper.mode);
        if self.force {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let written =
            options.open(&path).and_then(|mut file| file.write_all(paper.text.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                cannot_write(&path, &error).hint("`--force` writes over it")
            }
            _ => cannot_write(&path, &error),
        })?;
        ui::print(&format!("{}\n", path.display()))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`: {}", path.display(), errno_text(error)))
}
