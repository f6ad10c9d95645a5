//! Pools: the prefixes out of which networks and links get theirs.
//!
//! They are, in this order: those of the file, and no others; else those that
//! the yard used when it was last brought up; else, and when those are used up,
//! private prefixes picked by a hash of the yard's name that touch neither the
//! host's routes nor what the file says: a 10.x.0.0/16, larger for a yard that
//! needs it, and an fdxx:xxxx:xxxx::/48 (RFC 4193).
//!
//! Networks are cut from the start of a pool upwards. Links are cut from the
//! middle of an IPv4 pool upwards and from the first /64 of an IPv6 one, so that
//! a new network moves no link, nor a new link a network. All is first fit in
//! the order of the file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::prefix::PrefixMap;
use crate::facts::Facts;
use crate::name::fnv1a;

/// Picks that are tried before a plain search from the start.
const TRIES: u32 = 1024;

/// What a prefix is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Network,
    Link,
}

/// Cuts prefixes that overlap nothing in the file and no other one that it cut.
pub(super) struct Pools<'f> {
    yard: String,
    facts: &'f Facts,
    host_routes: PrefixMap<()>,
    /// True when the file names none: then more can be picked.
    may_pick: bool,
    pools: Vec<Pool>,
    taken: PrefixMap<()>,
    /// The IPv4 addresses that the whole yard will need.
    demand: u64,
}

struct Pool {
    prefix: IpNet,
    /// By [`Use`].
    cursors: [Cursor; 2],
}

/// A search that goes upwards from the middle of a pool and then once around.
#[derive(Clone, Copy)]
struct Cursor {
    next: u128,
    wrapped: bool,
    /// The longest prefix length that was not to be had.
    failed: Option<u8>,
}

impl<'f> Pools<'f> {
    /// `given` are the pools of the file, `taken` what the file says elsewhere.
    pub fn new(
        yard: &str,
        given: Vec<IpNet>,
        facts: &'f Facts,
        taken: PrefixMap<()>,
        demand: u64,
    ) -> Self {
        let may_pick = given.is_empty();
        let pools = if may_pick { facts.recorded_pools.clone() } else { given };
        let mut host_routes = PrefixMap::default();
        for route in &facts.host_routes {
            host_routes.insert(route.destination, ());
        }
        let pools = pools.into_iter().map(Pool::new).collect();
        Self { yard: yard.to_owned(), facts, host_routes, may_pick, pools, taken, demand }
    }

    /// The pools, picked ones last.
    pub fn prefixes(&self) -> Vec<IpNet> {
        self.pools.iter().map(|p| p.prefix).collect()
    }

    /// True when addresses of that family can be had at all.
    pub fn has_family(&self, v6: bool) -> bool {
        self.may_pick || self.pools.iter().any(|p| is_v6(p.prefix) == v6)
    }

    /// Cuts the next free prefix of that length.
    pub fn take(&mut self, v6: bool, length: u8, purpose: Use) -> Option<IpNet> {
        for pool in &mut self.pools {
            if is_v6(pool.prefix) == v6
                && let Some(found) = pool.take(length, purpose, &self.taken)
            {
                self.taken.insert(found, ());
                return Some(found);
            }
        }
        if !self.may_pick {
            return None;
        }
        let picked = if v6 { self.pick_v6() } else { self.pick_v4(length) };
        let mut pool = Pool::new(picked?);
        let found = pool.take(length, purpose, &self.taken);
        self.pools.push(pool);
        self.taken.insert(found?, ());
        found
    }

    fn is_free(&self, prefix: IpNet) -> bool {
        self.host_routes.overlap(prefix).is_none()
            && self.taken.overlap(prefix).is_none()
            && !self.facts.recorded_pools.iter().any(|p| overlaps(*p, prefix))
            && !self.pools.iter().any(|p| overlaps(p.prefix, prefix))
    }

    fn hash(&self, family: &[u8], attempt: u32) -> u64 {
        fnv1a(&[self.yard.as_bytes(), family, &attempt.to_le_bytes()])
    }

    fn pick_v4(&self, wanted: u8) -> Option<IpNet> {
        let needed = self.demand.max(1).next_power_of_two().trailing_zeros().min(24);
        let length = 16.min(32 - needed as u8).min(wanted).max(8);
        let ten = |index: u32| net4((10 << 24) | (index << (32 - u32::from(length))), length);
        let count = 1_u32 << (length - 8);
        let hashed = (0..TRIES).map(|n| ten((self.hash(b"v4", n) % u64::from(count)) as u32));
        let rest = (0..count).map(ten);
        let others =
            [(0xac10_0000_u32, 12_u8), (0xc0a8_0000, 16)].into_iter().flat_map(|(start, own)| {
                let count = if length < own { 0 } else { 1_u32 << (length - own) };
                (0..count).map(move |n| net4(start | (n << (32 - u32::from(length))), length))
            });
        hashed.chain(rest).chain(others).find(|p| self.is_free(*p))
    }

    fn pick_v6(&self) -> Option<IpNet> {
        let unique = |n: u32| {
            let global = u128::from(self.hash(b"v6", n) & 0xff_ffff_ffff);
            net6((0xfd << 120) | (global << 80), 48)
        };
        (0..TRIES).map(unique).find(|p| self.is_free(*p))
    }
}

impl Pool {
    fn new(prefix: IpNet) -> Self {
        let prefix = prefix.trunc();
        let (start, end) = range(prefix);
        let cursor = |next| Cursor { next, wrapped: next == start, failed: None };
        let middle = start + (end - start) / 2 + 1;
        let cursors = match (prefix, prefix.prefix_len()) {
            (IpNet::V4(_), 0..31) => [cursor(start), cursor(middle)],
            (IpNet::V6(_), 0..64) => [cursor(start + (1 << 64)), cursor(start)],
            _ => [cursor(start), cursor(start)],
        };
        Self { prefix, cursors }
    }

