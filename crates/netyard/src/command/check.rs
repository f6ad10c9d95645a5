use netyard_core::check::{Finding, Phase, Scene, judge};
use netyard_core::diag::{Report, Sources};
use netyard_core::facts::Survey;
use netyard_core::yard::Yard;

use crate::cli::FileOption;
use crate::error::{Error, Kind, Result};
use crate::load::{File, any_host};
use crate::source::Origin;
use crate::ui;

/// Look the file over and say all that is wrong with it
///
/// Nothing on the host is read or changed: whether it has the interfaces that the
/// file names is for `netyard plan` to say. Ends with 1 when something is wrong.
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
            Ok((yard, sources, report)) if self.json => {
                let mut document = ui::report_json(&sources, &report);
                document["found"] = found(&yard).iter().map(Finding::json).collect();
                ui::print_json(&document)
            }
            Ok((yard, sources, report)) => {
                ui::show_report(&sources, &report);
                found(&yard).iter().for_each(ui::show_finding);
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

/// What `doctor` would find of the yard on any host.
fn found(yard: &Yard) -> Vec<Finding> {
    let nothing = Survey::default();
    judge(&Scene { survey: &nothing, yard: Some(yard), phase: Phase::Plan }, &[Phase::Plan])
}

fn checked(origin: &Origin) -> Result<(Yard, Sources, Report)> {
    let file = File::read(origin)?;
    let (yard, report) = file.resolve(&any_host())?;
    Ok((yard, file.sources, report))
}
