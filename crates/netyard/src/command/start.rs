use netyard_core::plan::plan;
use netyard_core::state::State;
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::command::stop::{node, unknown};
use crate::error::Result;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::ui;

/// Start a node that was stopped: all of it becomes what the file says
///
/// The other nodes stay as they are.
#[derive(Debug, clap::Args)]
pub struct Start {
    #[command(flatten)]
    file: FileOption,
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
}

impl Start {
    /// Does it.
    pub fn run(self) -> Result {
        let place = node(&self.node)?;
        let file = File::read(&self.file.origin())?;
        live::must_be_up(&file.spec.yard.value)?;
        let mut met = Meeting::of(&file, Access::Write)?;
        if !met.desired.objects().any(|object| object.place() == place) {
            return Err(unknown(&place));
        }
        let others = met.seen.state.objects().filter(|object| object.place() != place);
        let own = met.desired.objects().filter(|object| object.place() == place);
        let desired: State = others.chain(own).cloned().collect();
        let plan = plan(&met.seen.state, &desired);
        if plan.is_empty() {
            return ui::print(&format!("start: {place} is as the file says\n"));
        }
        live::apply(&mut met.session, &plan, &desired)?;
        ui::print(&format!("start: {place}\n"))
    }
}
