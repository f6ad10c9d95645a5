//! Where in the file an object comes from, for a message about it.

use crate::diag::Span;
use crate::interface;
use crate::spec::{NodeSpec, Spec};
use crate::state::{InterfaceId, Object, Place, Route};

use super::{Interface, Yard};

impl Yard {
    /// The place in the file that an object of this yard is due to: of an address,
    /// a route or a command its own, where it is written down, else that of the
    /// interface, link, network or node it belongs to.
    pub fn origin(&self, spec: &Spec, object: &Object) -> Option<Span> {
        let place = object.place();
        let found = match object {
            Object::Interface(o) => self.interface_span(&o.id),
            Object::PortVlan(o) => self.interface_span(&o.interface),
            Object::Qdisc(o) => self.interface_span(&o.interface),
            Object::Neighbour(o) => {
                neighbour(spec, &place, o.address).or_else(|| self.interface_span(&o.interface))
            }
            Object::Address(o) => self.address_span(&o.interface, o.net),
            Object::Route(o) => self.route_span(spec, o),
            Object::Sysctl(o) => sysctl(spec, &place, o.interface.as_ref(), &o.key),
            Object::Command(o) => node(spec, &place)
                .and_then(|node| node.exec.get(o.index as usize))
                .map(|command| command.span),
            Object::Process(o) => node(spec, &place)
                .and_then(|node| node.services.iter().find(|s| s.name.value == o.name))
                .map(|service| service.name.span),
            _ => None,
        };
        found.or_else(|| self.node_span(&place))
    }

    fn node_span(&self, place: &Place) -> Option<Span> {
        self.nodes.iter().find(|node| node.place == *place).map(|node| node.span)
    }

    fn interface(&self, id: &InterfaceId) -> Option<&Interface> {
        let node = self.nodes.iter().find(|node| node.place == id.place)?;
        node.interface(id.name.as_str())
    }

    fn interface_span(&self, id: &InterfaceId) -> Option<Span> {
        let of_link =
            || self.links.iter().find(|link| link.ends.contains(id)).map(|link| link.span);
        let is_its = |device: &interface::Interface| device.id == *id;
        let of_network = || {
            let network = self.networks.iter().find(|network| {
                network.bridge == *id || network.devices.iter().any(|d| is_its(&d.device))
            });
            network.map(|network| network.span)
        };
        let own = self.interface(id).map(|interface| interface.span);
        own.or_else(of_link).or_else(of_network)
    }

    fn address_span(&self, id: &InterfaceId, net: ipnet::IpNet) -> Option<Span> {
        let own = self.interface(id).and_then(|interface| {
            interface.addresses.iter().find(|address| address.net == net && !address.allotted)
        });
        own.map(|address| address.span).or_else(|| self.interface_span(id))
    }

    /// One that is written down as such; a gateway is at its interface.
    fn route_span(&self, spec: &Spec, route: &Route) -> Option<Span> {
        let is_it = |to: &Option<ipnet::IpNet>| match to {
            Some(to) => to.trunc() == route.destination,
            None => route.destination.prefix_len() == 0,
        };
        let written = node(spec, &route.place)
            .and_then(|node| node.routes.iter().find(|written| is_it(&written.to.value)));
        let device = || {
            let name = route.hops.first().map(|hop| hop.interface.clone())?;
            self.interface_span(&InterfaceId { place: route.place.clone(), name })
        };
        written.map(|written| written.span).or_else(device)
    }
}

fn node<'a>(spec: &'a Spec, place: &Place) -> Option<&'a NodeSpec> {
    let Place::Node(name) = place else { return None };
    spec.nodes.iter().find(|node| node.name.value == *name)
}

fn neighbour(spec: &Spec, place: &Place, address: std::net::IpAddr) -> Option<Span> {
    let of = &node(spec, place)?.neighbours;
    of.iter().find(|one| one.address.value == address).map(|one| one.address.span)
}

/// A setting that is written down, with points or strokes between its words.
fn sysctl(
    spec: &Spec,
    place: &Place,
    interface: Option<&crate::name::FullName>,
    key: &str,
) -> Option<Span> {
    let node = node(spec, place)?;
    let settings = match interface {
        None => &node.sysctl,
        Some(name) => &node.interfaces.iter().find(|one| one.name.value == *name)?.sysctl,
    };
    let last = |key: &str| key.rsplit(['/', '.']).next().map(str::to_owned);
    settings.iter().find(|(name, _)| last(&name.value) == last(key)).map(|(name, _)| name.span)
}

#[cfg(test)]
mod tests {
    use crate::diag::Source;
    use crate::facts::Facts;
    use crate::spec;
    use crate::state::{Object, lower};

    const TEXT: &str = "\
nodes:
  a:
    exec: [[true]]
    sysctl: { net.ipv4.ip_forward: 1 }
    routes: [{ to: 10.8.0.0/24, via: 10.9.0.1 }]
    interfaces:
      lan0: { network: lan, address: 10.9.0.7/24 }
  b: {}
networks: { lan: { prefix: 10.9.0.0/24 } }
links: [[a:x, b:x]]
";

    #[test]
    fn every_object_leads_to_its_line() {
        let root = Source { name: "netyard.yaml".into(), text: TEXT.into() };
        let spec = spec::parse(root, "y", &mut |_, _| Err(String::new())).spec.unwrap();
        let yard = super::super::resolve(&spec, &Facts::default()).0.unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for object in lower(&yard).objects() {
            let Some(span) = yard.origin(&spec, object) else { continue };
            let line = TEXT[..span.start as usize].matches('\n').count() + 1;
            let expected: &[usize] = match object {
                Object::Namespace(o) if o.netns.contains("-a") => &[2],
                Object::Command(_) => &[3],
                Object::Sysctl(o) if o.value == "1" && o.key.contains("ip_forward") => &[4],
                Object::Route(o) if o.destination.to_string().starts_with("10.8") => &[5],
                Object::Address(o) if o.net.to_string() == "10.9.0.7/24" => &[7],
                Object::Interface(o) if o.id.name.as_str() == "lan0" => &[7],
                Object::Interface(o) if o.id.name.as_str() == "x" => &[10],
                Object::Interface(o) if o.id.name.as_str() == "lo" => continue,
                Object::Interface(_) => &[9, 7],
                _ => continue,
            };
            assert!(expected.contains(&line), "{object:?} at line {line}");
            seen.insert(line);
        }
        assert!(seen.len() >= 7, "{seen:?}");
    }
}
