//! The Yard, when all passes are done and nothing was wrong: what they found,
//! put together into what the kernel will have.

use std::sync::LazyLock;

use super::address::Addressing;
use super::client;
use super::gather::{Cast, Role};
use super::mtu::Mtus;
use super::naming::{Named, Names, ShardNames};
use super::outside;
use super::relate::{Parent, Relations, is_bridge};
use super::segment::{Segments, port_options};
use super::serving::{self, Seat, Stage};
use super::wireguard::Tunnels;
use super::{Attachment, Device, Interface, Link, Membership, Network, Node, Yard, uplink};
use crate::addr::Mac;
use crate::expect::Expectation;
use crate::facts::Facts;
use crate::firewall::Firewall;
use crate::interface::{
    self, Bond, BondMode, Bridge, BridgePort, Engine, Kind, MacvlanMode, Tap, Veth,
};
use crate::name::FullName;
use crate::spec::WaySpec;
use crate::state::{
    Impairment, InterfaceId, Namespace, Neighbour, Place, Process, Route, Rule, Sysctl,
};

/// What each node is configured with, by node.
pub(super) struct Settings {
    pub routes: Vec<Vec<Route>>,
    pub neighbours: Vec<Vec<Neighbour>>,
    pub rules: Vec<Vec<Rule>>,
    pub sysctls: Vec<Vec<Sysctl>>,
    pub files: Vec<Vec<(String, String)>>,
    pub processes: Vec<Vec<Process>>,
    /// Those of the yard as a whole.
    pub own_processes: Vec<Process>,
}

/// What all passes found.
pub(super) struct Parts<'s> {
    pub cast: Cast<'s>,
    pub relations: Relations,
    pub mtus: Mtus,
    pub segments: Segments,
    pub names: Names,
    pub plan: Addressing,
    pub seats: Vec<Option<Seat>>,
    pub settings: Settings,
    pub expectations: Vec<Expectation>,
    pub facts: &'s Facts,
    pub firewalls: Vec<Firewall>,
    pub tunnels: Tunnels,
}

/// The stable MAC address of an interface.
pub(super) fn derive_mac(yard: &str, id: &InterfaceId) -> Mac {
    let (tag, node): (&[u8], &str) = match &id.place {
        Place::Host => (b"host", ""),
        Place::Fabric => (b"fabric", ""),
        Place::Node(node) => (b"node", node.as_str()),
    };
    Mac::derive(&[yard.as_bytes(), tag, node.as_bytes(), id.name.as_str().as_bytes()])
}

