//! A yard on this host, as commands meet it: by name, opened, observed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netyard_core::check::{Finding, Phase, Scene, Severity, judge};
use netyard_core::diag::Report;
use netyard_core::facts::{Facts, Survey};
use netyard_core::key::{KeyFact, KeyName};
use netyard_core::name::YardName;
use netyard_core::plan::{Op, Plan, plan};
use netyard_core::spec::{NodeSpec, Spec};
use netyard_core::state::{Object, Place, Profile, State, lower};
use netyard_core::vm::{Engine, QEMU};
use netyard_core::yard::{Yard, key_wishes, radio_wishes};
use netyard_linux::keeper::Keeper;
use netyard_linux::{Access, Observation, Session, libvirt, list_yards, netns, radio};

use crate::cli::YardOptions;
use crate::error::{Error, Kind, Result};
use crate::load::{self, File};
use crate::source::Origin;
use crate::{bug, ui};

/// The yard that the options name: by `--yard`, or by its file.
pub fn name(options: &YardOptions) -> Result<YardName> {
    if let Some(name) = &options.yard {
        return named(name);
    }
    let origin = options.file.origin();
    load::name(&origin).map_err(|error| match (&origin, &error.kind) {
        (Origin::File(path), Kind::Text(..)) if !path.exists() => {
            error.hint("`netyard list` shows the yards that are up; `--yard NAME` names one")
        }
        _ => error,
    })
}

/// A name as the user gave it.
pub fn named(name: &str) -> Result<YardName> {
    YardName::new(name).map_err(|bad| Error::command_line(format!("the name `{name}` {}", bad.0)))
}

/// Begins to look at a yard or to change it.
pub fn open(yard: &YardName, access: Access) -> Result<Session> {
    let mut wait = |holder: &str| {
        ui::note(&format!("waiting for another command on yard `{yard}` to end: {holder}"));
        true
    };
    let session = Session::open(yard, access, &mut wait)?;
    if let Some(cut) = session.given_back() {
        ui::note(&format!(
            "`{}` of process {} was cut off: what it had taken over is as it was before",
            cut.command, cut.pid
        ));
    }
    Ok(session)
}

/// True when something of the yard may be on this host. Without root, to open a
/// yard for a change makes a namespace for it; this does not.
pub fn is_known(yard: &YardName) -> Result<bool> {
    Ok(list_yards()?.iter().any(|known| known.yard == *yard) || Keeper::find(yard)?.is_some())
}

/// Fails where a yard is not on this host, or no longer.
pub fn must_be_up(yard: &YardName) -> Result {
    match list_yards()?.into_iter().find(|known| known.yard == *yard) {
        Some(known) if known.keeper_ended => Err(keeper_ended(yard)),
        Some(_) => Ok(()),
        None if Keeper::find(yard)?.is_some() => Ok(()),
        None => Err(not_up(yard)),
    }
}

/// What became of a yard whose process somebody ended.
pub const KEEPER_ENDED: &str = "its keeper was ended, and all of it went along";

fn keeper_ended(yard: &YardName) -> Error {
    Error::failed(format!("yard `{yard}` is not up: {KEEPER_ENDED}"))
        .hint("`netyard up` brings it up again, `netyard down` clears what is left of it")
}

/// A yard that is not on this host.
pub fn not_up(yard: &YardName) -> Error {
    Error::failed(format!("yard `{yard}` is not up"))
        .hint("`netyard up` brings it up; `netyard list` shows what is")
}

/// A yard that is up, to change what is there: its file says what it is meant to
/// be, where there is one, and is not needed.
pub fn running(options: &YardOptions) -> Result<(Session, State)> {
    let name = name(options)?;
    must_be_up(&name)?;
    if options.yard.is_none() {
        let met = Meeting::of(&File::read(&options.file.origin())?, Access::Write)?;
        return Ok((met.session, met.seen.state));
    }
    let mut session = open(&name, Access::Write)?;
    let seen = session.observe(&State::default())?;
    Ok((session, seen.state))
}

