//! Names on the wire: the sockets of a network's resolver.
//!
//! It listens at the server's own addresses alone, of both families, by UDP and
//! TCP. Queries are taken and answered in batches. What it does not know it asks
//! of the upstream servers in turn ([`upstream`]), each question from a socket of
//! its own with a port that the kernel picks.

mod batch;
mod stream;
mod upstream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use netyard_core::service::dns::{Now, Question, Resolver, Step, Zone};
use netyard_core::service::served::{Dns as Config, Served, ServedNetwork};
use rustix::event::epoll::EventFlags;

use super::world::World;
use super::{Service, socket};
use batch::Batch;
use stream::Streams;
use upstream::{Asker, Event};

const PORT: u16 = 53;
/// Batches of queries that are answered before others get a turn.
const TURNS: usize = 8;

/// Tokens: the upper half says what, the lower which.
const DATAGRAMS: u32 = 0;
const LISTENER: u32 = 1;
const STREAM: u32 = 2;
const UPSTREAM: u32 = 3;

fn token(sort: u32, index: usize) -> u32 {
    sort << 16 | index as u32
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// By this socket of ours, from there.
    Datagram(usize, SocketAddr),
    /// By this connection; the number tells it from a later one at its place.
    Stream(usize, u64, IpAddr),
}

impl Client {
    fn address(&self) -> IpAddr {
        match self {
            Self::Datagram(_, from) => from.ip(),
            Self::Stream(_, _, from) => *from,
        }
    }
}

/// One network's.
pub(super) struct Dns {
    resolver: Resolver,
    datagrams: Vec<OwnedFd>,
    listeners: Vec<OwnedFd>,
    streams: Streams,
    upstream: Asker,
    batch: Batch,
    /// The leases that the zone knows.
    generation: u64,
    start: Instant,
}

/// Starts it where the network has it.
pub(super) fn open(
    network: &ServedNetwork,
    _: &Served,
    world: &mut World,
) -> io::Result<Option<Box<dyn Service>>> {
    let Some(config) = &network.dns else { return Ok(None) };
    let mut dns = Dns::new(network, config, world);
    for address in network.addresses.iter().map(|net| SocketAddr::new(net.addr(), PORT)) {
        let (datagram, listener) = (socket::udp(address)?, socket::tcp(address)?);
        let index = dns.datagrams.len();
        world.watch(&datagram, token(DATAGRAMS, index), EventFlags::IN)?;
        world.watch(&listener, token(LISTENER, index), EventFlags::IN)?;
        dns.datagrams.push(datagram);
        dns.listeners.push(listener);
    }
    Ok(Some(Box::new(dns)))
}

impl Service for Dns {
    fn ready(&mut self, token: u32, events: EventFlags, world: &mut World) {
        let (sort, index) = (token >> 16, (token & 0xffff) as usize);
        match sort {
            DATAGRAMS => self.datagrams(index, world),
            LISTENER => {
                if let Some(listener) = self.listeners.get(index) {
                    self.streams.accept(listener, world);
                }
            }
            STREAM => {
                for (client, query) in self.streams.ready(index, events, world) {
                    self.query(client, &query, world);
                }
            }
            UPSTREAM => {
                let heard = self.upstream.ready(index, events, world);
                self.heard(heard, world);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.upstream.deadline(), self.streams.deadline()].into_iter().flatten().min()
    }

    fn due(&mut self, world: &mut World) {
        self.streams.close_idle(world.now());
        let given_up = self.upstream.due(world);
        self.heard(given_up, world);
    }
}

impl Dns {
    fn new(network: &ServedNetwork, config: &Config, world: &World) -> Self {
        let prefixes = network.addresses.iter().map(ipnet::IpNet::trunc).collect();
        let mut zone = Zone::new(config, prefixes);
        world.leases.all().for_each(|lease| zone.take(lease));
        let own = network.addresses.iter().map(ipnet::IpNet::addr).collect();
        let upstream = Asker::new(config.forward.clone(), own);
        let resolver = Resolver::new(zone, config.cache as usize, upstream.has_servers());
        Self {
            resolver,
            datagrams: Vec::new(),
            listeners: Vec::new(),
            streams: Streams::default(),
            upstream,
            batch: Batch::default(),
            generation: world.leases.generation(),
            start: Instant::now(),
        }
    }

    fn now(&self, world: &World) -> Now {
        let clock = world.now().duration_since(self.start).as_secs() + 1;
        Now { clock, today: world.today() }
    }

    /// Lets the zone know the leases of this moment.
    fn follow_leases(&mut self, world: &World) {
        if self.generation == world.leases.generation() {
            return;
        }
        for lease in world.leases.changed_since(self.generation) {
            self.resolver.zone.take(lease);
        }
        self.generation = world.leases.generation();
        self.resolver.forget();
    }

    fn datagrams(&mut self, index: usize, world: &mut World) {
        self.follow_leases(world);
        let now = self.now(world);
        for _ in 0..TURNS {
            let mut batch = std::mem::take(&mut self.batch);
            let count = batch.receive(&self.datagrams[index]);
            for slot in 0..count {
                let Some((query, from)) = batch.query(slot) else { continue };
                if let Some(answer) = self.resolver.repeat(query, now) {
                    batch.answer(from, answer);
                    continue;
                }
                match self.resolver.ask(query, false, now) {
                    Step::Answer(answer) => batch.answer(from, answer),
                    Step::Forward(question) => {
                        let client = Client::Datagram(index, from);
                        self.forward(question, client, world);
                    }
                    Step::Drop => {}
                }
            }
            batch.send(&self.datagrams[index]);
            let was_full = batch.is_full(count);
            self.batch = batch;
            if !was_full {
                break;
            }
        }
    }

    /// A query that came by a stream.
    fn query(&mut self, client: Client, query: &[u8], world: &mut World) {
        self.follow_leases(world);
        match self.resolver.ask(query, true, self.now(world)) {
            Step::Answer(answer) => self.answer(client, &answer, world),
            Step::Forward(question) => self.forward(question, client, world),
            Step::Drop => {}
        }
    }

    fn forward(&mut self, question: Question, client: Client, world: &mut World) {
        let events = self.upstream.ask(question, client, world);
        self.heard(events, world);
    }

    /// What came of questions to upstream servers.
    fn heard(&mut self, events: Vec<Event>, world: &mut World) {
        let mut events = events;
        while let Some(event) = events.pop() {
            match event {
                Event::Heard { index, id, bytes, stream } => {
                    let now = self.now(world);
                    let Some(question) = self.upstream.question(index) else { continue };
                    let upshot = self.resolver.hear(question, id, &bytes, stream, now);
                    events.extend(self.upstream.judged(index, upshot, world));
                }
                Event::Settled(waiting) => {
                    for (client, question) in waiting {
                        let answer = self.resolver.settle(&question);
                        self.answer(client, &answer, world);
                    }
                }
                Event::Failed(waiting) => {
                    for (client, question) in waiting {
                        self.answer(client, &question.failed(), world);
                    }
                }
                Event::Refused(client, question) => {
                    self.answer(client, &question.refused(), world);
                }
            }
        }
    }

    fn answer(&mut self, client: Client, answer: &[u8], world: &World) {
        match client {
            Client::Datagram(index, to) => {
                let flags = rustix::net::SendFlags::empty();
                // One who does not hear it asks again.
                let _ = rustix::net::sendto(&self.datagrams[index], answer, flags, &to);
            }
            Client::Stream(index, serial, _) => self.streams.send(index, serial, answer, world),
        }
    }
}
