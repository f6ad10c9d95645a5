//! Router advertisements on the wire, and who else sends some.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netyard_core::name::FullName;
use netyard_core::service::client::Dice;
use netyard_core::service::ra::{Advertised, Ra, Schedule, is_solicitation};
use netyard_core::service::served::{Served, ServedNetwork};
use netyard_core::service::trouble::Trouble;
use rustix::event::epoll::EventFlags;

use super::Service;
use super::delegated::Delegated;
use super::link6::{ALL_NODES, Link, receive};
use super::world::{World, notify, say};

/// What the kernel tells of the interface's addresses.
const GIVEN: u32 = 1;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Messages that are read together.
const BATCH: usize = 64;
/// How soon it is tried again while the interface has no link-local address.
const AGAIN: Duration = Duration::from_millis(100);
/// After how long a missing link-local address is said.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same line of the log at most that often.
const QUIET: Duration = Duration::from_secs(300);

struct Advertiser {
    network: FullName,
    link: Link,
    socket: OwnedFd,
    ra: Ra,
    /// What the interface is given, and was said of it last.
    delegated: Option<Delegated>,
    given: Vec<Advertised>,
    given_at: Instant,
    /// What was said before and is to be taken back.
    before: Option<Ra>,
    schedule: Schedule,
    begin: Instant,
    dice: Dice,
    /// Until then nothing can be sent.
    blocked: Option<Instant>,
    complained: bool,
    rogues: Vec<(Ipv6Addr, Instant)>,
}

/// Starts it where the network has it; where it had, the last words are said.
pub(super) fn open(
    network: &ServedNetwork,
    _: &Served,
    world: &mut World,
) -> io::Result<Option<Box<dyn Service>>> {
    let Some(interface) = &network.interface else { return Ok(None) };
    let before = world.advertised.get(&network.network).cloned();
    let Some(ra) = &network.ra else {
        if let Some(before) = before {
            let link = Link::find(interface)?;
            let socket = link.icmp(&[])?;
            let last = before.farewell().packet(link.mac);
            link.send(&socket, ALL_NODES, 0, &last)?;
            world.advertised.remove(&network.network);
        }
        return Ok(None);
    };
    let link = Link::find(interface)?;
    let socket = link.icmp(&[SOLICITATION, ADVERTISEMENT])?;
    world.watch(&socket, 0, EventFlags::IN)?;
    let mut delegated = if ra.delegated { Some(Delegated::open(link.index)?) } else { None };
    if let Some(delegated) = &delegated {
        world.watch(delegated.fd(), GIVEN, EventFlags::IN)?;
    }
    let given = delegated.as_mut().map_or(Ok(Vec::new()), Delegated::prefixes)?;
    Ok(Some(Box::new(Advertiser {
        network: network.network.clone(),
        socket,
        ra: ra.clone(),
        delegated,
        given,
        given_at: world.now(),
        before,
        schedule: Schedule::new(0),
        begin: world.now(),
        dice: Dice::new(world.today() ^ u64::from(link.index) << 32),
        link,
        blocked: None,
        complained: false,
        rogues: Vec::new(),
    })))
}

