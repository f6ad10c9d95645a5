//! A map from prefixes, asked for overlaps and longest matches.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Values by prefix. The first value given to a prefix stays.
///
/// One sorted map for each prefix length in use: few lengths are, so a lookup
/// costs a handful of searches.
pub(super) struct PrefixMap<T> {
    v4: BTreeMap<u8, BTreeMap<u32, T>>,
    v6: BTreeMap<u8, BTreeMap<u128, T>>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { v4: BTreeMap::new(), v6: BTreeMap::new() }
    }
}

impl<T> PrefixMap<T> {
    /// Adds a prefix unless it is there.
    pub fn insert(&mut self, prefix: IpNet, value: T) {
        let length = prefix.prefix_len();
        match prefix.network() {
            IpAddr::V4(start) => {
                self.v4.entry(length).or_default().entry(start.to_bits()).or_insert(value);
            }
            IpAddr::V6(start) => {
                self.v6.entry(length).or_default().entry(start.to_bits()).or_insert(value);
            }
        }
    }

    /// A prefix that shares addresses with this one; the shortest there is.
    pub fn overlap(&self, prefix: IpNet) -> Option<(IpNet, &T)> {
        let length = prefix.prefix_len();
        match (prefix.network(), prefix.broadcast()) {
            (IpAddr::V4(start), IpAddr::V4(end)) => self.v4.iter().find_map(|(len, starts)| {
                let from = if *len <= length { mask4(start, *len) } else { start.to_bits() };
                let to = if *len <= length { from } else { end.to_bits() };
                let (found, value) = starts.range(from..=to).next()?;
                Some((net4(*found, *len), value))
            }),
            (IpAddr::V6(start), IpAddr::V6(end)) => self.v6.iter().find_map(|(len, starts)| {
                let from = if *len <= length { mask6(start, *len) } else { start.to_bits() };
                let to = if *len <= length { from } else { end.to_bits() };
                let (found, value) = starts.range(from..=to).next()?;
                Some((net6(*found, *len), value))
            }),
            _ => None,
        }
    }

    /// The longest prefix that has the address.
    pub fn longest(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        match address {
            IpAddr::V4(a) => self.v4.iter().rev().find_map(|(len, starts)| {
                let start = mask4(a, *len);
                starts.get(&start).map(|value| (net4(start, *len), value))
            }),
            IpAddr::V6(a) => self.v6.iter().rev().find_map(|(len, starts)| {
                let start = mask6(a, *len);
                starts.get(&start).map(|value| (net6(start, *len), value))
            }),
        }
    }

    /// The value of exactly that prefix.
    pub fn get(&self, prefix: IpNet) -> Option<&T> {
        match prefix.network() {
            IpAddr::V4(start) => self.v4.get(&prefix.prefix_len())?.get(&start.to_bits()),
            IpAddr::V6(start) => self.v6.get(&prefix.prefix_len())?.get(&start.to_bits()),
        }
    }
}

fn mask4(address: Ipv4Addr, length: u8) -> u32 {
    address.to_bits() & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

fn mask6(address: Ipv6Addr, length: u8) -> u128 {
    address.to_bits() & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn net4(start: u32, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(start), length))
}

fn net6(start: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(start), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn overlap_finds_what_holds_and_what_is_held() {
        let mut map = PrefixMap::default();
        map.insert(net("10.0.0.0/8"), 1);
        map.insert(net("192.168.7.0/24"), 2);
        map.insert(net("fd00::/48"), 3);
        assert_eq!(map.overlap(net("10.3.0.0/16")).map(|o| *o.1), Some(1));
        assert_eq!(map.overlap(net("192.168.0.0/16")).map(|o| *o.1), Some(2));
        assert_eq!(map.overlap(net("0.0.0.0/0")).map(|o| *o.1), Some(1));
        assert_eq!(map.overlap(net("fd00:0:0:1::/64")).map(|o| *o.1), Some(3));
        assert!(map.overlap(net("192.168.8.0/24")).is_none());
        assert!(map.overlap(net("fd01::/48")).is_none());
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut map = PrefixMap::default();
        map.insert(net("0.0.0.0/0"), 0);
        map.insert(net("10.0.0.0/8"), 8);
        map.insert(net("10.0.1.0/24"), 24);
        let find = |text: &str| map.longest(text.parse().unwrap()).map(|f| *f.1);
        assert_eq!(find("10.0.1.9"), Some(24));
        assert_eq!(find("10.0.2.9"), Some(8));
        assert_eq!(find("11.0.2.9"), Some(0));
        assert_eq!(find("fd00::1"), None);
    }
}
