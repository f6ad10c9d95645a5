//! DHCPv4 (RFC 2131, RFC 2132): a packet and the time in; what is sent and what
//! changes among the leases out.
//!
//! ```yaml
//! networks:
//!   lan:
//!     dhcp: { range: 10.1.0.100-10.1.0.199, lease: 12h, static: { h1: 10.1.0.7 } }
//! ```
//!
//! Who a client is: its client identifier (option 61), or its hardware address
//! where it sends none. Machines copied from one image send the same identifier
//! from different hardware addresses; while one of them holds its lease, the
//! other counts as another client, and the log says so. An address reserved for
//! a hardware address is that client's whatever identifier it sends, so that a
//! boot loader and the system it loads get the same.
//!
//! The server is authoritative: it refuses (DHCPNAK) what a client of this
//! network asks for and cannot have, and it grants an address that is free to a
//! client that remembers it, though the leases may be lost.

mod choose;
mod message;
mod options;

use std::collections::{BTreeMap, HashMap}; // the HashMaps are looked up, never iterated
use std::fmt;
use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::lease::{Lease, LeaseState};
use super::served::{Dhcp4, Reserved};
use crate::addr::Mac;
use crate::name::FullName;
use message::Request;

pub use message::relay_of;
pub use options::{OptionForm, form as option_form, named as named_option, names as option_names};

/// How long an offer keeps its address for the client, in seconds.
const OFFER: u64 = 30;
/// How long nobody gets an address that was found to be somebody else's, in seconds.
const QUARANTINE: u64 = 600;
/// Offers that wait at most; beyond, the oldest go.
const OFFERS: usize = 4096;

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the relay agent, port 67.
    Relay(Ipv4Addr),
    /// To a client that has its address, port 68.
    Client(Ipv4Addr),
    /// To a client that does not have this address yet, by its hardware address.
    Hardware(Mac, Ipv4Addr),
    /// To all, port 68.
    Broadcast,
}

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes.
    pub to: To,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// What came of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// To be sent once `changes` are on disk.
    pub reply: Option<Reply>,
    /// Leases as they are now.
    pub changes: Vec<Lease>,
    /// Something the owner of the network should read.
    pub note: Option<Note>,
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// No address is left for that client.
    Exhausted(Mac),
    /// A client found its address in use by somebody else.
    InUse(Ipv4Addr, Mac),
    /// A client has the identifier of another one that holds a lease.
    SameIdentifier(Mac, Mac),
    /// A client that holds a lease has another name than it had: before, and now.
    OtherName(Mac, String, String),
    /// The address reserved for a client is held by another one.
    ReservedHeld(Ipv4Addr, Mac),
    /// A client chose the offer of another server.
    OtherServer(Ipv4Addr, Mac),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(mac) => write!(
                f,
                "no address is left for {mac}: all of the range are leased; a wider `range` or a shorter `lease` helps"
            ),
            Self::InUse(address, mac) => write!(
                f,
                "{mac} found {address} in use by somebody who has no lease for it; nobody gets it for 10 minutes"
            ),
            Self::SameIdentifier(mac, other) => write!(
                f,
                "{mac} sends the client identifier of {other}, perhaps a copy of the same machine; each gets an address of its own"
            ),
            Self::OtherName(mac, before, now) => write!(
                f,
                "{mac} calls itself `{now}` and was `{before}`: if those are two machines, they have one hardware address, get one IPv4 address, and disturb each other"
            ),
            Self::OtherServer(server, mac) => write!(
                f,
                "{mac} chose the offer of {server}: another DHCP server answers on this network"
            ),
            Self::ReservedHeld(address, mac) => write!(
                f,
                "{address} is reserved for {mac}, but another client still holds a lease of it"
            ),
        }
    }
}

