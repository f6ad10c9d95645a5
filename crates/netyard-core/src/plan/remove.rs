//! Removals: which steps they take, and what each takes along.

use std::collections::BTreeSet;

use super::fate::Fates;
use super::index::beside;
use super::order::{self, Draft, Groups, Placed, levels};
use super::{Op, Phase, Step, Undo, Why, kernel};
use crate::interface::{Interface, Kind};
use crate::state::{Object, Place};

/// The removals of a plan.
pub(super) struct Removal<'f, 'a> {
    fates: &'f Fates<'a>,
    /// Nothing is desired any more: then the kernel does the most of it, and
    /// there is no way back.
    for_good: bool,
    /// Which actual objects are still there, as steps are laid down.
    there: Vec<bool>,
    /// Where IPv6 routes with a source are: those go one by one.
    sourced: BTreeSet<&'a Place>,
}

impl<'f, 'a> Removal<'f, 'a> {
    /// Prepares the removals that fates decree.
    pub fn new(fates: &'f Fates<'a>, for_good: bool) -> Self {
        let there = fates.index.slots.iter().map(|slot| slot.actual.is_some()).collect();
        let slots = fates.index.slots.iter();
        let sourced = slots.filter_map(|slot| match slot.actual {
            Some(Object::Route(o)) if o.source.is_some_and(|s| s.is_ipv6()) => Some(&o.place),
            _ => None,
        });
        Self { fates, for_good, there, sourced: sourced.collect() }
    }

    /// The steps, in order.
    pub fn steps(mut self) -> Vec<Placed> {
        let count = self.there.len();
        let goes: Vec<usize> = (0..count).filter(|&n| self.fates.goes[n].is_some()).collect();
        let implied: Vec<bool> = goes.iter().map(|&n| self.is_implied(n)).collect();
        let explicit: Vec<usize> =
            goes.iter().zip(&implied).filter(|(_, i)| !**i).map(|(&n, _)| n).collect();
        let released: Vec<usize> =
            self.fates.released.keys().copied().filter(|&n| self.fates.stays(n)).collect();
        let depth = self.depth(&explicit, &released);
        let mut groups = Groups::default();
        let mut order = Vec::with_capacity(depth.len());
        for (&number, &depth) in explicit.iter().chain(&released).zip(&depth) {
            let Some(object) = self.fates.index.actual(number) else { continue };
            let class = order::removal_class(object);
            let stage = match class {
                ..=order::PROCESSES_GO => 0,
                class if class < order::INTERFACES_GO => 1,
                _ => 2,
            };
            let group = if stage == 1 { groups.number(object.place()) } else { 0 };
            order.push((stage, group, class, depth, number));
        }
        order.sort_unstable();
        let mut steps = Vec::with_capacity(order.len());
        for (.., number) in order {
            let step = match self.fates.stays(number) {
                true => self.release(number),
                false => self.remove(number),
            };
            let placed = |step| Placed { phase: Phase::Remove, level: 0, group: 0, step };
            steps.extend(step.map(placed));
        }
        steps
    }

    /// A member that stays leaves a master that goes.
    fn release(&self, number: usize) -> Option<Step> {
        let member = self.fates.index.interface(number)?;
        let released = self.fates.released.get(&number)?;
        let master = beside(&member.id, member.master.as_ref()?);
        let from = Object::Interface(Box::new(member.clone()));
        let to = Object::Interface(Box::new(released.clone()));
        Some(order::change(from, to, Why::Follows { object: master.to_string() }))
    }

