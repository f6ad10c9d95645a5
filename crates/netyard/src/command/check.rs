use crate::cli::FileOption;
use crate::error::{Kind, Result};
use crate::source::Origin;
use crate::{load, ui};

/// Look the file over and say all that is wrong with it
///
/// Nothing on the host is read or changed. Ends with 1 when something is wrong.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    file: FileOption,
    /// Write the diagnostics to stdout as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Does it.
    pub fn run(self) -> Result {
        let origin = Origin::from_option(self.file.file.as_deref());
        match load::read(&origin) {
            Ok(_) => Ok(()),
            Err(error) if self.json => match &error.kind {
                Kind::Text(sources, report) => {
                    ui::print_json(&ui::report_json(sources, report))?;
                    Err(Kind::Child(error.exit_code()).into())
                }
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
