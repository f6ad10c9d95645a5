//! Who reaches whom: everybody pings everybody.
//!
//! A node has one raw socket for each family, whomever it pings; the sequence
//! number says whom. All requests of a round are sent, a few at a time so that
//! no queue overflows, and what is not answered by its end is sent again in the
//! next one, which waits longer.

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

/// Requests of one socket at most: a sequence number has 16 bits.
const MOST: usize = 1 << 16;
/// Requests that are sent before answers are taken.
const BURST: usize = 32;
/// Requests in the air on one thread.
const ALOFT: usize = 256;
/// How long the rounds wait, in shares of the whole time.
const ROUNDS: [f64; 4] = [0.05, 0.15, 0.3, 0.5];

/// Asks all pairs; gives what came of each, in their order.
pub fn sweep(
    spaces: &Spaces,
    places: &[Place],
    pairs: &[Pair],
    within: Duration,
) -> Result<Vec<Reach>, Error> {
    let failed = |e| Error::system("could not send probes", e);
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|pair| (pairs[*pair].from, Family::of(pairs[*pair].address)));
    let mut seats: Vec<Vec<usize>> = Vec::new();
    for pair in order {
        let key = |pair: usize| (pairs[pair].from, Family::of(pairs[pair].address));
        match seats.last_mut() {
            Some(seat) if key(seat[0]) == key(pair) && seat.len() < MOST => seat.push(pair),
            _ => seats.push(vec![pair]),
        }
    }
    let share = seats.len().div_ceil(super::threads(seats.len())).max(1);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let of = |part| move || Worker::run(|w| Round::all(w, spaces, places, pairs, part, within));
        let threads: Vec<_> = seats.chunks(share).map(|part| scope.spawn(of(part))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let mut all = vec![Reach::Silent; pairs.len()];
    for part in parts {
        for (pair, reach) in part.and_then(|part| part).map_err(failed)? {
            all[pair] = reach;
        }
    }
    Ok(all)
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
    fn all(
        worker: &mut Worker,
        spaces: &Spaces,
        places: &[Place],
        pairs: &'a [Pair],
        seats: &'a [Vec<usize>],
        within: Duration,
    ) -> io::Result<Vec<(usize, Reach)>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut round = Self { epoll, pairs, seats: Vec::new(), aloft: 0, answered: 0 };
        let mut missing = Vec::new();
        for asks in seats {
            let Some(space) = spaces.get(&places[pairs[asks[0]].from]) else {
                missing.extend(asks.iter().map(|pair| (*pair, Reach::NoWay)));
                continue;
            };
            worker.enter(space)?;
            round.sit(asks)?;
        }
        let asked: usize = round.seats.iter().map(|seat| seat.asks.len()).sum();
        for share in ROUNDS {
            round.ask(within.mul_f64(share), asked)?;
            if round.answered == asked {
                break;
            }
        }
        let of = |seat: &Seat<'_>| {
            seat.asks.iter().copied().zip(seat.reach.iter().copied()).collect::<Vec<_>>()
        };
        missing.extend(round.seats.iter().flat_map(of));
        Ok(missing)
    }

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