/// The addresses of one network, and who has them.
#[derive(Debug)]
pub struct Pool {
    network: FullName,
    config: Dhcp4,
    reserved: HashMap<Mac, Reserved>,
    owners: HashMap<Ipv4Addr, Mac>,
    leases: BTreeMap<Ipv4Addr, Lease>,
    /// The address a client had last.
    clients: HashMap<String, Ipv4Addr>,
    offers: BTreeMap<Ipv4Addr, Offer>,
    /// Until then, nothing is free.
    full_until: u64,
}

/// An address kept for a client that may ask for it.
#[derive(Clone, Debug)]
struct Offer {
    client: String,
    until: u64,
}

impl Pool {
    /// A network with the leases it had; those of other networks and families are
    /// passed over.
    pub fn new(network: FullName, config: Dhcp4, leases: impl IntoIterator<Item = Lease>) -> Self {
        let reserved = config.reserved.iter().map(|r| (r.mac, r.clone())).collect();
        let owners = config.reserved.iter().map(|r| (r.address, r.mac)).collect();
        let mut pool = Self {
            network,
            config,
            reserved,
            owners,
            leases: BTreeMap::new(),
            clients: HashMap::new(),
            offers: BTreeMap::new(),
            full_until: 0,
        };
        for lease in leases {
            let std::net::IpAddr::V4(address) = lease.address else { continue };
            if lease.network == pool.network && pool.config.subnet.contains(&address) {
                pool.clients.insert(lease.client.clone(), address);
                pool.leases.insert(address, lease);
            }
        }
        pool
    }

    /// The network that its addresses are of.
    pub fn network(&self) -> &FullName {
        &self.network
    }

    /// What it was told.
    pub fn config(&self) -> &Dhcp4 {
        &self.config
    }

    /// What becomes of a packet; `now` in seconds since 1970. What is no request
    /// of a client leaves everything as it is.
    pub fn receive(&mut self, packet: &[u8], now: u64) -> Answer {
        let Some(mut request) = Request::read(packet) else { return Answer::default() };
        let note = self.tell_apart(&mut request, now);
        let mut answer = match request.sort {
            MessageType::Discover => self.discover(&request, now),
            MessageType::Request => self.request(&request, now),
            MessageType::Decline => self.decline(&request, now),
            MessageType::Release => self.release(&request, now),
            MessageType::Inform => self.inform(&request),
            _ => Answer::default(),
        };
        answer.note = answer.note.or(note);
        answer
    }

    /// Gives a client that has another's identifier one of its own. With its hardware
    /// address, too, nothing but its name tells it apart.
    fn tell_apart(&self, request: &mut Request<'_>, now: u64) -> Option<Note> {
        let held = self.clients.get(&request.client).and_then(|a| self.leases.get(a))?;
        if held.mac == Some(request.mac) {
            let asks = matches!(request.sort, MessageType::Discover | MessageType::Request);
            let of_file = self.reserved.get(&request.mac).is_some_and(|r| r.name.is_some());
            let (before, name) = (held.name.clone()?, request.name.clone()?);
            let differs = before != name && asks && !of_file && held.is_held(now);
            return differs.then_some(Note::OtherName(request.mac, before, name));
        }
        let other = held.mac.filter(|mac| *mac != request.mac && held.is_held(now))?;
        let own = format!("{}-{}", request.client, message::hex(&request.mac.0));
        let is_new = !self.clients.contains_key(&own);
        request.client = own;
        is_new.then_some(Note::SameIdentifier(request.mac, other))
    }

    fn discover(&mut self, request: &Request<'_>, now: u64) -> Answer {
        let (address, note) = self.choose(request, now);
        let Some(address) = address else { return Answer { note, ..Answer::default() } };
        self.offers.retain(|_, offer| offer.until > now && offer.client != request.client);
        while self.offers.len() >= OFFERS {
            self.offers.pop_first();
        }
        self.offers.insert(address, Offer { client: request.client.clone(), until: now + OFFER });
        let reply = message::reply(&self.config, request, MessageType::Offer, Some(address));
        Answer { reply, note, changes: Vec::new() }
    }

