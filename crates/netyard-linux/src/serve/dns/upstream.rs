//! Questions to other name servers.
//!
//! Each goes out from a socket of its own, connected to the server: the kernel
//! picks a port at random and lets nobody else answer; the id is random too. The
//! same question of several clients is asked once. The servers are asked in
//! their order, but for those that have just failed, which come last: one that
//! is unreachable (an ICMP error says so at once), silent or unable costs a
//! moment, and all of them together give SERVFAIL within [`WAIT`] of each.

use std::collections::{BTreeMap, HashMap}; // the HashMap is looked up, never iterated
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use netyard_core::service::dns::{Key, Question, Upshot};
use netyard_core::service::served::Upstream;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use super::{Client, UPSTREAM, token};
use crate::serve::socket::family;
use crate::serve::world::{World, say};

/// How long a server is waited for that answered before, and one that did not.
const WAIT: Duration = Duration::from_millis(1500);
const SHORT_WAIT: Duration = Duration::from_millis(400);
/// How long a server that failed is asked last.
const AVOID: Duration = Duration::from_secs(15);
/// Questions that are out at once, and clients of one address that wait.
const ALL: usize = 512;
const ONE: usize = 128;
/// Clients that wait for one question.
const CROWD: usize = 64;
/// How often the machine's own list of servers is looked at.
const LOOK: Duration = Duration::from_secs(2);
const SYSTEM: &str = "/etc/resolv.conf";

type Waiting = Vec<(Client, Question)>;

/// What comes of a question.
pub(super) enum Event {
    /// A server said something: [`Asker::judged`] is to hear what it means.
    Heard { index: usize, id: u16, bytes: Vec<u8>, stream: bool },
    /// It is answered.
    Settled(Waiting),
    /// No server can tell.
    Failed(Waiting),
    /// Too much is being asked.
    Refused(Client, Question),
}

pub(super) struct Asker {
    servers: Servers,
    out: BTreeMap<usize, Ask>,
    by_question: HashMap<Key, usize>,
    clients: HashMap<IpAddr, usize>,
}

/// A question that is out.
struct Ask {
    question: Question,
    waiting: Waiting,
    /// Those not yet asked.
    rest: Vec<SocketAddr>,
    server: SocketAddr,
    id: u16,
    socket: OwnedFd,
    until: Instant,
    /// By TCP: what is still to be sent, and what has come.
    stream: Option<(Vec<u8>, Vec<u8>)>,
}

impl Asker {
    pub fn new(upstream: Upstream, own: Vec<IpAddr>) -> Self {
        let servers =
            Servers { upstream, own, list: Vec::new(), seen: None, failed: HashMap::new() };
        Self { servers, out: BTreeMap::new(), by_question: HashMap::new(), clients: HashMap::new() }
    }

    /// True when somebody may be asked, now or later.
    pub fn has_servers(&self) -> bool {
        match &self.servers.upstream {
            Upstream::None => false,
            Upstream::System => true,
            Upstream::These(list) => !list.is_empty(),
        }
    }

    pub fn question(&self, index: usize) -> Option<&Question> {
        self.out.get(&index).map(|ask| &ask.question)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.out.values().map(|ask| ask.until).min()
    }

    /// Asks for a client, or lets it wait with others who asked the same.
    pub fn ask(&mut self, question: Question, client: Client, world: &World) -> Vec<Event> {
        let count = self.clients.get(&client.address()).copied().unwrap_or(0);
        if count >= ONE {
            return vec![Event::Refused(client, question)];
        }
        let key = question.key();
        if let Some(ask) = self.by_question.get(&key).and_then(|index| self.out.get_mut(index)) {
            if ask.waiting.len() >= CROWD {
                return vec![Event::Refused(client, question)];
            }
            // The same client asks again because it was not answered yet.
            if ask.waiting.iter().all(|(known, _)| *known != client) {
                ask.waiting.push((client, question));
                *self.clients.entry(client.address()).or_default() += 1;
            }
            return Vec::new();
        }
        let Some(index) = (0..ALL).find(|index| !self.out.contains_key(index)) else {
            return vec![Event::Refused(client, question)];
        };
        let servers = self.servers.in_order(world.now());
        let waiting = vec![(client, question.clone())];
        *self.clients.entry(client.address()).or_default() += 1;
        match self.send_to_next(index, question, servers, world) {
            Ok(mut ask) => {
                ask.waiting = waiting;
                self.by_question.insert(key, index);
                self.out.insert(index, ask);
                Vec::new()
            }
            Err(()) => {
                self.discharge(&waiting);
                vec![Event::Failed(waiting)]
            }
        }
    }

