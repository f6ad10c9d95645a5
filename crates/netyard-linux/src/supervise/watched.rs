//! One process under supervision: started, ready, ended, started again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use netyard_core::state::{Container, Place, Process, Profile, Ready, Restart};

use super::Identity;
use super::backoff::Backoff;
use super::berth;
use super::course::{Course, Definition, ProcessPhase};
use super::firmware;
use super::launch::{Dock, LOG, Launch, Unlaunched, marked};
use super::ready::{self, NOTIFY};
use super::shelf::Shelf;
use crate::netns::Inside;

/// The namespaces of a place.
#[derive(Debug)]
pub(super) struct Spaces {
    pub net: OwnedFd,
    pub uts: Option<OwnedFd>,
}

/// A process under supervision.
pub(super) struct Watched {
    pub place: Place,
    pub name: String,
    definition: Definition,
    /// None for the supervisor's own.
    spaces: Option<Spaces>,
    pub course: Course,
    /// None for one that was taken over.
    child: Option<Child>,
    /// What looks after its network while it boots.
    firmware: Option<Child>,
    pidfd: Option<OwnedFd>,
    notify: Option<OwnedFd>,
    /// When it was started.
    begun: Instant,
    backoff: Backoff,
    /// When it is started, or started again.
    again: Option<Instant>,
    /// It was not started yet: others are being set up.
    queued: bool,
}

impl Watched {
    /// One that is about to be started.
    pub fn new(definition: Definition, spaces: Option<Spaces>) -> Self {
        Self {
            place: definition.process.place.clone(),
            name: definition.process.name.clone(),
            definition,
            spaces,
            course: Course::new(ProcessPhase::Starting, None),
            child: None,
            firmware: None,
            pidfd: None,
            notify: None,
            begun: Instant::now(),
            backoff: Backoff::default(),
            again: None,
            queued: false,
        }
    }

    /// A container that is started when no other is being set up.
    pub fn queue(&mut self) {
        (self.again, self.queued) = (Some(Instant::now()), true);
    }

    /// True while nspawn sets a container up: of two that do so at once, one may find
    /// `Device or resource busy`.
    pub fn is_being_set_up(&self) -> bool {
        self.is_container()
            && self.again.is_none()
            && self.course.phase == ProcessPhase::Starting
            && self.course.leader.is_none()
    }

    pub fn is_container(&self) -> bool {
        self.process().container().is_some()
    }

    /// One that an earlier supervisor started; it may have ended meanwhile.
    pub fn take_over(
        shelf: &Shelf,
        definition: Definition,
        spaces: Option<Spaces>,
        course: Course,
    ) -> Self {
        let pidfd = course.identity.and_then(|identity| identity.hold().ok().flatten());
        let mut watched = Self { course, pidfd, ..Self::new(definition, spaces) };
        let phase = watched.course.phase;
        if watched.is_notified() && watched.pidfd.is_some() {
            let path = shelf.dir(&watched.place, &watched.name).join(NOTIFY);
            watched.notify = ready::listen(&path).ok();
        }
        let runs = matches!(phase, ProcessPhase::Starting | ProcessPhase::Running);
        if runs && watched.pidfd.is_none() || phase == ProcessPhase::Waiting {
            watched.again = Some(Instant::now());
        }
        watched
    }

    /// True where it says of itself how far it is.
    fn is_notified(&self) -> bool {
        self.process().ready == Ready::Notify || self.is_container()
    }

    pub fn process(&self) -> &Process {
        &self.definition.process
    }

