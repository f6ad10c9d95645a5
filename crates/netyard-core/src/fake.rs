//! A FakeKernel: a State that obeys Ops as the kernel does.
//!
//! It refuses what the kernel refuses (what is there already, what is not
//! there, what refers to something that is not there) and takes along what the
//! kernel takes along. It is stricter than the kernel in one thing: an op must
//! know exactly what it changes or removes, so that a plan that has lost sight
//! of the state fails at once.

mod require;

use std::collections::BTreeSet;
use std::fmt;

use crate::interface::{Change, Interface, Kind};
use crate::name::{FullName, InterfaceName};
use crate::plan::kernel::{self, Master};
use crate::plan::{Op, Plan, Undo, address_reaches, route_reaches};
use crate::state::{
    FlowDevice, InterfaceId, Key, Namespace, NextHop, Object, Place, PortVlan, Route, State,
};

/// Why the FakeKernel does not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error's name: `EEXIST`.
    pub errno: &'static str,
    /// What it is about.
    pub about: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.errno, self.about)
    }
}

/// A plan that was not carried out to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How many steps were done before.
    pub done: usize,
    /// Why the next one was not.
    pub refusal: Refusal,
}

type Done = Result<(), Refusal>;

fn refuse(errno: &'static str, about: impl fmt::Display) -> Done {
    Err(Refusal { errno, about: about.to_string() })
}

/// A State that obeys Ops.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    state: State,
    strangers: BTreeSet<InterfaceName>,
    fail_at: Option<usize>,
}

impl FakeKernel {
    /// A kernel in that state.
    pub fn new(state: State) -> Self {
        Self { state, strangers: BTreeSet::new(), fail_at: None }
    }

    /// Gives the host an interface that is not the yard's.
    pub fn with_host_interface(mut self, name: InterfaceName) -> Self {
        self.strangers.insert(name);
        self
    }

    /// Makes [`Self::apply`] fail (EIO) at the step of that number, from 0.
    pub fn failing_at(mut self, step: usize) -> Self {
        self.fail_at = Some(step);
        self
    }

    /// The state it is in.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Carries out a plan.
    pub fn apply(&mut self, plan: &Plan) -> Result<(), Failure> {
        for (done, step) in plan.steps().enumerate() {
            let result = if self.fail_at == Some(done) {
                refuse("EIO", "told to fail")
            } else {
                self.obey(&step.op)
            };
            result.map_err(|refusal| Failure { done, refusal })?;
        }
        Ok(())
    }

    /// Takes back the first `done` steps of a plan, the last of them first.
    pub fn undo(&mut self, plan: &Plan, done: usize) -> Done {
        let steps: Vec<_> = plan.steps().take(done).collect();
        for step in steps.into_iter().rev() {
            match &step.undo {
                Undo::Ops { ops } => ops.iter().try_for_each(|op| self.obey(op))?,
                Undo::Nothing => {}
                Undo::Impossible { because } => refuse("ENOTSUP", because)?,
            }
        }
        Ok(())
    }

    /// Does one thing, or refuses it and leaves everything as it was.
    pub fn obey(&mut self, op: &Op) -> Done {
        match op {
            Op::Add { object } => self.add(object),
            Op::AddPair { first, second } => self.add_pair(first, second),
            Op::Set { from, to } => self.set(from, to),
            Op::Remove { object } => self.remove(object),
            // It has no word of who made what.
            Op::Mark { object, .. } => self.expect(object),
            Op::RemovePair { first, second } => {
                self.expect(&Object::Interface(second.clone()))?;
                self.remove(&Object::Interface(first.clone()))
            }
        }
    }

    // What is asked for.

    fn add(&mut self, object: &Object) -> Done {
        if self.state.get(&object.key()).is_some() {
            return refuse("EEXIST", object);
        }
        if let Object::Interface(interface) = object {
            if matches!(interface.kind, Kind::Veth(_)) {
                return refuse("EINVAL", format!("{object} is half a pair"));
            }
            self.check_interface(interface)?;
        } else {
            self.check(object)?;
        }
        self.put(object);
        Ok(())
    }

