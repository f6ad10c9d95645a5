use netyard_core::diag::{Report, Sources};
use netyard_core::yard::Yard;

use crate::cli::FileOption;
use crate::error::{Error, Kind, Result};
use crate::load::{File, any_host};
use crate::source::Origin;
use crate::ui;

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
        let origin = self.file.origin();
        match checked(&origin) {
            Ok((_, sources, report)) if self.json => {
                ui::print_json(&ui::report_json(&sources, &report))
            }
            Ok((yard, sources, report)) => {
                ui::show_report(&sources, &report);
                ui::print(&format!("{}: {}\n", origin.name(), ui::size(&yard)))
            }
            Err(Error { kind: Kind::Text(sources, report), .. }) if self.json => {
                ui::print_json(&ui::report_json(&sources, &report))?;
                Err(Kind::Said.into())
            }
            Err(error) => Err(error),
        }
    }
}

fn checked(origin: &Origin) -> Result<(Yard, Sources, Report)> {
    let file = File::read(origin)?;
    let (yard, report) = file.resolve(&any_host())?;
    Ok((yard, file.sources, report))
}
