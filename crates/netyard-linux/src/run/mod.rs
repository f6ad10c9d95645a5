//! Applying a plan: the only place that changes the host.
//!
//! The order inside a batch is chosen for speed where the plan leaves it open
//! (measured at a thousand nodes; never the other way round without measuring):
//!
//! * all on one thread: the kernel's RTNL lock is one;
//! * links are made in one send from one socket, with indexes chosen here and
//!   "up" said at once, before anything is configured in any namespace (making
//!   and configuring each in turn takes three times as long);
//! * then each namespace gets one send: the rest of its interfaces' settings,
//!   "up", addresses, routes;
//! * then each end whose carrier came up later than it was asked is asked again,
//!   so that the network is ready when the command returns.
//!
//! What was done is undone on failure, last first; all that fails is told.

mod bond;
mod configure;
mod down;
mod entourage;
mod interfaces;
mod libvirt;
mod mark;
mod moving;
mod namespaces;
mod originals;
mod physical;
mod plug;
mod processes;
mod radio;
mod remove;
mod send;
mod table;
mod tun;
mod tunnel;
mod undo;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use netyard_core::addr::Mac;
use netyard_core::name::YardName;
use netyard_core::plan::{Batch as Steps, Op, Phase, Plan, Step};
use netyard_core::state::{InterfaceId, Place};
use netyard_core::wire::link::Target;

use crate::error::{Error, ErrorKind};
use crate::files::Files;
use crate::image::Step as ImageStep;
use crate::journal::{Entry, Journal};
use crate::keeper::Keeper;
use crate::netns::{Published, Worker};
use crate::others::Others;
use crate::place::{Site, Sites};
use crate::record::Record;
use crate::state_dir::StateDir;
use crate::supervise::Shelf;
use crate::sysctl::Proc;

pub(crate) use namespaces::{down_interfaces, drop_and_wait, lo_mark};

/// Steps whose entries in the journal are worth a thread.
const WORTH_A_THREAD: usize = 256;

/// How far a command is.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// So many of so many steps are done.
    Steps {
        /// Done.
        done: usize,
        /// Of these.
        of: usize,
    },
    /// It makes the files of a container of their image.
    Image(ImageStep),
    /// It is taking back what it did.
    Undoing,
    /// It compares the host with the file.
    Verifying,
}

/// Everything an op needs; lives on the worker thread.
pub(crate) struct Run<'a> {
    pub yard: &'a YardName,
    pub worker: &'a mut Worker,
    pub sites: &'a mut Sites,
    pub published: &'a Published,
    pub keeper: &'a mut Option<Keeper>,
    pub files: &'a Files,
    pub dir: &'a StateDir,
    pub shelf: &'a Shelf,
    /// The caller lacks root outside.
    pub rootless: bool,
    supervisor: Option<crate::supervise::Supervisor>,
    /// Asked for once; none within where systemd is not there.
    units: Option<Option<crate::supervise::Units>>,
    pub record: &'a mut Record,
    pub descriptors: u64,
    pub proc: Proc,
    /// Interfaces whose carrier may have come up after they were asked, by place.
    flush: BTreeMap<Place, BTreeSet<u32>>,
    /// What new interfaces still need, for the next visit of their place.
    pending: BTreeMap<Place, Vec<interfaces::Pending>>,
    /// The MAC addresses of the bonds that were made or changed.
    bonds: BTreeMap<InterfaceId, Option<Mac>>,
    /// There is a place to publish namespaces in.
    prepared: bool,
    /// Interfaces that were cut off while being made.
    pub unfinished: Vec<(Place, u32)>,
    /// The kernel lost replies: what failed is known only by looking.
    pub replies_lost: bool,
    /// Namespaces made by this run in which no setting was written yet.
    untouched: BTreeSet<Place>,
    /// What settings a new namespace begins with, by path.
    initial: BTreeMap<String, Option<String>>,
    /// True where Remove of what is gone already is fine.
    lenient: bool,
    /// What other yards hold of the host; looked at once.
    others: Option<Others>,
}

/// A step that failed.
pub(crate) struct Failed {
    /// Its position among the ops given.
    index: usize,
    error: Error,
    /// True when a part of it was done.
    partly: bool,
}

impl<'a> Run<'a> {
    #[allow(clippy::too_many_arguments)] // once, from the session
    pub fn new(
        yard: &'a YardName,
        worker: &'a mut Worker,
        sites: &'a mut Sites,
        published: &'a Published,
        keeper: &'a mut Option<Keeper>,
        files: &'a Files,
        dir: &'a StateDir,
        shelf: &'a Shelf,
        rootless: bool,
        record: &'a mut Record,
        descriptors: u64,
    ) -> Self {
        let proc = Proc::through(keeper.as_ref());
        Self {
            yard,
            worker,
            sites,
            published,
            keeper,
            files,
            dir,
            shelf,
            rootless,
            supervisor: None,
            units: None,
            record,
            descriptors,
            proc,
            flush: BTreeMap::new(),
            pending: BTreeMap::new(),
            bonds: BTreeMap::new(),
            prepared: false,
            unfinished: Vec::new(),
            untouched: BTreeSet::new(),
            initial: BTreeMap::new(),
            replies_lost: false,
            lenient: false,
            others: None,
        }
    }

