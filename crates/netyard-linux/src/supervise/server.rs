//! The supervisor's own side: one loop over ends, words and questions.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use netyard_core::state::Place;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, accept_with};

use super::course::ProcessPhase;
use super::launch::{LOG, marked};
use super::shelf::Shelf;
use super::watched::{Spaces, Watched};
use super::{Identity, log};
use crate::keeper::message::{self, Incoming};

/// How often logs are looked at.
const LOOK_AT_LOGS: Duration = Duration::from_secs(10);

type Key = (Place, String);

/// A supervisor.
pub(super) struct Server {
    pub listener: OwnedFd,
    pub shelf: Shelf,
    /// What its processes' marks begin with.
    pub mark: String,
    /// When this ends, the namespaces of all processes go.
    pub keeper: Option<OwnedFd>,
    watched: BTreeMap<Key, Watched>,
    clients: BTreeMap<u64, OwnedFd>,
    next_client: u64,
    /// Who waits until which process is ready, and no longer than that.
    waiting: Vec<(u64, Key, Instant)>,
    /// Children nobody asks for any more, until they are gone.
    leaving: Vec<Child>,
    logs_looked_at: Instant,
    quit: bool,
}

impl Server {
    pub fn new(listener: OwnedFd, shelf: Shelf, mark: String, keeper: Option<OwnedFd>) -> Self {
        Self {
            listener,
            shelf,
            mark,
            keeper,
            watched: BTreeMap::new(),
            clients: BTreeMap::new(),
            next_client: 0,
            waiting: Vec::new(),
            leaving: Vec::new(),
            logs_looked_at: Instant::now(),
            quit: false,
        }
    }

    /// Takes over what an earlier supervisor started.
    pub fn take_over(&mut self) {
        for entry in self.shelf.all().unwrap_or_default() {
            // What systemd runs is no business of ours.
            let ours = entry.definition.unit.is_none();
            let there = ours && (entry.is_there() || entry.identity().is_some());
            let Some(course) = entry.course.filter(|_| there) else { continue };
            let process = &entry.definition.process;
            let key = (process.place.clone(), process.name.clone());
            let spaces = match key.0 {
                Place::Host => None,
                _ => match self.spaces(&key.0, course.identity) {
                    Some(spaces) => Some(spaces),
                    // Its namespace is not to be found: it is not there.
                    None => continue,
                },
            };
            let watched = Watched::take_over(&self.shelf, entry.definition, spaces, course);
            self.watched.insert(key, watched);
        }
    }

    /// The namespaces of a place, as a living process there has them.
    fn spaces(&self, place: &Place, identity: Option<Identity>) -> Option<Spaces> {
        let neighbours = self.shelf.all().unwrap_or_default();
        let beside = neighbours.iter().filter(|entry| entry.process().place == *place);
        let all = identity.into_iter().chain(beside.filter_map(super::Entry::identity));
        all.filter(|identity| identity.lives()).find_map(|identity| {
            let open = |kind: &str| fs::File::open(format!("/proc/{}/ns/{kind}", identity.pid));
            Some(Spaces { net: open("net").ok()?.into(), uts: open("uts").ok().map(Into::into) })
        })
    }

    /// Supervises until nobody needs it any more.
    pub fn serve(&mut self) {
        while !self.quit {
            let Ok(ready) = self.wait() else { return };
            if ready.keeper {
                return self.end_all();
            }
            self.leaving.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            self.look();
            for client in ready.clients {
                if self.answer(client).is_err() {
                    self.clients.remove(&client);
                    self.waiting.retain(|(waiter, ..)| *waiter != client);
                }
            }
            if ready.listener {
                self.accept();
            }
            self.tell_those_who_wait();
            self.look_at_logs();
        }
    }

