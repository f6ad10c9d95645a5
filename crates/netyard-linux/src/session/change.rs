//! Changing: a plan carried out and looked at, or the whole yard taken away.

use netyard_core::plan::Plan;
use netyard_core::state::{Object, Place, State};

use super::{Applied, Gone, Session};
use crate::error::{Error, ErrorKind};
use crate::journal::Journal;
use crate::observe::{self, Depth};
use crate::record::Record;
use crate::run::{self, Progress};

impl Session {
    /// Lets [`Self::apply`] leave what it did where the host is not as desired then.
    pub fn keep_differences(&mut self) {
        self.keeps_differences = true;
    }

    /// Makes the host as the plan says, and looks whether it is as desired.
    /// What fails is undone. Call [`Self::observe`] first.
    pub fn apply(
        &mut self,
        plan: &Plan,
        desired: &State,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Applied, Error> {
        self.must_write()?;
        self.must_have_record()?;
        let namespace = |object: &&Object| matches!(object, Object::Namespace(_));
        let namespaces = desired.objects().filter(namespace).count();
        observe::enough_descriptors(namespaces, self.descriptors)?;
        if self.sites.is_none() {
            self.look(desired)?;
        }
        let host = self.host_identity()?;
        let record = self.record.get_or_insert_default();
        let before = record.clone();
        record.host = host;
        record.learn(&self.originals, &self.lent);
        record.add(desired);
        record.write(&self.dir)?;
        self.fresh_keeper = false;
        let mut journal = Journal::begin(&self.dir.file("journal"), "up")?;
        let mut rest = None;
        let now = loop {
            let plan = rest.as_ref().unwrap_or(plan);
            let done = self.run(|run| {
                run.remove_unfinished()?;
                run.apply(plan, &mut journal, progress)?;
                run.end_idle_supervisor()?;
                Ok(run.replies_lost)
            });
            let lost = match done {
                Ok(lost) => lost,
                Err(error) => {
                    let error = self.named(error, desired);
                    return Err(self.after_undo(error, &before, journal));
                }
            };
            progress(Progress::Verifying);
            // A setting that was put back is nobody's: it is not asked about again.
            self.record.get_or_insert_default().only_settings(desired);
            let now = self.look(desired)?.state;
            if !lost || rest.is_some() {
                break now;
            }
            // The kernel had no room to say what failed: whatever did is left.
            rest = Some(netyard_core::plan::plan(&now, desired));
        };
        if let Err(error) = self.converged(&now, desired) {
            let plans: Vec<&Plan> = rest.iter().chain([plan]).collect();
            return Err(self.after_difference(error, &plans, &before, journal, progress));
        }
        self.prune_data(desired)?;
        let record = self.record.get_or_insert_default();
        record.only(desired);
        record.write(&self.dir)?;
        journal.end()?;
        if desired.is_empty() {
            self.finish_down()?;
        }
        Ok(Applied { steps: plan.steps().count() })
    }

    /// All steps were done, and the host is another one all the same: they are taken
    /// back, unless the user wants to look at it.
    fn after_difference(
        &mut self,
        error: Error,
        plans: &[&Plan],
        before: &Record,
        mut journal: Journal,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Error {
        if self.keeps_differences {
            let error = error.hint(
                "what was done stays: `netyard plan` shows what differs, `netyard up` tries \
                 again, `netyard down` takes all away",
            );
            // Nothing was cut off.
            return match journal.end() {
                Ok(()) => error,
                Err(more) => error.others(vec![more.to_string()]),
            };
        }
        progress(Progress::Undoing);
        let undone = self.run(|run| Ok(run.take_back_all(plans, &mut journal)));
        match undone {
            Ok(undone) => {
                let error = error.undone(undone).hint("`netyard up --keep` leaves what was done");
                self.after_undo(error, before, journal)
            }
            Err(more) => error.others(vec![more.to_string()]),
        }
    }

    /// A change failed and was undone: where nothing of the yard is left, its
    /// traces go too. What could not be undone stays in the journal.
    fn after_undo(&mut self, error: Error, before: &Record, journal: Journal) -> Error {
        if error.get_undone().is_some_and(|undone| !undone.failures.is_empty()) {
            return error;
        }
        let cleared = journal.end().and_then(|()| {
            self.run(|run| run.end_idle_supervisor())?;
            let left = self.look(&State::default())?;
            if left.state.is_empty() {
                return self.finish_down();
            }
            let record = self.record.get_or_insert_default();
            record.again(before);
            record.write(&self.dir)
        });
        match cleared {
            Ok(()) => error,
            Err(more) => error.others(vec![more.to_string()]),
        }
    }

    fn converged(&self, now: &State, desired: &State) -> Result<(), Error> {
        let plan = netyard_core::plan::plan(now, desired);
        let Some(step) = plan.steps().next() else { return Ok(()) };
        let what = format!(
            "all steps were done, and yet the host is not as the file says: {}",
            run::still_to_do(step)
        );
        Err(Error::new(ErrorKind::NotConverged, what))
    }

    /// Takes the whole yard away, and all that netyard left on the host.
    pub fn down(&mut self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Gone, Error> {
        self.must_write()?;
        let nothing = State::default();
        // What is noted before an interface is lent is trusted; with the record
        // lost, the marks in the kernel say.
        let none_lent = self.record.as_ref().is_some_and(|record| record.lent.is_empty());
        let depth = if none_lent { Depth::Outside } else { Depth::Lasting };
        let sight = self.look_at(&nothing, depth)?;
        self.dir.create()?;
        let journal = match Journal::begin(&self.dir.file("journal"), "down") {
            Ok(journal) => Some(journal),
            // Without it the next command sees no less: what is left, it observes.
            Err(error) if error.get_errno() == Some(rustix::io::Errno::NOSPC) => None,
            Err(error) => return Err(error),
        };
        self.record.get_or_insert_default().learn(&sight.originals, &sight.lent);
        self.run(|run| run.down(&sight.state, progress))
            .map_err(|error| self.named(error, &sight.state))?;
        journal.map_or(Ok(()), Journal::end)?;
        let failed = |e| Error::system("could not remove the yard's data", e);
        if !self.keeps_data {
            self.shelf.remove_data().map_err(failed)?;
        }
        self.finish_down()?;
        let is_node = |object: &&Object| match object {
            Object::Namespace(namespace) => matches!(namespace.place, Place::Node(_)),
            _ => false,
        };
        let nodes = sight.state.objects().filter(is_node).count();
        Ok(Gone { nodes, anything: !sight.state.is_empty() })
    }

    /// Nothing is left: the last traces go.
    fn finish_down(&mut self) -> Result<(), Error> {
        self.sites = None;
        self.published
            .unpublish_all()
            .map_err(|e| Error::system("could not remove the names of the namespaces", e))?;
        if let Some(keeper) = self.keeper.take() {
            keeper.quit().map_err(|e| Error::system("could not end the keeper", e))?;
        }
        self.record = None;
        self.dir.remove()?;
        self.lock = None;
        Ok(())
    }
}
