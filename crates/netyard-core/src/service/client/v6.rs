//! A client of DHCPv6 (RFC 8415, 18.2): an address of one association, and the
//! name servers; or a prefix, which two clients of one interface ask for apart from each other. Whether anybody else has the address is found out by the kernel
//! (RFC 4862, 5.4); the way out comes by router advertisements.
//!
//! ```text
//!  start → Soliciting ─ADVERTISE→ Requesting ─REPLY→ Bound ─T1→ Renewing ─T2→ Rebinding
//!            ↑                        │                ↑────────REPLY───────────┘
//!            └──── nothing, NoAddrsAvail, conflict, expiry
//! ```

use std::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, Message, MessageType, ORO, OptionCode, Status};
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::Dice;
use crate::addr::Mac;
use crate::service::dhcp6::message::{self, Association, Item};

/// `SOL_TIMEOUT`, `REQ_TIMEOUT`, `REN_TIMEOUT` and their greatest (RFC 8415, 7.6).
const FIRST_WAIT: u64 = 1_000;
const LONGEST_WAIT: u64 = 30_000;
const RENEW_WAIT: u64 = 10_000;
const LONGEST_RENEW: u64 = 600_000;
/// Requests and releases without an answer before the server counts as gone.
const REQUESTS: u32 = 5;
/// How long to wait after a conflict.
const AFTER_CONFLICT: u64 = 1_000;
/// The number of the one association.
const IAID: u32 = 1;

/// What a server gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lease6 {
    /// The address, or the first of the prefix.
    pub address: Ipv6Addr,
    /// The length of a prefix; none for an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// Who gave it.
    pub server: Vec<u8>,
    /// Name servers.
    pub dns: Vec<Ipv6Addr>,
    /// Domains that are tried after a short name.
    pub search: Vec<String>,
    /// For how many seconds it is good for new connections.
    pub preferred: u32,
    /// For how many seconds; `u32::MAX` is for ever.
    pub valid: u32,
    /// When to renew, in seconds.
    pub t1: u32,
    /// When to ask any server, in seconds.
    pub t2: u32,
}

