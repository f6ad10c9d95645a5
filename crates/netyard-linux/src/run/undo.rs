//! Undoing what was done, last first.

use std::collections::BTreeSet;

use netyard_core::plan::{Op, Phase, Plan, Step, Undo};
use netyard_core::state::{Object, Place};

use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind, Undone};
use crate::journal::Journal;

impl Run<'_> {
    /// Undoes the first `begun` batches, in the last of which steps failed; gives
    /// the error that tells all of it.
    pub(super) fn take_back(
        &mut self,
        plan: &Plan,
        begun: usize,
        failed: Vec<Failed>,
        journal: &mut Journal,
    ) -> Error {
        self.pending.clear();
        self.flush.clear();
        let not_done: BTreeSet<usize> =
            failed.iter().filter(|f| !f.partly).map(|f| f.index).collect();
        let mut undone = Undone::default();
        for (n, batch) in plan.batches[..begun].iter().enumerate().rev() {
            let steps = batch.steps.iter().enumerate();
            let to_undo: Vec<&Step> = steps
                .filter(|(i, _)| n + 1 != begun || !not_done.contains(i))
                .map(|(_, step)| step)
                .rev()
                .collect();
            self.undo(&to_undo, &mut undone);
            let _ = journal.undone(n);
        }
        let mut failed = failed.into_iter();
        let Some(first) = failed.next() else {
            return Error::new(ErrorKind::Bug, "a batch failed without a failure");
        };
        let others: Vec<String> = failed.map(|f| f.error.to_string()).collect();
        first.error.undone(undone).others(others)
    }

    /// Undoes plans that were carried out to their ends; the first of them first.
    pub fn take_back_all(&mut self, plans: &[&Plan], journal: &mut Journal) -> Undone {
        let mut undone = Undone::default();
        for plan in plans {
            for (number, batch) in plan.batches.iter().enumerate().rev() {
                let steps: Vec<&Step> = batch.steps.iter().rev().collect();
                self.undo(&steps, &mut undone);
                let _ = journal.undone(number);
            }
        }
        undone
    }

    fn undo(&mut self, steps: &[&Step], undone: &mut Undone) {
        undone.of += steps.len();
        let mut ops: Vec<&Op> = Vec::new();
        let mut failures = 0;
        for step in steps {
            match &step.undo {
                Undo::Ops { ops: more } => ops.extend(more),
                Undo::Nothing => {}
                Undo::Impossible { because } => {
                    failures += 1;
                    undone.failures.push(format!("{}: {because}", words::could_not(&step.op)));
                }
            }
        }
        self.lenient = true;
        for (phase, ops) in by_phase(&ops) {
            let mut failed = self.execute(phase, &ops, &mut |_| ());
            let places: Vec<Place> = self.pending.keys().cloned().collect();
            for place in places {
                failed.extend(self.send_at(&place, Vec::new(), &[]));
            }
            failures += failed.len();
            undone.failures.extend(failed.into_iter().map(|f| f.error.to_string()));
        }
        self.lenient = false;
        undone.done += steps.len().saturating_sub(failures);
    }
}

/// The phase in which a single op is done.
fn phase_of(op: &Op) -> Phase {
    match op {
        Op::Remove { .. } | Op::RemovePair { .. } => Phase::Remove,
        Op::AddPair { .. } => Phase::Interfaces,
        Op::Mark { .. } => Phase::Marks,
        Op::Add { object } | Op::Set { to: object, .. } => match object {
            Object::Namespace(_)
            | Object::File(_)
            | Object::Table(_)
            | Object::LibvirtNetwork(_) => Phase::Namespaces,
            Object::Sysctl(o) if o.interface.is_none() => Phase::Namespaces,
            Object::Interface(o) if o.kind != netyard_core::interface::Kind::Loopback => {
                Phase::Interfaces
            }
            Object::Process(_) => Phase::Processes,
            Object::Command(_) => Phase::Commands,
            _ => Phase::Configure,
        },
    }
}

/// Runs of ops of one phase, in order.
fn by_phase<'o>(ops: &[&'o Op]) -> Vec<(Phase, Vec<&'o Op>)> {
    ops.chunk_by(|a, b| phase_of(a) == phase_of(b)).map(|c| (phase_of(c[0]), c.to_vec())).collect()
}