    fn add_pair(&mut self, first: &Interface, second: &Interface) -> Done {
        for (one, other) in [(first, second), (second, first)] {
            let paired = matches!(&one.kind, Kind::Veth(veth) if veth.peer == other.id);
            if !paired || one.id == other.id {
                return refuse("EINVAL", format!("{one} is not the peer of {other}"));
            }
            if self.state.interface(&one.id).is_some() {
                return refuse("EEXIST", one);
            }
            self.check_interface(one)?;
        }
        for one in [first, second] {
            self.put(&Object::Interface(Box::new(one.clone())));
        }
        Ok(())
    }

    fn set(&mut self, from: &Object, to: &Object) -> Done {
        // A parent that came up brought its VLANs along: setting one up is no mistake.
        let is_so = self.state.get(&to.key()) == Some(to);
        if is_so && matches!(to, Object::Interface(o) if matches!(o.kind, Kind::Vlan(_))) {
            return Ok(());
        }
        self.expect(from)?;
        if from.key() != to.key() {
            return refuse("EINVAL", format!("{from} is not {to}"));
        }
        if let Change::Recreate(because) = from.change(to) {
            return refuse("EOPNOTSUPP", format!("{from}: {because}"));
        }
        match (from, to) {
            (Object::Interface(from), Object::Interface(to)) => self.set_interface(from, to),
            _ => {
                self.check(to)?;
                self.put(to);
                if let Object::Table(table) = to {
                    self.without_flowtables(table);
                }
                Ok(())
            }
        }
    }

    fn remove(&mut self, object: &Object) -> Done {
        self.expect(object)?;
        match object {
            Object::Interface(interface) if interface.kind == Kind::Loopback => {
                return refuse("EOPNOTSUPP", object);
            }
            Object::Interface(interface) => self.take_interface(&interface.id),
            Object::Namespace(namespace) => self.take_namespace(namespace),
            Object::Address(address) => {
                self.state.remove(&object.key());
                self.after_address(&address.interface, address.net.addr());
            }
            Object::Sysctl(sysctl) => {
                self.state.remove(&object.key());
                self.write_over(sysctl);
            }
            Object::Table(table) => {
                self.state.remove(&object.key());
                self.without_flowtables(table);
            }
            _ => drop(self.state.remove(&object.key())),
        }
        Ok(())
    }

