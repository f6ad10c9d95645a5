//! The loop that sends probes and waits for what comes of them: one for each
//! thread, with the sockets of many namespaces in one epoll set.
//!
//! A shot is tried again and again, at first quickly, then twice a second,
//! until it works or its time is over; where it is to be blocked, it is tried
//! evenly over the time of proof. Sockets of earlier tries stay open: a late
//! answer is an answer. There is no sleep: the loop waits for a socket or for
//! the next try that is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netyard_core::expect::{Seen, Sighting};
use rustix::event::{Timespec, epoll};

use super::{Shot, Spaces, drivers};
use crate::netns::Worker;

/// Shots that are in the air at once on one thread, as far as there is room for
/// their sockets.
const ALOFT: usize = 256;
/// Sockets that one shot has open at most: those of earlier tries, too.
const SOCKETS: usize = 16;
/// Before the second try; doubled until [`LONGEST`].
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(500);
/// Tries over the time of proof.
const PROOFS: u32 = 5;

/// What a driver has to say.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing yet.
    Wait,
    /// This came of a try; another may do better.
    Seen(Seen),
    /// This is the end of it.
    Done(Seen),
}

/// One shot's sockets and what they mean.
pub(super) trait Driver {
    /// Sends once more, in the sender's namespace.
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step>;
    /// Something happened on that socket.
    fn ready(&mut self, shot: &Shot, socket: usize, watch: &mut Watch<'_>) -> Step;
    /// When to fire next, where it is not the engine's choice.
    fn pace(&self) -> Option<Duration> {
        None
    }
    /// How long beyond the shot's own time it may take.
    fn longer(&self) -> Duration {
        Duration::ZERO
    }
    /// What there is to say when its time is over; none: what was seen last.
    fn over(&self) -> Option<Seen> {
        None
    }
}

/// Where a driver has its sockets watched.
pub(super) struct Watch<'a> {
    epoll: &'a OwnedFd,
    flight: usize,
}

impl Watch<'_> {
    /// Watches a socket, which [`Driver::ready`] is told of by this number.
    pub fn add(&self, fd: &OwnedFd, socket: usize, write: bool) -> io::Result<()> {
        let token = (self.flight as u64) << 32 | socket as u64;
        let sort = if write { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
        Ok(epoll::add(self.epoll, fd, epoll::EventData::new_u64(token), sort)?)
    }

    /// Watches it for what can be read instead of written.
    pub fn reading(&self, fd: &OwnedFd, socket: usize) -> io::Result<()> {
        let token = (self.flight as u64) << 32 | socket as u64;
        let sort = epoll::EventFlags::IN;
        Ok(epoll::modify(self.epoll, fd, epoll::EventData::new_u64(token), sort)?)
    }

    /// Lets go of a socket.
    pub fn remove(&self, fd: &OwnedFd) {
        // One that is closed is gone already.
        let _ = epoll::delete(self.epoll, fd);
    }
}

struct Flight {
    driver: Box<dyn Driver>,
    began: Instant,
    end: Instant,
    interval: Duration,
    tries: u32,
    best: Option<Seen>,
}

/// Sends these shots (with their indices) from their namespaces; gives each
/// index what was seen of it.
pub(super) fn run(
    worker: &mut Worker,
    spaces: &Spaces,
    shots: &[(usize, &Shot)],
    landed: &(dyn Fn() + Sync),
) -> io::Result<Vec<(usize, Sighting)>> {
    let mut engine = Engine {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        worker,
        spaces,
        shots,
        aloft: (super::room() / super::most_threads() / SOCKETS).clamp(1, ALOFT),
        flights: shots.iter().map(|_| None).collect(),
        due: BinaryHeap::new(),
        done: Vec::with_capacity(shots.len()),
        landed,
    };
    engine.fly()?;
    Ok(engine.done)
}

