use netyard_core::check::Finding;
use netyard_core::plan::show::{Detail, show};
use netyard_core::plan::{PlanDocument, ShellNames};
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::error::{Kind, Result};
use crate::live::Meeting;
use crate::load::File;
use crate::ui;

/// Show what `up` would change, why, and the equal commands
///
/// `+` is made, `~` is changed in place, `-` is taken away; `$` is a command
/// that would do the same, `!` is what traffic will notice. Nothing is changed.
#[derive(Debug, clap::Args)]
pub struct Plan {
    #[command(flatten)]
    file: FileOption,
    /// Leave the commands out
    #[arg(short, long)]
    brief: bool,
    /// Write the plan as JSON
    #[arg(long)]
    json: bool,
    /// End with 3 when something differs
    #[arg(long)]
    check: bool,
}

impl Plan {
    /// Does it.
    pub fn run(self) -> Result {
        let file = File::read(&self.file.origin())?;
        let mut met = Meeting::of(&file, Access::Read)?;
        let concerns = met.concerns()?;
        let differs = !met.plan.is_empty();
        if !self.json {
            concerns.iter().for_each(ui::show_finding);
        }
        if self.json {
            let plan = std::mem::take(&mut met.plan);
            let mut document = PlanDocument::new(met.yard.name.as_str(), plan);
            document.concerns = concerns.iter().map(Finding::json).collect();
            ui::print_raw(document.to_json().as_bytes())?;
        } else {
            let names = ShellNames::of([&met.seen.state, &met.desired]);
            let lines = show(&met.plan, &names, Detail { shell: !self.brief });
            ui::print(&ui::plan_lines(&lines))?;
        }
        if let Some(cut) = &met.seen.interrupted {
            let (command, pid) = (&cut.command, cut.pid);
            ui::note(&format!("`{command}` of process {pid} was cut off; `up` takes it up"));
        }
        met.part();
        if self.check && differs { Err(Kind::Differences.into()) } else { Ok(()) }
    }
}
