//! DHCPv6 (RFC 8415): addresses and delegated prefixes. A packet and the time in;
//! what is sent and what changes among the leases out.
//!
//! ```yaml
//! networks:
//!   lan:
//!     dhcp6: { range: "fd00:1::1000-fd00:1::1fff", lease: 12h, prefix-delegation: { pool: fd00:1:8000::/49, length: 64 } }
//! ```
//!
//! A client is its DUID and the number of its association: one machine may have
//! several addresses. An address reserved for a hardware address is given by that
//! in the DUID, or in the link-local address the message came from.
//!
//! Which address a client gets follows from who it is, so that an offer need not
//! be remembered, and a client finds its address again though the leases be lost.

pub mod message;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, Message, MessageType, OptionCode, Status};
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::lease::{Lease, LeaseState};
use crate::addr::Mac;
use crate::name::{FullName, fnv1a};
use message::{Association, Item, Statused as _};

/// How long nobody gets an address that was found to be somebody else's, in seconds.
const QUARANTINE: u64 = 600;
/// How many addresses of a wide range are tried before it counts as full.
const TRIES: u128 = 65_536;

/// DHCPv6 on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dhcp6 {
    /// What is on the link.
    pub prefixes: Vec<Ipv6Net>,
    /// First and last address of each range, inclusive, in order; none: only
    /// those that are reserved, and prefixes.
    pub ranges: Vec<(Ipv6Addr, Ipv6Addr)>,
    /// How long a lease lasts, in seconds; `u32::MAX` is for ever.
    pub lease: u32,
    /// Addresses that are one client's alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reserved6>,
    /// Addresses within the ranges that are never given to anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Ipv6Addr>,
    /// Prefixes for routers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Delegation>,
    /// Name servers (option 23).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<Ipv6Addr>,
    /// Domains that are tried after a short name (option 24).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// An address that is one client's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved6 {
    /// The client, by its hardware address.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv6Addr,
    /// Its name, where it is a node of the yard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Prefixes for routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// What they are cut from.
    pub pool: Ipv6Net,
    /// The length of each; at least that of the pool.
    pub length: u8,
}

impl Delegation {
    /// How many there are; all ones where there are more.
    pub fn count(&self) -> u64 {
        1_u64
            .checked_shl(u32::from(self.length.saturating_sub(self.pool.prefix_len())))
            .unwrap_or(u64::MAX)
    }

    /// The one of that number, from 0.
    fn nth(&self, number: u64) -> Ipv6Net {
        let start = u128::from(self.pool.network());
        let step = u128::from(number).checked_shl(u32::from(128 - self.length)).unwrap_or(0);
        Ipv6Net::new_assert((start | step).into(), self.length.min(128))
    }

    fn has(&self, net: Ipv6Net) -> bool {
        net.prefix_len() == self.length && self.pool.contains(&net) && net.trunc() == net
    }
}

/// What came of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The UDP payload for who sent the packet, to be sent once `changes` are on disk.
    pub reply: Option<Vec<u8>>,
    /// Leases as they are now.
    pub changes: Vec<Lease>,
    /// Something the owner of the network should read.
    pub notes: Vec<Note>,
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// No address is left for a client from that address.
    NoAddress(Ipv6Addr),
    /// No prefix is left, likewise.
    NoPrefix(Ipv6Addr),
    /// A client found its address in use by somebody else.
    InUse(Ipv6Addr, Ipv6Addr),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(from) => write!(
                f,
                "no IPv6 address is left for {from}: all of the range are leased; a wider `range` or a shorter `lease` helps"
            ),
            Self::NoPrefix(from) => write!(
                f,
                "no prefix is left for {from}: all of the pool are delegated; a greater `pool` or a longer `length` helps"
            ),
            Self::InUse(address, from) => write!(
                f,
                "{from} found {address} in use by somebody who has no lease for it; nobody gets it for 10 minutes"
            ),
        }
    }
}

/// The addresses and prefixes of one network, and who has them.
#[derive(Debug)]
pub struct Pool {
    network: FullName,
    config: Dhcp6,
    /// The server's identifier.
    duid: Vec<u8>,
    leases: BTreeMap<Ipv6Net, Lease>,
    /// Until then, no address is free.
    full_until: u64,
}

/// A message of a client, and what is known of him.
struct Asked<'m> {
    message: &'m Message,
    duid: &'m [u8],
    from: Ipv6Addr,
    mac: Option<Mac>,
    now: u64,
}

impl Asked<'_> {
    /// Who an association belongs to, as leases say it.
    fn client(&self, ia: &Association) -> String {
        format!("{}-{:08x}", message::hex(self.duid), ia.iaid)
    }
}

