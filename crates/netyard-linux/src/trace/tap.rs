//! nft's trace of one namespace: asked for, listened to, and gone with the socket.

use std::collections::BTreeMap;
use std::io;

use netyard_core::explain::{Direction, Packet, Token, Traced, read};
use netyard_core::wire::trace::{self, Event, Pattern, Post, Said};

use crate::netlink::{Protocol, Socket};

/// A namespace that is listened to.
pub(super) struct Tap {
    socket: Socket,
    /// What the packet of each id was when its headers were last told.
    known: BTreeMap<u32, Traced>,
    /// What was heard, in order.
    pub heard: Vec<Heard>,
}

/// One thing a namespace told.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// About which packet, as its headers were there.
    pub packet: Traced,
    /// What was told.
    pub event: Event,
}

impl Tap {
    /// Begins to listen in the calling thread's namespace. `bridges`: frames that
    /// pass its bridges, too; `devices`: what comes in by them, before all else.
    pub fn open(patterns: &[Pattern], bridges: bool, devices: &[String]) -> io::Result<Self> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        install(&mut socket, patterns, bridges, devices).or_else(|error| {
            // A kernel without nftables for bridges has them for the rest.
            match bridges || !devices.is_empty() {
                true => install(&mut socket, patterns, false, &[]),
                false => Err(error),
            }
        })?;
        socket.join(trace::GROUP)?;
        Ok(Self { socket, known: BTreeMap::new(), heard: Vec::new() })
    }

    /// Forgets what was heard, for another sending.
    pub fn forget(&mut self) {
        self.known.clear();
        self.heard.clear();
    }

    /// Takes what has been told meanwhile.
    pub fn listen(&mut self, sent: &Packet, token: Token) -> io::Result<()> {
        let (known, heard) = (&mut self.known, &mut self.heard);
        self.socket.events(|ty, payload| {
            let Some(event) = Event::read(ty, payload) else { return };
            if let Some((network, transport)) = &event.headers {
                match read(network, transport, sent, token) {
                    Some(packet) => known.insert(event.id, packet),
                    None => known.remove(&event.id),
                };
            }
            if let Some(packet) = known.get(&event.id) {
                heard.push(Heard { packet: *packet, event });
            }
        })
    }

    /// What was heard of the packet on its way there or back.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = (&Packet, &Event)> {
        self.heard.iter().filter_map(move |heard| match &heard.packet {
            Traced::Ours(way, packet) if *way == direction => Some((packet, &heard.event)),
            _ => None,
        })
    }

    /// The packet as it was at a post of ours, if it was seen there.
    pub fn at(&self, direction: Direction, post: Post) -> Option<(&Packet, &Event)> {
        self.of(direction).find(|(_, event)| event.post() == Some(post))
    }

    /// The same, where it came by that interface.
    pub fn by(&self, direction: Direction, post: Post, iif: u32) -> Option<(&Packet, &Event)> {
        let is = |event: &Event| event.post() == Some(post) && event.iif == Some(iif);
        self.of(direction).find(|(_, event)| is(event))
    }

    /// What others' chains said of it: the rules with a verdict, and policies.
    pub fn verdicts(&self, direction: Direction) -> impl Iterator<Item = &Event> {
        let said = |event: &&Event| match event.said {
            Said::Rule { verdict, .. } => verdict != trace::Decision::Continue,
            Said::Policy(_) => true,
            Said::Return => false,
        };
        self.of(direction).map(|(_, event)| event).filter(|event| !event.is_own()).filter(said)
    }
}

fn install(
    socket: &mut Socket,
    patterns: &[Pattern],
    bridges: bool,
    devices: &[String],
) -> io::Result<()> {
    let failures = socket.transact(None, &trace::install(patterns, bridges, devices))?;
    failures.first().map_or(Ok(()), |failure| Err(failure.errno.into()))
}
