//! Taking over what runs on the host, whoever made it: marks, all of them or none.

use netyard_core::plan::{Op, Plan, Undo};
use netyard_core::state::State;

use super::Session;
use crate::error::Error;
use crate::journal::{self, Interrupted, Journal};
use crate::record::Record;
use crate::run::kill_switch;

/// What the journal calls it.
const COMMAND: &str = "up --adopt";
const JOURNAL: &str = "journal";

impl Session {
    /// Makes what runs here the yard's, by a plan of marks; `desired` is what it is from
    /// then on. No packet notices. What fails is undone.
    pub fn take_over(&mut self, plan: &Plan, desired: &State) -> Result<(), Error> {
        self.must_write()?;
        self.must_have_record()?;
        let host = self.host_identity()?;
        let before = self.record.clone();
        Record::keep(&self.dir, before.as_ref())?;
        let mut journal = Journal::begin(&self.dir.file(JOURNAL), COMMAND)?;
        let done = self.run(|run| run.apply(plan, &mut journal, &mut |_| {}));
        if let Err(error) = done {
            if error.get_undone().is_some_and(|undone| !undone.failures.is_empty()) {
                return Err(error);
            }
            let cleared = self.as_before().and_then(|()| journal.end());
            return Err(match cleared {
                Ok(()) => error,
                Err(more) => error.others(vec![more.to_string()]),
            });
        }
        let record = self.record.get_or_insert_default();
        record.host = host;
        record.add(desired);
        record.write(&self.dir)?;
        kill_switch(plan.batches.len(), "before");
        journal.end()?;
        Record::forget_kept(&self.dir)?;
        self.sites = None;
        Ok(())
    }

    /// What a taking over that was cut off had marked is given back, as if it had never
    /// begun.
    pub(super) fn give_back(&mut self) -> Result<(), Error> {
        let path = self.dir.file(JOURNAL);
        let Some(cut) = journal::interrupted(&path)?.filter(|cut| cut.command == COMMAND) else {
            return Ok(());
        };
        let back = cut.steps.iter().rev().filter_map(|step| match &step.undo {
            Undo::Ops { ops } => Some(ops),
            Undo::Nothing | Undo::Impossible { .. } => None,
        });
        let ops: Vec<&Op> = back.flatten().collect();
        self.run(|run| run.unmark(&ops))?;
        self.as_before()?;
        self.dir.forget(JOURNAL)?;
        Record::forget_kept(&self.dir)?;
        self.given_back = Some(cut);
        Ok(())
    }

    /// The command that was cut off while it took over what runs here, and whose marks
    /// this session took away again.
    pub fn given_back(&self) -> Option<&Interrupted> {
        self.given_back.as_ref()
    }

    /// The record is what it was before; where there was none, the yard leaves no trace.
    fn as_before(&mut self) -> Result<(), Error> {
        self.sites = None;
        self.record = Record::again_as_kept(&self.dir)?;
        if self.record.is_none() {
            self.published
                .unpublish_all()
                .map_err(|e| Error::system("could not remove the names of the namespaces", e))?;
        }
        Ok(())
    }
}