impl Parts<'_> {
    pub fn assemble(mut self) -> Yard {
        let mut networks: Vec<Network> =
            (0..self.cast.spec.networks.len()).map(|n| self.network(n)).collect();
        let links = (0..self.cast.spec.links.len()).filter_map(|l| self.link(l)).collect();
        let nodes: Vec<Node> = (0..self.cast.nodes.len()).map(|n| self.node(n)).collect();
        super::libvirt::fill(&self.cast, &nodes, &mut networks);
        let uplinks = uplink::uplinks(&self.cast, &networks, &nodes);
        let fabric = nodes.iter().any(|n| n.namespace.is_some()).then(|| Namespace {
            place: Place::Fabric,
            netns: self.names.fabric.0.clone(),
            published: self.names.fabric.1,
            hostname: None,
        });
        let (cast, plan, seats) = (&self.cast, &self.plan, &self.seats[..]);
        let stage = Stage { cast, plan, seats, nodes: &nodes, networks: &networks };
        let servings = stage.servings();
        let name = self.cast.spec.yard.value.clone();
        let tunnels = std::mem::take(&mut self.tunnels.ends).into_iter().flatten().collect();
        let expectations = std::mem::take(&mut self.expectations);
        Yard {
            name,
            pools: self.plan.pools,
            fabric,
            nodes,
            networks,
            links,
            uplinks,
            expectations,
            firewalls: std::mem::take(&mut self.firewalls),
            processes: std::mem::take(&mut self.settings.own_processes)
                .into_iter()
                .chain(servings.iter().map(serving::Serving::process))
                .collect(),
            servings,
            tunnels,
        }
    }

    fn yard(&self) -> &str {
        self.cast.spec.yard.value.as_str()
    }

    fn node(&mut self, index: usize) -> Node {
        let node = &self.cast.nodes[index];
        let interfaces = node.interfaces.iter().filter(|i| {
            // The host's own loopback is not netyard's.
            !matches!(self.cast.interfaces[**i].role, Role::Broken)
        });
        let namespace = (!self.cast.is_host(index)).then(|| Namespace {
            place: node.place.clone(),
            netns: self.names.namespaces[index].0.clone(),
            published: self.names.namespaces[index].1,
            hostname: node.spec.and_then(|s| s.hostname.as_ref()).map(|h| h.value.clone()),
        });
        let commands = node.spec.iter().flat_map(|s| &s.exec).map(|c| c.value.clone());
        let mut made = Node {
            name: node.name.clone(),
            span: node.span,
            place: node.place.clone(),
            namespace,
            interfaces: interfaces.map(|i| self.interface(*i)).collect(),
            commands: commands.collect(),
            sysctls: std::mem::take(&mut self.settings.sysctls[index]),
            routes: std::mem::take(&mut self.settings.routes[index]),
            rules: std::mem::take(&mut self.settings.rules[index]),
            neighbours: std::mem::take(&mut self.settings.neighbours[index]),
            files: std::mem::take(&mut self.settings.files[index]),
            processes: std::mem::take(&mut self.settings.processes[index]),
        };
        made.processes.extend(client::processes(&self.cast, index, &made));
        made
    }

    fn interface(&self, index: usize) -> Interface {
        let found = &self.cast.interfaces[index];
        let attachment = match found.role {
            Role::Port(n) | Role::Shared(n, _) => Attachment::Network(n),
            Role::Bridge(n) => Attachment::Bridge(n),
            Role::End(link, end) => Attachment::Link(link, end),
            Role::Loopback | Role::Own(_) | Role::Broken => Attachment::None,
        };
        let impairment = found.impairment(self.cast.spec);
        Interface {
            device: self.device(index),
            span: found.span,
            attachment,
            addresses: self.tunnels.addresses(&self.plan, index, found.span),
            vlans: self.segments.vlans[index].clone(),
            impairment: impairment.filter(|i| *i != Impairment::default()),
        }
    }

    fn device(&self, index: usize) -> interface::Interface {
        let found = &self.cast.interfaces[index];
        let parent = self.relations.parent[index].as_ref().and_then(|parent| match parent {
            Parent::Interface(parent) => Some(self.cast.id(*parent)),
            Parent::Foreign(name) => {
                let name = FullName::new(name.as_str()).ok()?;
                Some(InterfaceId { place: Place::Host, name })
            }
        });
        let parent = parent.or_else(|| self.birth(index));
        let master = self.relations.master[index];
        let port = master.filter(|m| is_bridge(&self.cast, *m)).map(|_| match found.role {
            // `port:` of a plugged interface is for the network's end.
            Role::Port(_) => BridgePort::default(),
            _ => port_options(found),
        });
        interface::Interface {
            id: self.cast.id(index),
            kernel_name: self.names.interfaces[index].clone(),
            kind: self.kind(index),
            parent,
            master: master.map(|m| self.cast.interfaces[m].name.clone()),
            port,
            mtu: self.mtus.interfaces[index],
            mac: self.mac(index),
            up: found.up(),
        }
    }

    /// What a tunnel of the kernel rests on that is born in another namespace.
    fn birth(&self, index: usize) -> Option<InterfaceId> {
        let end = self.tunnels.ends[index].as_ref()?;
        let elsewhere = end.birth != self.cast.id(index).place;
        let name = FullName::new(super::gather::LOOPBACK).ok()?;
        let rests = elsewhere && end.engine == Engine::Kernel;
        rests.then(|| InterfaceId { place: end.birth.clone(), name })
    }

    fn kind(&self, index: usize) -> Kind {
        if let Some(end) = &self.tunnels.ends[index] {
            return match end.engine {
                Engine::Kernel => Kind::Wireguard,
                Engine::Userspace => {
                    Kind::Tun(Tap { owner: None, group: None, multi_queue: false })
                }
            };
        }
        match self.cast.interfaces[index].role {
            Role::Loopback | Role::Broken => Kind::Loopback,
            Role::Port(network) => Kind::Veth(Veth { peer: self.port_of(network, index) }),
            Role::End(link, end) => {
                let members = &self.cast.members[self.cast.link_segment(link)];
                let is_other = |i: &&usize| match self.cast.interfaces[**i].role {
                    Role::End(_, other) => other != end,
                    _ => false,
                };
                let peer = members.iter().find(is_other).copied().unwrap_or(index);
                Kind::Veth(Veth { peer: self.cast.id(peer) })
            }
            Role::Bridge(network) => Kind::Bridge(Bridge {
                vlan_filtering: self.segments.networks[network].filtering,
                ..self.cast.spec.networks[network].settings.clone()
            }),
            Role::Own(Kind::Bridge(bridge)) => Kind::Bridge(Bridge {
                vlan_filtering: self.segments.filtering[index],
                ..bridge.clone()
            }),
            Role::Own(kind) | Role::Shared(_, kind) => kind.clone(),
        }
    }

    /// The network's end of a plugged interface's cable.
    fn port_of(&self, network: usize, interface: usize) -> InterfaceId {
        let ports = &self.segments.networks[network].ports;
        let at = ports.binary_search_by_key(&interface, |p| p.interface);
        match at {
            Ok(at) => self.names.networks[network].ports[at].id.clone(),
            Err(_) => self.cast.id(interface),
        }
    }

    /// Explicit, else derived; none where the kernel decides: a VLAN has its
    /// parent's, a bond's member the bond's.
    fn mac(&self, index: usize) -> Option<Mac> {
        let found = &self.cast.interfaces[index];
        if super::wireguard::said(&self.cast, index).is_some() {
            return None;
        }
        let said = found.spec.and_then(|s| s.mac.as_ref()).map(|m| m.value);
        let said = said.or(match found.role {
            Role::Bridge(n) => {
                let own = self.cast.spec.networks[n].mac.as_ref().map(|m| m.value);
                own.or_else(|| self.uplink_mac(n))
            }
            _ => None,
        });
        let is_member = self.relations.master[index].is_some_and(|m| {
            let role = self.cast.interfaces[m].role;
            matches!(role, Role::Own(Kind::Bond(Bond { mode, .. })) if !keeps_macs(*mode))
        });
        let is_derived = match found.role {
            Role::Loopback | Role::Broken => false,
            Role::Port(_) | Role::End(..) | Role::Bridge(_) => true,
            Role::Own(kind) | Role::Shared(_, kind) => match kind {
                Kind::Loopback
                | Kind::Vlan(_)
                | Kind::Ipvlan(_)
                | Kind::Tun(_)
                | Kind::Wlan(_)
                | Kind::Physical(_) => false,
                Kind::Macvlan(m) | Kind::Macvtap(m) => m.mode != MacvlanMode::Passthru,
                _ => true,
            },
        };
        if is_member {
            return None;
        }
        said.or_else(|| is_derived.then(|| derive_mac(self.yard(), &self.cast.id(index))))
    }

    /// The bridge of a bridged uplink has the MAC address of the interface, so
    /// that neighbours and leases stay what they are.
    fn uplink_mac(&self, network: usize) -> Option<Mac> {
        let ports = outside::ports(&self.cast, network, self.facts);
        let uplink = ports.iter().find(|port| port.is_uplink)?;
        let name = uplink.vlan.as_ref().map_or(uplink.name, |(parent, _)| parent);
        self.facts.host_interfaces.get(name)?.mac
    }

    fn link(&self, index: usize) -> Option<Link> {
        let segment = self.cast.link_segment(index);
        let [a, b] = self.cast.members[segment][..] else { return None };
        Some(Link {
            name: self.cast.link_name(index),
            span: self.cast.spec.links[index].span,
            ends: [self.cast.id(a), self.cast.id(b)],
            prefixes: self.plan.segments[segment].list.iter().map(|p| p.0).collect(),
        })
    }

    fn network(&self, index: usize) -> Network {
        let spec = &self.cast.spec.networks[index];
        let star = &self.segments.networks[index];
        let names = &self.names.networks[index];
        let mut devices = Vec::with_capacity(1 + 3 * star.shards + star.ports.len());
        let shared = spec.uplink.as_ref().is_some_and(|u| matches!(u.way, WaySpec::Macvlan(_)));
        if spec.host.is_none() && !shared {
            let mac = spec.mac.as_ref().map(|m| m.value);
            devices.push(self.bridge(index, &names.core, spec.settings.priority, mac));
        }
        let trunk = LazyLock::new(|| star.trunk());
        for shard in &names.shards {
            self.push_shard(index, shard, &trunk, &mut devices);
        }
        for (port, name) in star.ports.iter().zip(&names.ports) {
            let bridge = match port.shard {
                Some(shard) => &names.shards[shard].bridge,
                None => &names.core,
            };
            let entry = self.cast.interfaces[port.interface].spec;
            let mac = entry.and_then(|s| s.port_mac.as_ref()).map(|m| m.value);
            let peer = self.cast.id(port.interface);
            let mut device = self.port(index, name, peer, bridge, port.options.clone());
            device.mac = mac.or(device.mac);
            devices.push(Device { device, vlans: port.vlans.clone() });
        }
        let mut sysctls = Vec::new();
        for port in outside::ports(&self.cast, index, self.facts) {
            let core = &names.core.id;
            let Some(device) = port.device(&core.place, &core.name) else { continue };
            let vlans = if star.filtering { port.memberships(&trunk) } else { Vec::new() };
            devices.push(Device { device, vlans });
            sysctls.extend(port.sysctls(&core.place));
        }
        if self.seats[index] == Some(Seat::Bridge) {
            sysctls.extend(serving::fabric_settings());
        }
        Network {
            sysctls,
            processes: Vec::new(),
            libvirt: None,
            addresses: self.plan.bridges[index].clone(),
            name: spec.name.value.clone(),
            span: spec.name.span,
            bridge: names.core.id.clone(),
            prefixes: self.plan.segments[index].list.iter().map(|p| p.0).collect(),
            mtu: self.mtus.networks[index],
            vlan_filtering: star.filtering,
            devices,
        }
    }

    fn push_shard(
        &self,
        network: usize,
        names: &ShardNames,
        trunk: &[Membership],
        devices: &mut Vec<Device>,
    ) {
        // One step of 802.1D's coarse priorities (4096) behind the core.
        let priority = self.cast.spec.networks[network].settings.priority.saturating_add(4096);
        let mut bridge = self.bridge(network, &names.bridge, priority, None);
        if let Kind::Bridge(settings) = &mut bridge.device.kind {
            settings.multicast_querier = false;
        }
        devices.push(bridge);
        let core = &self.names.networks[network].core;
        let ends = [(&names.up, &names.down, &names.bridge), (&names.down, &names.up, core)];
        for (end, other, bridge) in ends {
            let options = BridgePort { multicast_router: true, ..BridgePort::default() };
            let device = self.port(network, end, other.id.clone(), bridge, options);
            devices.push(Device { device, vlans: trunk.to_vec() });
        }
    }

    fn bridge(&self, network: usize, name: &Named, priority: u16, mac: Option<Mac>) -> Device {
        let kind = Kind::Bridge(Bridge {
            priority,
            vlan_filtering: self.segments.networks[network].filtering,
            ..self.cast.spec.networks[network].settings.clone()
        });
        let device = interface::Interface {
            id: name.id.clone(),
            kernel_name: name.kernel.clone(),
            kind,
            parent: None,
            master: None,
            port: None,
            mtu: Some(self.mtus.networks[network]),
            mac: Some(mac.unwrap_or_else(|| derive_mac(self.yard(), &name.id))),
            up: true,
        };
        Device { device, vlans: Vec::new() }
    }

    fn port(
        &self,
        network: usize,
        name: &Named,
        peer: InterfaceId,
        bridge: &Named,
        options: BridgePort,
    ) -> interface::Interface {
        interface::Interface {
            id: name.id.clone(),
            kernel_name: name.kernel.clone(),
            kind: Kind::Veth(Veth { peer }),
            parent: None,
            master: Some(bridge.id.name.clone()),
            port: Some(options),
            mtu: Some(self.mtus.networks[network]),
            mac: Some(derive_mac(self.yard(), &name.id)),
            up: true,
        }
    }
}

/// True when members of such a bond keep MAC addresses of their own.
fn keeps_macs(mode: BondMode) -> bool {
    matches!(mode, BondMode::BalanceTlb | BondMode::BalanceAlb)
}
