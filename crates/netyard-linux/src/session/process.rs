//! The yard's processes, to look at and to restart.

use std::path::PathBuf;

use netyard_core::service::client;
use netyard_core::state::{Object, Place, Process, State};

use super::Session;
use crate::error::{Error, ErrorKind};
use crate::supervise::{self, LOG, ProcessPhase, Supervisor};

/// How a process is.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessState {
    /// As it was asked for.
    pub process: Process,
    /// How far it is; what was written last, as far as the kernel bears it out.
    pub phase: ProcessPhase,
    /// Its number while it runs.
    pub pid: Option<u32>,
    /// When what runs of it was started, in seconds since 1970.
    pub started: Option<f64>,
    /// For how long it has been so far, in seconds.
    pub age: u64,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// How it ended the last time.
    pub ended: Option<String>,
    /// What it says of itself.
    pub status: Option<String>,
    /// The file of its output; an older part has the same name and `.1`.
    pub log: PathBuf,
    /// Its own directory, with its files and sockets.
    pub directory: PathBuf,
}

/// What a babeld says at its local socket, in short.
fn babel(name: &str, directory: &std::path::Path) -> Option<String> {
    if name != "babeld" {
        return None;
    }
    let dump = crate::babel::read(&directory.join(crate::babel::SOCKET)).ok()?;
    let reached = dump.neighbours.iter().filter(|n| n.cost < u16::MAX).count();
    let routes = dump.routes.iter().filter(|route| route.installed).count();
    let lost = dump.neighbours.len() - reached;
    let lost = if lost > 0 { format!(" ({lost} lost)") } else { String::new() };
    Some(format!("neighbours: {reached}{lost}, routes: {routes}"))
}

/// What a client of an interface holds, in short.
fn held(process: &Process, data: &std::path::Path) -> Option<String> {
    client::config(process)?;
    let now = supervise::now();
    let held = crate::client::read_lease(data).unwrap_or_default().still_good(now);
    let left = |until: u64| match until {
        u64::MAX => "for ever".to_owned(),
        until => format!("for {} s", until - now),
    };
    let v4 = held.v4.iter().map(|(lease, until)| format!("{} {}", lease.address, left(*until)));
    let v6 = held.v6.iter().map(|(lease, until)| format!("{} {}", lease.address, left(*until)));
    let prefix = held.prefix.iter();
    let prefix = prefix.map(|(lease, until)| format!("{} {}", lease.told(), left(*until)));
    let all: Vec<String> = v4.chain(v6).chain(prefix).collect();
    Some(if all.is_empty() { "no lease".to_owned() } else { format!("has {}", all.join(", ")) })
}

impl Session {
    /// All processes of the yard, by place and name.
    pub fn processes(&self) -> Result<Vec<ProcessState>, Error> {
        let state = |entry: supervise::Entry| {
            let process = entry.process().clone();
            let identity = entry.identity().filter(|identity| identity.lives());
            let there = entry.is_there();
            let course = entry.course?;
            let directory = self.shelf.dir(&process.place, &process.name);
            let known = babel(&process.name, &directory)
                .or_else(|| held(&process, &self.shelf.data(&process.place, &process.name)));
            Some(ProcessState {
                process,
                phase: if there { course.phase } else { ProcessPhase::Failed },
                pid: identity.map(|identity| identity.pid),
                started: identity.and_then(supervise::Identity::started),
                age: supervise::now().saturating_sub(course.since),
                restarts: course.restarts,
                ended: course.ended,
                status: course.status.or(known),
                log: directory.join(LOG),
                directory,
            })
        };
        Ok(self.shelf.all()?.into_iter().filter_map(state).collect())
    }

    /// True when somebody watches over the yard's processes, or there are none.
    pub fn is_supervised(&self) -> Result<bool, Error> {
        let ours = self.shelf.all()?.iter().any(|entry| entry.definition.unit.is_none());
        Ok(!ours || Supervisor::find(&self.yard)?.is_some())
    }

    /// Ends a process and starts it again as it is written down; returns when it is
    /// ready.
    pub fn restart(&mut self, place: &Place, name: &str) -> Result<(), Error> {
        self.must_write()?;
        let entry = self.shelf.read(place, name)?.ok_or_else(|| {
            let what = format!("`{place}` has no process `{name}`");
            Error::new(ErrorKind::NotFound, what).hint("`netyard status` shows those it has")
        })?;
        if self.sites.is_none() {
            self.look(&State::default())?;
        }
        self.run(|run| run.restart_process(entry.process()))
    }

    /// `down` leaves what services keep: leases, keys, states.
    pub fn keep_data(&mut self) {
        self.keeps_data = true;
    }

    /// What services kept that the file no longer has goes.
    pub(super) fn prune_data(&self, desired: &State) -> Result<(), Error> {
        let kept = desired.objects().filter_map(|object| match object {
            Object::Process(process) if process.keep => Some(&**process),
            _ => None,
        });
        let failed = |e| Error::system("could not remove data of services", e);
        self.shelf.prune_data(kept).map_err(failed)
    }

    /// Who changes something finds the yard's processes watched over: a supervisor
    /// that was killed is started again, and what a yard left that is gone, ends.
    pub(super) fn supervise(&self) -> Result<(), Error> {
        if self.fresh_keeper {
            return supervise::clear_leftovers(&self.shelf);
        }
        let is_watched = |entry: &supervise::Entry| {
            entry.definition.unit.is_none() && entry.identity().is_some()
        };
        if self.shelf.all().is_ok_and(|all| all.iter().any(is_watched)) {
            let keeper = self.keeper.as_ref().map(crate::keeper::Keeper::pid);
            Supervisor::ensure(&self.yard, self.rootless, self.dir.base(), keeper)?;
        }
        Ok(())
    }
}