    /// One removal, unless its object has gone with another.
    fn remove(&mut self, number: usize) -> Option<Step> {
        let object = self.fates.index.actual(number)?;
        let why = self.fates.goes[number].clone()?;
        if !self.there[number] {
            return None;
        }
        let mut gone = self.take(number);
        let pair = match object {
            Object::Interface(first) => self.other_end(first),
            _ => None,
        };
        let op = match (object, pair) {
            (Object::Interface(first), Some(second)) => {
                Op::RemovePair { first: first.clone(), second: Box::new(second.clone()) }
            }
            _ => Op::Remove { object: object.clone() },
        };
        let half = matches!(&op, Op::Remove { object: Object::Interface(o) }
            if matches!(o.kind, Kind::Veth(_)));
        let undo = if self.for_good {
            Undo::Nothing
        } else if half {
            Undo::Impossible { because: "its other end is out of reach".to_string() }
        } else {
            gone.sort_unstable();
            self.undo(&gone)
        };
        Some(Step { op, why, undo })
    }

    /// Takes an object and what the kernel takes along with it.
    fn take(&mut self, number: usize) -> Vec<usize> {
        let mut gone = Vec::new();
        let mut stack = vec![number];
        while let Some(number) = stack.pop() {
            if !std::mem::replace(&mut self.there[number], false) {
                continue;
            }
            gone.push(number);
            let alone = |interface| !kernel::vanishes(interface);
            if !self.fates.index.interface(number).is_some_and(alone) {
                stack.extend(self.fates.index.resting(number));
            }
        }
        gone
    }

    /// How objects that went together come back. What a command did does not.
    fn undo(&self, gone: &[usize]) -> Undo {
        let object = |&number: &usize| self.fates.index.actual(number);
        let drafts: Vec<Draft> = gone
            .iter()
            .filter_map(object)
            .filter(|object| !matches!(object, Object::Command(_)))
            .map(|object| Draft::add(object, Why::Missing))
            .collect();
        let ops: Vec<Op> = order::additions(drafts).into_iter().map(|p| p.step.op).collect();
        if ops.is_empty() { Undo::Nothing } else { Undo::Ops { ops } }
    }

