//! Whose an object is that was there before: said in the kernel, and taken back.
//!
//! No interface changes but for its alias and group, which are for people; routes and
//! IPv6 addresses are told anew, with another number for who made them. Of an IPv4 address
//! the kernel takes no such word later: the record names it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use netyard_core::plan::{Op, Signs};
use netyard_core::state::{Namespace, Object, Place};
use netyard_core::wire::Request;

use super::send::{is_gone, refused, refused_by_system};
use super::{Failed, Run};
use crate::adopt::Space;
use crate::error::Error;
use crate::netlink::{self, Batch};
use crate::netns::Sort;

impl Run<'_> {
    /// Marks of one batch. What is not there any more has no mark to be taken back.
    pub(super) fn marks(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut places: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for (index, op) in ops.iter().enumerate() {
            if let Op::Mark { object, .. } = op {
                places.entry(object.place()).or_default().push(index);
            }
        }
        let mut failed = Vec::new();
        for (place, own) in places {
            failed.extend(self.marks_at(&place, &own, ops));
        }
        failed
    }

    /// Takes marks away that a command set which was cut off.
    pub fn unmark(&mut self, ops: &[&Op]) -> Result<(), Error> {
        self.lenient = true;
        let failed = self.marks(ops);
        self.lenient = false;
        let mut failed = failed.into_iter().map(|failed| failed.error);
        let Some(first) = failed.next() else { return Ok(()) };
        Err(first.others(failed.map(|error| error.to_string()).collect()))
    }

    fn marks_at(&mut self, place: &Place, own: &[usize], ops: &[&Op]) -> Vec<Failed> {
        let whole = |error: Error| {
            own.first().map(|&index| Failed { index, error, partly: true }).into_iter().collect()
        };
        let Some(first) = own.first().and_then(|&index| ops.get(index)) else { return Vec::new() };
        let netns = own.iter().find_map(|&index| match ops.get(index) {
            Some(Op::Mark { object: Object::Namespace(o), .. }) => Some(o.netns.clone()),
            _ => None,
        });
        let space = self.published.prepare().and_then(|()| {
            Space::open(self.worker, place.clone(), netns.as_deref().unwrap_or_default())
        });
        let mut space = match space {
            Ok(Some(space)) => space,
            Ok(None) if self.lenient => return Vec::new(),
            Ok(None) => return whole(super::words::lost(first, "its namespace is not there")),
            Err(error) => return whole(refused_by_system(first, error)),
        };
        let (mut batch, mut owners, mut failed) = (Batch::default(), Vec::new(), Vec::new());
        for &index in own {
            let Some(op @ Op::Mark { object, to, .. }) = ops.get(index) else { continue };
            if let Object::Namespace(o) = object {
                let renamed = self.rename(o, is_ours(to), space.fd());
                failed.extend(renamed.err().map(|error| Failed {
                    index,
                    error: refused_by_system(op, error),
                    partly: true,
                }));
            }
            for request in self.sign(object, to, &space) {
                batch.push(request);
                owners.push(index);
            }
        }
        match space.socket().run(batch) {
            Ok(outcome) => {
                for failure in outcome.failures {
                    let Some(&index) = owners.get(failure.index) else { continue };
                    let Some(op) = ops.get(index) else { continue };
                    if !(self.lenient && is_gone(failure.errno)) {
                        failed.push(Failed { index, error: refused(op, failure), partly: true });
                    }
                }
            }
            Err(error) => failed.extend(whole(refused_by_system(first, error))),
        }
        failed
    }

    /// The names of a namespace and of its host name become the yard's, or somebody's again.
    fn rename(&self, o: &Namespace, ours: bool, net: BorrowedFd<'_>) -> io::Result<()> {
        if !ours {
            self.published.give_back(Sort::Net, &o.netns)?;
            return self.published.give_back(Sort::Uts, &o.netns);
        }
        self.published.take_over(Sort::Net, &o.netns, net)?;
        if o.hostname.is_none() {
            return Ok(());
        }
        let uts = File::open(Path::new(Sort::Uts.public_dir()).join(&o.netns))?;
        self.published.take_over(Sort::Uts, &o.netns, uts.as_fd())
    }

    /// What the kernel is told of one object; none where there is nothing to tell.
    fn sign(&mut self, object: &Object, to: &Signs, space: &Space) -> Vec<Request> {
        let names = space.names();
        match object {
            Object::Namespace(_) => {
                let lo = space.loopback().map(|lo| netlink::set_alias_or_none(lo, &to.alias));
                lo.into_iter().collect()
            }
            // Its alias is the namespace's.
            Object::Interface(o) if o.kind == netyard_core::interface::Kind::Loopback => Vec::new(),
            Object::Interface(o) => match names.index(&o.id.name) {
                Ok(index) => vec![
                    netlink::set_alias_or_none(index, &to.alias),
                    netlink::set_group(index, to.group),
                ],
                Err(_) => Vec::new(),
            },
            Object::Address(o) => match o.mark(to.protocol, names) {
                Ok(None) => {
                    let entry = (o.interface.clone(), o.net);
                    match is_own(to) {
                        true => drop(self.record.adopted.insert(entry)),
                        false => drop(self.record.adopted.remove(&entry)),
                    }
                    Vec::new()
                }
                Ok(request) => request.into_iter().collect(),
                Err(_) => Vec::new(),
            },
            Object::Route(o) => o.mark(to.protocol, names).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

fn is_ours(signs: &Signs) -> bool {
    signs.alias.starts_with("netyard:")
}

fn is_own(signs: &Signs) -> bool {
    signs.protocol == netyard_core::wire::PROTOCOL
}
