//! Which objects of a State rest on which.

use std::collections::HashMap; // looked up, never iterated
use std::net::IpAddr;

use super::diff::Slot;
use crate::interface::{Interface, Kind};
use crate::name::FullName;
use crate::state::{InterfaceId, Object, Place};

/// The actual objects of all slots, found by what they are and by what they
/// rest on. Numbers are positions in the slots.
pub(super) struct Index<'a> {
    /// All slots.
    pub slots: &'a [Slot<'a>],
    interfaces: HashMap<&'a InterfaceId, usize>,
    namespaces: HashMap<&'a Place, usize>,
    /// Bridges that libvirt makes.
    bridges: HashMap<&'a str, usize>,
    /// For each slot, what goes with its object, sorted.
    resting: Vec<Vec<usize>>,
}

impl<'a> Index<'a> {
    /// Indexes the actual objects.
    pub fn new(slots: &'a [Slot<'a>]) -> Self {
        let mut index = Self {
            slots,
            interfaces: HashMap::with_capacity(slots.len() / 2),
            namespaces: HashMap::new(),
            bridges: HashMap::new(),
            resting: vec![Vec::new(); slots.len()],
        };
        // Key order has namespaces and interfaces before all else.
        for (number, slot) in slots.iter().enumerate() {
            match slot.actual {
                Some(Object::Namespace(o)) => drop(index.namespaces.insert(&o.place, number)),
                Some(Object::Interface(o)) => drop(index.interfaces.insert(&o.id, number)),
                Some(Object::LibvirtNetwork(o)) => {
                    index.bridges.extend(o.bridge().map(|bridge| (bridge, number)));
                }
                _ => {}
            }
        }
        for (number, slot) in slots.iter().enumerate() {
            if let Some(object) = slot.actual {
                index.rest(number, object);
            }
        }
        index.rest_on_sources();
        index
    }

    fn rest(&mut self, number: usize, object: &'a Object) {
        if matches!(object, Object::Namespace(_) | Object::File(_)) {
            return;
        }
        if let Some(&namespace) = self.namespaces.get(&object.place()) {
            self.resting[namespace].push(number);
        }
        let mut on = |id: &InterfaceId| {
            if let Some(&interface) = self.interfaces.get(id)
                && self.resting[interface].last() != Some(&number)
            {
                self.resting[interface].push(number);
            }
        };
        match object {
            Object::Interface(o) => {
                if let Kind::Veth(veth) = &o.kind {
                    on(&veth.peer);
                }
                if let Some(parent) = &o.parent {
                    on(parent);
                }
                if o.id.place == Place::Host
                    && let Some(master) = &o.master
                    && let Some(&network) = self.bridges.get(master.as_str())
                {
                    self.resting[network].push(number);
                }
            }
            Object::PortVlan(o) => on(&o.interface),
            Object::Address(o) => on(&o.interface),
            Object::Neighbour(o) => on(&o.interface),
            Object::Qdisc(o) => on(&o.interface),
            Object::FlowDevice(o) => on(&o.interface),
            Object::Tunnel(o) => on(&o.interface),
            Object::Sysctl(o) => {
                if let Some(name) = &o.interface {
                    on(&InterfaceId { place: o.place.clone(), name: name.clone() });
                }
            }
            Object::Route(o) => {
                for hop in &o.hops {
                    on(&InterfaceId { place: o.place.clone(), name: hop.interface.clone() });
                }
            }
            Object::Namespace(_)
            | Object::Rule(_)
            | Object::Table(_)
            | Object::File(_)
            | Object::Command(_)
            | Object::Process(_)
            | Object::LibvirtNetwork(_) => {}
        }
    }

    /// Routes rest on the address that they have as source.
    fn rest_on_sources(&mut self) {
        let routes = self.slots.iter().enumerate().filter_map(|(number, slot)| match slot.actual {
            Some(Object::Route(o)) => o.source.map(|source| (number, &o.place, source)),
            _ => None,
        });
        let routes: Vec<_> = routes.collect();
        if routes.is_empty() {
            return;
        }
        let mut addresses: HashMap<(&Place, IpAddr), Vec<usize>> = HashMap::new();
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(Object::Address(o)) = slot.actual {
                addresses.entry((&o.interface.place, o.net.addr())).or_default().push(number);
            }
        }
        for (route, place, source) in routes {
            for &address in addresses.get(&(place, source)).into_iter().flatten() {
                self.resting[address].push(route);
            }
        }
    }

    /// The actual object of a slot.
    pub fn actual(&self, number: usize) -> Option<&'a Object> {
        self.slots[number].actual
    }

    /// The actual interface of a slot.
    pub fn interface(&self, number: usize) -> Option<&'a Interface> {
        match self.slots[number].actual {
            Some(Object::Interface(interface)) => Some(interface),
            _ => None,
        }
    }

    /// The slot of an actual interface.
    pub fn find(&self, id: &InterfaceId) -> Option<usize> {
        self.interfaces.get(id).copied()
    }

    /// The slot of an actual interface's master, if that is the yard's.
    pub fn master(&self, member: &Interface) -> Option<usize> {
        member.master.as_ref().and_then(|name| self.find(&beside(&member.id, name)))
    }

    /// The slot of the actual namespace that is at a place.
    pub fn namespace(&self, place: &Place) -> Option<usize> {
        self.namespaces.get(place).copied()
    }

    /// What goes with the object of a slot.
    pub fn resting(&self, number: usize) -> &[usize] {
        &self.resting[number]
    }
}

/// The interface of that name in the same namespace.
pub(super) fn beside(id: &InterfaceId, name: &FullName) -> InterfaceId {
    InterfaceId { place: id.place.clone(), name: name.clone() }
}