    fn expect(&self, object: &Object) -> Done {
        match self.state.get(&object.key()) {
            None => refuse("ENOENT", object),
            Some(actual) if actual != object => {
                refuse("EINVAL", format!("{object} is not as the op thinks: {actual:?}"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Puts an object that has been checked, with what that does to others.
    fn put(&mut self, object: &Object) {
        match object {
            Object::PortVlan(vlan) if vlan.pvid => self.take_pvid(vlan),
            Object::Sysctl(sysctl) => self.write_over(sysctl),
            Object::Interface(interface) => {
                if let Kind::Physical(physical) = &interface.kind {
                    self.strangers.remove(&physical.host_name);
                }
            }
            _ => {}
        }
        self.state.insert(object.clone());
    }

    fn has_flowtable(&self, device: &FlowDevice) -> bool {
        match self.state.get(&Key::Table(device.interface.place.clone())) {
            Some(Object::Table(table)) => {
                let same = |f: &crate::nft::Flowtable| {
                    f.name == device.flowtable && f.priority == device.priority
                };
                table.name == device.table && table.flowtables.iter().any(same)
            }
            _ => false,
        }
    }

    /// Devices go with their flowtables.
    fn without_flowtables(&mut self, table: &crate::nft::Table) {
        let orphan = |o: &Object| match o {
            Object::FlowDevice(o) => o.interface.place == table.place && !self.has_flowtable(o),
            _ => false,
        };
        let orphans: Vec<Key> =
            self.state.objects().filter(|o| orphan(o)).map(Object::key).collect();
        for key in orphans {
            self.state.remove(&key);
        }
    }

    fn find(&self, test: impl Fn(&Object) -> bool) -> Option<&Object> {
        self.state.objects().find(|object| test(object))
    }

    fn master_of(&self, interface: &Interface) -> Master {
        let id =
            |name: &FullName| InterfaceId { place: interface.id.place.clone(), name: name.clone() };
        Master::of(interface.master.as_ref().and_then(|name| self.state.interface(&id(name))))
    }

    // What goes along.

    fn remove_all(&mut self, test: impl Fn(&Object) -> bool) {
        let keys: Vec<Key> =
            self.state.iter().filter(|(_, o)| test(o)).map(|(k, _)| k.clone()).collect();
        for key in keys {
            self.state.remove(&key);
        }
    }

    fn interfaces(&self, test: impl Fn(&Interface) -> bool) -> Vec<Interface> {
        let interface = |object: &Object| match object {
            Object::Interface(interface) if test(interface) => Some((**interface).clone()),
            _ => None,
        };
        self.state.objects().filter_map(interface).collect()
    }

    fn put_interface(&mut self, interface: Interface) {
        self.state.insert(Object::Interface(Box::new(interface)));
    }

    fn take_namespace(&mut self, namespace: &Namespace) {
        for interface in self.interfaces(|i| i.id.place == namespace.place) {
            self.take_interface(&interface.id);
        }
        self.remove_all(|object| {
            object.place() == namespace.place && !matches!(object, Object::File(_))
        });
    }

    fn take_interface(&mut self, id: &InterfaceId) {
        let Some(interface) = self.state.interface(id).cloned() else { return };
        self.state.remove(&Key::Interface(id.clone()));
        if let Kind::Physical(physical) = &interface.kind {
            self.strangers.insert(physical.host_name.clone());
        }
        if !kernel::vanishes(&interface) {
            return;
        }
        self.remove_all(|object| match object {
            Object::Route(o) => {
                o.place == id.place && o.hops.iter().any(|hop| hop.interface == id.name)
            }
            object => on_interface(object) == Some(id.clone()),
        });
        self.forget_sources(&id.place);
        if let Kind::Veth(veth) = &interface.kind {
            self.take_interface(&veth.peer);
        }
        let child = |i: &Interface| i.parent.as_ref() == Some(id) && i.kind != Kind::Wireguard;
        for child in self.interfaces(child) {
            self.take_interface(&child.id);
        }
        let master = Master::of(Some(&interface));
        let member = |i: &Interface| i.id.place == id.place && i.master.as_ref() == Some(&id.name);
        for member in self.interfaces(member) {
            let released = kernel::released(&member, master);
            let loss = kernel::loss(&member, master, &released, Master::None);
            self.put_interface(released.clone());
            self.lose(&member, &released, loss);
        }
    }

    fn set_interface(&mut self, from: &Interface, to: &Interface) -> Done {
        self.check_interface(to)?;
        let (old, new) = (self.master_of(from), self.master_of(to));
        self.put_interface(to.clone());
        self.lose(from, to, kernel::loss(from, old, to, new));
        if from.kernel_name != to.kernel_name {
            self.remove_all(|object| match object {
                Object::FlowDevice(o) => o.interface == from.id,
                Object::Rule(o) => {
                    let name = Some(&from.id.name);
                    o.place == from.id.place && (o.iif.as_ref() == name || o.oif.as_ref() == name)
                }
                _ => false,
            });
        }
        for mut child in self.interfaces(|i| i.parent.as_ref() == Some(&to.id)) {
            let follows = matches!(child.kind, Kind::Ipvlan(_)) && from.mtu != to.mtu;
            if follows || child.mtu > to.mtu {
                child.mtu = to.mtu;
                self.put_interface(child);
            }
        }
        Ok(())
    }

    /// What an interface that became `to` has lost by that.
    fn lose(&mut self, from: &Interface, to: &Interface, loss: kernel::Loss) {
        let id = &from.id;
        if loss.port_vlans {
            self.remove_all(|object| matches!(object, Object::PortVlan(o) if o.interface == *id));
        }
        let vlan = |i: &Interface| i.parent.as_ref() == Some(id) && matches!(i.kind, Kind::Vlan(_));
        if loss.down.is_some() {
            self.go_down(id);
            for child in self.interfaces(|i| vlan(i) && i.up) {
                let down = Interface { up: false, ..child.clone() };
                self.put_interface(down.clone());
                let loss = kernel::Loss { port_vlans: false, down: loss.down };
                self.lose(&child, &down, loss);
            }
        }
        if to.up && (!from.up || loss.down.is_some()) {
            for child in self.interfaces(vlan) {
                let down = Interface { up: false, ..child.clone() };
                let up = Interface { up: true, ..child };
                self.put_interface(up.clone());
                self.lose(&down, &up, kernel::Loss::default());
            }
        }
    }

    fn go_down(&mut self, id: &InterfaceId) {
        self.remove_all(|object| match object {
            Object::Route(o) => {
                o.place == id.place && o.hops.iter().any(|hop| hop.interface == id.name)
            }
            Object::Neighbour(o) => o.interface == *id,
            Object::Address(o) => o.interface == *id && o.net.addr().is_ipv6(),
            _ => false,
        });
        self.forget_sources(&id.place);
    }

    fn take_pvid(&mut self, vlan: &PortVlan) {
        let others: Vec<Object> = self
            .state
            .objects()
            .filter_map(|object| match object {
                Object::PortVlan(o) if o.interface == vlan.interface && o.vid != vlan.vid => {
                    Some(Object::PortVlan(PortVlan { pvid: false, ..o.clone() }))
                }
                _ => None,
            })
            .collect();
        for other in others {
            self.state.insert(other);
        }
    }

    fn write_over(&mut self, sysctl: &crate::state::Sysctl) {
        self.remove_all(|object| match object {
            Object::Sysctl(o) => o.place == sysctl.place && kernel::overwrites(sysctl, o),
            _ => false,
        });
    }

    /// What goes after an address.
    fn after_address(&mut self, id: &InterfaceId, address: std::net::IpAddr) {
        let v4 = |object: &Object| match object {
            Object::Address(o) => o.interface == *id && o.net.addr().is_ipv4(),
            _ => false,
        };
        if address.is_ipv4() && self.find(v4).is_none() {
            self.remove_all(|object| match object {
                Object::Route(o) => {
                    o.place == id.place
                        && o.destination.addr().is_ipv4()
                        && o.hops.iter().any(|hop| hop.interface == id.name)
                }
                Object::Neighbour(o) => o.interface == *id && o.address.is_ipv4(),
                _ => false,
            });
        }
        self.forget_sources(&id.place);
    }

    /// Routes lose a source that is no address any more: those of IPv4 go, those
    /// of IPv6 stay without.
    fn forget_sources(&mut self, place: &Place) {
        let has = |source: std::net::IpAddr| {
            self.find(|object| match object {
                Object::Address(o) => o.interface.place == *place && o.net.addr() == source,
                _ => false,
            })
            .is_some()
        };
        let lost = |object: &Object| match object {
            Object::Route(o) if o.place == *place && o.source.is_some_and(|s| !has(s)) => {
                Some(o.clone())
            }
            _ => None,
        };
        let lost: Vec<Route> = self.state.objects().filter_map(lost).collect();
        for route in lost {
            let ipv6 = route.source.is_some_and(|source| source.is_ipv6());
            let route = Object::Route(Route { source: None, ..route });
            self.state.remove(&route.key());
            if ipv6 {
                self.state.insert(route);
            }
        }
    }
}

/// The interface that an object belongs to.
fn on_interface(object: &Object) -> Option<InterfaceId> {
    match object {
        Object::PortVlan(o) => Some(o.interface.clone()),
        Object::Address(o) => Some(o.interface.clone()),
        Object::Neighbour(o) => Some(o.interface.clone()),
        Object::Qdisc(o) => Some(o.interface.clone()),
        Object::FlowDevice(o) => Some(o.interface.clone()),
        Object::Tunnel(o) => Some(o.interface.clone()),
        Object::Sysctl(o) => {
            o.interface.as_ref().map(|n| InterfaceId { place: o.place.clone(), name: n.clone() })
        }
        _ => None,
    }
}
