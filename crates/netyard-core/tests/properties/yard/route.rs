//! Routes of a random State, over its own addresses.

use super::*;

impl Builder<'_> {
    /// Addresses in a namespace, of interfaces that are up.
    pub(super) fn addresses(&self, place: &Place, ipv6: bool) -> Vec<Address> {
        let usable = |object: &Object| match object {
            Object::Address(o)
                if o.interface.place == *place
                    && o.net.addr().is_ipv6() == ipv6
                    && self.state.interface(&o.interface).is_some_and(|i| i.up) =>
            {
                Some(o.clone())
            }
            _ => None,
        };
        self.state.objects().filter_map(usable).collect()
    }

    pub(super) fn route(&mut self, place: &Place, slot: usize) {
        let there = self.dice.yes() && self.there.contains(place);
        let ipv6 = slot % 2 == 1;
        let from: Vec<_> = self.addresses(place, ipv6);
        let (one, other) = (self.dice.pick(&from), self.dice.pick(&from));
        let two_hops = self.dice.roll(4) == 1;
        let gateway = self.dice.roll(3);
        let kind =
            [RouteKind::Unicast, RouteKind::Unicast, RouteKind::Blackhole][self.dice.roll(3)];
        let source = self.dice.roll(3) == 1;
        let mtu = [None, Some(1300)][self.dice.roll(2)];
        let table = [254, 254, 100][self.dice.roll(3)];
        let (Some(one), Some(other)) = (one, other) else { return };
        let hop = |address: &Address| {
            let routed = routed(ipv6, slot / 4);
            let (gateway, onlink) = match gateway {
                // The last half leans on the device routes of the first.
                _ if (4..6).contains(&slot) => (None, false),
                0 => (None, false),
                1 if slot >= 6 && self.leads(place, address, routed) => (Some(routed.1), false),
                1 => (Some(neighbour(address)), false),
                _ => (Some(routed.1), true),
            };
            NextHop { gateway, interface: address.interface.name.clone(), onlink, weight: 1 }
        };
        let mut hops = vec![hop(&one)];
        if two_hops && one.interface != other.interface {
            hops.push(hop(&other));
            hops.sort();
        }
        if kind != RouteKind::Unicast {
            hops.clear();
        }
        let destination = match slot {
            0 => "0.0.0.0/0".parse().unwrap(),
            1 => "::/0".parse().unwrap(),
            4 | 5 => routed(ipv6, 1).0,
            _ if ipv6 => format!("fd77:{slot}::/32").parse().unwrap(),
            _ => format!("10.77.{slot}.0/24").parse().unwrap(),
        };
        let source = source.then(|| one.net.addr());
        let (place, metric) = (place.clone(), 0);
        if there {
            let route = Route { place, table, destination, metric, kind, hops, source, mtu };
            self.state.insert(Object::Route(route));
        }
    }

    /// True when a device route to `routed` leads through an address' interface.
    fn leads(&self, place: &Place, address: &Address, routed: (IpNet, IpAddr)) -> bool {
        self.state.objects().any(|object| match object {
            Object::Route(o) => {
                o.place == *place
                    && o.destination == routed.0
                    && o.hops.iter().all(|h| h.interface == address.interface.name)
                    && o.hops.len() == 1
            }
            _ => false,
        })
    }
}

/// A prefix without addresses, and a router in it.
fn routed(ipv6: bool, number: usize) -> (IpNet, IpAddr) {
    if ipv6 {
        (
            format!("fd99:{number}::/32").parse().unwrap(),
            format!("fd99:{number}::1").parse().unwrap(),
        )
    } else {
        (format!("10.99.{number}.0/24").parse().unwrap(), IpAddr::from([10, 99, number as u8, 1]))
    }
}

/// An address that the holder of `address` reaches without a route.
fn neighbour(address: &Address) -> IpAddr {
    match (address.peer, address.net.addr()) {
        (Some(peer), _) => peer,
        (None, IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::from([a, b, c, 50])
        }
        (None, own) if address.net.prefix_len() == 128 => own,
        (None, IpAddr::V6(v6)) => {
            let mut segments = v6.segments();
            segments[7] = 0x50;
            IpAddr::from(segments)
        }
    }
}
