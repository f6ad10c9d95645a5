//! A client of DHCPv4 (RFC 2131, 4.4), that asks before it uses an address
//! whether anybody else has it (RFC 5227).
//!
//! ```text
//!            ┌─ remembered lease → Rebooting ─ NAK ┐
//!  start ────┤                        │ ACK        │
//!            └────→ Selecting ←───────┼────────────┴──── expiry, NAK, conflict
//!                     │ OFFER         ↓
//!                     └→ Requesting → Probing → Bound ─T1→ Renewing ─T2→ Rebinding
//!                            ACK                  ↑──────────ACK─────────────┘
//! ```

mod reply;

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Encodable, Encoder};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use self::reply::Reply;
use super::Dice;
use crate::addr::Mac;

/// The first wait for an answer, and the longest. RFC 2131, 4.1, begins with
/// four seconds; a bridge in the same machine answers in one.
const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 64_000;
/// Requests without an answer before the server counts as gone.
const REQUESTS: u32 = 4;
/// Questions whether anybody has the address, and how far apart. RFC 5227, 2.1.1,
/// has one to two seconds, for links that lose packets; here nobody is far.
const PROBES: u32 = 3;
const PROBE_APART: u64 = 150;
/// How long to wait after a conflict (RFC 2131, 3.1.5).
const AFTER_CONFLICT: u64 = 10_000;
/// The least time between two tries to renew (RFC 2131, 4.4.5).
const LEAST_RENEW: u64 = 60_000;
/// What is asked for (option 55).
const WISHES: [OptionCode; 8] = [
    OptionCode::SubnetMask,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::NtpServers,
    OptionCode::DomainSearch,
    OptionCode::ClasslessStaticRoute,
];

/// What a server gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lease4 {
    /// The address, with the length of its prefix.
    pub address: Ipv4Net,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// The default router, the first of them.
    pub gateway: Option<Ipv4Addr>,
    /// Other routes (RFC 3442): where these are given, `gateway` is among them.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Domains that are tried after a short name.
    pub search: Vec<String>,
    /// For how many seconds; `u32::MAX` is for ever.
    pub seconds: u32,
    /// When to renew, in seconds.
    pub t1: u32,
    /// When to ask any server, in seconds.
    pub t2: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'p> {
    /// The time has come that [`Client::due`] told, or some other.
    Tick,
    /// A UDP payload for port 68.
    Packet(&'p [u8]),
    /// Somebody else has the address that was asked about.
    Conflict,
    /// The link has come back: perhaps another one.
    LinkUp,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send this UDP payload to all, from port 68 of no address to port 67.
    Broadcast(Vec<u8>),
    /// Send it to the server, from the address held.
    Unicast(Ipv4Addr, Vec<u8>),
    /// Ask whether anybody has the address (an ARP probe).
    Probe(Ipv4Addr),
    /// Have the address, or have it for longer.
    Bind(Box<Lease4>),
    /// Have it no longer.
    Drop,
    /// Worth a line in the log.
    Say(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// `since`: when it was granted, where it is good all the same if nobody answers.
    Rebooting {
        lease: Lease4,
        since: Option<u64>,
    },
    Selecting,
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
    },
    Probing {
        lease: Lease4,
        since: u64,
    },
    Bound {
        lease: Lease4,
        since: u64,
    },
    Waiting,
}

/// A client of one interface.
#[derive(Debug)]
pub struct Client {
    mac: Mac,
    hostname: Option<String>,
    state: State,
    dice: Dice,
    xid: u32,
    /// When the exchange began.
    began: u64,
    tries: u32,
    due: u64,
    /// What was held before and is on the interface still.
    held: bool,
}

