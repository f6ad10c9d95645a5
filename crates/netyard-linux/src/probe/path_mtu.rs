//! The path MTU: echo requests that must not be fragmented, of sizes that
//! halve what is left unknown.
//!
//! The expected size is tried first, and one byte more: where the path is as
//! expected, two answers are all it takes. A size that is answered by nobody is
//! taken for too large when three of its requests are lost; a router that says
//! how much it takes is believed, and then tried.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netyard_core::expect::Seen;
use rustix::io::Errno;

use super::Shot;
use super::echo;
use super::engine::{Driver, Step, Watch};
use super::socket::{address, complaint, open, seen, set};

/// Requests of one size before it is taken for too large.
const TRIES: u32 = 3;
/// How long an answer is waited for at least.
const PATIENCE: Duration = Duration::from_millis(100);
/// All sizes are found within this.
const LONGEST: Duration = Duration::from_secs(10);

/// A search for the largest size that gets through.
pub(super) struct Search {
    socket: Option<OwnedFd>,
    id: u16,
    /// The largest size that came through; 0 before any did.
    passes: u32,
    /// The smallest that did not.
    fails: u32,
    /// The one that is tried.
    size: u32,
    tries: u32,
    sent: Vec<(Instant, u32)>,
    trip: Duration,
    expected: u32,
    /// What a router said that it takes.
    hint: Option<u32>,
}

impl Search {
    /// Where this size is expected.
    pub fn new(expected: u32) -> Self {
        Self {
            socket: None,
            id: echo::fresh_id(),
            passes: 0,
            fails: 65536,
            size: expected,
            tries: 0,
            sent: Vec::new(),
            trip: PATIENCE,
            expected,
            hint: None,
        }
    }

    /// Bytes of the IP header.
    fn header(shot: &Shot) -> u32 {
        if shot.to.is_ipv6() { 40 } else { 20 }
    }

    fn smallest(shot: &Shot) -> u32 {
        Self::header(shot) + echo::HEADER as u32
    }

    /// The next size, or the end of the search.
    fn next(&mut self, shot: &Shot) -> Option<Seen> {
        let least = Self::smallest(shot);
        if self.passes + 1 >= self.fails {
            return Some(Seen::Largest(self.passes));
        }
        self.tries = 0;
        let between = |size: &u32| (self.passes + 1..self.fails).contains(size);
        self.size = if let Some(hint) = self.hint.take().filter(between) {
            hint
        } else if self.passes == self.expected {
            self.expected + 1
        } else if self.passes == 0 {
            // Is anybody there at all? The smallest packet tells.
            least
        } else if self.passes < self.expected && self.expected < self.fails {
            self.expected
        } else {
            self.passes + (self.fails - self.passes) / 2
        };
        None
    }

    fn passed(&mut self, size: u32, shot: &Shot) -> Option<Seen> {
        self.passes = self.passes.max(size);
        self.next(shot)
    }

    fn failed(&mut self, size: u32, shot: &Shot) -> Option<Seen> {
        if size <= Self::smallest(shot) {
            return None; // nothing gets through yet: it is tried again
        }
        self.fails = self.fails.min(size);
        self.next(shot)
    }

    /// A router, or the own interface, takes no more than this.
    fn limited(&mut self, mtu: u32, shot: &Shot) -> Option<Seen> {
        if mtu >= self.fails || mtu < Self::smallest(shot) {
            return None;
        }
        (self.fails, self.hint) = (mtu + 1, Some(mtu));
        if self.size > mtu { self.next(shot) } else { None }
    }

    fn send(&mut self, shot: &Shot) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let length = (self.size - Self::header(shot)) as usize;
        let packet = echo::request(shot.to.is_ipv6(), self.id, self.sent.len() as u16, length);
        self.sent.push((Instant::now(), self.size));
        self.tries += 1;
        rustix::net::send(socket, &packet, rustix::net::SendFlags::empty())?;
        Ok(())
    }

    fn open(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<()> {
        let ipv6 = shot.to.is_ipv6();
        let socket = open(shot, echo::SORT)?;
        echo::only_replies(&socket, ipv6)?;
        // Neither fragments nor what the kernel remembers of the path.
        match ipv6 {
            false => {
                set(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?
            }
            true => {
                set(
                    &socket,
                    libc::IPPROTO_IPV6,
                    libc::IPV6_MTU_DISCOVER,
                    libc::IPV6_PMTUDISC_PROBE,
                )?;
                set(&socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)?;
            }
        }
        set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, 1 << 18)?;
        rustix::net::connect(&socket, &address(shot, &socket, 0)?)?;
        watch.add(&socket, 0, false)?;
        self.socket = Some(socket);
        Ok(())
    }
}

impl Driver for Search {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        if self.socket.is_none() {
            self.open(shot, watch)?;
        }
        if self.tries >= TRIES
            && let Some(seen) = self.failed(self.size, shot)
        {
            return Ok(Step::Done(seen));
        }
        // What the own interface does not take is known without a wait.
        for _ in 0..32 {
            match self.send(shot) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {
                    if let Some(seen) = self.failed(self.size, shot) {
                        return Ok(Step::Done(seen));
                    }
                }
                done => return done.map(|()| Step::Wait),
            }
        }
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, _: usize, watch: &mut Watch<'_>) -> Step {
        let Some(socket) = &self.socket else { return Step::Wait };
        let (mut said, mut limit) = (Step::Wait, None);
        while let Some(complaint) = complaint(socket) {
            if complaint.errno == Errno::MSGSIZE {
                limit = Some(complaint.mtu).filter(|mtu| *mtu > 0);
            } else if let Some(seen) = seen(&complaint, shot, socket) {
                said = Step::Seen(seen);
            }
        }
        let mut through = 0;
        let mut packet = vec![0; 1 << 16];
        loop {
            match rustix::net::recv(socket, &mut packet[..], rustix::net::RecvFlags::empty()) {
                Ok((length, _)) => match echo::reply(shot.to.is_ipv6(), &packet[..length]) {
                    Some((id, sequence, _)) if id == self.id => {
                        if let Some((sent, size)) = self.sent.get(usize::from(sequence)) {
                            self.trip = self.trip.max(sent.elapsed() * 3);
                            through = through.max(*size);
                        }
                    }
                    _ => {}
                },
                Err(Errno::AGAIN) => break,
                Err(_) => {}
            }
        }
        let size = self.size;
        let over = match (through, limit) {
            (0, None) => return said,
            (0, Some(mtu)) => self.limited(mtu, shot),
            (size, _) => self.passed(size, shot),
        };
        if over.is_none() && self.size == size {
            return said; // of a size that was given up before
        }
        match over {
            Some(seen) => Step::Done(seen),
            // The next size at once.
            None => match self.fire(shot, watch) {
                Ok(step) => step,
                Err(_) => Step::Wait,
            },
        }
    }

    fn pace(&self) -> Option<Duration> {
        Some(self.trip)
    }

    fn longer(&self) -> Duration {
        LONGEST
    }

    fn over(&self) -> Option<Seen> {
        (self.passes > 0).then_some(Seen::Largest(self.passes))
    }
}
