//! WireGuard without the kernel's: a tun on one side, UDP on the other.
//!
//! One thread waits for all of it: packets from the tun are encrypted for the
//! peer that has their destination, datagrams are decrypted and written to the
//! tun if their source is the sender's to use. The tun is persistent and
//! netyard's: addresses and routes stay when this process ends, the carrier does
//! not. The sockets are made in the namespace the process was started in.
//!
//! The protocol itself (handshakes, sessions, timers) is `boringtun`'s.

mod control;
mod outside;
mod peer;
mod routes;
mod tun;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519::{PublicKey as DhPublic, StaticSecret};
use netyard_core::state::TunnelFile;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::keys;
use super::resolve::Resolver;
pub(crate) use outside::{signal, signals};
pub(super) use tun::namespace;

use outside::Outside;
use peer::Peer;
use routes::Routes;

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Packets taken from one side before the other gets its turn.
const TURN: usize = 128;
/// The longest packet, with what WireGuard adds.
const LONGEST: usize = 65_535 + 80;
/// Handshakes of strangers that are looked at in a second, before they must
/// prove their address.
const HANDSHAKES: u64 = 100;

/// Runs until it is told to end: what the hidden subcommand does, given the path
/// of a [`TunnelFile`] and that of the socket it tells its state on.
pub fn run(file: &Path, socket: &Path) -> ExitCode {
    match Engine::start(file, socket) {
        Ok(mut engine) => match engine.work() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain("ended", &error),
        },
        Err(error) => complain("could not start", &error),
    }
}

/// A word for the log, which is where this process's errors go.
fn complain(what: &str, error: &io::Error) -> ExitCode {
    log(&format!("{what}: {error}"));
    ExitCode::FAILURE
}

/// One line for the log.
pub(super) fn log(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(io::stderr(), "wireguard: {line}");
}

struct Engine {
    path: PathBuf,
    file: TunnelFile,
    tun: OwnedFd,
    outside: Outside,
    signals: OwnedFd,
    control: control::Control,
    resolver: Resolver,
    secret: StaticSecret,
    public: DhPublic,
    limiter: RateLimiter,
    peers: Vec<Peer>,
    routes: Routes,
    next_index: u32,
    ticked: Instant,
    inside: Vec<u8>,
    outgoing: Vec<u8>,
}

/// What a signal asks for.
pub(crate) enum Wish {
    Reload,
    End,
}

impl Engine {
    fn start(path: &Path, socket: &Path) -> io::Result<Self> {
        let signals = signals()?;
        let file = read(path)?;
        let secret = secret(&file)?;
        let public = DhPublic::from(&secret);
        let outside = Outside::bind(file.tunnel.listen)?;
        let tun = tun::attach(&file)?;
        let mut engine = Self {
            path: path.to_owned(),
            limiter: RateLimiter::new(&public, HANDSHAKES),
            control: control::Control::bind(socket)?,
            resolver: Resolver::start()?,
            file,
            tun,
            outside,
            signals,
            secret,
            public,
            peers: Vec::new(),
            routes: Routes::default(),
            next_index: 1,
            ticked: Instant::now(),
            inside: vec![0; LONGEST],
            outgoing: vec![0; LONGEST],
        };
        engine.meet_peers()?;
        Ok(engine)
    }

    /// Makes the peers those of the file; who is the same goes on undisturbed.
    fn meet_peers(&mut self) -> io::Result<()> {
        let mut old = std::mem::take(&mut self.peers);
        for spec in &self.file.tunnel.peers {
            let same = old.iter().position(|peer| peer.spec.public_key == spec.public_key);
            let known = same.map(|at| old.swap_remove(at));
            let preshared = match &spec.preshared_key {
                Some(key) => Some(*keys::of(key, Path::new(""))?.bytes()),
                None => None,
            };
            let peer = match known {
                Some(mut peer) if peer.keeps_session(spec, preshared) => {
                    peer.renew(spec.clone());
                    peer
                }
                known => {
                    let index = self.next_index;
                    self.next_index += 1;
                    let endpoint = known.and_then(|peer| peer.endpoint);
                    let secret = self.secret.clone();
                    Peer::new(spec.clone(), secret, preshared, index, endpoint)
                }
            };
            self.peers.push(peer);
        }
        self.routes = Routes::of(&self.peers);
        for at in 0..self.peers.len() {
            if let Some(name) = self.peers[at].wants_resolving() {
                self.resolver.ask(at, name);
            } else {
                self.call(at);
            }
        }
        Ok(())
    }