impl Client {
    /// A client; what it had before it asks for again. `seed` sets its numbers
    /// apart from others'.
    pub fn new(
        mac: Mac,
        hostname: Option<String>,
        before: Option<Lease4>,
        seed: u64,
        now: u64,
    ) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            mac,
            hostname,
            held: before.is_some(),
            state: before.map_or(State::Selecting, |lease| State::Rebooting { lease, since: None }),
            xid: dice.roll() as u32,
            dice,
            began: now,
            tries: 0,
            due: now,
        }
    }

    /// When a [`Event::Tick`] is due.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// What it holds.
    pub fn lease(&self) -> Option<&Lease4> {
        match &self.state {
            State::Bound { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// What follows from an event.
    pub fn step(&mut self, event: Event<'_>, now: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        match event {
            Event::Tick if now < self.due => {}
            Event::Tick => self.tick(now, &mut acts),
            Event::Packet(packet) => self.packet(packet, now, &mut acts),
            Event::Conflict => self.conflict(now, &mut acts),
            Event::LinkUp => self.link_up(now),
        }
        acts
    }

    /// The last words: the lease is given back.
    pub fn stop(&mut self, now: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        if let State::Bound { lease, .. } = self.state.clone() {
            self.xid = self.dice.roll() as u32;
            let mut message = self.message(MessageType::Release, now);
            message.set_ciaddr(lease.address.addr());
            message.opts_mut().insert(DhcpOption::ServerIdentifier(lease.server));
            acts.extend(bytes(&message).map(|bytes| Act::Unicast(lease.server, bytes)));
        }
        self.drop_held(&mut acts);
        acts
    }

    fn tick(&mut self, now: u64, acts: &mut Vec<Act>) {
        match self.state.clone() {
            State::Waiting => {
                self.begin(State::Selecting, now);
                self.tick(now, acts);
            }
            State::Selecting => {
                if self.tries == 4 {
                    acts.push(Act::Say(
                        "nobody offers an address: is there a DHCP server on this network?".into(),
                    ));
                }
                let message = self.message(MessageType::Discover, now);
                self.broadcast(&message, acts);
                self.wait(now);
            }
            State::Rebooting { lease, since: Some(since) } if self.tries >= REQUESTS => {
                // RFC 2131, 3.2: it may use it to its end.
                self.due = after(since, lease.t1);
                self.tries = 0;
                self.state = State::Bound { lease, since };
            }
            State::Rebooting { .. } | State::Requesting { .. } if self.tries >= REQUESTS => {
                self.drop_held(acts);
                self.begin(State::Selecting, now);
                self.tick(now, acts);
            }
            State::Rebooting { lease, .. } => {
                self.request(lease.address.addr(), None, now, acts);
            }
            State::Requesting { address, server } => {
                self.request(address, Some(server), now, acts);
            }
            State::Probing { lease, since } => self.probe(lease, since, now, acts),
            State::Bound { lease, since } => self.renew(&lease, since, now, acts),
        }
    }

    /// Asks for an address that was offered, or that was held before.
    fn request(
        &mut self,
        address: Ipv4Addr,
        server: Option<Ipv4Addr>,
        now: u64,
        acts: &mut Vec<Act>,
    ) {
        let mut message = self.message(MessageType::Request, now);
        message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
        if let Some(server) = server {
            message.opts_mut().insert(DhcpOption::ServerIdentifier(server));
        }
        self.broadcast(&message, acts);
        self.wait(now);
    }

    fn probe(&mut self, lease: Lease4, since: u64, now: u64, acts: &mut Vec<Act>) {
        if self.tries < PROBES {
            self.tries += 1;
            self.due = now + PROBE_APART;
            acts.push(Act::Probe(lease.address.addr()));
            return;
        }
        self.bind(lease, since, acts);
    }

    /// `since`: when the request was sent that the lease answers.
    fn bind(&mut self, lease: Lease4, since: u64, acts: &mut Vec<Act>) {
        self.due = after(since, lease.t1);
        self.tries = 0;
        self.held = true;
        acts.push(Act::Bind(Box::new(lease.clone())));
        self.state = State::Bound { lease, since };
    }

    fn renew(&mut self, lease: &Lease4, since: u64, now: u64, acts: &mut Vec<Act>) {
        let (t1, t2, end) =
            (after(since, lease.t1), after(since, lease.t2), after(since, lease.seconds));
        if now >= end {
            acts.push(Act::Say(format!(
                "the lease of {} has ended, and nobody renewed it",
                lease.address.addr()
            )));
            self.drop_held(acts);
            self.begin(State::Selecting, now);
            self.tick(now, acts);
            return;
        }
        if now < t1 {
            self.due = t1;
            return;
        }
        if self.tries == 0 {
            self.began = now;
            self.xid = self.dice.roll() as u32;
        }
        self.tries += 1;
        let mut message = self.message(MessageType::Request, now);
        message.set_ciaddr(lease.address.addr());
        let next = if now < t2 { t2 } else { end };
        match bytes(&message) {
            Some(bytes) if now < t2 => acts.push(Act::Unicast(lease.server, bytes)),
            _ => self.broadcast(&message, acts),
        }
        // Half of what is left, but not too often; short leases have no minute.
        let left = next - now;
        self.due = (now + (left / 2).max(LEAST_RENEW.min(left))).min(next);
    }

    fn packet(&mut self, packet: &[u8], now: u64, acts: &mut Vec<Act>) {
        let Some(reply) = Reply::read(packet, self.xid, self.mac) else { return };
        match (reply.sort, self.state.clone()) {
            (MessageType::Offer, State::Selecting) => {
                let Some(lease) = reply.lease() else { return };
                self.state =
                    State::Requesting { address: lease.address.addr(), server: lease.server };
                (self.tries, self.due) = (0, now);
                self.tick(now, acts);
            }
            (MessageType::Ack, State::Requesting { address, .. }) => {
                let lease = reply.lease().filter(|lease| lease.address.addr() == address);
                self.granted(lease, now, acts);
            }
            (MessageType::Ack, State::Rebooting { lease: before, .. }) => {
                let lease =
                    reply.lease().filter(|lease| lease.address.addr() == before.address.addr());
                self.granted(lease, now, acts);
            }
            (MessageType::Ack, State::Bound { lease: before, .. }) if self.tries > 0 => {
                let lease =
                    reply.lease().filter(|lease| lease.address.addr() == before.address.addr());
                if let Some(lease) = lease {
                    self.bind(lease, self.began, acts);
                }
            }
            (MessageType::Nak, State::Requesting { .. } | State::Rebooting { .. }) => {
                self.refused(now, acts)
            }
            (MessageType::Nak, State::Bound { .. }) if self.tries > 0 => {
                acts.push(Act::Say("the server takes the address back".into()));
                self.refused(now, acts);
            }
            _ => {}
        }
    }

    fn granted(&mut self, lease: Option<Lease4>, now: u64, acts: &mut Vec<Act>) {
        let Some(lease) = lease else { return };
        self.state = State::Probing { lease, since: self.began };
        (self.tries, self.due) = (0, now);
        self.tick(now, acts);
    }

    fn refused(&mut self, now: u64, acts: &mut Vec<Act>) {
        self.drop_held(acts);
        self.begin(State::Selecting, now);
        self.tick(now, acts);
    }

    fn conflict(&mut self, now: u64, acts: &mut Vec<Act>) {
        let (State::Probing { lease, .. } | State::Bound { lease, .. }) = self.state.clone() else {
            return;
        };
        let address = lease.address.addr();
        acts.push(Act::Say(format!("somebody else has {address}: it is declined")));
        let mut message = self.message(MessageType::Decline, now);
        message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
        message.opts_mut().insert(DhcpOption::ServerIdentifier(lease.server));
        self.broadcast(&message, acts);
        self.drop_held(acts);
        self.begin(State::Waiting, now);
        self.due = now + AFTER_CONFLICT;
    }

    /// Perhaps on another network: a lease is asked for anew, and kept until then.
    fn link_up(&mut self, now: u64) {
        match self.state.clone() {
            State::Bound { lease, since } => {
                self.begin(State::Rebooting { lease, since: Some(since) }, now);
            }
            State::Selecting | State::Rebooting { .. } => {
                (self.tries, self.due) = (0, now);
            }
            _ => {}
        }
    }

    fn begin(&mut self, state: State, now: u64) {
        self.state = state;
        self.xid = self.dice.roll() as u32;
        (self.began, self.tries, self.due) = (now, 0, now);
    }

    fn drop_held(&mut self, acts: &mut Vec<Act>) {
        if std::mem::take(&mut self.held) {
            acts.push(Act::Drop);
        }
    }

    /// Twice as long each time (RFC 2131, 4.1).
    fn wait(&mut self, now: u64) {
        let wait = FIRST_WAIT.checked_shl(self.tries).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.tries += 1;
        self.due = now + self.dice.about(wait);
    }

    fn message(&self, sort: MessageType, now: u64) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(self.xid, none, none, none, none, &self.mac.0);
        message.set_opcode(Opcode::BootRequest).set_flags(Flags::default());
        message.set_secs(u16::try_from((now - self.began.min(now)) / 1000).unwrap_or(u16::MAX));
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(sort));
        options.insert(DhcpOption::ClientIdentifier([&[1], &self.mac.0[..]].concat()));
        if !matches!(sort, MessageType::Decline | MessageType::Release) {
            options.insert(DhcpOption::ParameterRequestList(WISHES.to_vec()));
            options.insert(DhcpOption::MaxMessageSize(1472));
            if let Some(name) = &self.hostname {
                options.insert(DhcpOption::Hostname(name.clone()));
            }
        }
        message
    }

    fn broadcast(&self, message: &Message, acts: &mut Vec<Act>) {
        acts.extend(bytes(message).map(Act::Broadcast));
    }
}

/// That many seconds later; `u32::MAX` is never.
fn after(since: u64, seconds: u32) -> u64 {
    if seconds == u32::MAX { u64::MAX } else { since + u64::from(seconds) * 1000 }
}

/// As long as every server and relay agent takes it (RFC 1542, 2.1).
fn bytes(message: &Message) -> Option<Vec<u8>> {
    const BOOTP: usize = 300;
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).ok()?;
    bytes.resize(bytes.len().max(BOOTP), 0);
    Some(bytes)
}

#[cfg(test)]
mod tests;
