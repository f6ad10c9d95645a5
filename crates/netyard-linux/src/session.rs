//! A command at work on one yard.

mod change;
mod inside;
mod known;
mod look;
mod measure;
mod process;
mod takeover;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::PathBuf;

use netyard_core::facts::radio::Radios;
use netyard_core::facts::{Facts, HostInterface, Survey};
use netyard_core::name::{InterfaceName, NodeName, YardName};
use netyard_core::nft::Table;
use netyard_core::plan::{Op, Plan, ShellNames};
use netyard_core::state::{Object, Place, State};

use crate::error::{Error, ErrorKind};
use crate::files::Files;
use crate::journal::Interrupted;
use crate::keeper::Keeper;
use crate::netlink::Ears;
use crate::netns::{self, Published, Worker};
use crate::others;
use crate::place::Sites;
use crate::record::{Lent, Record};
use crate::run::Run;
use crate::state_dir::{self, Lock, StateDir};
use crate::supervise::Shelf;

pub use known::{Known, list_yards};
pub use measure::{Proved, Tracked, Trial, noted_file};
pub use process::ProcessState;

/// What a command is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only look. Does not wait for a command that is at work.
    Read,
    /// Look, and hear of what changes from then on.
    Watch,
    /// Change something: one command at a time.
    Write,
}

/// What was observed.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The yard's objects as they are.
    pub state: State,
    /// What an earlier command left unfinished, if one was cut off.
    pub interrupted: Option<Interrupted>,
    /// Interfaces that were cut off while being made; the next change removes them.
    pub unfinished: usize,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Steps of the plan.
    pub steps: usize,
}

/// What was taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Nodes with a namespace of their own.
    pub nodes: usize,
    /// True when there was anything of the yard's.
    pub anything: bool,
}

/// A command at work on one yard.
#[derive(Debug)]
pub struct Session {
    yard: YardName,
    access: Access,
    dir: StateDir,
    lock: Option<Lock>,
    published: Published,
    keeper: Option<Keeper>,
    files: Files,
    shelf: Shelf,
    keeps_data: bool,
    keeps_differences: bool,
    rootless: bool,
    /// This command made the keeper, and nothing in it yet.
    fresh_keeper: bool,
    descriptors: u64,
    record: Option<Record>,
    /// Why there is no record though there should be one. Taking the yard away goes
    /// by the marks in the kernel; whoever needs more ends with this.
    unreadable: Option<Error>,
    /// The node that a program is to run in.
    asked_for: Option<NodeName>,
    sites: Option<Sites>,
    ears: Option<Ears>,
    unfinished: Vec<(Place, u32)>,
    originals: BTreeMap<String, String>,
    lent: Vec<Lent>,
    given_back: Option<Interrupted>,
}

/// What a rule of a firewall counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The chain it is in.
    pub chain: String,
    /// Its comment, or the rule as nft writes it.
    pub rule: String,
    /// Packets that came as far as its counter.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The firewalls of a State.
fn tables(state: &State) -> impl Iterator<Item = &Table> {
    state.objects().filter_map(|object| match object {
        Object::Table(table) => Some(&**table),
        _ => None,
    })
}

