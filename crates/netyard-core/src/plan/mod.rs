//! The Plan: what will change, why, in which order, and how it is undone.
//!
//! [`plan`] compares two States of one type. `diff` walks along both and finds
//! what differs; `fate` decides which of the actual objects go, because nobody
//! wants them, because the kernel cannot change them in place, or because they
//! rest on something that goes; `remove` and `order` lay the steps down.

mod diff;
mod document;
mod fate;
mod index;
pub(crate) mod kernel;
mod op;
mod order;
mod process;
mod remove;
mod shell;
pub mod show;
mod table;

use std::borrow::Cow;

pub use document::{PlanDocument, Unreadable};
pub use op::*;
pub use order::BATCH;
pub use shell::ShellNames;
pub(crate) use shell::unit::quoted;
pub(crate) use show::title;

use crate::state::{Object, State};
use fate::Fates;
use index::Index;
use order::Draft;
use remove::Removal;

pub(crate) use fate::{address_reaches, route_reaches};

/// What makes `actual` into `desired`.
///
/// Both must be what the kernel can be: no interface on a parent that is not
/// there, no veth with one end. An empty `desired` takes everything away and
/// has no way back: it is carried on after a failure, never undone.
pub fn plan(actual: &State, desired: &State) -> Plan {
    let slots = diff::join(actual, desired);
    if slots.iter().all(|slot| slot.same) {
        return Plan::default();
    }
    let fates = Fates::decide(Index::new(&slots), desired);
    let mut sequence = Removal::new(&fates, desired.is_empty()).steps();
    sequence.extend(order::additions(drafts(&fates)));
    Plan { batches: order::batches(sequence), disturbances: fates.disturbances }
}

/// What makes `objects`, which are there, the yard's: a batch for each place, in which the
/// place itself comes first. Each comes with what it says of who made it, and is to say.
pub fn takeover<'a>(objects: impl IntoIterator<Item = (&'a Object, Signs, Signs)>) -> Plan {
    let mut places = std::collections::BTreeMap::<_, Vec<Step>>::new();
    for (object, from, to) in objects {
        let steps = places.entry(object.place()).or_default();
        steps.push(order::mark(object.clone(), from, to));
    }
    let batch = |steps| Batch { phase: Phase::Marks, steps };
    Plan { batches: places.into_values().map(batch).collect(), disturbances: Vec::new() }
}

/// All that is desired and will not be there, or not be so, once what goes has
/// gone.
fn drafts<'a>(fates: &'a Fates<'_>) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for (number, slot) in fates.index.slots.iter().enumerate() {
        let Some(to) = slot.desired else { continue };
        let Some(actual) = slot.actual else {
            drafts.push(Draft::add(to, Why::Missing));
            continue;
        };
        if let Some(why) = &fates.goes[number] {
            drafts.push(Draft::add(to, why.clone()));
            continue;
        }
        let from = match fates.released.get(&number) {
            Some(released) => Cow::Owned(Object::Interface(Box::new(released.clone()))),
            None => Cow::Borrowed(actual),
        };
        if *from != *to {
            let attributes = diff::differences(&from, to);
            let before_parent = fates.before_parent.contains(&number);
            drafts.push(Draft {
                from: Some(Box::new(from.into_owned())),
                to,
                why: Why::Differs { attributes },
                before_parent,
            });
        }
    }
    drafts
}
