//! Which peer has which addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::peer::Peer;

/// Allowed addresses, the longest prefix first.
#[derive(Default)]
pub(super) struct Routes(Vec<(IpNet, usize)>);

impl Routes {
    /// Those of the peers, by their position.
    pub fn of(peers: &[Peer]) -> Self {
        Self::from(peers.iter().map(|peer| peer.spec.allowed_ips.as_slice()))
    }

    fn from<'a>(peers: impl Iterator<Item = &'a [IpNet]>) -> Self {
        let mut all: Vec<(IpNet, usize)> =
            peers.enumerate().flat_map(|(at, nets)| nets.iter().map(move |n| (*n, at))).collect();
        all.sort_by_key(|(net, at)| (std::cmp::Reverse(net.prefix_len()), *at));
        Self(all)
    }

    /// The peer that an address belongs to.
    pub fn find(&self, address: IpAddr) -> Option<usize> {
        self.0.iter().find(|(net, _)| net.contains(&address)).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let nets = |text: &[&str]| text.iter().map(|n| n.parse().unwrap()).collect::<Vec<IpNet>>();
        let all = [nets(&["0.0.0.0/0", "fd00::/8"]), nets(&["10.0.0.0/8"]), nets(&["10.1.0.0/16"])];
        let routes = Routes::from(all.iter().map(Vec::as_slice));
        let find = |text: &str| routes.find(text.parse().unwrap());
        assert_eq!(find("10.1.2.3"), Some(2));
        assert_eq!(find("10.2.2.3"), Some(1));
        assert_eq!(find("192.0.2.1"), Some(0));
        assert_eq!(find("fd00::1"), Some(0));
        assert_eq!(find("2001:db8::1"), None);
    }
}