    /// Begins a handshake where one knows whom to send it to.
    fn call(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        let Some(endpoint) = peer.endpoint.filter(|_| peer.session.stats().0.is_none()) else {
            return;
        };
        if let TunnResult::WriteToNetwork(packet) =
            peer.session.format_handshake_initiation(&mut self.outgoing, false)
        {
            self.outside.send(packet, endpoint);
        }
    }

    fn work(&mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            if ready.signal {
                match signal(self.signals.as_fd())? {
                    Some(Wish::End) => return Ok(()),
                    Some(Wish::Reload) => self.reload(),
                    None => {}
                }
            }
            if ready.tun {
                self.take_from_tun()?;
            }
            for v6 in [false, true] {
                if ready.udp[usize::from(v6)] {
                    self.take_from_outside(v6)?;
                }
            }
            if ready.control {
                self.control.answer(&self.file, &self.peers);
            }
            if ready.resolved {
                for (at, found) in self.resolver.answers() {
                    self.resolved(at, found);
                }
            }
            if self.ticked.elapsed() >= TICK {
                self.tick();
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let fds = [
            self.signals.as_fd(),
            self.tun.as_fd(),
            self.outside.v4.as_fd(),
            self.outside.v6.as_ref().map_or(self.signals.as_fd(), |v6| v6.as_fd()),
            self.control.as_fd(),
            self.resolver.as_fd(),
        ];
        let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let left = TICK.saturating_sub(self.ticked.elapsed());
        let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&left)))?;
        let [signal, tun, v4, v6, control, resolved] = polled.map(|fd| !fd.revents().is_empty());
        let v6 = v6 && self.outside.v6.is_some();
        Ok(Ready { signal, tun, udp: [v4, v6], control, resolved })
    }

    /// What comes out of the tun goes to the peer that has its destination.
    fn take_from_tun(&mut self) -> io::Result<()> {
        for _ in 0..TURN {
            let length = match rustix::io::read(&self.tun, &mut self.inside) {
                Ok(length) => length,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                // Down is not gone: the interface may come up again.
                Err(rustix::io::Errno::IO) => break,
                Err(error) => return Err(error.into()),
            };
            let packet = &self.inside[..length];
            let destination = Tunn::dst_address(packet);
            let Some(at) = destination.and_then(|to| self.routes.find(to)) else { continue };
            let peer = &mut self.peers[at];
            let Some(endpoint) = peer.endpoint else { continue };
            match peer.session.encapsulate(packet, &mut self.outgoing) {
                TunnResult::WriteToNetwork(packet) => self.outside.queue(packet, endpoint),
                TunnResult::Err(_) => peer.errors += 1,
                _ => {}
            }
        }
        self.outside.flush();
        Ok(())
    }

    fn take_from_outside(&mut self, v6: bool) -> io::Result<()> {
        for _ in 0..TURN {
            let Some((length, from)) = self.outside.receive(v6, &mut self.inside)? else { break };
            let Some(at) = self.sender(length, from.ip()) else { continue };
            self.receive(at, length, from);
        }
        self.outside.flush();
        Ok(())
    }

    /// Whose datagram it is.
    fn sender(&mut self, length: usize, from: std::net::IpAddr) -> Option<usize> {
        let datagram = &self.inside[..length];
        let by_index =
            |peers: &[Peer], index: u32| peers.iter().position(|peer| peer.index == index >> 8);
        match Tunn::parse_incoming_packet(datagram).ok()? {
            Packet::PacketData(p) => by_index(&self.peers, p.receiver_idx),
            Packet::HandshakeResponse(p) => by_index(&self.peers, p.receiver_idx),
            Packet::PacketCookieReply(p) => by_index(&self.peers, p.receiver_idx),
            Packet::HandshakeInit(_) => {
                let checked = self.limiter.verify_packet(Some(from), datagram, &mut self.outgoing);
                let Ok(Packet::HandshakeInit(init)) = checked else { return None };
                let parse = boringtun::noise::handshake::parse_handshake_anon;
                let half = parse(&self.secret, &self.public, &init).ok()?;
                let who = half.peer_static_public;
                self.peers.iter().position(|peer| *peer.spec.public_key.bytes() == who)
            }
        }
    }

    fn receive(&mut self, at: usize, length: usize, from: std::net::SocketAddr) {
        let peer = &mut self.peers[at];
        let datagram = &self.inside[..length];
        match peer.session.decapsulate(Some(from.ip()), datagram, &mut self.outgoing) {
            TunnResult::Err(_) => peer.errors += 1,
            TunnResult::Done => peer.roam(from),
            TunnResult::WriteToNetwork(packet) => {
                // A cookie is for whoever sent, and proves nothing.
                if packet.first() != Some(&3) {
                    peer.roam(from);
                }
                self.outside.queue(packet, from);
                while let TunnResult::WriteToNetwork(packet) =
                    peer.session.decapsulate(None, &[], &mut self.outgoing)
                {
                    self.outside.queue(packet, from);
                }
            }
            TunnResult::WriteToTunnelV4(packet, source) => {
                peer.roam(from);
                if self.routes.find(source.into()) == Some(at) {
                    let _ = rustix::io::write(&self.tun, packet);
                }
            }
            TunnResult::WriteToTunnelV6(packet, source) => {
                peer.roam(from);
                if self.routes.find(source.into()) == Some(at) {
                    let _ = rustix::io::write(&self.tun, packet);
                }
            }
        }
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        self.limiter.reset_count();
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            if let Some(name) = peer.wants_resolving() {
                self.resolver.ask(at, name);
            }
            let done = peer.session.update_timers(&mut self.outgoing);
            let again = matches!(done, TunnResult::Err(_)) && peer.spec.keepalive > 0;
            if let (TunnResult::WriteToNetwork(packet), Some(endpoint)) = (done, peer.endpoint) {
                self.outside.send(packet, endpoint);
            }
            // Who is to be kept alive is called again when calling was given up.
            if again
                && let Some(endpoint) = peer.endpoint
                && let TunnResult::WriteToNetwork(packet) =
                    peer.session.format_handshake_initiation(&mut self.outgoing, false)
            {
                self.outside.send(packet, endpoint);
            }
        }
    }

    fn resolved(&mut self, at: usize, found: io::Result<Vec<std::net::SocketAddr>>) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        match found {
            Ok(all) => {
                let usable = all.into_iter().find(|a| a.is_ipv4() || self.outside.v6.is_some());
                if let Some(found) = usable {
                    peer.move_to(found);
                    self.call(at);
                }
            }
            Err(error) => {
                let name = peer.spec.endpoint.clone().unwrap_or_default();
                log(&format!("could not resolve `{name}`: {error}"));
            }
        }
    }

    /// Reads the file again. What is wrong with it is said, and all stays as it was.
    fn reload(&mut self) {
        if let Err(error) = self.try_reload() {
            log(&format!("could not read the new configuration: {error}"));
        }
    }

    fn try_reload(&mut self) -> io::Result<()> {
        let file = read(&self.path)?;
        let secret = secret(&file)?;
        if file.tunnel.listen != self.file.tunnel.listen {
            self.outside = Outside::bind(file.tunnel.listen)?;
        }
        let public = DhPublic::from(&secret);
        if public != self.public {
            self.limiter = RateLimiter::new(&public, HANDSHAKES);
            for peer in &mut self.peers {
                peer.session.set_static_private(secret.clone(), public, None);
            }
            (self.secret, self.public) = (secret, public);
        }
        self.file = file;
        self.meet_peers()
    }
}

/// Who has something to say.
struct Ready {
    signal: bool,
    tun: bool,
    udp: [bool; 2],
    control: bool,
    resolved: bool,
}

pub(super) fn read(path: &Path) -> io::Result<TunnelFile> {
    let text = std::fs::read_to_string(path)?;
    let file: TunnelFile = serde_json::from_str(&text).map_err(io::Error::other)?;
    if file.version == TunnelFile::VERSION {
        return Ok(file);
    }
    Err(io::Error::other(format!("`{}` is of version {}", path.display(), file.version)))
}

fn secret(file: &TunnelFile) -> io::Result<StaticSecret> {
    Ok(StaticSecret::from(*keys::of(&file.tunnel.key, Path::new(""))?.bytes()))
}