    /// The other end of a veth, if it is there too.
    fn other_end(&self, interface: &Interface) -> Option<&'a Interface> {
        let Kind::Veth(veth) = &interface.kind else { return None };
        let index = &self.fates.index;
        let other = index.find(&veth.peer).and_then(|number| index.interface(number))?;
        matches!(&other.kind, Kind::Veth(back) if back.peer == interface.id).then_some(other)
    }

    /// True when an object goes with another that is removed, so that it needs
    /// no step.
    ///
    /// What shall come again is removed step by step, so that the plan shows
    /// it, unless its whole namespace goes. A namespace is cleaned up later and
    /// only when no process is in it, so what has one foot in a namespace that
    /// stays is removed for itself.
    fn is_implied(&self, number: usize) -> bool {
        let Some(object) = self.fates.index.actual(number) else { return true };
        let lies_in = |place: &Place| self.fates.place_goes(place);
        match object {
            // A process ends before its namespace goes, not by it.
            Object::Namespace(_) | Object::File(_) | Object::Process(_) => false,
            Object::Interface(o) => self.is_implied_interface(number, o),
            // One of IPv6 stays, without its source, when an interface with
            // that address is removed before the namespace.
            Object::Route(o) if !self.for_good && o.source.is_some_and(|s| s.is_ipv6()) => false,
            // What leads over it goes before it, so that it comes back after it.
            Object::Route(o)
                if !self.for_good
                    && self.sourced.contains(&o.place)
                    && o.hops.iter().any(|hop| hop.gateway.is_some_and(|g| g.is_ipv6())) =>
            {
                false
            }
            _ if lies_in(&object.place()) => true,
            Object::PortVlan(o) => self.goes_with(number, &o.interface),
            Object::Address(o) => self.goes_with(number, &o.interface),
            Object::Neighbour(o) => self.goes_with(number, &o.interface),
            Object::Qdisc(o) => self.goes_with(number, &o.interface),
            Object::FlowDevice(o) => self.goes_with(number, &o.interface),
            Object::Tunnel(o) => self.goes_with(number, &o.interface),
            Object::Sysctl(o) => match &o.interface {
                Some(name) => {
                    let id =
                        crate::state::InterfaceId { place: o.place.clone(), name: name.clone() };
                    self.goes_with(number, &id)
                }
                None => false,
            },
            // Of several next hops, IPv6 forgets only the one that goes. What is
            // removed before the interface takes gateways out of reach, and the
            // last IPv4 address every route of its family.
            Object::Route(o) => match &*o.hops {
                [hop] => {
                    let name = hop.interface.clone();
                    let id = crate::state::InterfaceId { place: o.place.clone(), name };
                    let stands = hop.gateway.is_none() && o.destination.addr().is_ipv6();
                    self.goes_with(number, &id) && (stands || !self.is_bared(&id))
                }
                _ => false,
            },
            Object::Rule(_) | Object::Table(_) | Object::Command(_) | Object::LibvirtNetwork(_) => {
                false
            }
        }
    }

    fn is_implied_interface(&self, number: usize, interface: &Interface) -> bool {
        let lies_in = |place: &Place| self.fates.place_goes(place);
        let inside = lies_in(&interface.id.place);
        if matches!(interface.kind, Kind::Physical(_)) {
            return false;
        }
        if let Kind::Veth(veth) = &interface.kind {
            let peer = lies_in(&veth.peer.place);
            return if self.for_good { inside || peer } else { inside && peer };
        }
        // A tunnel outlives the namespace it was born in, and is of no use then.
        if interface.kind == Kind::Wireguard {
            return inside;
        }
        let Some(parent) = &interface.parent else { return inside };
        if self.for_good {
            return inside || self.goes_with(number, parent);
        }
        if inside {
            return lies_in(&parent.place) || self.goes_with(number, parent);
        }
        !lies_in(&parent.place) && self.goes_with(number, parent)
    }

    /// True when an interface goes and takes an unwanted object with it.
    fn goes_with(&self, number: usize, id: &crate::state::InterfaceId) -> bool {
        let Some(interface) = self.fates.index.find(id) else { return false };
        self.fates.goes[interface].is_some()
            && self.fates.index.slots[number].desired.is_none()
            && self.fates.index.interface(interface).is_some_and(kernel::vanishes)
    }

    /// True when addresses or routes of an interface are removed before it, so
    /// that gateways are out of reach by the time it goes.
    fn is_bared(&self, id: &crate::state::InterfaceId) -> bool {
        let index = &self.fates.index;
        index.find(id).is_some_and(|interface| {
            index.resting(interface).iter().any(|&number| {
                let reach =
                    matches!(index.actual(number), Some(Object::Address(_) | Object::Route(_)));
                reach && index.slots[number].desired.is_some()
            })
        })
    }

    /// For each removal, and then for each release, how many others must come
    /// before it.
    fn depth(&self, explicit: &[usize], released: &[usize]) -> Vec<u32> {
        let mut node = vec![usize::MAX; self.there.len()];
        for (n, &number) in explicit.iter().chain(released).enumerate() {
            node[number] = n;
        }
        let mut edges = Vec::new();
        for (n, &number) in explicit.iter().chain(released).enumerate() {
            let Some(interface) = self.fates.index.interface(number) else { continue };
            let parent = interface.parent.as_ref().and_then(|id| self.fates.index.find(id));
            // A release may take the parent down: the kernel brings VLANs on
            // it along, so those that go are gone by then.
            let before = parent.into_iter().chain(self.fates.index.master(interface));
            edges.extend(before.map(|b| node[b]).filter(|&b| b != usize::MAX).map(|b| (n, b)));
        }
        // A process goes before those that it needs.
        let objects = explicit.iter().map(|&number| self.fates.index.actual(number));
        edges.extend(order::needs(objects).into_iter().map(|(needed, needs)| (needs, needed)));
        levels(explicit.len() + released.len(), &edges)
    }
}
