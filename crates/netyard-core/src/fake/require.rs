//! What must be there before an object can be.

use super::*;

impl FakeKernel {
    pub(super) fn check(&self, object: &Object) -> Done {
        match object {
            Object::Namespace(o) => {
                let taken = self.find(|other| match other {
                    Object::Namespace(n) => n.netns == o.netns && n.place != o.place,
                    _ => false,
                });
                taken.map_or(Ok(()), |_| refuse("EEXIST", format!("namespace {}", o.netns)))
            }
            Object::Interface(_) | Object::File(_) | Object::LibvirtNetwork(_) => Ok(()),
            Object::PortVlan(o) => self.check_port_vlan(o),
            Object::Sysctl(o) => match &o.interface {
                Some(name) => self.check_device(&o.place, name),
                None => self.check_place(&o.place),
            },
            Object::Address(o) => self.check_device(&o.interface.place, &o.interface.name),
            Object::Neighbour(o) => self.check_device(&o.interface.place, &o.interface.name),
            Object::Qdisc(o) => self.check_device(&o.interface.place, &o.interface.name),
            Object::Table(o) => self.check_place(&o.place),
            Object::FlowDevice(o) => {
                self.check_device(&o.interface.place, &o.interface.name)?;
                match self.has_flowtable(o) {
                    true => Ok(()),
                    false => refuse("ENOENT", o.flowtable.clone()),
                }
            }
            Object::Tunnel(o) => self.check_device(&o.interface.place, &o.interface.name),
            Object::Route(o) => self.check_route(o),
            Object::Rule(o) => self.check_place(&o.place),
            Object::Command(o) => self.check_place(&Place::Node(o.node.clone())),
            Object::Process(o) => self.check_place(&o.place),
        }
    }

    pub(super) fn check_place(&self, place: &Place) -> Done {
        if *place == Place::Host || self.state.get(&Key::Namespace(place.clone())).is_some() {
            return Ok(());
        }
        refuse("ENOENT", format!("namespace of {place}"))
    }

    pub(super) fn check_device(&self, place: &Place, name: &FullName) -> Done {
        self.check_place(place)?;
        let id = InterfaceId { place: place.clone(), name: name.clone() };
        if self.state.interface(&id).is_some() || self.is_stranger(&id) || self.is_libvirts(&id) {
            return Ok(());
        }
        refuse("ENODEV", id)
    }

    /// True for the bridge of a network that libvirt runs.
    fn is_libvirts(&self, id: &InterfaceId) -> bool {
        let has = |object: &Object| match object {
            Object::LibvirtNetwork(o) => {
                o.running.is_some() && o.bridge() == Some(id.name.as_str())
            }
            _ => false,
        };
        id.place == Place::Host && self.find(has).is_some()
    }

    pub(super) fn is_stranger(&self, id: &InterfaceId) -> bool {
        id.place == Place::Host && self.strangers.iter().any(|n| n.as_str() == id.name.as_str())
    }

    /// What an interface needs, new or changed.
    pub(super) fn check_interface(&self, o: &Interface) -> Done {
        self.check_place(&o.id.place)?;
        let lent = matches!(&o.kind, Kind::Physical(_));
        let taken = self.find(|other| match other {
            Object::Interface(i) => {
                i.id != o.id && i.id.place == o.id.place && i.kernel_name == o.kernel_name
            }
            _ => false,
        });
        let strange = o.id.place == Place::Host && self.strangers.contains(&o.kernel_name);
        if taken.is_some() || strange && !lent {
            return refuse("EEXIST", format!("the name {} in {}", o.kernel_name, o.id.place));
        }
        if let Kind::Physical(physical) = &o.kind
            && self.state.interface(&o.id).is_none()
            && !self.strangers.contains(&physical.host_name)
        {
            return refuse("ENODEV", format!("{} on the host", physical.host_name));
        }
        if o.kind == Kind::Wireguard {
            // Its parent only says where its packets leave from.
            o.parent.as_ref().map_or(Ok(()), |parent| self.check_place(&parent.place))?;
        } else if let Some(parent) = &o.parent {
            self.check_device(&parent.place, &parent.name)?;
            if let Some(parent) = self.state.interface(parent) {
                self.check_child(o, parent)?;
            }
        }
        let master = match &o.master {
            Some(name) => {
                self.check_device(&o.id.place, name)?;
                let id = InterfaceId { place: o.id.place.clone(), name: name.clone() };
                Master::of(self.state.interface(&id))
            }
            None => Master::None,
        };
        match o.port.is_some() == (master == Master::Bridge) {
            true => Ok(()),
            false => refuse("EINVAL", format!("{o}: port options are for ports of bridges")),
        }
    }

    fn check_child(&self, o: &Interface, parent: &Interface) -> Done {
        if let (Some(mtu), Some(most)) = (o.mtu, parent.mtu)
            && mtu > most
        {
            return refuse("EINVAL", format!("{o}: MTU {mtu} beyond the parent's {most}"));
        }
        let Kind::Vlan(vlan) = &o.kind else { return Ok(()) };
        let twin = self.find(|other| match other {
            Object::Interface(i) => {
                i.id != o.id
                    && i.parent == o.parent
                    && matches!(&i.kind, Kind::Vlan(v) if v == vlan)
            }
            _ => false,
        });
        if twin.is_some() {
            return refuse("EEXIST", format!("{o}: id {} on its parent", vlan.id));
        }
        if o.up && !parent.up {
            return refuse("ENETDOWN", format!("{o}: its parent is down"));
        }
        Ok(())
    }

    fn check_port_vlan(&self, o: &PortVlan) -> Done {
        let Some(interface) = self.state.interface(&o.interface) else {
            return refuse("ENODEV", &o.interface);
        };
        let of_bridge = if o.on_bridge {
            matches!(interface.kind, Kind::Bridge(_))
        } else {
            self.master_of(interface) == Master::Bridge
        };
        if of_bridge {
            Ok(())
        } else {
            refuse("EOPNOTSUPP", format!("vlan {} on {interface}", o.vid))
        }
    }

    fn check_route(&self, o: &Route) -> Done {
        self.check_place(&o.place)?;
        for hop in &o.hops {
            self.check_device(&o.place, &hop.interface)?;
            let id = InterfaceId { place: o.place.clone(), name: hop.interface.clone() };
            if self.state.interface(&id).is_some_and(|i| !i.up) {
                return refuse("ENETDOWN", format!("{o}: {id} is down"));
            }
            self.check_gateway(o, hop, &id)?;
        }
        let Some(source) = o.source else { return Ok(()) };
        let has = |other: &Object| match other {
            Object::Address(a) => a.interface.place == o.place && a.net.addr() == source,
            _ => false,
        };
        match self.find(has) {
            Some(_) => Ok(()),
            None => refuse("EINVAL", format!("{o}: no address {source}")),
        }
    }

    fn check_gateway(&self, o: &Route, hop: &NextHop, id: &InterfaceId) -> Done {
        let Some(gateway) = hop.gateway else { return Ok(()) };
        let local = matches!(gateway, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local());
        let reaches = |other: &Object| match other {
            Object::Address(a) => a.interface == *id && address_reaches(a, gateway),
            Object::Route(r) => {
                r.place == o.place
                    && r.hops.iter().all(|h| h.interface == hop.interface)
                    && route_reaches(r, gateway)
            }
            _ => false,
        };
        if hop.onlink || local || self.is_stranger(id) || self.find(reaches).is_some() {
            return Ok(());
        }
        refuse("ENETUNREACH", format!("{o}: {gateway} on {id}"))
    }
}
