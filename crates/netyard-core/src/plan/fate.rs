//! Which actual objects must go before the desired ones can come, and why.
//!
//! An object goes because the file no longer has it, because it differs in
//! what the kernel cannot change in place, or because it rests on something
//! that goes. One that goes and is desired comes again. The rest stays, and is
//! changed in place where it differs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::index::{Index, beside};
use super::kernel::{self, Master};
use super::{Disturbance, Why};
use crate::interface::{Change, Interface, Kind};
use crate::name::FullName;
use crate::state::{Address, InterfaceId, Object, Place, Route, State};

/// What becomes of the actual objects. Numbers are positions in the slots.
pub(super) struct Fates<'a> {
    /// Who rests on whom.
    pub index: Index<'a>,
    /// For each slot, why its actual object goes; none where it stays.
    pub goes: Vec<Option<Why>>,
    /// Interfaces that stay without their master, which goes, as it leaves them.
    pub released: BTreeMap<usize, Interface>,
    /// Interfaces whose change comes before that of their parent.
    pub before_parent: BTreeSet<usize>,
    /// What traffic will notice.
    pub disturbances: Vec<Disturbance>,
    desired: &'a State,
}

impl<'a> Fates<'a> {
    /// Decides over all of `index`'s slots.
    pub fn decide(index: Index<'a>, desired: &'a State) -> Self {
        let goes = vec![None; index.slots.len()];
        let (released, before_parent, disturbances) = Default::default();
        let mut fates = Self { index, goes, released, before_parent, disturbances, desired };
        fates.by_themselves();
        // What goes makes interfaces change, and their change makes others go.
        // Each round but the last marks one more, so this ends.
        loop {
            let before = fates.count();
            fates.by_change_of_interfaces();
            if fates.count() == before {
                break;
            }
        }
        fates.by_overwriting();
        fates.by_last_address();
        fates.by_lost_gateway();
        fates.disturb();
        fates
    }

    /// True when the actual object of a slot stays, changed or not.
    pub fn stays(&self, number: usize) -> bool {
        self.index.actual(number).is_some() && self.goes[number].is_none()
    }

    /// True when the namespace at a place goes.
    pub fn place_goes(&self, place: &Place) -> bool {
        self.index.namespace(place).is_some_and(|n| self.goes[n].is_some())
    }

    fn count(&self) -> usize {
        self.goes.iter().flatten().count()
    }

    /// Marks an object, and all that rests on it.
    fn go(&mut self, number: usize, why: Why) {
        let mut queue = VecDeque::from([(number, why)]);
        while let Some((number, why)) = queue.pop_front() {
            let Some(object) = self.index.actual(number) else { continue };
            if self.goes[number].is_some() {
                continue;
            }
            // `lo` goes with its namespace only.
            let namespace_goes = || self.place_goes(&object.place());
            if let Object::Interface(o) = object
                && o.kind == Kind::Loopback
                && !namespace_goes()
            {
                continue;
            }
            // What was there before the yard stays there, with what is on it.
            let left = matches!(why, Why::Unwanted)
                && matches!(object, Object::Interface(o) if !kernel::vanishes(o))
                && !namespace_goes();
            self.goes[number] = Some(why);
            if left {
                continue;
            }
            let stays = |&n: &usize| self.goes[n].is_none();
            let resting: Vec<usize> =
                self.index.resting(number).iter().copied().filter(stays).collect();
            for next in resting {
                let unwanted = self.index.slots[next].desired.is_none();
                let why = if unwanted { Why::Unwanted } else { follows(object) };
                queue.push_back((next, why));
            }
        }
    }

    /// Objects that nobody wants, and those that cannot become what is wanted.
    fn by_themselves(&mut self) {
        for number in 0..self.index.slots.len() {
            let slot = &self.index.slots[number];
            match (slot.actual, slot.desired) {
                (Some(_), None) => self.go(number, Why::Unwanted),
                (Some(from), Some(to)) => {
                    if !slot.same
                        && let Change::Recreate(because) = from.change(to)
                    {
                        self.go(number, Why::Recreated { because: because.to_string() });
                    } else if let Object::Interface(interface) = from {
                        self.check_peer(number, interface);
                    }
                }
                (None, _) => {}
            }
        }
    }