impl Pool {
    /// A network with the leases it had; those of other networks and of IPv4 are
    /// passed over.
    pub fn new(
        network: FullName,
        config: Dhcp6,
        duid: Vec<u8>,
        leases: impl IntoIterator<Item = Lease>,
    ) -> Self {
        let mut pool = Self { network, config, duid, leases: BTreeMap::new(), full_until: 0 };
        for lease in leases {
            let Some(net) = net_of(&lease).filter(|_| lease.network == pool.network) else {
                continue;
            };
            if pool.may_have(net) {
                pool.leases.insert(net, lease);
            }
        }
        pool
    }

    /// What it was told.
    pub fn config(&self) -> &Dhcp6 {
        &self.config
    }

    /// What is delegated now, and to which router on the link.
    pub fn delegated(&self, now: u64) -> impl Iterator<Item = (Ipv6Net, Ipv6Addr)> {
        let held = self
            .leases
            .iter()
            .filter(move |(_, lease)| lease.prefix.is_some() && lease.is_held(now));
        held.filter_map(|(net, lease)| Some((*net, lease.via?)))
    }

    /// When the next of the delegated prefixes comes back, in seconds since 1970.
    pub fn next_return(&self, now: u64) -> Option<u64> {
        let held =
            self.leases.values().filter(|lease| lease.prefix.is_some() && lease.is_held(now));
        held.map(|lease| lease.until).filter(|until| *until != u64::MAX).min()
    }

    /// What becomes of a packet; `now` in seconds since 1970. What is no request
    /// of a client leaves everything as it is.
    pub fn receive(&mut self, packet: &[u8], from: Ipv6Addr, now: u64) -> Answer {
        self.answer(packet, from, now).unwrap_or_default()
    }

    /// None for what RFC 8415, section 16, says to pass over.
    fn answer(&mut self, packet: &[u8], from: Ipv6Addr, now: u64) -> Option<Answer> {
        let message = message::read(packet)?;
        let sort = message.msg_type();
        let server = message::server(&message);
        if server.is_some_and(|server| server != self.duid) {
            return None;
        }
        let client = message::client(&message);
        if sort == MessageType::InformationRequest {
            return message::associations(&message)
                .is_empty()
                .then(|| self.inform(&message, client));
        }
        let duid = client?;
        let mac = message::mac(duid, from);
        let asked = Asked { message: &message, duid, from, mac, now };
        match (sort, server.is_some()) {
            (MessageType::Solicit, false) => Some(self.solicit(&asked)),
            (MessageType::Request, true) => Some(self.grant(&asked, MessageType::Reply, false)),
            (MessageType::Renew, true) => Some(self.grant(&asked, MessageType::Reply, true)),
            (MessageType::Rebind, false) => Some(self.grant(&asked, MessageType::Reply, true)),
            (MessageType::Confirm, false) => self.confirm(&asked),
            (MessageType::Release, true) => Some(self.give_back(&asked, LeaseState::Released)),
            (MessageType::Decline, true) => Some(self.give_back(&asked, LeaseState::Declined)),
            _ => None,
        }
    }

    /// An offer; with rapid commit, the lease.
    fn solicit(&mut self, asked: &Asked<'_>) -> Answer {
        let rapid = asked.message.opts().get(OptionCode::RapidCommit).is_some();
        if rapid {
            let answer = self.grant(asked, MessageType::Reply, false);
            if !answer.changes.is_empty() {
                return answer;
            }
        }
        self.grant(asked, MessageType::Advertise, false)
    }

    /// Gives each association what it can have; only a reply binds.
    fn grant(&mut self, asked: &Asked<'_>, sort: MessageType, again: bool) -> Answer {
        let mut answer = Answer::default();
        let mut reply = self.reply(asked.message, sort, Some(asked.duid));
        for ia in message::associations(asked.message) {
            let client = asked.client(&ia);
            let chosen = if ia.is_prefix {
                self.choose_prefix(&ia, &client, asked.now)
            } else {
                self.choose(&ia, &client, asked)
            };
            let mut given =
                Association { items: Vec::new(), t1: 0, t2: 0, status: None, ..ia.clone() };
            let mut why = "";
            match chosen {
                Some(net) => {
                    given.items.push(self.item(net));
                    (given.t1, given.t2) = self.times();
                    if sort == MessageType::Reply {
                        answer.changes.push(self.bind(net, client, asked));
                    }
                }
                None => {
                    why = if ia.is_prefix { "no prefix is left" } else { "no address is left" };
                    given.status = Some(if ia.is_prefix {
                        Status::NoPrefixAvail
                    } else {
                        Status::NoAddrsAvail
                    });
                    if self.gives(ia.is_prefix) {
                        answer.notes.push(if ia.is_prefix {
                            Note::NoPrefix(asked.from)
                        } else {
                            Note::NoAddress(asked.from)
                        });
                    }
                }
            }
            // What the client holds and cannot keep ends at once (RFC 8415, 18.3.4).
            if again {
                let lost = ia.items.iter().filter(|item| Some(item.net) != chosen);
                given.items.extend(lost.map(|item| Item { preferred: 0, valid: 0, ..*item }));
            }
            reply.opts_mut().insert(given.option(why));
        }
        if sort == MessageType::Reply && asked.message.msg_type() == MessageType::Solicit {
            reply.opts_mut().insert(DhcpOption::RapidCommit);
        }
        answer.reply = message::bytes(&reply);
        answer
    }