/// Takes over what runs here and is as a file says. Where something is not, nothing is
/// changed.
pub fn take_over(file: &File) -> Result {
    if !netns::has_root() {
        return Err(Error::failed("without root nothing of the host's can be taken over"));
    }
    let name = &file.spec.yard.value;
    // What a command before this one left half done is given back first.
    let mut session = open(name, Access::Write)?;
    let found = netyard_linux::adopt::read(name)?;
    let mut facts = facts(&mut session, file)?;
    // What is there is what is meant: it is in nobody's way.
    facts.foreign_namespaces.clear();
    facts.host_routes.clear();
    let is_found = |name: &netyard_core::name::InterfaceName| {
        found.state.objects().any(|object| match object {
            Object::Interface(o) => o.id.place == Place::Host && o.kernel_name == *name,
            _ => false,
        })
    };
    facts.host_interfaces.retain(|name, _| !is_found(name));
    let (yard, _) = file.resolve(&facts)?;
    let desired = lower(&yard);
    let changes = netyard_core::adopt::changes(&found.state, &desired);
    if !changes.is_empty() {
        let what = format!("what runs here is not as yard `{name}` says: {}", changes.join(", "));
        return Err(Error::failed(what)
            .hint("write the file as it is (`netyard adopt` does), or take away what differs"));
    }
    Ok(session.take_over(&found.takeover(name, &desired), &desired)?)
}

/// What a file means here, and what is here.
pub struct Meeting {
    /// The connection.
    pub session: Session,
    /// What the file means on this host.
    pub yard: Yard,
    /// The same, as the kernel would have it.
    pub desired: State,
    /// What there is.
    pub seen: Observation,
    /// What would have to change.
    pub plan: Plan,
    /// Networks whose prefixes the host now reaches elsewhere, a sentence each.
    pub collisions: Vec<String>,
    /// What was noticed in the file.
    warnings: Report,
}

impl Meeting {
    /// Reads the file, opens its yard and compares.
    pub fn of(file: &File, access: Access) -> Result<Self> {
        let mut met = Self::quietly(file, access)?;
        if !met.warnings.0.is_empty() {
            ui::show_report(&file.sources, &met.warnings);
        }
        met.session.probe(&met.plan)?;
        Ok(met)
    }

    /// The same, for a look alone: without a word, and without asking whether this
    /// kernel has what the plan needs.
    pub fn quietly(file: &File, access: Access) -> Result<Self> {
        let name = &file.spec.yard.value;
        let rootless = !netns::has_root();
        if rootless {
            // What cannot be without root is told before anything is made for it.
            file.resolve(&Facts::default())?;
        }
        let mut session = open(name, access)?;
        let facts = facts(&mut session, file)?;
        let (yard, warnings) = file.resolve(&facts)?;
        let collides = warnings.0.iter().filter(|d| d.code == "upstream-collides");
        let collisions = collides.map(|d| d.message.clone()).collect();
        let desired = session.prepare(lower(&yard)).map_err(|error| {
            let firewall = yard.firewalls.iter().find(|f| Some(&f.place) == error.get_place());
            let span = firewall.and_then(|f| f.raw.as_ref()).map(|raw| raw.span);
            let mut told = Error::from(error);
            told.place = span.and_then(|span| ui::place(&file.sources, span));
            told
        })?;
        let seen = session.observe(&desired)?;
        let plan = plan(&seen.state, &desired);
        Ok(Self { session, yard, desired, seen, plan, collisions, warnings })
    }

    /// What of the host will be in the yard's way: what `doctor` can tell before
    /// anything is done. A yard that does not touch the host has nothing to fear
    /// from it, and nothing is read for it.
    pub fn concerns(&mut self) -> Result<Vec<Finding>> {
        let nothing = Survey::default();
        let touches = Scene { survey: &nothing, yard: Some(&self.yard), phase: Phase::Plan };
        if self.session.is_rootless() || !touches.touches_host() {
            return Ok(Vec::new());
        }
        let survey = self.session.survey(true)?;
        let scene = Scene { survey: &survey, yard: Some(&self.yard), phase: Phase::Plan };
        let mut found = judge(&scene, &[Phase::Plan]);
        found.retain(|finding| finding.severity != Severity::Note);
        Ok(found)
    }

    /// Tells of them.
    pub fn tell_concerns(&mut self) -> Result {
        self.concerns()?.iter().for_each(ui::show_finding);
        Ok(())
    }

    /// Makes the host as `desired` says; where it does not become so, the error
    /// tells which place in the file that is due to.
    pub fn apply(&mut self, file: &File) -> Result {
        let Self { session, plan, desired, yard, .. } = self;
        try_apply(session, plan, desired).map_err(|error| {
            let mut told = Error::of(&error);
            let object = error.get_doing().map(subject);
            let span = object.and_then(|object| yard.origin(&file.spec, &object));
            told.place = span.and_then(|span| ui::place(&file.sources, span));
            told
        })
    }