    /// A veth whose other end is not there, or is another's, is made anew.
    fn check_peer(&mut self, number: usize, interface: &Interface) {
        let Kind::Veth(veth) = &interface.kind else { return };
        let peer = self.index.find(&veth.peer).and_then(|n| self.index.interface(n));
        let back = peer.is_some_and(|p| match &p.kind {
            Kind::Veth(other) => other.peer == interface.id,
            _ => false,
        });
        if !back {
            self.go(number, Why::Recreated { because: "its other end is gone".to_string() });
        }
    }

    /// What the changes of interfaces that stay take along.
    fn by_change_of_interfaces(&mut self) {
        for number in 0..self.index.slots.len() {
            let slot = &self.index.slots[number];
            let (Some(Object::Interface(from)), Some(Object::Interface(to))) =
                (slot.actual, slot.desired)
            else {
                continue;
            };
            if self.goes[number].is_some() {
                continue;
            }
            let master = self.index.master(from);
            let leaves = master.is_some_and(|m| self.goes[m].is_some());
            if from == to && !leaves {
                continue;
            }
            let old = Master::of(master.and_then(|m| self.index.interface(m)));
            let new = to.master.as_ref().map(|name| beside(&to.id, name));
            let new = Master::of(new.and_then(|id| self.desired.interface(&id)));
            if leaves {
                let released = kernel::released(from, old);
                self.lose(number, kernel::loss(from, old, &released, Master::None), from);
                self.lose(number, kernel::loss(&released, Master::None, to, new), from);
                self.released.insert(number, released);
            } else {
                self.lose(number, kernel::loss(from, old, to, new), from);
                // What the way back would lose goes too, so that it is put back.
                if kernel::loss(to, new, from, old).down.is_some() {
                    self.lose_what_needs_up(number, from);
                }
            }
            self.rename(number, from, to);
            self.bind_children(number, from, to);
        }
    }

    /// Marks what an interface loses by its change.
    fn lose(&mut self, number: usize, loss: kernel::Loss, interface: &Interface) {
        let why = || Why::Follows { object: interface.id.to_string() };
        if loss.port_vlans {
            for next in self.index.resting(number).to_vec() {
                if matches!(self.index.actual(next), Some(Object::PortVlan(_))) {
                    self.go(next, self.why(next, why()));
                }
            }
        }
        let Some(because) = loss.down else { return };
        let flap =
            Disturbance::Flaps { interface: interface.id.clone(), because: because.to_string() };
        if !self.disturbances.contains(&flap) {
            self.disturbances.push(flap);
        }
        self.lose_what_needs_up(number, interface);
    }

    /// Marks what goes when an interface goes down.
    fn lose_what_needs_up(&mut self, number: usize, interface: &Interface) {
        let why = || Why::Follows { object: interface.id.to_string() };
        let mut down = vec![number];
        while let Some(number) = down.pop() {
            for next in self.index.resting(number).to_vec() {
                match self.index.actual(next) {
                    Some(Object::Route(_) | Object::Neighbour(_)) => {}
                    Some(Object::Address(o)) if o.net.addr().is_ipv6() => {}
                    Some(Object::Interface(o)) if is_vlan(o) && o.up => {
                        down.push(next);
                        continue;
                    }
                    // The kernel would bring it up with its parent.
                    Some(Object::Interface(o)) if is_vlan(o) => {}
                    _ => continue,
                }
                self.go(next, self.why(next, why()));
            }
        }
    }

