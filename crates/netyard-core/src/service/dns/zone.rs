//! The yard's own names: of its nodes, of the file's `records:`, of leases.

use std::collections::{HashMap, HashSet}; // looked up, never iterated
use std::net::IpAddr;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::IpNet;

use super::message::Found;
use crate::service::lease::{Lease, LeaseState};
use crate::service::served::Dns;

/// How long others may keep what the zone says, in seconds: leases come and go.
const TTL: u32 = 10;

/// Names and addresses that are asked of nobody else.
#[derive(Debug)]
pub struct Zone {
    domain: Name,
    /// The networks' own addresses: whom they belong to is not asked upstream.
    prefixes: Vec<IpNet>,
    names: HashMap<Name, Vec<IpAddr>>,
    /// Names that have no address, but longer names below them: `b` of `a.b`.
    between: HashSet<Name>,
    owners: HashMap<IpAddr, Name>,
    leases: HashMap<Name, Vec<(IpAddr, u64)>>,
    holders: HashMap<IpAddr, (Name, u64)>,
}

/// True for what can be a name, or a part of one: labels of at most 63 bytes.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && Name::from_utf8(text).is_ok_and(|name| name.num_labels() > 0)
}

impl Zone {
    /// As the configuration says; what cannot be a name is left out.
    pub fn new(config: &Dns, prefixes: Vec<IpNet>) -> Self {
        let mut domain = Name::from_utf8(&config.domain).unwrap_or_else(|_| Name::root());
        domain.set_fqdn(true);
        let mut zone = Self {
            domain,
            prefixes,
            names: HashMap::new(),
            between: HashSet::new(),
            owners: HashMap::new(),
            leases: HashMap::new(),
            holders: HashMap::new(),
        };
        for (name, addresses) in &config.records {
            let Some((short, full)) = zone.names_of(name) else { continue };
            for address in addresses {
                zone.owners.entry(*address).or_insert_with(|| full.clone());
            }
            for name in [short, full] {
                let mut above = name.base_name();
                while !above.is_root() {
                    zone.between.insert(above.clone());
                    above = above.base_name();
                }
                zone.names.entry(name).or_default().extend(addresses);
            }
        }
        zone
    }

    /// A name as it is, and within the domain.
    fn names_of(&self, name: &str) -> Option<(Name, Name)> {
        let mut short = Name::from_utf8(name).ok()?;
        short.set_fqdn(false);
        let full = short.clone().append_domain(&self.domain).ok()?;
        short.set_fqdn(true);
        Some((short.to_lowercase(), full.to_lowercase()))
    }

    /// Takes a lease as it is now: its name is known while it lasts. A name that
    /// the file gives to somebody stays theirs.
    pub fn take(&mut self, lease: &Lease) {
        let address = lease.address;
        if let Some((old, _)) = self.holders.remove(&address) {
            let short = Name::from_labels(old.iter().next()).ok();
            for name in [Some(old), short].into_iter().flatten() {
                if let Some(list) = self.leases.get_mut(&name) {
                    list.retain(|(other, _)| *other != address);
                    if list.is_empty() {
                        self.leases.remove(&name);
                    }
                }
            }
        }
        let is_held = lease.state == LeaseState::Bound && lease.prefix.is_none();
        let Some(name) = lease.name.as_ref().filter(|_| is_held) else { return };
        let Some((short, full)) = self.names_of(name) else { return };
        if self.names.contains_key(&full) {
            return;
        }
        self.holders.insert(address, (full.clone(), lease.until));
        for name in [short, full] {
            self.leases.entry(name).or_default().push((address, lease.until));
        }
    }