impl Session {
    /// Begins work on a yard.
    ///
    /// Without root this moves the process into the yard's own user, mount and
    /// network namespaces (`Write` makes them), which needs a process of one
    /// thread: call it before any thread is started.
    ///
    /// Where another command holds the yard, `wait` is asked with its process
    /// number and command line; `false` makes it an error.
    pub fn open(
        yard: &YardName,
        access: Access,
        wait: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Self, Error> {
        netns::has_proc()?;
        let rootless = !netns::has_root();
        let base = state_dir::base(rootless)?;
        let dir = StateDir::new(&base, yard);
        let lock = match access {
            Access::Read | Access::Watch => None,
            Access::Write => Some(dir.lock(wait)?),
        };
        let locked = lock.is_some();
        let opened = Self::begin(yard, access, rootless, dir.clone(), lock);
        if opened.is_err() && locked && dir.has_only("lock") {
            let _ = dir.remove();
        }
        opened
    }

    fn begin(
        yard: &YardName,
        access: Access,
        rootless: bool,
        dir: StateDir,
        lock: Option<Lock>,
    ) -> Result<Self, Error> {
        let descriptors = crate::raise_descriptor_limit();
        let mut keeper = Keeper::find(yard)?;
        let mut fresh_keeper = false;
        if rootless {
            if keeper.is_none() && access == Access::Write {
                keeper = Some(Keeper::start(yard, true, dir.path())?);
                fresh_keeper = true;
            }
            if let Some(keeper) = &keeper {
                netns::enter_keeper(keeper.pidfd())
                    .map_err(|e| Error::system("could not enter the yard's user namespace", e))?;
            }
        }
        let root = if rootless { dir.file("etc") } else { PathBuf::from("/etc/netns") };
        let (mut record, unreadable) = match Record::read(&dir) {
            Ok(record) => (record, None),
            Err(error) => (None, Some(error)),
        };
        if fresh_keeper {
            // What is recorded went with the keeper that was killed.
            record = record.map(Record::of_what_is_gone);
        }
        let shelf = Shelf::of(&dir, yard, rootless);
        let mut session = Self {
            yard: yard.clone(),
            access,
            dir,
            lock,
            published: Published::of(yard),
            keeper,
            unreadable,
            files: Files::below(root),
            shelf,
            keeps_data: false,
            keeps_differences: false,
            rootless,
            fresh_keeper,
            descriptors,
            record,
            asked_for: None,
            sites: None,
            ears: None,
            unfinished: Vec::new(),
            originals: Default::default(),
            lent: Vec::new(),
            given_back: None,
        };
        session.same_host()?;
        if access == Access::Write {
            session.give_back()?;
            session.supervise()?;
        }
        Ok(session)
    }

    /// Ends the work. The namespaces that are open are left to the end of the
    /// process, which is near: a thousand closings take their time.
    pub fn close(mut self) {
        std::mem::forget(self.sites.take());
        self.record = None;
    }

    /// The yard's host is the network namespace it was brought up in.
    fn same_host(&self) -> Result<(), Error> {
        let here = self.host_identity()?;
        match &self.record {
            Some(record)
                if !record.is_of_any_host()
                    && record.host != here
                    && self.access == Access::Write =>
            {
                let what = "this yard was brought up in another network namespace";
                Err(Error::new(ErrorKind::State, what).hint("call netyard from where it was"))
            }
            _ => Ok(()),
        }
    }

    fn host_identity(&self) -> Result<u64, Error> {
        let failed = |e| Error::system("could not look at the network namespace", e);
        let own = netns::open_own("net").map_err(failed)?;
        netns::identity(own.as_fd()).map_err(failed)
    }

    /// True when the yard was brought up without root and somebody has ended the
    /// process that held it: nothing of it is left but its record.
    pub fn keeper_ended(&self) -> bool {
        let was_up = self.record.as_ref().is_some_and(|record| !record.is_of_any_host());
        self.rootless && was_up && self.keeper.is_none()
    }

    /// True when the yard lives in a user namespace of its own.
    pub fn is_rootless(&self) -> bool {
        self.rootless
    }

    /// What is known of the host's radios; `own` are the interfaces of theirs that are to be
    /// the yard's, `countries` those whose law is asked for.
    pub fn radios(
        &mut self,
        own: &BTreeSet<String>,
        countries: &BTreeSet<String>,
    ) -> Result<Radios, Error> {
        if self.rootless {
            return Ok(Radios::default());
        }
        crate::radio::gather(own, countries)
            .map_err(|e| Error::system("could not look at the radios", e))
    }

    /// What the pure steps need to know of the host. Of the kinds of links and
    /// qdiscs, only `kinds` are probed.
    pub fn facts(&mut self, kinds: &BTreeSet<String>) -> Result<Facts, Error> {
        self.must_have_record()?;
        if self.record.is_none() && !self.rootless {
            // With the state directory lost, notes in the kernel tell what is lent.
            self.look(&State::default())?;
        }
        let mut facts = crate::facts::gather(&self.yard, kinds)?;
        facts.recorded_pools = self.record.as_ref().map(|r| r.pools.clone()).unwrap_or_default();
        facts.host_reachable = !self.rootless;
        facts.running = self.record.is_some();
        // What is elsewhere is not seen on the host.
        let lent = self.record.iter().flat_map(|record| &record.lent).chain(&self.lent);
        for lent in lent.filter(|lent| !lent.stays) {
            if let Ok(name) = InterfaceName::new(&lent.host_name) {
                facts.host_interfaces.entry(name).or_insert_with(|| HostInterface {
                    mtu: lent.mtu,
                    borrowed: true,
                    ..HostInterface::default()
                });
            }
        }
        if !self.rootless {
            facts.held_settings = others::held(&self.yard, &self.dir, self.host_identity()?)?;
        }
        Ok(facts)
    }

    /// Looks at the host and the yard's namespaces as they are, whoever made what
    /// is there; only at the host where `only_host`. What checks judge. Without
    /// root a yard has no host: what stands for it is left out.
    pub fn survey(&mut self, only_host: bool) -> Result<Survey, Error> {
        if self.sites.is_none() {
            self.look(&State::default())?;
        }
        let mut sites = self.sites.take().unwrap_or_default();
        let files = |netns: &str| self.files.directory(netns);
        let wanted = |place: &Place| match place {
            Place::Host => !self.rootless,
            _ => !only_host,
        };
        let survey = Worker::run(|worker| {
            crate::facts::survey(worker, &mut sites, &wanted, !only_host, &files)
        });
        self.sites = Some(sites);
        let mut survey = survey.map_err(no_thread)??;
        survey.troubles = crate::serve::troubles_of(&self.shelf)?;
        Ok(survey)
    }

    /// Notes the prefixes the yard's addresses are drawn from; written with the
    /// next change.
    pub fn set_pools(&mut self, pools: &[ipnet::IpNet]) {
        self.record.get_or_insert_default().pools = pools.to_vec();
    }

    /// The desired State with what only this host can tell: nft's own text of a
    /// firewall becomes rules like any other. Without root and before the yard is
    /// up it stays text.
    pub fn prepare(&mut self, mut desired: State) -> Result<State, Error> {
        let texts: Vec<Table> = tables(&desired).filter(|t| !t.raw.is_empty()).cloned().collect();
        if texts.is_empty() || !netns::has_root() {
            return Ok(desired);
        }
        let yard = &self.yard;
        for table in texts {
            let compiled = Worker::run(|worker| crate::nft::compile(worker, yard, &table))
                .map_err(no_thread)?
                .map_err(|error| error.at(&table.place))?;
            desired.insert(Object::Table(Box::new(compiled)));
        }
        Ok(desired)
    }

    /// Fails where this kernel lacks something that a firewall of a plan needs;
    /// nothing is touched for it.
    pub fn probe(&mut self, plan: &Plan) -> Result<(), Error> {
        if !netns::has_root() {
            return Ok(());
        }
        let (yard, mut seen) = (&self.yard, BTreeSet::new());
        for step in plan.steps() {
            let (Op::Add { object: Object::Table(table) }
            | Op::Set { to: Object::Table(table), .. }) = &step.op
            else {
                continue;
            };
            Worker::run(|worker| crate::nft::probe(worker, yard, table, &mut seen))
                .map_err(no_thread)??;
        }
        Ok(())
    }

    /// An error told with the kernel's names of what is there, and is to be there.
    fn named(&self, error: Error, state: &State) -> Error {
        let mut names = ShellNames::of([state]);
        if let Some(sites) = &self.sites {
            sites.tell(&mut names);
        }
        error.named(names)
    }

    fn must_have_record(&mut self) -> Result<(), Error> {
        self.unreadable.take().map_or(Ok(()), Err)
    }

    fn must_write(&self) -> Result<(), Error> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read | Access::Watch => {
                Err(Error::new(ErrorKind::Bug, "a change without the yard's lock"))
            }
        }
    }

    /// Runs `work` on a worker thread with all it needs.
    fn run<R: Send>(
        &mut self,
        work: impl FnOnce(&mut Run<'_>) -> Result<R, Error> + Send,
    ) -> Result<R, Error> {
        let mut sites = self.sites.take().unwrap_or_default();
        let unfinished = std::mem::take(&mut self.unfinished);
        let (yard, published, files, dir) = (&self.yard, &self.published, &self.files, &self.dir);
        let (shelf, rootless) = (&self.shelf, self.rootless);
        let (keeper, record) = (&mut self.keeper, self.record.get_or_insert_default());
        let descriptors = self.descriptors;
        let body = |worker: &mut Worker| {
            let mut run = Run::new(
                yard,
                worker,
                &mut sites,
                published,
                keeper,
                files,
                dir,
                shelf,
                rootless,
                record,
                descriptors,
            );
            run.unfinished = unfinished;
            work(&mut run)
        };
        let done = Worker::run(body).map_err(no_thread)?;
        self.sites = Some(sites);
        done
    }
}

/// A command that changed nothing leaves nothing: neither its lock nor a keeper.
impl Drop for Session {
    fn drop(&mut self) {
        if self.fresh_keeper
            && let Some(keeper) = self.keeper.take()
        {
            let _ = keeper.quit();
        }
        if self.lock.is_some() && self.dir.has_only("lock") {
            let _ = self.dir.remove();
        }
    }
}

fn no_thread(error: std::io::Error) -> Error {
    Error::system("could not start a thread", error)
}
