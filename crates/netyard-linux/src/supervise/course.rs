//! What was asked for of a process, and what became of it.

use std::path::PathBuf;

use netyard_core::state::Process;
use serde::{Deserialize, Serialize};

use super::Identity;
use super::identity::boot;
use super::unit::Spaces;

/// Of both files.
pub(super) const VERSION: u32 = 1;

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessPhase {
    /// It runs, and is not ready yet.
    Starting,
    /// It runs, or so it was when this was written.
    Running,
    /// It did its one thing.
    Done,
    /// It ended, and will be started again.
    Waiting,
    /// It ended, and stays so.
    Failed,
}

/// What was asked for: the command writes it, and the supervisor reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(super) version: u32,
    /// The process.
    pub process: Process,
    /// The directory of the node's files for `/etc`.
    pub etc: Option<PathBuf>,
    /// Where systemd is to run it; none where our own supervisor does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Spaces>,
}

/// What became of it: the supervisor writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    version: u32,
    pub(super) boot: String,
    /// How far it is.
    pub phase: ProcessPhase,
    /// What runs.
    pub identity: Option<Identity>,
    /// Since when it is so far, in seconds since 1970.
    pub since: u64,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub ended: Option<String>,
    /// What it says of itself (`STATUS=`, sd_notify(3)).
    pub status: Option<String>,
    /// The first process of the container that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Identity>,
}

/// A process that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As it was asked for.
    pub definition: Definition,
    /// What became of it.
    pub course: Option<Course>,
}

impl Definition {
    /// A definition in the format of this version.
    pub fn new(process: Process, etc: Option<PathBuf>) -> Self {
        Self { version: VERSION, process, etc, unit: None }
    }

    /// The same, run by systemd.
    pub fn run_by_systemd(self, spaces: Spaces) -> Self {
        Self { unit: Some(spaces), ..self }
    }
}

impl Course {
    /// A process's first moment, in this run of the machine.
    pub fn new(phase: ProcessPhase, identity: Option<Identity>) -> Self {
        let (version, boot, since) = (VERSION, boot(), now());
        Self {
            version,
            boot,
            phase,
            identity,
            since,
            restarts: 0,
            ended: None,
            status: None,
            leader: None,
        }
    }

    /// It is further now.
    pub fn enter(&mut self, phase: ProcessPhase) {
        (self.phase, self.since) = (phase, now());
    }

    /// True while it is as it was asked for, or about to be so again.
    pub fn is_there(&self) -> bool {
        self.version == VERSION
            && self.boot == boot()
            && match self.phase {
                ProcessPhase::Starting | ProcessPhase::Running => {
                    self.identity.is_some_and(Identity::lives)
                }
                ProcessPhase::Done | ProcessPhase::Waiting => true,
                ProcessPhase::Failed => false,
            }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

impl Entry {
    /// The process as it was asked for.
    pub fn process(&self) -> &Process {
        &self.definition.process
    }

    /// True while it is as it was asked for, or about to be so again.
    pub fn is_there(&self) -> bool {
        self.course.as_ref().is_some_and(Course::is_there)
    }

    /// The first process of the container that it is, while that lives.
    pub fn leader(&self) -> Option<Identity> {
        let course = self.course.as_ref().filter(|course| course.boot == boot())?;
        course.leader.filter(|leader| leader.lives())
    }

    /// What runs of it in this run of the machine, or did.
    pub fn identity(&self) -> Option<Identity> {
        self.course.as_ref().filter(|course| course.boot == boot())?.identity
    }
}