    /// What the zone says; none where the question is not about what is its own.
    pub(super) fn find(&self, query: &Query, today: u64) -> Option<Found> {
        let name = query.name();
        let sort = query.query_type();
        if name.is_localhost() {
            return Some(self.localhost(query));
        }
        if let Ok(net) = name.parse_arpa_name() {
            return self.reverse(query, net, today);
        }
        let in_domain = !self.domain.is_root() && self.domain.zone_of(name);
        let known = self.addresses(name, today);
        // Nobody upstream knows an address of a bare name (RFC 8499, "domain-needed").
        let bare = name.num_labels() == 1 && matches!(sort, RecordType::A | RecordType::AAAA);
        if known.is_none() && !in_domain && !bare {
            return None;
        }
        let is_apex = *name == self.domain;
        let any = sort == RecordType::ANY;
        let mut answers: Vec<Record> = Vec::new();
        for address in known.iter().flatten() {
            let data = match address {
                IpAddr::V4(four) if any || sort == RecordType::A => RData::A(A(*four)),
                IpAddr::V6(six) if any || sort == RecordType::AAAA => RData::AAAA(AAAA(*six)),
                _ => continue,
            };
            answers.push(Record::from_rdata(name.clone(), TTL, data));
        }
        if is_apex && (any || sort == RecordType::SOA) {
            answers.push(self.authority());
        }
        let exists = known.is_some() || is_apex || self.between.contains(name);
        Some(self.found(exists, answers))
    }

    fn addresses(&self, name: &Name, today: u64) -> Option<Vec<IpAddr>> {
        if let Some(list) = self.names.get(name) {
            return Some(list.clone());
        }
        let list = self.leases.get(name)?.iter().filter(|(_, until)| *until > today);
        let list: Vec<IpAddr> = list.map(|(address, _)| *address).collect();
        (!list.is_empty()).then_some(list)
    }

    fn reverse(&self, query: &Query, net: IpNet, today: u64) -> Option<Found> {
        let is_whole = net.prefix_len() == net.max_prefix_len();
        let owner = is_whole.then(|| self.owner(net.addr(), today)).flatten();
        let is_ours = self.prefixes.iter().any(|prefix| prefix.contains(&net));
        if owner.is_none() && !is_ours {
            return None;
        }
        let exists = owner.is_some() || !is_whole;
        let wanted = matches!(query.query_type(), RecordType::PTR | RecordType::ANY);
        let answers = owner.filter(|_| wanted).map(|name| {
            Record::from_rdata(query.name().clone(), TTL, RData::PTR(PTR(name.clone())))
        });
        Some(self.found(exists, answers.into_iter().collect()))
    }

    fn owner(&self, address: IpAddr, today: u64) -> Option<&Name> {
        let held = || self.holders.get(&address).filter(|(_, until)| *until > today);
        self.owners.get(&address).or_else(|| held().map(|(name, _)| name))
    }

    /// RFC 6761, section 6.3.
    fn localhost(&self, query: &Query) -> Found {
        let any = query.query_type() == RecordType::ANY;
        let four = RData::A(A(std::net::Ipv4Addr::LOCALHOST));
        let six = RData::AAAA(AAAA(std::net::Ipv6Addr::LOCALHOST));
        let all = [(RecordType::A, four), (RecordType::AAAA, six)].into_iter();
        let wanted = all.filter(|(sort, _)| any || *sort == query.query_type());
        let record = |data| Record::from_rdata(query.name().clone(), TTL, data);
        self.found(true, wanted.map(|(_, data)| record(data)).collect())
    }

    fn found(&self, exists: bool, answers: Vec<Record>) -> Found {
        let authorities = match answers.is_empty() {
            true => vec![self.authority()],
            false => Vec::new(),
        };
        let code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
        Found { code, authoritative: true, authentic: false, answers, authorities }
    }

    /// What tells others how long to remember that there is nothing (RFC 2308).
    fn authority(&self) -> Record {
        let below =
            |label: &str| self.domain.prepend_label(label).unwrap_or_else(|_| self.domain.clone());
        let soa = SOA::new(below("ns"), below("hostmaster"), 1, 3600, 600, 86_400, TTL);
        Record::from_rdata(self.domain.clone(), TTL, RData::SOA(soa))
    }
}
