use std::time::Instant;

use netyard_core::plan::{Op, Plan};
use netyard_core::yard::Yard;
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::error::Result;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::source::Origin;
use crate::{command::test, next, ui};

/// Build the network, or change a running one to what the file says
///
/// Only what differs is changed; `netyard plan` shows it beforehand. When a step
/// fails, those before it are undone. Afterwards the kernel is read again and
/// compared; where it is not as the file says, all is undone. Without root the yard lives in a user namespace of its own.
#[derive(Debug, clap::Args)]
pub struct Up {
    #[command(flatten)]
    file: FileOption,
    /// Prove afterwards what the file expects, as `netyard test` does
    #[arg(long)]
    test: bool,
    /// Leave what was done where the host is not as the file says afterwards
    ///
    /// Otherwise all that this `up` did is undone then.
    #[arg(long)]
    keep: bool,
    /// Take over what runs already and is as the file says, whoever made it
    ///
    /// For a file that `netyard adopt` wrote. Where something is not as the file says,
    /// nothing is changed.
    #[arg(long)]
    adopt: bool,
}

impl Up {
    /// Does it.
    pub fn run(self) -> Result {
        let started = Instant::now();
        let file = File::read(&self.file.origin())?;
        if self.adopt {
            live::take_over(&file)?;
        }
        let mut met = Meeting::of(&file, Access::Write)?;
        met.tell_concerns()?;
        self.bring_up(&file, &mut met, started)?;
        if self.test { test::prove_now(self.file, &file, &mut met) } else { Ok(()) }
    }

    fn bring_up(&self, file: &File, met: &mut Meeting, started: Instant) -> Result {
        if met.is_settled() {
            ui::print(&format!("up: nothing to do, {}\n", ui::size(&met.yard)))?;
            return Ok(());
        }
        if let Some(cut) = &met.seen.interrupted {
            ui::note(&format!(
                "taking up `{}` of process {}, which was cut off",
                cut.command, cut.pid
            ));
        }
        let is_new = met.seen.state.is_empty();
        if self.keep {
            met.session.keep_differences();
        }
        met.session.set_pools(&met.yard.pools);
        met.apply(file)?;
        if let Origin::File(path) = self.file.origin()
            && let Ok(path) = path.canonicalize()
        {
            met.session.note_file(&path)?;
        }
        let time = ui::duration(started.elapsed());
        let size = ui::size(&met.yard);
        if !is_new {
            ui::print(&format!("up: {size}, {} in {time}\n", changes(&met.plan)))?;
            return Ok(());
        }
        ui::print(&format!("up: {size} in {time}\n"))?;
        if met.session.is_rootless() {
            ui::note("without root: the yard lives in a user namespace of its own");
        }
        self.tell_what_next(&met.yard);
        Ok(())
    }

    fn tell_what_next(&self, yard: &Yard) {
        let file = self.file.again();
        if let Some(next::Ping { from, to }) = next::ping(yard) {
            ui::hint(&format!("`netyard exec{file} {from} -- ping -c1 {to}`"));
        }
        let expects = !yard.expectations.is_empty() && !self.test;
        let test = if expects { format!("`netyard test{file}`, ") } else { String::new() };
        ui::hint(&format!("{test}`netyard status{file}`, `netyard down{file}`"));
    }
}

/// `2 made, 1 changed, 1 taken away`
fn changes(plan: &Plan) -> String {
    let mut counts = [0_usize; 3];
    for step in plan.steps() {
        match &step.op {
            Op::Add { .. } | Op::AddPair { .. } => counts[0] += 1,
            Op::Set { .. } | Op::Mark { .. } => counts[1] += 1,
            Op::Remove { .. } | Op::RemovePair { .. } => counts[2] += 1,
        }
    }
    let parts = counts.iter().zip(["made", "changed", "taken away"]);
    let parts: Vec<String> = parts
        .filter(|(number, _)| **number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if parts.is_empty() { "nothing changed".into() } else { parts.join(", ") }
}