    /// Selecting, after a reboot, renewing and rebinding (RFC 2131, 4.3.2).
    fn request(&mut self, request: &Request<'_>, now: u64) -> Answer {
        if let Some(server) = request.server.filter(|server| *server != self.config.server) {
            self.offers.retain(|_, offer| offer.client != request.client);
            // By a relay agent several servers may be asked on purpose.
            let note = (!request.is_relayed()).then_some(Note::OtherServer(server, request.mac));
            return Answer { note, ..Answer::default() };
        }
        let wanted = request.requested.or(request.ciaddr);
        let Some(address) = wanted else { return Answer::default() };
        if !self.may_have(request, address, now) {
            let reply = message::reply(&self.config, request, MessageType::Nak, None);
            return Answer { reply, ..Answer::default() };
        }
        let changes = self.bind(request, address, now);
        let reply = message::reply(&self.config, request, MessageType::Ack, Some(address));
        Answer { reply, changes, note: None }
    }

    /// The lease, and the end of the one that it takes the place of.
    fn bind(&mut self, request: &Request<'_>, address: Ipv4Addr, now: u64) -> Vec<Lease> {
        let mut changes = Vec::new();
        let before = self.clients.insert(request.client.clone(), address);
        if let Some(old) = before.filter(|old| *old != address)
            && let Some(lease) = self.leases.get_mut(&old)
            && lease.client == request.client
            && lease.state == LeaseState::Bound
        {
            lease.state = LeaseState::Released;
            lease.until = now;
            changes.push(lease.clone());
        }
        self.offers.remove(&address);
        let time = message::lease_time(&self.config, request);
        let until = if time == u32::MAX { u64::MAX } else { now + u64::from(time) };
        let known = self.reserved.get(&request.mac).filter(|r| r.address == address);
        let name = match known.and_then(|r| r.name.clone()) {
            Some(name) => Some(name),
            None => request.name.clone(),
        };
        let lease = Lease {
            network: self.network.clone(),
            address: address.into(),
            prefix: None,
            client: request.client.clone(),
            mac: Some(request.mac),
            name,
            until,
            state: LeaseState::Bound,
            via: None,
        };
        if let Some(replaced) = self.leases.insert(address, lease.clone())
            && replaced.client != lease.client
            && self.clients.get(&replaced.client) == Some(&address)
        {
            self.clients.remove(&replaced.client);
        }
        changes.push(lease);
        changes
    }

    fn decline(&mut self, request: &Request<'_>, now: u64) -> Answer {
        let theirs = request.server.is_none_or(|server| server == self.config.server);
        let Some(address) = request.requested.filter(|_| theirs) else { return Answer::default() };
        let offered = self.offers.get(&address).is_some_and(|o| o.client == request.client);
        let Some(lease) = self.leases.get_mut(&address) else { return Answer::default() };
        if lease.client != request.client && !offered {
            return Answer::default();
        }
        lease.state = LeaseState::Declined;
        lease.until = now + QUARANTINE;
        let changes = vec![lease.clone()];
        self.offers.remove(&address);
        self.clients.remove(&request.client);
        Answer { changes, note: Some(Note::InUse(address, request.mac)), reply: None }
    }

    fn release(&mut self, request: &Request<'_>, now: u64) -> Answer {
        let lease = request.ciaddr.and_then(|address| self.leases.get_mut(&address));
        let own = lease.filter(|l| l.client == request.client && l.state == LeaseState::Bound);
        let Some(lease) = own else { return Answer::default() };
        lease.state = LeaseState::Released;
        lease.until = now;
        self.full_until = 0;
        Answer { changes: vec![lease.clone()], ..Answer::default() }
    }

    /// A client that has an address of its own asks for the rest.
    fn inform(&self, request: &Request<'_>) -> Answer {
        if request.ciaddr.is_none() {
            return Answer::default();
        }
        let reply = message::reply(&self.config, request, MessageType::Ack, None);
        Answer { reply, ..Answer::default() }
    }
}

#[cfg(test)]
mod tests;