impl Lease6 {
    /// The prefix, or the address as one of 128 bits.
    pub fn net(&self) -> Ipv6Net {
        Ipv6Net::new_assert(self.address, self.prefix.unwrap_or(128).min(128))
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'p> {
    /// The time has come that [`Client::due`] told, or some other.
    Tick,
    /// A UDP payload for port 546.
    Packet(&'p [u8]),
    /// Somebody else has the address.
    Conflict,
    /// The link has come back: perhaps another one.
    LinkUp,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send this UDP payload to all servers of the link.
    Send(Vec<u8>),
    /// Have the address, or have it for longer.
    Bind(Box<Lease6>),
    /// Have it no longer.
    Drop,
    /// Worth a line in the log.
    Say(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Soliciting,
    Requesting {
        server: Vec<u8>,
        net: Ipv6Net,
    },
    /// Whether this is still the link that it was got on.
    Confirming {
        lease: Lease6,
        since: u64,
    },
    Bound {
        lease: Lease6,
        since: u64,
    },
    Waiting,
}

/// A client of one interface.
#[derive(Debug)]
pub struct Client {
    duid: Vec<u8>,
    hostname: Option<String>,
    state: State,
    dice: Dice,
    xid: [u8; 3],
    began: u64,
    tries: u32,
    /// How long it waited last.
    wait: u64,
    due: u64,
    held: bool,
    /// What it had, for which it asks.
    wish: Option<Ipv6Net>,
    /// It asks for a prefix, of that length if it may wish.
    prefix: Option<u8>,
}

impl Client {
    /// A client; it wishes for the address that it had before. `seed` sets its
    /// numbers apart from others'.
    pub fn new(
        mac: Mac,
        hostname: Option<String>,
        before: Option<Lease6>,
        seed: u64,
        now: u64,
    ) -> Self {
        let mut client = Self {
            duid: super::duid(mac),
            hostname,
            state: State::Soliciting,
            dice: Dice::new(seed),
            xid: [0; 3],
            began: now,
            tries: 0,
            wait: 0,
            due: now,
            held: before.is_some(),
            wish: before.map(|lease| lease.net()),
            prefix: None,
        };
        client.begin(State::Soliciting, now);
        client
    }

    /// It asks for a prefix of about that length, and not for an address.
    pub fn of_prefix(mut self, length: u8) -> Self {
        self.prefix = Some(length);
        self
    }

    /// True where it asks for a prefix.
    pub fn is_of_prefix(&self) -> bool {
        self.prefix.is_some()
    }

    /// When a [`Event::Tick`] is due.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// What it holds.
    pub fn lease(&self) -> Option<&Lease6> {
        match &self.state {
            State::Bound { lease, .. } | State::Confirming { lease, .. } => Some(lease),
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
            Event::LinkUp => match self.state.clone() {
                // Whether a prefix still leads here, only a server knows that gives it again
                // (RFC 8415, 18.2.12).
                State::Bound { lease, since } if self.prefix.is_some() => {
                    self.begin(State::Bound { lease: Lease6 { t1: 0, t2: 0, ..lease }, since }, now)
                }
                State::Bound { lease, since } => {
                    self.begin(State::Confirming { lease, since }, now)
                }
                _ => (self.tries, self.wait, self.due) = (0, 0, now),
            },
        }
        acts
    }

    /// The last words: the lease is given back.
    pub fn stop(&mut self, now: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        if let Some(lease) = self.lease().cloned() {
            self.give_back(MessageType::Release, &lease, now, &mut acts);
        }
        self.drop_held(&mut acts);
        acts
    }

    fn give_back(&mut self, sort: MessageType, lease: &Lease6, now: u64, acts: &mut Vec<Act>) {
        self.renumber();
        let mut message = self.message(sort, Some(lease.net()), now);
        message.opts_mut().insert(DhcpOption::ServerId(lease.server.clone()));
        acts.extend(message::bytes(&message).map(Act::Send));
    }

    fn tick(&mut self, now: u64, acts: &mut Vec<Act>) {
        match self.state.clone() {
            State::Waiting => {
                self.begin(State::Soliciting, now);
                self.tick(now, acts);
            }
            State::Soliciting => {
                if self.tries == 4 {
                    acts.push(Act::Say(match self.prefix {
                        None => "nobody offers an IPv6 address: is there a DHCPv6 server on this network?".into(),
                        Some(_) => "nobody delegates an IPv6 prefix: is there a DHCPv6 server on this network that has some?".into(),
                    }));
                }
                if self.tries == 2 {
                    // What it had before the server does not know any more.
                    self.drop_held(acts);
                }
                // No prefix but its length: what it would like (RFC 8415, 18.2.4).
                let length = self
                    .prefix
                    .map(|length| Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, length.min(128)));
                let mut message = self.message(MessageType::Solicit, self.wish.or(length), now);
                message.opts_mut().insert(DhcpOption::RapidCommit);
                self.send(&message, now, (FIRST_WAIT, LONGEST_WAIT), acts);
            }
            State::Requesting { .. } if self.tries >= REQUESTS => {
                self.begin(State::Soliciting, now);
                self.tick(now, acts);
            }
            State::Requesting { server, net } => {
                let mut message = self.message(MessageType::Request, Some(net), now);
                message.opts_mut().insert(DhcpOption::ServerId(server));
                self.send(&message, now, (FIRST_WAIT, LONGEST_WAIT), acts);
            }
            State::Confirming { lease, since } if self.tries >= REQUESTS => {
                (self.tries, self.wait, self.due) = (0, 0, after(since, lease.t1));
                self.state = State::Bound { lease, since };
            }
            State::Confirming { lease, .. } => {
                let message = self.message(MessageType::Confirm, Some(lease.net()), now);
                self.send(&message, now, (FIRST_WAIT, 4_000), acts);
            }
            State::Bound { lease, since } => self.renew(&lease, since, now, acts),
        }
    }

    fn renew(&mut self, lease: &Lease6, since: u64, now: u64, acts: &mut Vec<Act>) {
        let (t1, t2, end) =
            (after(since, lease.t1), after(since, lease.t2), after(since, lease.valid));
        if now >= end {
            let what = lease.told();
            acts.push(Act::Say(format!("the lease of {what} has ended, and nobody renewed it")));
            self.drop_held(acts);
            self.begin(State::Soliciting, now);
            self.tick(now, acts);
            return;
        }
        if now < t1 {
            self.due = t1;
            return;
        }
        if self.tries == 0 {
            self.began = now;
            self.renumber();
        }
        let sort = if now < t2 { MessageType::Renew } else { MessageType::Rebind };
        let mut message = self.message(sort, Some(lease.net()), now);
        if now < t2 {
            message.opts_mut().insert(DhcpOption::ServerId(lease.server.clone()));
        }
        self.send(&message, now, (RENEW_WAIT, LONGEST_RENEW), acts);
        self.due = self.due.min(if now < t2 { t2 } else { end });
    }

    fn packet(&mut self, packet: &[u8], now: u64, acts: &mut Vec<Act>) {
        let Some(reply) = message::read(packet) else { return };
        let for_us = reply.xid() == self.xid && message::client(&reply) == Some(&self.duid);
        let Some(server) = message::server(&reply).filter(|_| for_us) else { return };
        let state = self.state.clone();
        match (reply.msg_type(), state) {
            (MessageType::Advertise, State::Soliciting) => {
                let Some(lease) = self.lease_of(&reply, server) else { return };
                let (server, net) = (server.to_vec(), lease.net());
                self.begin(State::Requesting { server, net }, now);
                self.tick(now, acts);
            }
            // Rapid commit (RFC 8415, 18.2.1).
            (MessageType::Reply, State::Soliciting) => {
                let rapid = reply.opts().get(OptionCode::RapidCommit).is_some();
                if let Some(lease) = self.lease_of(&reply, server).filter(|_| rapid) {
                    self.bind(lease, acts);
                }
            }
            (MessageType::Reply, State::Requesting { .. }) => match self.lease_of(&reply, server) {
                Some(lease) => self.bind(lease, acts),
                None => self.lost(now, acts),
            },
            (MessageType::Reply, State::Confirming { lease, since }) => {
                match message::status(reply.opts()) {
                    Some(Status::NotOnLink) => self.lost(now, acts),
                    _ => {
                        (self.tries, self.wait, self.due) = (0, 0, after(since, lease.t1));
                        self.state = State::Bound { lease, since };
                    }
                }
            }
            (MessageType::Reply, State::Bound { lease: before, .. }) if self.tries > 0 => {
                match self.lease_of(&reply, server) {
                    Some(lease) if lease.net() == before.net() => self.bind(lease, acts),
                    Some(lease) => {
                        self.drop_held(acts);
                        self.bind(lease, acts);
                    }
                    // It has lost its leases, or has no more for us.
                    None => self.lost(now, acts),
                }
            }
            _ => {}
        }
    }

    fn lost(&mut self, now: u64, acts: &mut Vec<Act>) {
        self.drop_held(acts);
        self.begin(State::Soliciting, now);
        // Not at once: the same server would say the same.
        self.due = now + FIRST_WAIT;
    }

    fn bind(&mut self, lease: Lease6, acts: &mut Vec<Act>) {
        self.wish = Some(lease.net());
        self.due = after(self.began, lease.t1);
        (self.tries, self.wait, self.held) = (0, 0, true);
        acts.push(Act::Bind(Box::new(lease.clone())));
        self.state = State::Bound { lease, since: self.began };
    }

    fn conflict(&mut self, now: u64, acts: &mut Vec<Act>) {
        let Some(lease) = self.lease().cloned() else { return };
        acts.push(Act::Say(format!("somebody else has {}: it is declined", lease.told())));
        self.give_back(MessageType::Decline, &lease, now, acts);
        self.drop_held(acts);
        self.wish = None;
        self.begin(State::Waiting, now);
        self.due = now + AFTER_CONFLICT;
    }

    fn begin(&mut self, state: State, now: u64) {
        self.state = state;
        self.renumber();
        (self.began, self.tries, self.wait, self.due) = (now, 0, 0, now);
    }

    fn renumber(&mut self) {
        let [a, b, c, ..] = self.dice.roll().to_be_bytes();
        self.xid = [a, b, c];
    }

    fn drop_held(&mut self, acts: &mut Vec<Act>) {
        if std::mem::take(&mut self.held) {
            acts.push(Act::Drop);
        }
    }

    /// Sends, and waits twice as long each time (RFC 8415, 15).
    fn send(
        &mut self,
        message: &Message,
        now: u64,
        (first, longest): (u64, u64),
        acts: &mut Vec<Act>,
    ) {
        self.wait = if self.wait == 0 { first } else { (2 * self.wait).min(longest) };
        self.tries += 1;
        self.due = now + self.dice.about(self.wait);
        acts.extend(message::bytes(message).map(Act::Send));
    }

    fn message(&self, sort: MessageType, net: Option<Ipv6Net>, now: u64) -> Message {
        let mut message = Message::new_with_id(sort, self.xid);
        let hundredths = (now - self.began.min(now)) / 10;
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientId(self.duid.clone()));
        options.insert(DhcpOption::ElapsedTime(u16::try_from(hundredths).unwrap_or(u16::MAX)));
        let items = net.map(|net| Item { net, preferred: 0, valid: 0 }).into_iter().collect();
        let is_prefix = self.prefix.is_some();
        let ia = Association { is_prefix, iaid: IAID, t1: 0, t2: 0, items, status: None };
        options.insert(ia.option(""));
        if !matches!(sort, MessageType::Release | MessageType::Decline | MessageType::Confirm) {
            options.insert(DhcpOption::ORO(ORO {
                opts: vec![OptionCode::DomainNameServers, OptionCode::DomainSearchList],
            }));
            if let Some(name) =
                self.hostname.as_deref().filter(|_| !is_prefix).and_then(message::named)
            {
                options.insert(name);
            }
        }
        message
    }

    /// The lease in an answer, if there is one.
    fn lease_of(&self, reply: &Message, server: &[u8]) -> Option<Lease6> {
        let is_prefix = self.prefix.is_some();
        let good = |status: Option<Status>| matches!(status, None | Some(Status::Success));
        let associations = message::associations(reply).into_iter();
        let mut ours = associations
            .filter(|ia| ia.is_prefix == is_prefix && ia.iaid == IAID && good(ia.status));
        let (ia, item) = ours.find_map(|ia| {
            let usable = |item: &&Item| {
                let address = item.net.addr();
                let odd = address.is_unspecified()
                    || address.is_multicast()
                    || address.is_loopback()
                    || address.is_unicast_link_local();
                // Nothing can be cut from a prefix that is longer than that of a link.
                let fits = !is_prefix || (1..=64).contains(&item.net.prefix_len());
                fits && item.valid > 0 && item.preferred <= item.valid && !odd
            };
            let item = *ia.items.iter().find(usable)?;
            Some((ia, item))
        })?;
        if !good(message::status(reply.opts())) {
            return None;
        }
        let share = |tenths: u32| match item.preferred {
            u32::MAX => u32::MAX,
            seconds => (u64::from(seconds) * u64::from(tenths) / 10) as u32,
        };
        // Zero leaves them to the client (RFC 8415, 21.4).
        let t2 = if ia.t2 == 0 { share(8) } else { ia.t2 }.min(item.valid);
        let t1 = if ia.t1 == 0 { share(5) } else { ia.t1 }.min(t2);
        Some(Lease6 {
            address: item.net.network(),
            prefix: is_prefix.then(|| item.net.prefix_len()),
            server: server.to_vec(),
            dns: message::servers(reply),
            search: message::search(reply),
            preferred: item.preferred,
            valid: item.valid,
            t1,
            t2,
        })
    }
}

impl Lease6 {
    /// As people read it.
    pub fn told(&self) -> String {
        self.prefix.map_or_else(|| self.address.to_string(), |_| self.net().to_string())
    }
}

/// That many seconds later; `u32::MAX` is never.
fn after(since: u64, seconds: u32) -> u64 {
    if seconds == u32::MAX { u64::MAX } else { since + u64::from(seconds) * 1000 }
}

#[cfg(test)]
mod tests;