    /// True when there is anything of that sort.
    fn gives(&self, is_prefix: bool) -> bool {
        if is_prefix { self.config.delegation.is_some() } else { !self.config.ranges.is_empty() }
    }

    fn item(&self, net: Ipv6Net) -> Item {
        Item { net, preferred: self.config.lease, valid: self.config.lease }
    }

    /// Half and four fifths of the lease (RFC 8415, 21.4).
    fn times(&self) -> (u32, u32) {
        match self.config.lease {
            u32::MAX => (u32::MAX, u32::MAX),
            lease => (lease / 2, lease - lease / 5),
        }
    }

    fn bind(&mut self, net: Ipv6Net, client: String, asked: &Asked<'_>) -> Lease {
        let is_address =
            net.prefix_len() == 128 && self.config.delegation.is_none_or(|d| !d.has(net));
        let until = match self.config.lease {
            u32::MAX => u64::MAX,
            lease => asked.now + u64::from(lease),
        };
        let reserved = self.config.reserved.iter().find(|r| r.address == net.addr() && is_address);
        let lease = Lease {
            network: self.network.clone(),
            address: net.addr().into(),
            prefix: (!is_address).then_some(net.prefix_len()),
            client,
            mac: asked.mac,
            name: reserved.and_then(|r| r.name.clone()).or_else(|| message::name(asked.message)),
            until,
            state: LeaseState::Bound,
            via: (!is_address).then_some(asked.from),
        };
        self.leases.insert(net, lease.clone());
        lease
    }

    /// The address for an association: the one reserved for it, the one it had,
    /// the one it wishes for, one that follows from who it is.
    fn choose(&mut self, ia: &Association, client: &str, asked: &Asked<'_>) -> Option<Ipv6Net> {
        let reserved = self.config.reserved.iter().find(|r| Some(r.mac) == asked.mac);
        if let Some(net) = reserved.map(|r| Ipv6Net::from(r.address)) {
            // A second association of the same machine has another address.
            if self.is_free(net, client, asked.now) {
                return Some(net);
            }
        }
        let had =
            self.leases.iter().find(|(_, lease)| lease.prefix.is_none() && lease.client == client);
        let had = had.filter(|(_, lease)| lease.state != LeaseState::Declined).map(|(net, _)| *net);
        let wished = ia.items.iter().map(|item| item.net);
        let good = had
            .into_iter()
            .chain(wished)
            .find(|net| self.may_give(*net) && self.is_free(*net, client, asked.now));
        good.or_else(|| self.any(client, asked.now))
    }

    fn any(&mut self, client: &str, now: u64) -> Option<Ipv6Net> {
        if now < self.full_until {
            return None;
        }
        let sizes: Vec<u128> =
            self.config.ranges.iter().map(|(first, last)| size(*first, *last)).collect();
        let total = sizes.iter().fold(0u128, |sum, size| sum.saturating_add(*size));
        if total == 0 {
            return None;
        }
        let start = u128::from(fnv1a(&[client.as_bytes()])) % total;
        for step in 0..total.min(TRIES) {
            let mut at = (start + step) % total;
            let range = sizes.iter().position(|size| {
                let within = at < *size;
                at -= if within { 0 } else { *size };
                within
            })?;
            let net = Ipv6Net::from(Ipv6Addr::from(u128::from(self.config.ranges[range].0) + at));
            if self.may_give(net) && self.is_free(net, client, now) {
                return Some(net);
            }
        }
        // A full range is not walked through for every packet.
        self.full_until = now + 1;
        None
    }

    /// The prefix for an association: the one it had, the one it wishes for, the
    /// first that is free.
    fn choose_prefix(&self, ia: &Association, client: &str, now: u64) -> Option<Ipv6Net> {
        let delegation = self.config.delegation?;
        let had =
            self.leases.iter().find(|(_, lease)| lease.prefix.is_some() && lease.client == client);
        let wished = ia.items.iter().map(|item| item.net);
        let mut good = had.map(|(net, _)| *net).into_iter().chain(wished);
        let good = good.find(|net| delegation.has(*net) && self.is_free(*net, client, now));
        let all = (0..delegation.count().min(TRIES as u64)).map(|number| delegation.nth(number));
        good.or_else(|| all.into_iter().find(|net| self.is_free(*net, client, now)))
    }