    /// Another interface may want the old name, and rules know interfaces by name.
    fn rename(&mut self, number: usize, from: &Interface, to: &Interface) {
        if from.kernel_name == to.kernel_name {
            return;
        }
        let place = &from.id.place;
        for other in 0..self.index.slots.len() {
            let slot = &self.index.slots[other];
            if let Some(Object::Interface(o)) = slot.desired
                && o.id.place == *place
                && o.kernel_name == from.kernel_name
            {
                let because = format!("{} takes its old name", o.id);
                return self.go(number, Why::Recreated { because });
            }
            let named = |name: &Option<FullName>| name.as_ref() == Some(&from.id.name);
            let knows_it_by_name = match slot.actual {
                Some(Object::Rule(o)) => o.place == *place && (named(&o.iif) || named(&o.oif)),
                // Since Linux 6.16 (nft_netdev_hook_alloc).
                Some(Object::FlowDevice(o)) => o.interface == from.id,
                _ => false,
            };
            if knows_it_by_name {
                let why = Why::Follows { object: from.id.to_string() };
                self.go(other, self.why(other, why));
            }
        }
    }

    /// Children live within their parent's MTU, and VLANs within its being up:
    /// finds out who must change first.
    fn bind_children(&mut self, number: usize, from: &Interface, to: &Interface) {
        for next in self.index.resting(number).to_vec() {
            let slot = &self.index.slots[next];
            let (Some(Object::Interface(child)), Some(Object::Interface(wish))) =
                (slot.actual, slot.desired)
            else {
                continue;
            };
            if child.parent.as_ref() != Some(&from.id) || self.goes[next].is_some() {
                continue;
            }
            let exceeds = |child: &Interface, parent: &Interface| match (child.mtu, parent.mtu) {
                (Some(child), Some(parent)) => child > parent,
                _ => false,
            };
            let vlan = is_vlan(child);
            let comes_up = !from.up && to.up;
            let first = exceeds(child, to) || vlan && child.up && !to.up;
            let last = exceeds(wish, from);
            // ipvlan_adjust_mtu follows every change; a parent that comes up
            // brings its VLANs up.
            let ipvlan = matches!(child.kind, Kind::Ipvlan(_));
            let dragged = ipvlan && from.mtu != to.mtu || vlan && comes_up;
            if dragged || first && last {
                self.go(next, Why::Follows { object: from.id.to_string() });
            } else if first {
                self.before_parent.insert(next);
            }
        }
    }

    /// Settings that another setting writes over are set again.
    fn by_overwriting(&mut self) {
        let slots = self.index.slots;
        let changed = slots.iter().enumerate().filter_map(|(number, slot)| {
            let changes = !slot.same || self.goes[number].is_some();
            match slot.actual.or(slot.desired) {
                Some(Object::Sysctl(o)) if changes && o.interface.is_none() => Some(o),
                _ => None,
            }
        });
        let changed: Vec<_> = changed.collect();
        if changed.is_empty() {
            return;
        }
        for (number, slot) in slots.iter().enumerate() {
            let Some(Object::Sysctl(one)) = slot.actual else { continue };
            let by = |all: &&&crate::state::Sysctl| {
                all.place == one.place && kernel::overwrites(all, one)
            };
            if let Some(all) = changed.iter().find(by) {
                let why = Why::Follows { object: all.to_string() };
                self.go(number, self.why(number, why));
            }
        }
    }

