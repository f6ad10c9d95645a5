//! A command at work on one yard.

mod inside;
mod known;
mod measure;
mod process;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::path::PathBuf;

use netyard_core::facts::{Facts, HostInterface, Survey};
use netyard_core::name::{InterfaceName, NodeName, YardName};
use netyard_core::nft::Table;
use netyard_core::plan::{Op, Plan, ShellNames};
use netyard_core::state::{InterfaceId, Object, Place, State};
use netyard_core::wire::LongMarks;
use netyard_core::wire::link::Pulse;

use crate::error::{Error, ErrorKind};
use crate::files::Files;
use crate::journal::{self, Interrupted, Journal};
use crate::keeper::Keeper;
use crate::netlink::Ears;
use crate::netns::{self, Published, Worker};
use crate::observe::{self, Depth, Finding, Question, Sight};
use crate::others;
use crate::place::Sites;
use crate::record::{Lent, Record};
use crate::run::{self, Progress, Run};
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
        let session = Self {
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
        };
        session.same_host()?;
        if access == Access::Write {
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

    /// What the pure steps need to know of the host. Of the kinds of links and
    /// qdiscs, only `kinds` are probed.
    pub fn facts(&mut self, kinds: &BTreeSet<String>) -> Result<Facts, Error> {
        self.must_have_record()?;
        let mut facts = crate::facts::gather(&self.yard, kinds)?;
        facts.recorded_pools = self.record.as_ref().map(|r| r.pools.clone()).unwrap_or_default();
        facts.host_reachable = !self.rootless;
        facts.running = self.record.is_some();
        // What is elsewhere is not seen on the host.
        let lent = self.record.iter().flat_map(|record| &record.lent);
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
        survey.map_err(no_thread)?
    }

    /// Notes the prefixes the yard's addresses are drawn from; written with the
    /// next change.
    pub fn set_pools(&mut self, pools: &[ipnet::IpNet]) {
        self.record.get_or_insert_default().pools = pools.to_vec();
    }

    /// Reads the State of the yard. `desired` only says what is worth asking for.
    pub fn observe(&mut self, desired: &State) -> Result<Observation, Error> {
        let interrupted = journal::interrupted(&self.dir.file("journal"))?;
        let sight = self.look(desired)?;
        Ok(Observation { state: sight.state, interrupted, unfinished: self.unfinished.len() })
    }

    fn look(&mut self, desired: &State) -> Result<Sight, Error> {
        self.look_at(desired, Depth::Whole)
    }

    fn finding<'a>(&'a self, hints: &'a State, depth: Depth) -> Finding<'a> {
        Finding {
            yard: &self.yard,
            published: &self.published,
            keeper: self.keeper.as_ref(),
            hints,
            node: self.asked_for.as_ref(),
            depth,
            fabric: self.record.as_ref().and_then(|record| record.fabric.as_deref()),
            descriptors: self.descriptors,
        }
    }

    fn look_at(&mut self, desired: &State, depth: Depth) -> Result<Sight, Error> {
        let (known, mut ears) = (self.sites.take(), self.ears.take());
        let finding = self.finding(desired, depth);
        let long = LongMarks::of(&self.yard, desired);
        let question = Question {
            yard: &self.yard,
            keeper: self.keeper.as_ref(),
            desired,
            long: &long,
            record: self.record.as_ref(),
            files: &self.files,
            shelf: &self.shelf,
            depth,
        };
        let listen = self.access == Access::Watch && ears.is_none();
        let keeper = self.keeper.as_ref().filter(|_| self.rootless);
        let hears_host = keeper.is_some() || !self.rootless;
        let look = |worker: &mut Worker| {
            let (mut sites, mut sight) = match known {
                Some(sites) => (sites, None),
                None => {
                    let (sites, sight) = observe::find(worker, &finding, &question)?;
                    (sites, Some(sight))
                }
            };
            if listen {
                ears = Some(open_ears(worker, &mut sites, hears_host)?);
                // What changed before it listened is seen by looking again.
                sight = None;
            }
            let sight = match sight {
                Some(sight) => sight,
                None => observe::observe(worker, &mut sites, &question)?,
            };
            Ok::<_, Error>((sites, sight))
        };
        let seen = Worker::run(look).map_err(no_thread);
        self.ears = ears;
        let (sites, sight) = seen??;
        self.sites = Some(sites);
        self.unfinished = sight.unfinished.clone();
        self.originals = sight.originals.clone();
        self.lent = sight.lent.clone();
        Ok(sight)
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

    /// What the rules of the yard's firewalls counted, by place. Call
    /// [`Self::observe`] first, whose State is given here.
    pub fn rule_counters(
        &mut self,
        observed: &State,
    ) -> Result<BTreeMap<Place, Vec<RuleCount>>, Error> {
        let places: Vec<Place> = tables(observed).map(|table| table.place.clone()).collect();
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut sites = self.sites.take().unwrap_or_default();
        let yard = &self.yard;
        let look = |worker: &mut Worker| {
            let mut counts = BTreeMap::new();
            for place in places {
                let Some(site) = sites.get_mut(&place) else { continue };
                let rules = crate::nft::counters(site.netfilter(worker)?, yard)?;
                let count =
                    |(chain, rule, packets, bytes)| RuleCount { chain, rule, packets, bytes };
                counts.insert(place, rules.into_iter().map(count).collect());
            }
            Ok::<_, std::io::Error>((counts, sites))
        };
        let (counts, sites) = Worker::run(look)
            .map_err(no_thread)?
            .map_err(|e| Error::system("could not read the counters", e))?;
        self.sites = Some(sites);
        Ok(counts)
    }

    /// What the yard's interfaces do at the moment. Call [`Self::observe`] first.
    pub fn pulses(&mut self) -> Result<BTreeMap<InterfaceId, Pulse>, Error> {
        let mut sites = self.sites.take().unwrap_or_default();
        let look = |worker: &mut Worker| {
            let pulses = observe::pulses(worker, &mut sites);
            (sites, pulses)
        };
        let (sites, pulses) = Worker::run(look).map_err(no_thread)?;
        self.sites = Some(sites);
        pulses.map_err(|e| Error::system("could not read the counters", e))
    }

    /// Ends a session that was to `Watch`: lets go of everything of the yard's,
    /// and gives what hears of its changes since the first look.
    pub fn into_ears(mut self) -> Result<Ears, Error> {
        let mut ears = self.ears.take().unwrap_or_default();
        if let Some(keeper) = &self.keeper {
            let end = keeper.pidfd().try_clone_to_owned();
            ears = ears.and(end.map_err(|e| Error::system("could not watch the keeper", e))?);
        }
        // Each change has its journal there.
        Ok(ears.and_files([self.dir.path()]))
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
                    return Err(self.after_undo(error, journal));
                }
            };
            progress(Progress::Verifying);
            let now = self.look(desired)?.state;
            if !lost || rest.is_some() {
                break now;
            }
            // The kernel had no room to say what failed: whatever did is left.
            rest = Some(netyard_core::plan::plan(&now, desired));
        };
        self.converged(&now, desired)?;
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

    /// A change failed and was undone: where nothing of the yard is left, its
    /// traces go too. What could not be undone stays in the journal.
    fn after_undo(&mut self, error: Error, journal: Journal) -> Error {
        if error.get_undone().is_some_and(|undone| !undone.failures.is_empty()) {
            return error;
        }
        let cleared = journal.end().and_then(|()| {
            self.run(|run| run.end_idle_supervisor())?;
            let left = self.look(&State::default())?;
            if left.state.is_empty() { self.finish_down() } else { Ok(()) }
        });
        match cleared {
            Ok(()) => error,
            Err(more) => error.others(vec![more.to_string()]),
        }
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

    fn converged(&self, now: &State, desired: &State) -> Result<(), Error> {
        let plan = netyard_core::plan::plan(now, desired);
        let Some(step) = plan.steps().next() else { return Ok(()) };
        let what = format!(
            "all steps were done, and yet the host is not as the file says: {}",
            run::still_to_do(step)
        );
        Err(Error::new(ErrorKind::NotConverged, what).hint(
            "what was done stays: `netyard plan` shows what differs, `netyard up` tries again, \
                 `netyard down` takes all away",
        ))
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
        let journal = Journal::begin(&self.dir.file("journal"), "down")?;
        self.record.get_or_insert_default().learn(&sight.originals, &sight.lent);
        self.run(|run| run.down(&sight.state, progress))
            .map_err(|error| self.named(error, &sight.state))?;
        journal.end()?;
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

/// Ears in the yard's namespaces; links that were read before are read again.
fn open_ears(worker: &mut Worker, sites: &mut Sites, hears_host: bool) -> Result<Ears, Error> {
    let failed = |e| Error::system("could not listen to what changes", e);
    if sites.own().next().is_none() {
        return Ok(Ears::default());
    }
    let host = sites.get(&Place::Host).filter(|_| hears_host);
    let all: Vec<_> = sites.own().chain(host).map(|site| site.fd()).collect();
    let ears = Ears::of(worker, &all).map_err(failed)?;
    sites.iter_mut().for_each(|site| site.links = None);
    Ok(ears)
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