struct Engine<'a> {
    epoll: OwnedFd,
    worker: &'a mut Worker,
    spaces: &'a Spaces,
    shots: &'a [(usize, &'a Shot)],
    /// At once.
    aloft: usize,
    /// By the shot's place in `shots`; none before and after its flight.
    flights: Vec<Option<Flight>>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    done: Vec<(usize, Sighting)>,
    landed: &'a (dyn Fn() + Sync),
}

impl Engine<'_> {
    fn fly(&mut self) -> io::Result<()> {
        let mut next = 0;
        let mut events = Vec::with_capacity(ALOFT);
        while self.done.len() < self.shots.len() {
            while next < self.shots.len() && next - self.done.len() < self.aloft {
                self.launch(next);
                next += 1;
            }
            let now = Instant::now();
            while let Some(Reverse((when, flight))) = self.due.peek().copied()
                && when <= now
            {
                self.due.pop();
                self.fire(flight);
            }
            let Some(Reverse((when, _))) = self.due.peek() else { continue };
            let wait = when.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let token = event.data.u64();
                self.ready((token >> 32) as usize, token as u32 as usize);
            }
        }
        Ok(())
    }

    fn launch(&mut self, index: usize) {
        let shot = self.shots[index].1;
        let driver = drivers::driver(&shot.what);
        let now = Instant::now();
        let time = if shot.to_work { shot.within } else { shot.proof };
        let interval = if shot.to_work { FIRST } else { shot.proof / PROOFS };
        let end = now + time + driver.longer();
        let flight = Flight { driver, began: now, end, interval, tries: 0, best: None };
        self.flights[index] = Some(flight);
        self.fire(index);
    }

    /// A try is due, or the time is over.
    fn fire(&mut self, index: usize) {
        let Some(flight) = &mut self.flights[index] else { return };
        let shot = self.shots[index].1;
        let now = Instant::now();
        if now >= flight.end {
            let seen = flight.driver.over().or(flight.best.take()).unwrap_or(Seen::Silence);
            return self.land(index, seen);
        }
        let space = match self.spaces.get(&shot.from) {
            Some(space) => space,
            None => return self.land(index, Seen::Unsent(format!("`{}` is not up", shot.from))),
        };
        if let Err(error) = self.worker.enter(space) {
            return self.land(index, Seen::Unsent(error.to_string()));
        }
        flight.tries += 1;
        let mut watch = Watch { epoll: &self.epoll, flight: index };
        let step = match flight.driver.fire(shot, &mut watch) {
            Ok(step) => step,
            Err(error) => super::socket::failed(&error).map_or(Step::Wait, Step::Seen),
        };
        let pause = flight.driver.pace().unwrap_or(flight.interval);
        if shot.to_work {
            flight.interval = (flight.interval * 2).min(LONGEST);
        }
        let next = (now + pause).min(flight.end);
        self.due.push(Reverse((next, index)));
        self.take(index, step);
    }

    fn ready(&mut self, index: usize, socket: usize) {
        let Some(flight) = &mut self.flights[index] else { return };
        let shot = self.shots[index].1;
        let mut watch = Watch { epoll: &self.epoll, flight: index };
        let step = flight.driver.ready(shot, socket, &mut watch);
        self.take(index, step);
    }

    fn take(&mut self, index: usize, step: Step) {
        let shot = self.shots[index].1;
        match step {
            Step::Wait => {}
            Step::Done(seen) => self.land(index, seen),
            // What is not to get through and is refused, is refused.
            Step::Seen(seen @ Seen::Refused(_)) if !shot.to_work => self.land(index, seen),
            Step::Seen(seen) => {
                if let Some(flight) = &mut self.flights[index] {
                    flight.best = Some(seen);
                }
            }
        }
    }

    fn land(&mut self, index: usize, seen: Seen) {
        let Some(flight) = self.flights[index].take() else { return };
        let (number, shot) = self.shots[index];
        let took = flight.began.elapsed().as_nanos() as u64;
        let (address, tries) = (Some(shot.to), flight.tries);
        let sighting = Sighting { seen, address, tries, took, listened: false };
        self.done.push((number, sighting));
        (self.landed)();
    }
}