    /// Ends the connection. The rest is left to the end of the process, which is
    /// near: to take a large yard apart piece by piece takes its time.
    pub fn part(self) {
        let Self { session, yard, desired, seen, plan, .. } = self;
        std::mem::forget((yard, desired, seen, plan));
        session.close();
    }

    /// True when there is nothing to change and nothing to take up.
    pub fn is_settled(&self) -> bool {
        self.plan.is_empty() && self.seen.interrupted.is_none() && self.seen.unfinished == 0
    }
}

/// Makes the host as `desired` says, with progress.
pub fn apply(session: &mut Session, plan: &Plan, desired: &State) -> Result {
    Ok(try_apply(session, plan, desired)?)
}

/// What an op is about.
fn subject(op: &Op) -> Object {
    match op {
        Op::Add { object }
        | Op::Remove { object }
        | Op::Set { to: object, .. }
        | Op::Mark { object, .. } => object.clone(),
        Op::AddPair { first, .. } | Op::RemovePair { first, .. } => {
            Object::Interface(first.clone())
        }
    }
}

fn try_apply(
    session: &mut Session,
    plan: &Plan,
    desired: &State,
) -> std::result::Result<(), netyard_linux::Error> {
    let mut progress = ui::Progress::start();
    bug::host_is_changing(true);
    let applied = session.apply(plan, desired, &mut |at| progress.at(at));
    bug::host_is_changing(false);
    drop(progress);
    applied.map(drop)
}

fn facts(session: &mut Session, file: &File) -> Result<Facts> {
    let mut facts = session.facts(&load::kinds(&file.spec))?;
    facts.keys = keys(session, file)?;
    facts.missing_files = missing_files(&file.spec);
    facts.jailed = jailed(session, &file.spec);
    let networks = file.spec.networks.iter().filter_map(|network| network.libvirt.as_ref());
    let wanted: BTreeSet<String> = networks.map(|network| network.name.value.clone()).collect();
    let machines = file.spec.nodes.iter().filter_map(|node| node.vm.as_ref());
    let machines = machines.clone().any(|vm| vm.engine == Engine::Libvirt);
    if (machines || !wanted.is_empty()) && !session.is_rootless() {
        facts.learn_libvirt(&file.spec.yard.value, libvirt::gather(&wanted, machines));
    }
    if let Some(wishes) = radio_wishes(&file.spec) {
        facts.radios = session.radios(&wishes.own, &wishes.countries)?;
        let files = wishes.files.into_iter().map(|written| {
            let found = radio::passphrase(&file.directory.join(&written));
            (written, found)
        });
        facts.secret_files = files.collect();
    }
    if session.is_rootless() {
        // Before the first `up` there is no namespace of the yard's own to look
        // at, and the host's routes are nothing to it.
        facts.host_routes.clear();
        facts.host_interfaces.clear();
        facts.foreign_namespaces.clear();
    }
    Ok(facts)
}

/// What virtual machines need and is not there: their files, and what runs them.
fn missing_files(spec: &Spec) -> BTreeSet<String> {
    let machines: Vec<_> = spec.nodes.iter().filter_map(|node| node.vm.as_ref()).collect();
    let files = machines.iter().flat_map(|vm| vm.files()).map(|file| file.value.clone());
    let mut missing: BTreeSet<String> = files.filter(|file| !Path::new(file).exists()).collect();
    if !machines.is_empty() && !netyard_linux::supervise::has_program(QEMU) {
        missing.insert(QEMU.to_owned());
    }
    missing
}

/// The nodes whose firmware has jails of its own, as far as its files are there.
fn jailed(session: &Session, spec: &Spec) -> BTreeSet<String> {
    let jailed = |node: &&NodeSpec| {
        let Some(container) = &node.container else { return false };
        let root = session.container_root(&node.name.value, &container.root.value);
        let jail = root.join("sbin/ujail").symlink_metadata().is_ok();
        container.profile == Profile::Openwrt && jail
    };
    spec.nodes.iter().filter(jailed).map(|node| node.name.value.to_string()).collect()
}

/// The keys that a file needs; a command that changes the yard makes those that
/// are netyard's own and not there yet.
fn keys(session: &mut Session, file: &File) -> Result<BTreeMap<KeyName, KeyFact>> {
    let wishes = key_wishes(&file.spec);
    let mut keys = BTreeMap::new();
    for (name, wish, _) in wishes {
        let found = session.key(&name, wish, &file.directory)?;
        keys.extend(found.map(|found| (name, found)));
    }
    Ok(keys)
}