    fn discharge(&mut self, waiting: &Waiting) {
        for (client, _) in waiting {
            if let Some(count) = self.clients.get_mut(&client.address()) {
                *count -= 1;
                if *count == 0 {
                    self.clients.remove(&client.address());
                }
            }
        }
    }

    /// Asks the first server that can be asked at all.
    fn send_to_next(
        &mut self,
        index: usize,
        question: Question,
        mut rest: Vec<SocketAddr>,
        world: &World,
    ) -> Result<Ask, ()> {
        while !rest.is_empty() {
            let server = rest.remove(0);
            let id = random_id();
            match datagram(index, server, &question.packet(id), world) {
                Ok(socket) => {
                    let until = world.now() + self.servers.wait(server, world.now());
                    let (waiting, stream) = (Vec::new(), None);
                    return Ok(Ask { question, waiting, rest, server, id, socket, until, stream });
                }
                Err(_) => self.servers.fail(server, world.now()),
            }
        }
        Err(())
    }

    /// Something came from a server.
    pub fn ready(&mut self, index: usize, _: EventFlags, world: &World) -> Vec<Event> {
        let Some(ask) = self.out.get_mut(&index) else { return Vec::new() };
        let came = match ask.stream {
            None => ask.receive(),
            Some(_) => ask.exchange(index, world),
        };
        match came {
            Ok(Some(bytes)) => {
                let (id, stream) = (ask.id, ask.stream.is_some());
                vec![Event::Heard { index, id, bytes, stream }]
            }
            Ok(None) => Vec::new(),
            Err(_) => self.next_server(index, world),
        }
    }

    /// What a server said means this.
    pub fn judged(&mut self, index: usize, upshot: Upshot, world: &World) -> Vec<Event> {
        let Some(ask) = self.out.get_mut(&index) else { return Vec::new() };
        match upshot {
            Upshot::Settled => {
                let server = ask.server;
                self.servers.answered(server);
                self.finish(index).map(Event::Settled).into_iter().collect()
            }
            Upshot::Cut => match ask.by_stream(index, world) {
                Ok(()) => Vec::new(),
                Err(_) => self.next_server(index, world),
            },
            Upshot::Useless => self.next_server(index, world),
            // By a datagram another may come; a stream has but one.
            Upshot::Stray if ask.stream.is_some() => self.next_server(index, world),
            Upshot::Stray => self.ready(index, EventFlags::IN, world),
        }
    }

    /// Servers that were waited for long enough.
    pub fn due(&mut self, world: &World) -> Vec<Event> {
        let late = |(index, ask): (&usize, &Ask)| (ask.until <= world.now()).then_some(*index);
        let late: Vec<usize> = self.out.iter().filter_map(late).collect();
        late.into_iter().flat_map(|index| self.next_server(index, world)).collect()
    }

    fn next_server(&mut self, index: usize, world: &World) -> Vec<Event> {
        let Some(ask) = self.out.remove(&index) else { return Vec::new() };
        self.servers.fail(ask.server, world.now());
        let Ask { question, waiting, rest, socket, .. } = ask;
        // Its place among the watched ones is that of the next.
        drop(socket);
        let key = question.key();
        match self.send_to_next(index, question, rest, world) {
            Ok(next) => {
                self.out.insert(index, Ask { waiting, ..next });
                Vec::new()
            }
            Err(()) => {
                self.by_question.remove(&key);
                self.discharge(&waiting);
                vec![Event::Failed(waiting)]
            }
        }
    }

    fn finish(&mut self, index: usize) -> Option<Waiting> {
        let ask = self.out.remove(&index)?;
        self.by_question.remove(&ask.question.key());
        self.discharge(&ask.waiting);
        Some(ask.waiting)
    }
}

