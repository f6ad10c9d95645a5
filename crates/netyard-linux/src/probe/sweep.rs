//! Who reaches whom: everybody pings everybody.
//!
//! Pairs are asked in batches. A node has one raw socket for each family,
//! whomever it asks in its batch; the sequence number says whom. What is not
//! answered soon is asked again in a later pass, which waits longer: so one node
//! that is silent does not hold everybody up. A batch has few pairs of
//! neighbours, and what it makes the kernel learn is forgotten after it
//! ([`Known`]).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netyard_core::expect::{Family, Pair, Seen};
use netyard_core::state::Place;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::echo::{self, fresh_id};
use super::neighbour::Known;
use super::socket::{self, bare, complaint, set};
use super::{Shot, Spaces, What};
use crate::error::Error;
use crate::netns::Worker;

/// Whether one reaches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    Yes,
    /// Nobody says anything.
    Silent,
    /// Somebody says no.
    Rejected,
    /// The sender has no way there.
    NoWay,
}

/// Pairs of a batch at most.
const BATCH: usize = 2048;
/// Nodes of one segment on either side of a batch: 128 pairs of each family.
const SIDE: usize = 8;
/// Requests that are sent before answers are taken.
const BURST: usize = 32;
/// Requests in the air on one thread.
const ALOFT: usize = 256;
/// How long the passes wait for the slowest answer of a batch, in shares of the
/// whole time.
const PASSES: [f64; 4] = [0.02, 0.1, 0.3, 0.6];

/// Asks all pairs; gives what came of each, in their order. `places` are those
/// that the pairs name by index; `within` is how long the slowest answer may
/// take.
pub fn sweep(
    spaces: &Spaces,
    places: &[Place],
    pairs: &[Pair],
    within: Duration,
) -> Result<Vec<Reach>, Error> {
    let failed = |e| Error::system("could not send probes", e);
    let mut all = vec![Reach::Silent; pairs.len()];
    let everybody: BTreeSet<usize> = pairs.iter().flat_map(|p| [p.from, p.to]).collect();
    let known = Worker::run(|w| Known::note(w, spaces, places, everybody.into_iter()));
    let known = known.and_then(|known| known).map_err(failed)?;
    for share in PASSES {
        let left = (0..pairs.len()).filter(|pair| all[*pair] != Reach::Yes).collect();
        let batches = batches(pairs, left);
        let part = batches.len().div_ceil(super::threads(batches.len() * 8)).max(1);
        let pass = Pass { spaces, places, pairs, known: &known, wait: within.mul_f64(share) };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let of = |part| {
                let pass = &pass;
                move || Worker::run(|worker| pass.all(worker, part))
            };
            let threads: Vec<_> = batches.chunks(part).map(|p| scope.spawn(of(p))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        for part in parts {
            for (pair, reach) in part.and_then(|part| part).map_err(failed)? {
                all[pair] = reach;
            }
        }
        if all.iter().all(|reach| *reach == Reach::Yes) {
            break;
        }
    }
    Ok(all)
}

/// Pairs that are asked together: neighbours in squares of so many askers and
/// asked, both ways, because who is asked learns who asks.
fn batches(pairs: &[Pair], mut order: Vec<usize>) -> Vec<Vec<usize>> {
    let square = |pair: &usize| {
        let Pair { from, to, near, .. } = pairs[*pair];
        near.then(|| (from.max(to) / SIDE, from.min(to) / SIDE))
    };
    let seat = |pair: &usize| (pairs[*pair].from, Family::of(pairs[*pair].address));
    order.sort_by_key(|pair| (square(pair), seat(pair)));
    let mut batches = Vec::new();
    for part in order.chunk_by(|a, b| square(a) == square(b)) {
        batches.extend(part.chunks(BATCH).map(<[usize]>::to_vec));
    }
    batches
}

/// All pairs without an answer, once.
struct Pass<'a> {
    spaces: &'a Spaces,
    places: &'a [Place],
    pairs: &'a [Pair],
    known: &'a Known,
    wait: Duration,
}

impl Pass<'_> {
    fn all(&self, worker: &mut Worker, batches: &[Vec<usize>]) -> io::Result<Vec<(usize, Reach)>> {
        let mut done = Vec::new();
        for batch in batches {
            done.extend(self.batch(worker, batch)?);
            let near = batch.iter().map(|pair| &self.pairs[*pair]).filter(|pair| pair.near);
            let learnt: BTreeSet<usize> = near.flat_map(|pair| [pair.from, pair.to]).collect();
            for place in learnt {
                self.known.forget(worker, self.spaces, self.places, place)?;
            }
        }
        Ok(done)
    }

    fn batch(&self, worker: &mut Worker, batch: &[usize]) -> io::Result<Vec<(usize, Reach)>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (aloft, answered) = (0, 0);
        let mut round = Round { epoll, pairs: self.pairs, seats: Vec::new(), aloft, answered };
        let mut done = Vec::new();
        let key = |pair: &usize| (self.pairs[*pair].from, self.pairs[*pair].address.is_ipv6());
        for asks in batch.chunk_by(|a, b| key(a) == key(b)) {
            let Some(space) = self.spaces.get(&self.places[self.pairs[asks[0]].from]) else {
                done.extend(asks.iter().map(|pair| (*pair, Reach::NoWay)));
                continue;
            };
            worker.enter(space)?;
            round.sit(asks)?;
        }
        round.ask(self.wait, batch.len() - done.len())?;
        let of = |seat: &Seat<'_>| {
            seat.asks.iter().copied().zip(seat.reach.iter().copied()).collect::<Vec<_>>()
        };
        done.extend(round.seats.iter().flat_map(of));
        Ok(done)
    }
}

