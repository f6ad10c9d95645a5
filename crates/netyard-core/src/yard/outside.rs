//! Interfaces of the host as ports of networks: `ports:`, and the one of
//! `uplink: { bridge: … }`.
//!
//! A network on the host enslaves them where they are. One that is not on the
//! host has its bridge in the fabric, and borrows them as a node borrows a
//! physical interface. A VLAN of an interface (`enp8s0.12`) that is not there
//! is made, on its parent on the host.

use super::Membership;
use super::gather::Cast;
use super::mtu;
use super::segment::{DEFAULT_VLAN, memberships};
use crate::diag::Span;
use crate::facts::Facts;
use crate::interface::{self, BridgePort, Kind, Physical, Vlan};
use crate::name::{FullName, InterfaceName};
use crate::spec::{NetworkSpec, PortVlansSpec, WaySpec};
use crate::state::{InterfaceId, Place, Sysctl};

/// An interface of the host that is a port.
#[derive(Clone)]
pub(super) struct OutsidePort<'s> {
    pub name: &'s InterfaceName,
    pub span: Span,
    /// It is the network's uplink.
    pub is_uplink: bool,
    /// It is a VLAN that is to be made: on which interface, and its number.
    pub vlan: Option<(InterfaceName, u16)>,
    /// None for the uplink, which has no keys for it.
    pub vlans: Option<&'s PortVlansSpec>,
}

/// The interfaces of the host among a network's ports, the uplink first.
pub(super) fn ports<'s>(cast: &Cast<'s>, network: usize, facts: &Facts) -> Vec<OutsidePort<'s>> {
    let spec = &cast.spec.networks[network];
    let port = |name: &'s InterfaceName, span, vlans: Option<&'s PortVlansSpec>| OutsidePort {
        name,
        span,
        is_uplink: vlans.is_none(),
        vlan: (!facts.host_interfaces.contains_key(name)).then(|| vlan_of(name, facts)).flatten(),
        vlans,
    };
    let uplink = spec.uplink.as_ref().and_then(|uplink| match &uplink.way {
        WaySpec::Bridge(name) => Some(port(&name.value, name.span, None)),
        _ => None,
    });
    let further = spec.ports.iter().map(|p| port(&p.name.value, p.name.span, Some(&p.vlans)));
    uplink.into_iter().chain(further).collect()
}

/// `enp8s0.12`: the interface, which is there, and the VLAN's number.
fn vlan_of(name: &InterfaceName, facts: &Facts) -> Option<(InterfaceName, u16)> {
    let (parent, id) = name.as_str().rsplit_once('.')?;
    let parent = InterfaceName::new(parent).ok()?;
    let id: u16 = id.parse().ok().filter(|id| (1..=4094).contains(id))?;
    facts.host_interfaces.contains_key(&parent).then_some((parent, id))
}

/// The interfaces of the host that are on a segment.
pub(super) fn names<'s>(cast: &Cast<'s>, segment: usize, facts: &Facts) -> Vec<&'s str> {
    let Some(network) = cast.spec.networks.get(segment) else { return Vec::new() };
    let shared = match network.uplink.as_ref().map(|uplink| &uplink.way) {
        Some(WaySpec::Macvlan(name)) => Some(name.value.as_str()),
        _ => None,
    };
    let ports = ports(cast, segment, facts).into_iter().map(|port| port.name.as_str());
    ports.chain(shared).collect()
}

/// True when frames of a network leave the machine.
pub(super) fn opens(network: &NetworkSpec) -> bool {
    let way = network.uplink.as_ref().map(|uplink| &uplink.way);
    !network.ports.is_empty() || matches!(way, Some(WaySpec::Bridge(_) | WaySpec::Macvlan(_)))
}

/// What the interfaces outside carry at most, in bytes, where there are any.
pub(super) fn mtu(cast: &Cast<'_>, network: usize, facts: &Facts) -> Option<u32> {
    let of = |name: &InterfaceName| facts.host_interfaces.get(name).map(|found| found.mtu);
    let ports = ports(cast, network, facts);
    let ports = ports.iter().map(|p| p.vlan.as_ref().map_or(p.name, |(parent, _)| parent));
    let shared = match cast.spec.networks[network].uplink.as_ref().map(|u| &u.way) {
        Some(WaySpec::Macvlan(name)) => Some(&name.value),
        _ => None,
    };
    ports.chain(shared).filter_map(of).min().map(|least| least.min(mtu::JUMBO))
}

impl OutsidePort<'_> {
    /// Its VLANs on a filtering bridge: as said, else all in use, which are
    /// tagged but for VLAN 1.
    pub fn memberships(&self, in_use: &[Membership]) -> Vec<Membership> {
        let said = memberships(self.vlans);
        if !said.is_empty() {
            return said;
        }
        let tagged = in_use.iter().copied().filter(|m| m.vid != DEFAULT_VLAN.vid);
        std::iter::once(DEFAULT_VLAN).chain(tagged).collect()
    }

    /// The interface, as a port of `bridge`, which is in `place`.
    pub fn device(&self, place: &Place, bridge: &FullName) -> Option<interface::Interface> {
        let on_host = |name: &InterfaceName| {
            let name = FullName::new(name.as_str()).ok()?;
            Some(InterfaceId { place: Place::Host, name })
        };
        let (kind, parent) = match &self.vlan {
            Some((parent, id)) => {
                (Kind::Vlan(Vlan { id: *id, service_tag: false }), Some(on_host(parent)?))
            }
            None => (Kind::Physical(Physical { host_name: self.name.clone() }), None),
        };
        Some(interface::Interface {
            id: InterfaceId { place: place.clone(), ..on_host(self.name)? },
            kernel_name: self.name.clone(),
            kind,
            parent,
            master: Some(bridge.clone()),
            port: Some(BridgePort::default()),
            mtu: None,
            mac: None,
            up: true,
        })
    }

    /// A port is no interface of IPv6's: it takes no advertisements, makes no
    /// addresses of its own, link-local ones included. Else it and the bridge
    /// both configure themselves, and what is sent comes from the wrong one.
    pub fn sysctls(&self, place: &Place) -> Vec<Sysctl> {
        // By name, not as an interface's: of one that is there already they are
        // set before it becomes a port, and its addresses are to move, not to go.
        let by_name = *place == Place::Host && self.vlan.is_none();
        let keys: &[(&str, &str)] = match by_name {
            // `IN6_ADDR_GEN_MODE_NONE`, linux/if_link.h.
            true => &[("accept_ra", "0"), ("autoconf", "0"), ("addr_gen_mode", "1")],
            false => &[("disable_ipv6", "1")],
        };
        let interface = FullName::new(self.name.as_str()).ok().filter(|_| !by_name);
        let name = if by_name { self.name.as_str() } else { "{if}" };
        let sysctl = |(key, value): &(&str, &str)| Sysctl {
            place: place.clone(),
            interface: interface.clone(),
            key: format!("net/ipv6/conf/{name}/{key}"),
            value: (*value).to_owned(),
        };
        keys.iter().map(sysctl).collect()
    }
}
