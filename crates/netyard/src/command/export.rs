use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use netyard_core::plan::{ShellNames, plan, script};
use netyard_core::state::State;
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::error::{Error, Result, errno_text};
use crate::live::Meeting;
use crate::load::File;
use crate::ui;

/// Write the yard down as files that work without netyard
///
/// `sh` is two scripts: `up.sh` builds the yard with ip, nft, tc and sysctl on a host
/// without netyard, `down.sh` takes it away. What a target cannot express is listed in
/// the files and said here. Nothing on the host is changed.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// What to write
    #[arg(value_enum)]
    target: Target,
    /// The directory to write to; made where it is missing
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directory: PathBuf,
    #[command(flatten)]
    file: FileOption,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Shell scripts
    Sh,
}

impl Export {
    /// Does it.
    pub fn run(self) -> Result {
        let origin = self.file.origin();
        let file = File::read(&origin)?;
        let met = Meeting::of(&file, Access::Read)?;
        let Target::Sh = self.target;
        let names = ShellNames::of([&met.desired]);
        let nothing = State::default();
        let about = |what: &str| {
            format!(
                "{what} yard `{}`, from {}; made by `netyard export sh`.\n\
                 As root, with iproute2, nftables, procps and util-linux.",
                met.yard.name,
                origin.name()
            )
        };
        let up = script(&plan(&nothing, &met.desired), &names, &about("Builds"));
        let down = script(&plan(&met.desired, &nothing), &names, &about("Takes away"));
        fs::create_dir_all(&self.directory).map_err(|e| cannot_write(&self.directory, &e))?;
        for (name, script) in [("up.sh", &up), ("down.sh", &down)] {
            self.write(&self.directory.join(name), &script.text)?;
        }
        for line in &up.left_out {
            ui::warn(&format!("not exported: {line}"));
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result {
        let mut options = fs::OpenOptions::new();
        options.write(true).mode(0o755);
        if self.force {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                cannot_write(path, &error).hint("`--force` writes over it")
            }
            _ => cannot_write(path, &error),
        })?;
        ui::print(&format!("{}\n", path.display()))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot write `{}`: {}", path.display(), errno_text(error)))
}