    /// Does all batches of a plan; what fails is undone.
    pub fn apply(
        &mut self,
        plan: &Plan,
        journal: &mut Journal,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let of = plan.steps().count();
        if of < WORTH_A_THREAD {
            let mut batches = plan.batches.iter().enumerate();
            let entry = || batches.next().map(|(number, batch)| Entry::of(number, batch));
            return self.apply_all(plan, journal, progress, entry);
        }
        // While the kernel works, another thread writes what the journal will say.
        std::thread::scope(|scope| {
            let (sender, entries) = std::sync::mpsc::channel();
            scope.spawn(move || {
                for (number, batch) in plan.batches.iter().enumerate() {
                    if sender.send(Entry::of(number, batch)).is_err() {
                        return;
                    }
                }
            });
            self.apply_all(plan, journal, progress, move || entries.recv().ok())
        })
    }

    /// `entry` gives what the journal is to say of each batch, in order.
    fn apply_all(
        &mut self,
        plan: &Plan,
        journal: &mut Journal,
        progress: &mut dyn FnMut(Progress),
        mut entry: impl FnMut() -> Option<Result<Entry, Error>>,
    ) -> Result<(), Error> {
        let of = plan.steps().count();
        let mut done = 0;
        for (number, batch) in plan.batches.iter().enumerate() {
            let ready = self.before(batch).and_then(|()| match entry() {
                Some(entry) => journal.batch(&entry?),
                None => Err(Error::new(ErrorKind::Bug, "a batch without an entry in the journal")),
            });
            if let Err(error) = ready {
                progress(Progress::Undoing);
                let failed = vec![Failed { index: 0, error, partly: true }];
                return Err(self.take_back(plan, number, failed, journal));
            }
            kill_switch(number, "before");
            let ops: Vec<&Op> = batch.steps.iter().map(|step| &step.op).collect();
            let mut failed = self.execute(batch.phase, &ops, progress);
            let last = plan.batches.get(number + 1).is_none_or(|next| next.phase != batch.phase);
            if failed.is_empty() && last {
                failed = self.finish_phase(plan, number);
            }
            if !failed.is_empty() {
                progress(Progress::Undoing);
                return Err(self.take_back(plan, number + 1, failed, journal));
            }
            journal.done(number)?;
            kill_switch(number, "after");
            done += batch.steps.len();
            progress(Progress::Steps { done, of });
        }
        self.flush_carriers().map_err(|e| Error::system("could not wait for the carriers", e))
    }

    /// What must be on disk before a batch, beside the journal.
    fn before(&mut self, batch: &Steps) -> Result<(), Error> {
        let mut changed = false;
        for step in &batch.steps {
            changed |= self.note_original(&step.op)?;
            changed |= self.note_lent(&step.op)?;
        }
        if changed { self.record.write(self.dir) } else { Ok(()) }
    }

    /// Does ops of one batch; those that fail do not keep the others from being done.
    fn execute(
        &mut self,
        phase: Phase,
        ops: &[&Op],
        progress: &mut dyn FnMut(Progress),
    ) -> Vec<Failed> {
        match phase {
            Phase::Remove => {
                let left = self.bonds_left(ops);
                let mut failed = self.remove(ops);
                failed.extend(self.keep_macs(left, ops));
                failed
            }
            Phase::Namespaces => self.namespaces(ops),
            Phase::Interfaces => {
                let left = self.bonds_left(ops);
                let mut failed = self.interfaces(ops);
                failed.extend(self.keep_macs(left, ops));
                failed
            }
            Phase::Configure => self.configure(ops),
            Phase::Processes => self.processes(ops, progress),
            Phase::Commands => self.commands(ops),
            Phase::Marks => self.marks(ops),
        }
    }

    /// Sends what waits for a visit that no later batch makes.
    fn finish_phase(&mut self, plan: &Plan, number: usize) -> Vec<Failed> {
        let phase = plan.batches[number].phase;
        let configured = plan.batches[number..].iter().any(|b| b.phase == Phase::Configure);
        if phase == Phase::Interfaces && configured {
            return Vec::new();
        }
        let places: Vec<Place> = self.pending.keys().cloned().collect();
        places.into_iter().flat_map(|place| self.send_at(&place, Vec::new(), &[])).collect()
    }

    /// The site of a place, which the plan says is there.
    fn site(&mut self, op: &Op, place: &Place) -> Result<&mut Site, Error> {
        self.sites.get_mut(place).ok_or_else(|| words::lost(op, format!("no namespace `{place}`")))
    }

    /// A target for an interface of index `index` at `place`, seen from inside.
    fn target(&self, index: u32) -> Target<'a> {
        Target { yard: self.yard, index, netns: None, parent: None, master: None, bonded: false }
    }
}

/// What a step that remains says of the first attribute that differs.
pub(crate) fn still_to_do(step: &Step) -> String {
    let why = match &step.why {
        netyard_core::plan::Why::Differs { attributes } => attributes
            .first()
            .map(|d| format!("`{}` is `{}`, not `{}`", d.attribute, d.actual, d.desired)),
        _ => None,
    };
    let op = words::could_not(&step.op);
    let op = op.strip_prefix("could not ").unwrap_or(&op);
    match why {
        Some(why) => format!("still to {op}: {why}"),
        None => format!("still to {op}"),
    }
}

/// Ends the process as `kill -9` would, before or after a batch, on request: for
/// the tests of what the next command makes of it. `NETYARD_KILL=before:3`.
pub(crate) fn kill_switch(number: usize, when: &str) {
    let Ok(wish) = std::env::var("NETYARD_KILL") else { return };
    if wish == format!("{when}:{number}") {
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}
