//! Clients that ask by TCP (RFC 7766).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, acceptfrom_with, recv, send};

use super::{Client, STREAM, token};
use crate::serve::world::World;

/// Connections at once, and of one client.
const ALL: usize = 128;
const ONE: usize = 16;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Answers that wait to be taken, beyond which a connection is closed, in bytes.
const BACKLOG: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Streams {
    open: BTreeMap<usize, Stream>,
    serial: u64,
}

struct Stream {
    socket: OwnedFd,
    serial: u64,
    from: IpAddr,
    input: Vec<u8>,
    output: Vec<u8>,
    until: Instant,
    /// The client says no more.
    ended: bool,
    /// Queries that are not yet answered.
    waiting: usize,
}

impl Streams {
    /// Takes the connections that wait.
    pub fn accept(&mut self, listener: &OwnedFd, world: &World) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok((socket, from)) = acceptfrom_with(listener, flags) {
            let from = from.and_then(|a| SocketAddr::try_from(a).ok()).map(|a| a.ip());
            let Some(from) = from else { continue };
            let of_it = self.open.values().filter(|s| s.from == from).count();
            let free = (0..ALL).find(|index| !self.open.contains_key(index));
            let Some(index) = free.filter(|_| of_it < ONE) else { continue };
            if world.watch(&socket, token(STREAM, index), EventFlags::IN).is_err() {
                continue;
            }
            self.serial += 1;
            let stream = Stream {
                socket,
                serial: self.serial,
                from,
                input: Vec::new(),
                output: Vec::new(),
                until: world.now() + IDLE,
                ended: false,
                waiting: 0,
            };
            self.open.insert(index, stream);
        }
    }

    /// The queries that came by a connection.
    pub fn ready(
        &mut self,
        index: usize,
        events: EventFlags,
        world: &World,
    ) -> Vec<(Client, Vec<u8>)> {
        let Some(stream) = self.open.get_mut(&index) else { return Vec::new() };
        let mut queries = Vec::new();
        let mut lives = true;
        if events.contains(EventFlags::OUT) {
            lives = stream.flush(index, world);
        }
        if events.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            lives &= stream.fill(&mut queries, world);
            if stream.ended {
                // It would be reported again and again.
                let _ = world.watch_for(&stream.socket, token(STREAM, index), EventFlags::empty());
            }
        }
        stream.waiting += queries.len();
        let client = Client::Stream(index, stream.serial, stream.from);
        if !lives || stream.is_done() {
            self.open.remove(&index);
        }
        queries.into_iter().map(|query| (client, query)).collect()
    }

    /// Answers a query, if its client is still there.
    pub fn send(&mut self, index: usize, serial: u64, answer: &[u8], world: &World) {
        let Some(stream) = self.open.get_mut(&index).filter(|s| s.serial == serial) else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        stream.output.extend(length.to_be_bytes());
        stream.output.extend(answer);
        stream.waiting = stream.waiting.saturating_sub(1);
        let lives = stream.output.len() < BACKLOG && stream.flush(index, world);
        if !lives || stream.is_done() {
            self.open.remove(&index);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|stream| stream.until).min()
    }

    pub fn close_idle(&mut self, now: Instant) {
        self.open.retain(|_, stream| stream.until > now);
    }
}

impl Stream {
    fn is_done(&self) -> bool {
        self.ended && self.waiting == 0 && self.output.is_empty()
    }

    /// Reads what is there; false when the connection is broken.
    fn fill(&mut self, queries: &mut Vec<Vec<u8>>, world: &World) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => {
                    self.ended = true;
                    break;
                }
                Ok((length, _)) => {
                    self.until = world.now() + IDLE;
                    self.input.extend(&buffer[..length]);
                    self.take_queries(queries);
                }
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        true
    }

    fn take_queries(&mut self, queries: &mut Vec<Vec<u8>>) {
        while let Some(length) = self.input.first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*length));
            if self.input.len() < end {
                break;
            }
            queries.push(self.input[2..end].to_vec());
            self.input.drain(..end);
        }
    }

    /// Sends what waits; false when the connection is broken.
    fn flush(&mut self, index: usize, world: &World) -> bool {
        while !self.output.is_empty() {
            match send(&self.socket, &self.output, SendFlags::NOSIGNAL) {
                Ok(length) => {
                    self.output.drain(..length);
                }
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        let mut flags = if self.ended { EventFlags::empty() } else { EventFlags::IN };
        if !self.output.is_empty() {
            flags |= EventFlags::OUT;
        }
        world.watch_for(&self.socket, token(STREAM, index), flags).is_ok()
    }
}