impl Service for Advertiser {
    fn ready(&mut self, token: u32, _: EventFlags, world: &mut World) {
        if token == GIVEN {
            return self.regard(world.now());
        }
        let mut packet = [0; 1500];
        for _ in 0..BATCH {
            let (length, from) = match receive(&self.socket, &mut packet) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => continue,
            };
            let Some(from) = from else { continue };
            match packet[0] {
                SOLICITATION if is_solicitation(&packet[..length], from) => {
                    self.answer(from, world.now());
                }
                ADVERTISEMENT => self.other(&packet[..length], from, world),
                _ => {}
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.begin + Duration::from_millis(self.schedule.due());
        Some(self.blocked.map_or(due, |blocked| blocked.max(due)))
    }

    fn due(&mut self, world: &mut World) {
        let now = world.now();
        let own = self.said();
        let said = self.before.as_ref().map_or_else(|| own.clone(), |before| own.after(before));
        let packet = said.packet(self.link.mac);
        match self.send(ALL_NODES, &packet) {
            Ok(()) => {
                self.blocked = None;
                self.before = None;
                // What it is given is taken back, too, when it has it no more.
                world.advertised.insert(self.network.clone(), own);
                let dice = self.dice.roll() as u32;
                let now = self.ms(now);
                self.schedule.sent(&self.ra, now, dice);
            }
            Err(error) => self.wait(&error, now),
        }
    }

    fn end(&mut self, _: &mut World) {
        let last = self.said().farewell().packet(self.link.mac);
        let _ = self.send(ALL_NODES, &last);
    }
}

impl Advertiser {
    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begin).as_millis()).unwrap_or(u64::MAX)
    }

    /// What is said now: of what it is given, with the time that is left.
    fn said(&mut self) -> Ra {
        if let Some(Ok(given)) = self.delegated.as_mut().map(Delegated::prefixes) {
            (self.given, self.given_at) = (given, Instant::now());
        }
        let mut said = self.ra.clone();
        said.prefixes.extend(self.given.iter().copied());
        said
    }

    /// The interface's addresses have changed: hosts are told at once of a prefix that
    /// is new or gone.
    fn regard(&mut self, now: Instant) {
        let Some(delegated) = &mut self.delegated else { return };
        delegated.hear();
        let (before, passed) = (self.given.clone(), self.given_at.elapsed().as_secs());
        let last = Ra { prefixes: self.given.clone(), ..self.ra.clone() };
        let said = self.said();
        let lasts_longer = |(old, new): (&Advertised, &Advertised)| {
            u64::from(new.valid) + passed > u64::from(old.valid) + 1
        };
        if self.given.iter().map(|one| one.net).eq(before.iter().map(|one| one.net)) {
            // Hosts would forget a prefix that lasts for less than the time to the next.
            if before.iter().zip(&self.given).any(lasts_longer) {
                let dice = self.dice.roll() as u32;
                self.schedule.asked(self.ms(now), dice);
            }
        } else {
            // What is to be taken back already, and has not been, stays so.
            let last = self.before.take().map_or(last.clone(), |older| last.after(&older));
            self.before = Some(last).filter(|last| said.after(last) != said);
            self.schedule.changed(self.ms(now));
        }
    }

    /// Hosts take no advertisement that is not from a link-local address
    /// (RFC 4861, 6.1.2).
    fn send(&self, to: Ipv6Addr, packet: &[u8]) -> io::Result<()> {
        if self.link.link_local().is_none() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.link.send(&self.socket, to, 0, packet)
    }

    fn wait(&mut self, error: &io::Error, now: Instant) {
        let long = now.saturating_duration_since(self.begin) > PATIENCE;
        self.blocked = Some(now + if long { 20 * AGAIN } else { AGAIN });
        if long && !self.complained {
            self.complained = true;
            let why = match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "the interface has no link-local address".to_owned()
                }
                _ => error.to_string(),
            };
            say(&format!("{}: no router advertisement goes out: {why}", self.network));
        }
    }

    /// A host with an address is answered alone and at once: nobody else asked,
    /// and a delay of 0 is one of those that RFC 4861, 6.2.6, allows.
    fn answer(&mut self, from: Ipv6Addr, now: Instant) {
        if from.is_unspecified() {
            let dice = self.dice.roll() as u32;
            self.schedule.asked(self.ms(now), dice);
            return;
        }
        let packet = self.said().packet(self.link.mac);
        if let Err(error) = self.send(from, &packet)
            && error.kind() != io::ErrorKind::AddrNotAvailable
        {
            say(&format!(
                "{}: could not answer the router solicitation of {from}: {error}",
                self.network
            ));
        }
    }

    /// An advertisement of somebody else: on a network where netyard advertises,
    /// hosts follow both.
    fn other(&mut self, packet: &[u8], from: Ipv6Addr, world: &mut World) {
        let now = world.now();
        let Some(ra) = Ra::read(packet).filter(|_| from.is_unicast_link_local()) else { return };
        self.rogues.retain(|(_, said)| now.duration_since(*said) < QUIET);
        if self.link.link_local() == Some(from)
            || self.rogues.len() >= 16
            || self.rogues.iter().any(|(known, _)| *known == from)
        {
            return;
        }
        self.rogues.push((from, now));
        let text = format!("{}: rogue router advertisement from {from}{}", self.network, told(&ra));
        notify(&format!("STATUS={text}"));
        say(&text);
        let prefixes = ra.prefixes.iter().map(|one| one.net.into()).collect();
        let (mac, lifetime) = (ra.source, ra.lifetime);
        world.met(&self.network, Trouble::OtherRouter { router: from, mac, lifetime, prefixes });
    }
}

/// What somebody else's advertisement says, for who looks for him.
fn told(ra: &Ra) -> String {
    let mut text = ra.source.map(|mac| format!(" ({mac})")).unwrap_or_default();
    let prefixes: Vec<String> = ra.prefixes.iter().map(|one| one.net.to_string()).collect();
    if ra.lifetime > 0 {
        text += &format!(", a way out for {} s", ra.lifetime);
    }
    if !prefixes.is_empty() {
        text += &format!(", with {}", prefixes.join(", "));
    }
    text + ": hosts of this network follow it, too"
}
