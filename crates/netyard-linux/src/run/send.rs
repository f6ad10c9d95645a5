//! Batches of requests, and what the kernel's answers say of the ops they are of.

use netyard_core::plan::Op;
use netyard_core::state::Place;
use rustix::io::Errno;

use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Batch, Failure, Socket};

impl Run<'_> {
    /// Sends a batch in a place. `owners` says of which op each request is.
    pub(super) fn send(
        &mut self,
        place: &Place,
        batch: Batch,
        owners: &[usize],
        ops: &[&Op],
    ) -> Vec<Failed> {
        if batch.is_empty() {
            return Vec::new();
        }
        let all = |error: &dyn Fn() -> Error| {
            owners
                .first()
                .map(|&index| Failed { index, error: error(), partly: true })
                .into_iter()
                .collect()
        };
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(place) else {
            return all(&|| Error::new(ErrorKind::Bug, format!("no namespace `{place}`")));
        };
        let outcome = site.socket(worker).and_then(|socket: &mut Socket| socket.run(batch));
        match outcome {
            Ok(outcome) => {
                self.replies_lost |= outcome.replies_lost;
                self.failures(outcome.failures, owners, ops)
            }
            Err(error) => {
                let text = error.to_string();
                all(&|| Error::new(ErrorKind::System, format!("could not ask the kernel: {text}")))
            }
        }
    }

    fn failures(&self, failures: Vec<Failure>, owners: &[usize], ops: &[&Op]) -> Vec<Failed> {
        let mut failed: Vec<Failed> = Vec::new();
        for failure in failures {
            let Some(&index) = owners.get(failure.index) else { continue };
            let Some(op) = ops.get(index) else { continue };
            if is_removal(op) && is_gone(failure.errno) {
                continue;
            }
            // One failure of a step is enough to tell.
            if failed.last().is_some_and(|f| f.index == index) {
                continue;
            }
            let first = owners.iter().position(|owner| *owner == index);
            let partly = first != Some(failure.index);
            failed.push(Failed { index, error: refused(op, failure), partly });
        }
        failed
    }

    /// Asks every link whose carrier may have come up late once more.
    pub(super) fn flush_carriers(&mut self) -> std::io::Result<()> {
        for (place, indexes) in std::mem::take(&mut self.flush) {
            let Some(site) = self.sites.get_mut(&place) else { continue };
            let mut batch = Batch::default();
            for index in indexes {
                batch.push(crate::netlink::get_link(index));
            }
            // One that is gone again has no carrier to wait for.
            site.socket(self.worker)?.run(batch)?;
        }
        Ok(())
    }
}

/// The kernel's refusal of an op.
pub(super) fn refused(op: &Op, failure: Failure) -> Error {
    let mut text = failure.text;
    if text.is_none() && !failure.attribute.is_empty() {
        text = Some(format!("it did not like attribute {:?} of the request", failure.attribute));
    }
    let error = Error::new(ErrorKind::Refused, words::could_not(op))
        .errno(failure.errno)
        .extack(text)
        .doing(op);
    match words::hint(op, failure.errno) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The system's refusal of an op.
pub(super) fn refused_by_system(op: &Op, error: std::io::Error) -> Error {
    let hint = Errno::from_io_error(&error).and_then(|errno| words::hint(op, errno));
    let error = Error::system(words::could_not(op), error).doing(op);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn is_removal(op: &Op) -> bool {
    matches!(op, Op::Remove { .. } | Op::RemovePair { .. })
}

/// The errnos by which the kernel says that what is to go is not there.
pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NODEV
            | Errno::NOENT
            | Errno::SRCH
            | Errno::ADDRNOTAVAIL
            | Errno::NXIO
            | Errno::INVAL
    )
}