    fn wait(&self) -> io::Result<Heard> {
        let longest =
            self.watched.values().filter_map(Watched::patience).chain(self.pauses()).min();
        let timeout = longest.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let fixed = [self.listener.as_fd()];
        let all: Vec<BorrowedFd<'_>> = fixed
            .into_iter()
            .chain(self.keeper.iter().map(AsFd::as_fd))
            .chain(self.clients.values().map(AsFd::as_fd))
            .chain(self.watched.values().flat_map(Watched::fds))
            .collect();
        let mut polled: Vec<PollFd<'_>> =
            all.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, timeout.as_ref()))?;
        let mut heard = polled.iter().map(|fd| !fd.revents().is_empty());
        let listener = heard.next().unwrap_or(false);
        let keeper = self.keeper.is_some() && heard.next().unwrap_or(false);
        let clients = self.clients.keys().zip(heard).filter(|(_, heard)| *heard);
        Ok(Heard { listener, keeper, clients: clients.map(|(id, _)| *id).collect() })
    }

    /// What is to be done at its time, whatever is heard.
    fn pauses(&self) -> impl Iterator<Item = Duration> {
        let now = Instant::now();
        let patience =
            self.waiting.iter().map(move |(.., until)| until.saturating_duration_since(now));
        let logs = (!self.watched.is_empty())
            .then(|| LOOK_AT_LOGS.saturating_sub(self.logs_looked_at.elapsed()));
        // A child that leaves is told by nothing that is polled.
        let leaving = (!self.leaving.is_empty()).then_some(Duration::from_millis(20));
        patience.chain(logs).chain(leaving)
    }

    fn look(&mut self) {
        // Those first that are being set up: others wait for them.
        let mut busy = false;
        let mut all: Vec<(&Key, &mut Watched)> = self.watched.iter_mut().collect();
        all.sort_by_key(|(_, watched)| !watched.is_being_set_up());
        for ((place, name), watched) in all {
            let changed = watched.look(&self.shelf, &self.mark, busy);
            busy |= watched.is_being_set_up();
            if changed {
                // A full disk must not end what it supervises.
                let _ = self.shelf.note(place, name, &watched.course);
            }
        }
    }

    fn accept(&mut self) {
        let Ok(client) = accept_with(&self.listener, SocketFlags::CLOEXEC) else { return };
        let own = rustix::process::geteuid().as_raw();
        if message::peer_user(client.as_fd()).is_ok_and(|user| user == own) {
            self.next_client += 1;
            self.clients.insert(self.next_client, client);
        }
    }

    fn answer(&mut self, client: u64) -> io::Result<()> {
        let Some(socket) = self.clients.get(&client) else { return Ok(()) };
        let Incoming { word, names, fds } = message::recv(socket.as_fd())?;
        let key = key(&names);
        match (word.as_str(), key) {
            ("start", Some(key)) => {
                let mut fds = fds.into_iter();
                let spaces = fds.next().map(|net| Spaces { net, uts: fds.next() });
                match self.start(key, spaces) {
                    Ok(()) => self.say(client, "ok", &[]),
                    Err(why) => self.say(client, "no", &[&why]),
                }
            }
            ("wait", Some(key)) => {
                let patience = self.watched.get(&key).map_or(0, |w| w.process().patience);
                let until = Instant::now() + Duration::from_millis(patience.into());
                self.waiting.push((client, key, until));
                Ok(())
            }
            ("forget", Some(key)) => {
                self.leaving
                    .extend(self.watched.remove(&key).into_iter().flat_map(Watched::let_go));
                self.say(client, "ok", &[])
            }
            ("living", None) => {
                let all = self.watched.values().filter_map(|w| w.course.identity);
                let all: Vec<String> = all.map(|i| format!("{} {}", i.pid, i.begun)).collect();
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                self.say(client, "ok", &all)
            }
            ("quit", None) => {
                self.quit = true;
                self.say(client, "ok", &[])
            }
            _ => self.say(client, "what?", &[]),
        }
    }

    fn start(&mut self, key: Key, spaces: Option<Spaces>) -> Result<(), String> {
        let entry = self.shelf.read(&key.0, &key.1).map_err(|e| e.to_string())?;
        let entry = entry.ok_or("nothing is written down of it")?;
        let mut watched = Watched::new(entry.definition, spaces);
        let busy = self.watched.values().any(Watched::is_being_set_up);
        match watched.is_container() && busy {
            true => watched.queue(),
            false => watched.start(&self.shelf, &self.mark).map_err(|why| why.to_string())?,
        }
        self.shelf.note(&key.0, &key.1, &watched.course).map_err(|e| e.to_string())?;
        self.watched.insert(key, watched);
        Ok(())
    }

    fn say(&mut self, client: u64, word: &str, names: &[&str]) -> io::Result<()> {
        let Some(socket) = self.clients.get(&client) else { return Ok(()) };
        let lines: Vec<String> = names.iter().map(|name| name.replace('\n', " ")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        message::send(socket.as_fd(), word, &lines, &[])
    }

    fn tell_those_who_wait(&mut self) {
        for (client, key, until) in std::mem::take(&mut self.waiting) {
            let answer = match self.watched.get(&key) {
                None => Some(("failed", "it was ended".to_owned())),
                Some(watched) => match watched.course.phase {
                    ProcessPhase::Running | ProcessPhase::Done => Some(("ready", String::new())),
                    ProcessPhase::Waiting | ProcessPhase::Failed => {
                        Some(("failed", watched.course.ended.clone().unwrap_or_default()))
                    }
                    ProcessPhase::Starting if until <= Instant::now() => {
                        let seconds = f64::from(watched.process().patience) / 1000.0;
                        Some(("failed", format!("not ready after {seconds} s")))
                    }
                    ProcessPhase::Starting => None,
                },
            };
            match answer {
                Some((word, why)) => {
                    if self.say(client, word, &[&why]).is_err() {
                        self.clients.remove(&client);
                    }
                }
                None => self.waiting.push((client, key, until)),
            }
        }
    }

    fn look_at_logs(&mut self) {
        if self.logs_looked_at.elapsed() < LOOK_AT_LOGS {
            return;
        }
        self.logs_looked_at = Instant::now();
        let logs = self.watched.keys().map(|(place, name)| self.shelf.dir(place, name).join(LOG));
        log::shorten(logs);
    }

    /// The namespaces have gone: what was in them ends.
    fn end_all(&mut self) {
        let all = marked(&self.mark, false).unwrap_or_default();
        if let Ok(held) = super::hold_all(&all) {
            let _ = crate::process::end(held);
        }
    }
}

/// What was heard.
struct Heard {
    listener: bool,
    keeper: bool,
    clients: Vec<u64>,
}

fn key(names: &[String]) -> Option<Key> {
    let [place, name] = names else { return None };
    Some((serde_json::from_str(place).ok()?, name.clone()))
}