    /// The last IPv4 address of an interface takes its IPv4 routes and neighbours along.
    fn by_last_address(&mut self) {
        let is_v4 = |object: Option<&'a Object>| match object {
            Some(Object::Address(o)) if o.net.addr().is_ipv4() => Some(o),
            _ => None,
        };
        // True where one goes; where one only comes, taking it back will bare it.
        let mut bare: BTreeMap<&InterfaceId, bool> = BTreeMap::new();
        for (number, slot) in self.index.slots.iter().enumerate() {
            let goes = self.goes[number].is_some();
            if let Some(address) = is_v4(slot.actual).filter(|_| goes) {
                bare.insert(&address.interface, true);
            } else if let Some(address) = is_v4(slot.desired).filter(|_| slot.actual.is_none()) {
                bare.entry(&address.interface).or_insert(false);
            }
        }
        for (id, goes) in bare {
            let Some(interface) = self.index.find(id) else { continue };
            let resting = self.index.resting(interface).to_vec();
            let left = |&n: &usize| self.stays(n) && is_v4(self.index.actual(n)).is_some();
            let vanishes = self.index.interface(interface).is_some_and(kernel::vanishes);
            if self.goes[interface].is_some() && vanishes || resting.iter().any(left) {
                continue;
            }
            for next in resting {
                let follows = match self.index.actual(next) {
                    Some(Object::Route(o)) => goes && o.destination.addr().is_ipv4(),
                    Some(Object::Neighbour(o)) => o.address.is_ipv4(),
                    _ => false,
                };
                if follows {
                    let why = Why::Follows { object: format!("the last IPv4 address of {id}") };
                    self.go(next, self.why(next, why));
                }
            }
        }
    }

    /// A route that changes could not be changed back once its old gateway is
    /// out of reach: it goes first, while the gateway is there, and comes again.
    fn by_lost_gateway(&mut self) {
        for number in 0..self.index.slots.len() {
            let slot = &self.index.slots[number];
            if let (Some(Object::Route(from)), Some(_)) = (slot.actual, slot.desired)
                && !slot.same
                && self.goes[number].is_none()
                && !self.reaches_gateways(from, number)
            {
                let because = "its old gateway goes out of reach".to_string();
                self.go(number, Why::Recreated { because });
            }
        }
    }

    /// True when objects that stay as they are reach all gateways of a route.
    fn reaches_gateways(&self, route: &Route, number: usize) -> bool {
        route.hops.iter().all(|hop| {
            let Some(gateway) = hop.gateway else { return true };
            let id = InterfaceId { place: route.place.clone(), name: hop.interface.clone() };
            let Some(interface) = self.index.find(&id) else { return true };
            let resting = self.index.resting(interface).iter();
            hop.onlink
                || resting.filter(|&&n| n != number && self.stays(n)).any(|&n| {
                    match self.index.actual(n) {
                        Some(Object::Address(o)) => address_reaches(o, gateway),
                        Some(Object::Route(o)) => {
                            self.index.slots[n].same && route_reaches(o, gateway)
                        }
                        _ => false,
                    }
                })
        })
    }

    /// Why an object goes that another takes along.
    fn why(&self, number: usize, why: Why) -> Why {
        if self.index.slots[number].desired.is_none() { Why::Unwanted } else { why }
    }

    /// Notes interfaces and namespaces that are made anew.
    fn disturb(&mut self) {
        let made_anew = |id: &InterfaceId| match self.index.find(id) {
            Some(number) => self.goes[number].is_some(),
            None => false,
        };
        let mut flaps = std::mem::take(&mut self.disturbances);
        flaps
            .retain(|d| !matches!(d, Disturbance::Flaps { interface, .. } if made_anew(interface)));
        self.disturbances = flaps;
        for (number, slot) in self.index.slots.iter().enumerate() {
            let (Some(why), Some(_), Some(actual)) =
                (&self.goes[number], slot.desired, slot.actual)
            else {
                continue;
            };
            let because = match why {
                Why::Recreated { because } => because.clone(),
                Why::Follows { object } => format!("it comes and goes with {object}"),
                _ => continue,
            };
            match actual {
                Object::Namespace(o) => {
                    let node = o.place.to_string();
                    self.disturbances.push(Disturbance::Restarts { node, because });
                }
                Object::Interface(o) if !self.place_goes(&o.id.place) => {
                    let interface = o.id.clone();
                    self.disturbances.push(Disturbance::Flaps { interface, because });
                }
                _ => {}
            }
        }
    }
}

/// Why something goes with `object`.
fn follows(object: &Object) -> Why {
    let object = match object {
        Object::Interface(o) => o.id.to_string(),
        Object::Namespace(o) => o.place.to_string(),
        other => other.to_string(),
    };
    Why::Follows { object }
}

fn is_vlan(interface: &Interface) -> bool {
    matches!(interface.kind, Kind::Vlan(_))
}

/// True when a gateway is on the link of an address.
pub(crate) fn address_reaches(address: &Address, gateway: std::net::IpAddr) -> bool {
    address.net.contains(&gateway) || address.peer == Some(gateway)
}

/// True when a route without a gateway leads to a gateway.
pub(crate) fn route_reaches(route: &Route, gateway: std::net::IpAddr) -> bool {
    route.destination.contains(&gateway)
        && !route.hops.is_empty()
        && route.hops.iter().all(|hop| hop.gateway.is_none())
}
