use netyard_core::check::Finding;
use netyard_core::interface::Engine;
use netyard_core::plan::show::{Detail, show};
use netyard_core::plan::{PlanDocument, ShellNames};
use netyard_core::yard::Yard;
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
            in_userspace(&met.yard).iter().filter(|_| differs).for_each(|text| ui::note(text));
        }
        if let Some(cut) = &met.seen.interrupted {
            let (command, pid) = (&cut.command, cut.pid);
            ui::note(&format!("`{command}` of process {pid} was cut off; `up` takes it up"));
        }
        met.part();
        if self.check && differs { Err(Kind::Differences.into()) } else { Ok(()) }
    }
}

/// Whose tunnels are netyard's own work: they cost more than those of a kernel that has
/// WireGuard.
fn in_userspace(yard: &Yard) -> Option<String> {
    let ends = yard.tunnels.iter().filter(|end| end.engine == Engine::Userspace);
    let ends: Vec<String> = ends.map(|end| end.tunnel.interface.to_string()).collect();
    let what = "WireGuard by a process of netyard's (the kernel has none, or the file says so)";
    (!ends.is_empty()).then(|| format!("{what}: {}", ends.join(", ")))
}