/// One node's socket of a family, and what it asks.
struct Seat<'a> {
    socket: OwnedFd,
    ipv6: bool,
    id: u16,
    /// Indices of pairs, by sequence number.
    asks: &'a [usize],
    reach: Vec<Reach>,
}

struct Round<'a> {
    epoll: OwnedFd,
    pairs: &'a [Pair],
    seats: Vec<Seat<'a>>,
    /// Requests of this round without an answer.
    aloft: usize,
    answered: usize,
}

impl<'a> Round<'a> {
    fn sit(&mut self, asks: &'a [usize]) -> io::Result<()> {
        let ipv6 = self.pairs[asks[0]].address.is_ipv6();
        let socket = bare(ipv6, echo::SORT)?;
        echo::only_replies(&socket, ipv6)?;
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 1 << 20)?;
        let token = epoll::EventData::new_u64(self.seats.len() as u64);
        epoll::add(&self.epoll, &socket, token, epoll::EventFlags::IN)?;
        let reach = vec![Reach::Silent; asks.len()];
        self.seats.push(Seat { socket, ipv6, id: fresh_id(), asks, reach });
        Ok(())
    }

    /// Sends what has no answer yet, and waits for so long after the last.
    fn ask(&mut self, wait: Duration, all: usize) -> io::Result<()> {
        self.aloft = 0;
        // The order turns with the asker, so that nobody is asked by all at once.
        let longest = self.seats.iter().map(|seat| seat.asks.len()).max().unwrap_or(0);
        let mut burst = 0;
        for step in 0..longest {
            for at in 0..self.seats.len() {
                let asks = self.seats[at].asks.len();
                if step >= asks || self.seats[at].reach[(at + step) % asks] == Reach::Yes {
                    continue;
                }
                self.send(at, (at + step) % asks);
                burst += 1;
                if burst % BURST == 0 {
                    self.listen(Duration::ZERO)?;
                }
                if self.aloft > ALOFT {
                    self.listen(Duration::from_millis(5))?;
                    // Those that were slower than this are not counted any more.
                    self.aloft = self.aloft.min(ALOFT / 2);
                }
            }
        }
        let end = Instant::now() + wait;
        while self.answered < all {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.listen(left)?;
        }
        Ok(())
    }

    fn send(&mut self, at: usize, sequence: usize) {
        let seat = &mut self.seats[at];
        let packet = echo::request(seat.ipv6, seat.id, sequence as u16, echo::HEADER + 8);
        let to = SocketAddr::new(self.pairs[seat.asks[sequence]].address, 0);
        match rustix::net::sendto(&seat.socket, &packet, SendFlags::empty(), &to) {
            Ok(_) => self.aloft += 1,
            Err(error) => {
                if let Some(Seen::NoWay(_)) = socket::failed(&error.into()) {
                    seat.reach[sequence] = Reach::NoWay;
                }
            }
        }
    }

    /// Takes what comes, for so long at most.
    fn listen(&mut self, most: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(most).map_err(io::Error::other)?;
        let mut events = Vec::with_capacity(64);
        let spare = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, spare, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events {
            let Some(seat) = self.seats.get_mut(event.data.u64() as usize) else { continue };
            let came = seat.take(self.pairs);
            self.answered += came;
            self.aloft = self.aloft.saturating_sub(came);
        }
        Ok(())
    }
}

impl Seat<'_> {
    /// Reads answers and complaints; gives how many answers were new.
    fn take(&mut self, pairs: &[Pair]) -> usize {
        let mut new = 0;
        while let Some(complaint) = complaint(&self.socket) {
            self.complained(&complaint, pairs);
        }
        let mut packet = [0; 256];
        loop {
            match rustix::net::recv(&self.socket, &mut packet[..], RecvFlags::empty()) {
                Ok((length, _)) => match echo::reply(self.ipv6, &packet[..length]) {
                    Some((id, sequence, _)) if id == self.id => {
                        if let Some(reach) = self.reach.get_mut(usize::from(sequence)) {
                            new += usize::from(*reach != Reach::Yes);
                            *reach = Reach::Yes;
                        }
                    }
                    _ => {}
                },
                Err(Errno::AGAIN) => return new,
                Err(_) => {}
            }
        }
    }

    fn complained(&mut self, complaint: &socket::Complaint, pairs: &[Pair]) {
        let Some(to) = complaint.to else { return };
        let Some(at) = self.asks.iter().position(|pair| pairs[*pair].address == to) else { return };
        let shot = Shot::new(Place::Host, to, What::Ping);
        let said = match socket::seen(complaint, &shot, &self.socket) {
            Some(Seen::Refused(_)) => Reach::Rejected,
            Some(Seen::NoWay(_)) => Reach::NoWay,
            _ => return,
        };
        if self.reach[at] != Reach::Yes {
            self.reach[at] = said;
        }
    }
}