    /// What it is polled by: its end, and what it says.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pidfd.iter().chain(&self.notify).map(AsFd::as_fd)
    }

    /// True while it is not known whether its start succeeds.
    pub fn is_starting(&self) -> bool {
        self.course.phase == ProcessPhase::Starting
    }

    /// Starts it.
    pub fn start(&mut self, shelf: &Shelf, mark: &str) -> Result<(), Unlaunched> {
        (self.again, self.queued) = (None, false);
        // A change may have been written down since.
        if let Ok(Some(entry)) = shelf.read(&self.place, &self.name) {
            self.definition = entry.definition;
        }
        let path = shelf.dir(&self.place, &self.name).join(NOTIFY);
        if self.is_notified() {
            self.notify = Some(ready::listen(&path)?);
        }
        let (inside, dock) = match self.process().container() {
            None => (self.inside()?, None),
            Some(container) => {
                clear(shelf, self.process(), container, mark)?;
                (None, self.dock())
            }
        };
        let notify = self.notify.as_ref().map(|_| path.as_path());
        let process = &self.definition.process;
        let child = Launch { shelf, process, inside, mark, notify, dock }.start()?;
        self.begun = Instant::now();
        self.course.identity = Identity::of(child.id());
        self.pidfd = match self.course.identity {
            Some(identity) => identity.hold()?,
            None => None,
        };
        if self.pidfd.is_none() {
            // It ended at once, and is a zombie: that is held, too.
            let pid = rustix::process::Pid::from_child(&child);
            let flags = rustix::process::PidfdFlags::empty();
            self.pidfd = rustix::process::pidfd_open(pid, flags).ok();
        }
        self.child = Some(child);
        self.course.enter(ProcessPhase::Starting);
        (self.course.status, self.course.leader) = (None, None);
        Ok(())
    }

    fn dock(&self) -> Option<Dock<'_>> {
        let spaces = self.spaces.as_ref()?;
        Some(Dock { net: spaces.net.as_fd(), etc: self.definition.etc.as_deref() })
    }

    fn inside(&self) -> io::Result<Option<Inside>> {
        let Some(spaces) = &self.spaces else { return Ok(None) };
        let net = spaces.net.try_clone()?;
        let uts = spaces.uts.as_ref().map(OwnedFd::try_clone).transpose()?;
        let nothing = std::path::Path::new("/nonexistent");
        let etc = self.definition.etc.as_deref().unwrap_or(nothing);
        Ok(Some(Inside::new(net, uts, etc)?))
    }

    /// Looks what became of it; true where something did. `busy`: another container is
    /// being set up, and this one waits.
    pub fn look(&mut self, shelf: &Shelf, mark: &str, busy: bool) -> bool {
        let had_leader = self.course.leader.is_some();
        let mut changed = self.hear();
        if let Some(leader) = self.course.leader.filter(|_| !had_leader) {
            self.look_after(shelf, mark, leader);
        }
        if let Some(firmware) = &mut self.firmware
            && !matches!(firmware.try_wait(), Ok(None))
        {
            self.firmware = None;
        }
        if let Some(status) = self.has_ended() {
            self.end(status);
            return true;
        }
        if self.is_due() {
            if busy && self.is_container() {
                return changed;
            }
            self.course.restarts += u32::from(!self.queued);
            if let Err(why) = self.start(shelf, mark) {
                self.course.ended = Some(why.to_string());
                self.wait();
            }
            return true;
        }
        if self.is_starting() {
            let life = self.begun.elapsed();
            let first = match self.is_container() {
                true => self.course.leader,
                false => self.course.identity,
            };
            let pid = first.map_or(0, |identity| identity.pid);
            let socket = match &self.process().ready {
                Ready::Socket(path) | Ready::Answer { socket: path, .. } => {
                    shelf.expand(self.process(), path)
                }
                _ => String::new(),
            };
            let heard = self.is_container() && self.process().ready == Ready::Started;
            if !heard && ready::look(&self.process().ready, &socket, pid, life) {
                self.course.enter(ProcessPhase::Running);
                changed = true;
            }
        }
        changed
    }

    /// Has the network of a firmware looked after that begins to boot; what does not
    /// work is a line in its log.
    fn look_after(&mut self, shelf: &Shelf, mark: &str, leader: Identity) {
        let container = self.process().container();
        if container.is_some_and(|c| c.boots() && c.profile == Profile::Openwrt) {
            let process = self.process();
            let mark = format!("{mark}{}:{}", process.place, process.name);
            let log = shelf.dir(&process.place, &process.name).join(LOG);
            self.firmware = firmware::begin(&log, &mark, leader.pid).ok();
        }
    }

    fn hear(&mut self) -> bool {
        let Some(notify) = &self.notify else { return false };
        let said = ready::hear(notify);
        let mut changed = said.status.is_some();
        self.course.status = said.status.or(self.course.status.take());
        if let Some(leader) = said.leader {
            self.course.leader = Identity::of(leader);
            changed = true;
        }
        let counts = matches!(self.process().ready, Ready::Notify | Ready::Started);
        if said.ready && counts && self.is_starting() {
            self.course.enter(ProcessPhase::Running);
            changed = true;
        }
        changed
    }

    /// How it ended, if it did; none is for one whose end nobody can tell.
    fn has_ended(&mut self) -> Option<Option<ExitStatus>> {
        if let Some(child) = &mut self.child {
            return child.try_wait().ok().flatten().map(Some);
        }
        let runs = matches!(self.course.phase, ProcessPhase::Starting | ProcessPhase::Running);
        let lives = self.course.identity.is_some_and(Identity::lives);
        (runs && self.again.is_none() && !lives).then_some(None)
    }

    fn end(&mut self, status: Option<ExitStatus>) {
        (self.child, self.pidfd, self.notify) = (None, None, None);
        self.course.leader = None;
        self.course.ended = Some(words(status));
        let well = status.is_some_and(|status| status.success());
        let once = self.process().ready == Ready::Exit;
        if once && well {
            self.course.identity = None;
            return self.course.enter(ProcessPhase::Done);
        }
        match self.process().restart {
            Restart::Always => self.wait(),
            Restart::OnFailure if !well => self.wait(),
            _ => self.course.enter(ProcessPhase::Failed),
        }
    }

    fn wait(&mut self) {
        let wait = self.backoff.after(self.begun.elapsed());
        self.again = Some(Instant::now() + wait);
        self.course.enter(ProcessPhase::Waiting);
    }

    fn is_due(&self) -> bool {
        self.again.is_some_and(|again| again <= Instant::now())
    }

    /// How long until it must be looked at whatever happens.
    pub fn patience(&self) -> Option<Duration> {
        if self.is_due() && self.is_container() {
            // The end of another's setting up is heard.
            return None;
        }
        if let Some(again) = self.again {
            return Some(again.saturating_duration_since(Instant::now()));
        }
        let looks = match self.process().ready {
            Ready::Notify | Ready::Exit => false,
            Ready::Started => !self.is_container(),
            _ => true,
        };
        (self.is_starting() && looks).then(|| ready::interval(self.begun.elapsed()))
    }

    /// Lets go of it: it is not started again. What must be waited for stays.
    pub fn let_go(self) -> impl Iterator<Item = Child> {
        self.child.into_iter().chain(self.firmware)
    }
}

/// Ends what a container of before left running, and takes away what it left.
fn clear(shelf: &Shelf, process: &Process, container: &Container, mark: &str) -> io::Result<()> {
    let mark = format!("{mark}{}:{}", process.place, process.name);
    let left = super::hold_all(&marked(&mark, true)?)?;
    if !crate::process::kill(left)? {
        return Err(io::Error::other("processes of before do not end"));
    }
    berth::sweep(container, &berth::root(shelf, process, container))
}

fn words(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        None => "ended while nobody watched".to_owned(),
        Some((Some(code), _)) => format!("exited with {code}"),
        Some((None, Some(signal))) => format!("killed by signal {signal}"),
        Some((None, None)) => "ended".to_owned(),
    }
}