    /// An address that may be given to who has none reserved.
    fn may_give(&self, net: Ipv6Net) -> bool {
        let address = net.addr();
        let within =
            self.config.ranges.iter().any(|(first, last)| (*first..=*last).contains(&address));
        net.prefix_len() == 128
            && within
            && !self.config.taken.contains(&address)
            && self.config.reserved.iter().all(|r| r.address != address)
    }

    /// True where a lease of it means something here.
    fn may_have(&self, net: Ipv6Net) -> bool {
        let reserved = || self.config.reserved.iter().any(|r| Ipv6Net::from(r.address) == net);
        self.config.delegation.is_some_and(|d| d.has(net)) || self.may_give(net) || reserved()
    }

    fn is_free(&self, net: Ipv6Net, client: &str, now: u64) -> bool {
        self.leases.get(&net).is_none_or(|lease| match lease.state {
            LeaseState::Bound => lease.client == client || lease.until <= now,
            LeaseState::Released => true,
            LeaseState::Declined => lease.until <= now,
        })
    }

    /// Are these addresses of this link? Prefixes are not asked for so.
    fn confirm(&self, asked: &Asked<'_>) -> Option<Answer> {
        let items: Vec<Item> =
            message::associations(asked.message).into_iter().flat_map(|ia| ia.items).collect();
        if items.is_empty() {
            return None;
        }
        let on_link =
            |item: &Item| self.config.prefixes.iter().any(|prefix| prefix.contains(&item.net));
        let (status, why) = match items.iter().all(on_link) {
            true => (Status::Success, "all addresses are of this link"),
            false => (Status::NotOnLink, "an address is not of this link"),
        };
        let mut reply = self.reply(asked.message, MessageType::Reply, Some(asked.duid));
        reply.opts_mut().extend_status(Some(status), why);
        Some(Answer { reply: message::bytes(&reply), ..Answer::default() })
    }

    fn give_back(&mut self, asked: &Asked<'_>, state: LeaseState) -> Answer {
        let mut answer = Answer::default();
        let mut reply = self.reply(asked.message, MessageType::Reply, Some(asked.duid));
        for ia in message::associations(asked.message) {
            let client = asked.client(&ia);
            let mut found = false;
            for item in &ia.items {
                let Some(lease) = self.leases.get_mut(&item.net) else { continue };
                if lease.client != client || lease.state != LeaseState::Bound {
                    continue;
                }
                found = true;
                lease.state = state;
                lease.until = asked.now;
                if state == LeaseState::Declined {
                    lease.until += QUARANTINE;
                    answer.notes.push(Note::InUse(item.net.addr(), asked.from));
                }
                answer.changes.push(lease.clone());
                self.full_until = 0;
            }
            if !found {
                let none = Association {
                    items: Vec::new(),
                    t1: 0,
                    t2: 0,
                    status: Some(Status::NoBinding),
                    ..ia
                };
                reply.opts_mut().insert(none.option("no such lease"));
            }
        }
        reply.opts_mut().extend_status(Some(Status::Success), "");
        answer.reply = message::bytes(&reply);
        answer
    }

    fn inform(&self, message: &Message, client: Option<&[u8]>) -> Answer {
        let reply = self.reply(message, MessageType::Reply, client);
        Answer { reply: message::bytes(&reply), ..Answer::default() }
    }

    /// The head of a reply, with what everybody is told.
    fn reply(&self, asked: &Message, sort: MessageType, client: Option<&[u8]>) -> Message {
        let mut reply = message::message(sort, asked.xid(), client, &self.duid);
        let options = reply.opts_mut();
        if !self.config.dns.is_empty() && message::wishes(asked, OptionCode::DomainNameServers) {
            options.insert(DhcpOption::DomainNameServers(self.config.dns.clone()));
        }
        let search = self.config.search.iter().filter_map(|name| {
            hickory_proto::rr::Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()
        });
        let search: Vec<_> = search.collect();
        if !search.is_empty() && message::wishes(asked, OptionCode::DomainSearchList) {
            options.insert(DhcpOption::DomainSearchList(search));
        }
        reply
    }
}

/// What a lease is of: an address has 128 bits.
fn net_of(lease: &Lease) -> Option<Ipv6Net> {
    let std::net::IpAddr::V6(address) = lease.address else { return None };
    Ipv6Net::new(address, lease.prefix.unwrap_or(128)).ok()
}

fn size(first: Ipv6Addr, last: Ipv6Addr) -> u128 {
    (u128::from(last)).saturating_sub(u128::from(first)).saturating_add(1)
}

#[cfg(test)]
mod tests;