impl Ask {
    fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 4096];
        match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => Ok(Some(buffer[..length].to_vec())),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the same server again, by TCP.
    fn by_stream(&mut self, index: usize, world: &World) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family(self.server.ip()), SocketType::STREAM, flags, None)?;
        match connect(&socket, &self.server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        world.watch(&socket, token(UPSTREAM, index), EventFlags::IN | EventFlags::OUT)?;
        self.id = random_id();
        let packet = self.question.packet(self.id);
        let mut output = (packet.len() as u16).to_be_bytes().to_vec();
        output.extend(packet);
        self.socket = socket;
        self.stream = Some((output, Vec::new()));
        self.until = world.now() + WAIT;
        Ok(())
    }

    /// Sends and reads by TCP; the answer when it is whole.
    fn exchange(&mut self, index: usize, world: &World) -> io::Result<Option<Vec<u8>>> {
        let Some((output, input)) = &mut self.stream else { return Ok(None) };
        if !output.is_empty() {
            match send(&self.socket, output, SendFlags::NOSIGNAL) {
                Ok(length) => {
                    output.drain(..length);
                }
                Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN) => {}
                Err(error) => return Err(error.into()),
            }
            if output.is_empty() {
                world.watch_for(&self.socket, token(UPSTREAM, index), EventFlags::IN)?;
            }
        }
        let mut buffer = [0; 4096];
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((length, _)) => input.extend(&buffer[..length]),
                Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            let Some(length) = input.first_chunk::<2>() else { continue };
            let end = 2 + usize::from(u16::from_be_bytes(*length));
            if input.len() >= end {
                return Ok(Some(input[2..end].to_vec()));
            }
        }
    }
}

/// Sends a question from a new socket.
fn datagram(index: usize, server: SocketAddr, packet: &[u8], world: &World) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family(server.ip()), SocketType::DGRAM, flags, None)?;
    connect(&socket, &server)?;
    send(&socket, packet, SendFlags::empty())?;
    world.watch(&socket, token(UPSTREAM, index), EventFlags::IN)?;
    Ok(socket)
}

fn random_id() -> u16 {
    let mut bytes = [0; 2];
    // Never short for so few (getrandom(2)).
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    u16::from_ne_bytes(bytes)
}

/// Who is asked.
struct Servers {
    upstream: Upstream,
    /// The server's own addresses, which are never asked.
    own: Vec<IpAddr>,
    list: Vec<SocketAddr>,
    /// When the machine's list was looked at, and its age then.
    seen: Option<(Instant, Option<SystemTime>)>,
    failed: HashMap<SocketAddr, Instant>,
}

impl Servers {
    /// Those that have not just failed first.
    fn in_order(&mut self, now: Instant) -> Vec<SocketAddr> {
        match &self.upstream {
            Upstream::None => {}
            Upstream::These(list) => self.list.clone_from(list),
            Upstream::System => self.look(now),
        }
        let mut list = self.list.clone();
        list.sort_by_key(|server| self.is_bad(*server, now));
        list
    }

    /// Reads the machine's list where it has changed.
    fn look(&mut self, now: Instant) {
        if self.seen.is_some_and(|(at, _)| now.duration_since(at) < LOOK) {
            return;
        }
        let age = std::fs::metadata(SYSTEM).and_then(|meta| meta.modified()).ok();
        if self.seen.is_none_or(|(_, before)| before != age) {
            let text = std::fs::read_to_string(SYSTEM).unwrap_or_default();
            let all = text.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let is_server = words.next() == Some("nameserver");
                words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()
            });
            let others = all.filter(|address| !self.own.contains(address));
            self.list = others.map(|address| SocketAddr::new(address, super::PORT)).collect();
        }
        self.seen = Some((now, age));
    }

    fn is_bad(&self, server: SocketAddr, now: Instant) -> bool {
        self.failed.get(&server).is_some_and(|at| now.duration_since(*at) < AVOID)
    }

    fn wait(&self, server: SocketAddr, now: Instant) -> Duration {
        if self.is_bad(server, now) { SHORT_WAIT } else { WAIT }
    }

    fn fail(&mut self, server: SocketAddr, now: Instant) {
        if self.failed.insert(server, now).is_none() {
            say(&format!("the name server {server} does not answer"));
        }
    }

    fn answered(&mut self, server: SocketAddr) {
        if self.failed.remove(&server).is_some() {
            say(&format!("the name server {server} answers again"));
        }
    }
}