    fn take(&mut self, length: u8, purpose: Use, taken: &PrefixMap<()>) -> Option<IpNet> {
        let cursor = &mut self.cursors[purpose as usize];
        if length < self.prefix.prefix_len() || cursor.failed.is_some_and(|f| length <= f) {
            return None;
        }
        let mut trial = *cursor;
        let (start, _) = range(self.prefix);
        loop {
            match first_free(self.prefix, trial.next, length, taken) {
                Some(found) => {
                    trial.next = range(found).1.saturating_add(1);
                    *cursor = trial;
                    return Some(found);
                }
                None if trial.wrapped => {
                    cursor.failed = Some(length);
                    return None;
                }
                None => {
                    trial.wrapped = true;
                    trial.next = start;
                }
            }
        }
    }
}

/// The first prefix of that length in the pool, from an address upwards, that
/// overlaps nothing.
fn first_free(pool: IpNet, from: u128, length: u8, taken: &PrefixMap<()>) -> Option<IpNet> {
    let (_, last) = range(pool);
    let bits = u32::from(pool.max_prefix_len() - length);
    let ones = u128::MAX.checked_shl(bits).map_or(u128::MAX, |m| !m);
    let mut start = from.checked_add(ones)? & !ones;
    loop {
        let end = start | ones;
        if end > last {
            return None;
        }
        let candidate = net(is_v6(pool), start, length);
        let Some((other, ())) = taken.overlap(candidate) else { return Some(candidate) };
        start = (range(other).1.max(end) | ones).checked_add(1)?;
    }
}

fn overlaps(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// True for an IPv6 prefix.
pub(super) fn is_v6(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V6(_))
}

/// An address as a number.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// The first and the last address of a prefix, as numbers.
pub(super) fn range(prefix: IpNet) -> (u128, u128) {
    (number(prefix.network()), number(prefix.broadcast()))
}

/// A number as an address with a prefix length.
pub(super) fn net(v6: bool, address: u128, length: u8) -> IpNet {
    if v6 { net6(address, length) } else { net4(address as u32, length) }
}

fn net4(address: u32, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(address), length))
}

fn net6(address: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(address), length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::HostRoute;

    fn facts(routes: &[&str]) -> Facts {
        let host_routes = routes
            .iter()
            .map(|r| HostRoute { destination: r.parse().unwrap(), interface: "eth0".into() })
            .collect();
        Facts { host_routes, ..Facts::default() }
    }

    fn pools<'f>(given: &[&str], facts: &'f Facts, demand: u64) -> Pools<'f> {
        let given = given.iter().map(|p| p.parse().unwrap()).collect();
        Pools::new("home", given, facts, PrefixMap::default(), demand)
    }

    #[test]
    fn networks_grow_from_the_start_and_links_from_the_middle() {
        let facts = Facts::default();
        let mut pools = pools(&["10.64.0.0/16"], &facts, 0);
        let take = |pools: &mut Pools<'_>, l, u| pools.take(false, l, u).unwrap().to_string();
        assert_eq!(take(&mut pools, 24, Use::Network), "10.64.0.0/24");
        assert_eq!(take(&mut pools, 31, Use::Link), "10.64.128.0/31");
        assert_eq!(take(&mut pools, 22, Use::Network), "10.64.4.0/22");
        assert_eq!(take(&mut pools, 31, Use::Link), "10.64.128.2/31");
    }

    #[test]
    fn a_pool_is_used_to_its_last_address() {
        let facts = Facts::default();
        let mut pools = pools(&["10.0.0.0/28"], &facts, 0);
        let all: Vec<_> = std::iter::from_fn(|| pools.take(false, 31, Use::Link)).collect();
        assert_eq!(all.len(), 8);
        assert!(pools.take(false, 31, Use::Network).is_none());
        assert!(pools.take(true, 127, Use::Link).is_none());
    }

    #[test]
    fn a_picked_pool_is_free_of_the_hosts_routes() {
        let free = Facts::default();
        let first = pools(&[], &free, 0).take(false, 24, Use::Network).unwrap();
        let busy = facts(&[&first.supernet().unwrap().to_string()]);
        let second = pools(&[], &busy, 0).take(false, 24, Use::Network).unwrap();
        assert!(!overlaps(first.supernet().unwrap(), second), "{first} {second}");
        let vpn = facts(&["10.0.0.0/8"]);
        let third = pools(&[], &vpn, 0).take(false, 24, Use::Network).unwrap();
        assert_eq!(third.to_string(), "172.16.0.0/24");
    }

    #[test]
    fn recorded_pools_stay_whatever_the_host_does() {
        let mut facts = facts(&["10.0.0.0/8"]);
        facts.recorded_pools = vec!["10.7.0.0/16".parse().unwrap()];
        let mut pools = pools(&[], &facts, 0);
        assert_eq!(pools.take(false, 24, Use::Network).unwrap().to_string(), "10.7.0.0/24");
        assert!(is_v6(pools.take(true, 64, Use::Network).unwrap()));
        assert_eq!(pools.prefixes().len(), 2);
    }

    #[test]
    fn a_large_yard_gets_a_large_pool() {
        let facts = Facts::default();
        let mut pools = pools(&[], &facts, 200_000);
        pools.take(false, 24, Use::Network).unwrap();
        assert_eq!(pools.prefixes()[0].prefix_len(), 14);
    }
}
