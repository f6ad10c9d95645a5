//! Routes, gateways and neighbours: names become addresses, and each next hop
//! gets the interface through which it is reached.

use std::collections::HashMap; // looked up, never iterated
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::address::Addressing;
use super::gather::{Cast, LOOPBACK, Role};
use super::pool::is_v6;
use super::prefix::PrefixMap;
use super::relate::Relations;
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::interface::Kind;
use crate::name::FullName;
use crate::spec::{Exit, HopSpec, RouteSpec, ViaSpec, WaySpec};
use crate::state::{InterfaceId, Neighbour, NextHop, Route, RouteKind};

/// `RT_TABLE_MAIN`, linux/rtnetlink.h.
pub(super) const MAIN: u32 = 254;
/// `IP6_RT_PRIO_USER`, net/ip6_route.h.
const IPV6_METRIC: u32 = 1024;

/// By node: through which interface a prefix is reached without a router.
pub(super) struct Connected(Vec<PrefixMap<usize>>);

impl Connected {
    pub fn new(cast: &Cast<'_>, plan: &Addressing) -> Self {
        let mut nodes: Vec<PrefixMap<usize>> =
            cast.nodes.iter().map(|_| PrefixMap::default()).collect();
        for (i, addresses) in plan.interfaces.iter().enumerate() {
            if matches!(cast.interfaces[i].role, Role::Loopback) {
                continue;
            }
            for address in addresses {
                nodes[cast.interfaces[i].node].insert(address.net.trunc(), i);
            }
        }
        // A route without a gateway makes its destination reachable too.
        for (index, node) in cast.nodes.iter().enumerate() {
            for route in node.spec.iter().flat_map(|s| &s.routes) {
                let [HopSpec { via: None, dev: Some(dev), .. }] = &route.hops[..] else { continue };
                if let (Some(to), Some(dev)) = (route.to.value, cast.interface(index, &dev.value)) {
                    nodes[index].insert(to.trunc(), dev);
                }
            }
        }
        Self(nodes)
    }

    fn through(&self, node: usize, address: IpAddr) -> Option<usize> {
        self.0[node].longest(address).map(|(_, interface)| *interface)
    }
}

pub(super) fn resolve(
    cast: &Cast<'_>,
    relations: &Relations,
    plan: &Addressing,
    connected: &Connected,
    facts: &Facts,
    report: &mut Report,
) -> Vec<Vec<Route>> {
    let mut all = Vec::with_capacity(cast.nodes.len());
    for node in 0..cast.nodes.len() {
        let mut table = Table {
            cast,
            relations,
            plan,
            connected,
            facts,
            report,
            node,
            routes: Vec::new(),
            spans: HashMap::new(),
        };
        table.add_gateways();
        for route in cast.nodes[node].spec.iter().flat_map(|s| &s.routes) {
            table.add_route(route);
        }
        table.add_way_out();
        all.push(table.routes);
    }
    all
}

/// The routes of one node, as they come together.
struct Table<'a, 's> {
    cast: &'a Cast<'s>,
    relations: &'a Relations,
    plan: &'a Addressing,
    connected: &'a Connected,
    facts: &'a Facts,
    report: &'a mut Report,
    node: usize,
    routes: Vec<Route>,
    spans: HashMap<(u32, IpNet, u32), Span>,
}

/// Where a hop leads out.
#[derive(Clone)]
enum Device {
    Own(usize),
    /// An interface of the host that is not the yard's.
    Foreign(FullName),
}

impl Table<'_, '_> {
    fn add_gateways(&mut self) {
        let cast = self.cast;
        for &i in &cast.nodes[self.node].interfaces {
            for gateway in cast.interfaces[i].spec.iter().flat_map(|s| &s.gateways) {
                let device = Some(Device::Own(i));
                let both = [false, true];
                let families = match gateway.value {
                    ViaSpec::Address(address) => &both[usize::from(address.is_ipv6())..][..1],
                    ViaSpec::Interface(_) => &both[..],
                };
                let mut found = false;
                for &v6 in families {
                    let hop = self.via(gateway, device.clone(), v6, false);
                    if let Ok(Some(hop)) = &hop {
                        let table = self.vrf_table(&hop.1);
                        let hops = vec![next_hop(self.cast, hop.clone(), false, 1)];
                        let route = self.route(default_route(v6), table, None, hops);
                        self.push(route, gateway.span);
                    }
                    found |= !matches!(hop, Ok(None));
                }
                if !found {
                    self.report.push(diag::via_without_address(gateway, ""));
                }
            }
        }
    }

    fn add_route(&mut self, spec: &RouteSpec) {
        if let Some(source) = &spec.source {
            self.check_source(source);
        }
        let families: Vec<bool> = match spec.to.value {
            Some(to) => vec![is_v6(to)],
            None => {
                let mut vias = spec.hops.iter().filter_map(|h| h.via.as_ref());
                match vias.find_map(|via| match via.value {
                    ViaSpec::Address(address) => Some(address.is_ipv6()),
                    ViaSpec::Interface(_) => None,
                }) {
                    Some(v6) => vec![v6],
                    None => vec![false, true],
                }
            }
        };
        if spec.kind == RouteKind::Unicast && spec.hops.is_empty() {
            self.report.push(diag::route_nowhere(spec.span));
            return;
        }
        if spec.kind != RouteKind::Unicast && !spec.hops.is_empty() {
            self.report.push(diag::route_stops(spec.span));
            return;
        }
        let mut found = false;
        for &v6 in &families {
            match self.hops(spec, v6) {
                Ok(Some((hops, vrf))) => {
                    let to = spec.to.value.unwrap_or(default_route(v6)).trunc();
                    let table = spec.table.as_ref().map(|t| t.value).filter(|t| *t != 0);
                    let mut route = self.route(to, table.or(vrf), spec.metric.as_ref(), hops);
                    route.kind = spec.kind;
                    route.source = spec.source.as_ref().map(|s| s.value);
                    route.source = route.source.filter(|s| s.is_ipv6() == v6);
                    route.mtu = spec.mtu.as_ref().map(|m| m.value);
                    self.push(route, spec.span);
                    found = true;
                }
                Ok(None) => {}
                Err(()) => found = true,
            }
        }
        if !found && let Some(via) = spec.hops.iter().find_map(|h| h.via.as_ref()) {
            let family = match &families[..] {
                [false] => "IPv4 ",
                [true] => "IPv6 ",
                _ => "",
            };
            self.report.push(diag::via_without_address(via, family));
        } else if !found {
            self.report.push(diag::route_nowhere(spec.span));
        }
    }

    /// A node that says nothing of a default route, and is plugged into a network
    /// whose router is the host, goes out by the first such network.
    fn add_way_out(&mut self) {
        let cast = self.cast;
        let interfaces = &cast.nodes[self.node].interfaces;
        let entry = |i: &usize| cast.interfaces[*i].spec;
        let says = |i: &usize| entry(i).is_some_and(|s| s.no_gateway || !s.gateways.is_empty());
        let has_default = self.routes.iter().any(|r| r.destination.prefix_len() == 0);
        if has_default || cast.is_host(self.node) || interfaces.iter().any(says) {
            return;
        }
        for v6 in [false, true] {
            let found = interfaces.iter().find_map(|i| Some((*i, self.router(*i, v6)?)));
            let Some((i, address)) = found else { continue };
            let hop = (Some(address), Device::Own(i));
            let hops = vec![next_hop(cast, hop, false, 1)];
            let route = self.route(default_route(v6), None, None, hops);
            self.push(route, cast.interfaces[i].span);
        }
    }

    /// The host's address in the network of an interface, where the network's
    /// uplink makes the host its router.
    fn router(&self, interface: usize, v6: bool) -> Option<IpAddr> {
        let cast = self.cast;
        let Role::Port(network) = cast.interfaces[interface].role else { return None };
        if self.relations.master[interface].is_some() {
            return None;
        }
        let uplink = cast.spec.networks[network].uplink.as_ref()?;
        let WaySpec::Routed { ipv4, ipv6, .. } = &uplink.way else { return None };
        if *(if v6 { ipv6 } else { ipv4 }) == Exit::None {
            return None;
        }
        let is_bridge = |i: &&usize| matches!(cast.interfaces[**i].role, Role::Bridge(_));
        let bridge = cast.members[network].iter().find(is_bridge)?;
        let has_family = |i: usize, a: IpAddr| {
            self.plan.interfaces[i].iter().any(|own| own.net.contains(&a) && own.net.addr() != a)
        };
        let addresses = self.plan.interfaces[*bridge].iter().map(|a| a.net.addr());
        addresses.filter(|a| a.is_ipv6() == v6).find(|a| has_family(interface, *a))
    }

    fn route(
        &self,
        destination: IpNet,
        table: Option<u32>,
        metric: Option<&Spanned<u32>>,
        mut hops: Vec<NextHop>,
    ) -> Route {
        hops.sort();
        let metric = metric.map(|m| m.value).unwrap_or_default();
        let metric = if is_v6(destination) && metric == 0 { IPV6_METRIC } else { metric };
        Route {
            place: self.cast.nodes[self.node].place.clone(),
            table: table.unwrap_or(MAIN),
            destination,
            metric,
            kind: RouteKind::Unicast,
            hops,
            source: None,
            mtu: None,
        }
    }

    fn push(&mut self, route: Route, span: Span) {
        let key = (route.table, route.destination, route.metric);
        if let Some(first) = self.spans.insert(key, span) {
            let node = self.cast.nodes[self.node].name.as_str();
            self.report.push(diag::route_twice(node, route.destination, span, first));
            return;
        }
        // The kernel makes this one itself, with the address (fib_add_ifaddr,
        // net/ipv4/fib_frontend.c).
        let connected = &self.connected.0[self.node];
        if route.table == MAIN
            && !is_v6(route.destination)
            && route.metric == 0
            && !route.hops.iter().any(|h| h.gateway.is_none())
            && let Some(interface) = connected.get(route.destination)
            && route.kind == RouteKind::Unicast
        {
            let name = &self.cast.interfaces[*interface].name;
            self.report.push(diag::route_connected(route.destination, name, span));
            return;
        }
        self.routes.push(route);
    }

    /// All hops of a route for one family, and the table of the VRF they lead
    /// into; none when a node that it leads over has no address of that family.
    #[allow(clippy::type_complexity)]
    fn hops(
        &mut self,
        spec: &RouteSpec,
        v6: bool,
    ) -> Result<Option<(Vec<NextHop>, Option<u32>)>, ()> {
        let mut hops = Vec::with_capacity(spec.hops.len());
        let mut vrf = None;
        for hop in &spec.hops {
            let device = match &hop.dev {
                Some(dev) => Some(self.device(dev)?),
                None => None,
            };
            if let (None, Some(via), true) = (&device, &hop.via, hop.onlink) {
                self.report.push(diag::onlink_without_dev(via.span));
                return Err(());
            }
            let found = match (&hop.via, device) {
                (Some(via), device) => self.via(via, device, v6, hop.onlink)?,
                (None, Some(device)) => {
                    let wanted = spec.to.value.is_some() || self.has_family(&device, v6);
                    wanted.then_some((None, device))
                }
                (None, None) => {
                    self.report.push(diag::route_nowhere(hop.span));
                    return Err(());
                }
            };
            let Some(found) = found else { return Ok(None) };
            vrf = vrf.or(self.vrf_table(&found.1));
            let onlink = hop.onlink && found.0.is_some();
            hops.push(next_hop(self.cast, found, onlink, hop.weight.max(1)));
        }
        Ok(Some((hops, vrf)))
    }

    fn has_family(&self, device: &Device, v6: bool) -> bool {
        match device {
            Device::Own(i) => {
                let addresses = &self.plan.interfaces[*i];
                addresses.iter().any(|a| is_v6(a.net) == v6) || (addresses.is_empty() && !v6)
            }
            Device::Foreign(_) => !v6,
        }
    }

    fn device(&mut self, dev: &Spanned<String>) -> Result<Device, ()> {
        if let Some(found) = self.cast.interface(self.node, &dev.value) {
            if !self.cast.interfaces[found].up() {
                self.report.push(diag::route_down(dev, self.cast.interfaces[found].span));
            }
            return Ok(Device::Own(found));
        }
        if self.cast.is_host(self.node)
            && !self.facts.lacks(dev.value.as_str())
            && let Ok(name) = FullName::new(&dev.value)
        {
            return Ok(Device::Foreign(name));
        }
        let node = self.cast.nodes[self.node].name.as_str();
        let names = self.cast.interface_names(self.node);
        self.report.push(diag::interface_unknown(node, dev, names));
        Err(())
    }

    /// The gateway of that family and the interface towards it.
    fn via(
        &mut self,
        via: &Spanned<ViaSpec>,
        device: Option<Device>,
        v6: bool,
        onlink: bool,
    ) -> Result<Option<(Option<IpAddr>, Device)>, ()> {
        let candidates = match &via.value {
            ViaSpec::Address(address) if address.is_ipv6() != v6 => {
                self.report.push(diag::via_family(*address, via.span));
                return Err(());
            }
            ViaSpec::Address(address) => vec![*address],
            ViaSpec::Interface(text) => {
                let target = self.target(text, via.span)?;
                let addresses = self.plan.interfaces[target].iter().map(|a| a.net.addr());
                let found: Vec<IpAddr> = addresses.filter(|a| a.is_ipv6() == v6).collect();
                if found.is_empty() {
                    return Ok(None);
                }
                found
            }
        };
        for &address in &candidates {
            if let Some(device) = self.reaches(address, device.as_ref(), onlink) {
                return Ok(Some((Some(address), device)));
            }
        }
        let node = self.cast.nodes[self.node].name.as_str();
        let device = device.map(|d| match d {
            Device::Own(i) => self.cast.interfaces[i].name.clone(),
            Device::Foreign(name) => name,
        });
        self.report.push(diag::gateway_unreachable(node, candidates[0], device.as_ref(), via.span));
        Err(())
    }

    /// The interface through which a gateway is reached without another one.
    fn reaches(&self, address: IpAddr, device: Option<&Device>, onlink: bool) -> Option<Device> {
        let is_link_local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
        match device {
            Some(device) if onlink || is_link_local => Some(device.clone()),
            Some(Device::Own(i)) => {
                let own = &self.plan.interfaces[*i];
                let is_near =
                    own.iter().any(|a| a.net.contains(&address) && a.net.addr() != address);
                let routed = self.connected.through(self.node, address) == Some(*i);
                (is_near || routed).then_some(Device::Own(*i))
            }
            Some(foreign) => Some(foreign.clone()),
            None => {
                let own = self.connected.through(self.node, address).map(Device::Own);
                own.or_else(|| self.foreign_through(address))
            }
        }
    }

    fn foreign_through(&self, address: IpAddr) -> Option<Device> {
        if !self.cast.is_host(self.node) {
            return None;
        }
        let routes = self.facts.host_routes.iter().filter(|r| r.destination.contains(&address));
        let longest = routes.max_by_key(|r| r.destination.prefix_len())?;
        FullName::new(&longest.interface).ok().map(Device::Foreign)
    }

    /// The interface that `node:interface` names.
    fn target(&mut self, text: &str, span: Span) -> Result<usize, ()> {
        let Some((node, interface)) = text.split_once(':') else {
            self.report.push(diag::via_no_endpoint(text, span));
            return Err(());
        };
        let Some(index) = self.cast.node(node) else {
            let said = Spanned::new(node.to_owned(), span);
            self.report.push(diag::node_unknown(&said, self.cast.node_names()));
            return Err(());
        };
        self.cast.interface(index, interface).ok_or_else(|| {
            let said = Spanned::new(interface.to_owned(), span);
            let names = self.cast.interface_names(index);
            self.report.push(diag::interface_unknown(node, &said, names));
        })
    }

    /// The table of the VRF that an interface belongs to.
    fn vrf_table(&self, device: &Device) -> Option<u32> {
        let Device::Own(i) = device else { return None };
        let master = self.relations.master[*i].unwrap_or(*i);
        match self.cast.interfaces[master].role {
            Role::Own(Kind::Vrf(vrf)) => Some(vrf.table),
            _ => None,
        }
    }

    fn check_source(&mut self, source: &Spanned<IpAddr>) {
        let interfaces = &self.cast.nodes[self.node].interfaces;
        let mut own = interfaces.iter().flat_map(|i| &self.plan.interfaces[*i]);
        if !self.cast.is_host(self.node) && !own.any(|a| a.net.addr() == source.value) {
            let node = self.cast.nodes[self.node].name.as_str();
            self.report.push(diag::source_unknown(node, source));
        }
    }
}

fn next_hop(
    cast: &Cast<'_>,
    (gateway, device): (Option<IpAddr>, Device),
    onlink: bool,
    weight: u16,
) -> NextHop {
    let interface = match device {
        Device::Own(i) => cast.interfaces[i].name.clone(),
        Device::Foreign(name) => name,
    };
    NextHop { gateway, interface, onlink, weight }
}

fn default_route(v6: bool) -> IpNet {
    if v6 { IpNet::V6(Ipv6Net::default()) } else { IpNet::V4(Ipv4Net::default()) }
}

/// By node.
pub(super) fn neighbours(cast: &Cast<'_>, report: &mut Report) -> Vec<Vec<Neighbour>> {
    let mut all = Vec::with_capacity(cast.nodes.len());
    for (index, node) in cast.nodes.iter().enumerate() {
        let mut found: Vec<Neighbour> = Vec::new();
        for spec in node.spec.iter().flat_map(|s| &s.neighbours) {
            let interface = cast.interface(index, &spec.dev.value);
            let Some(interface) = interface.filter(|_| spec.dev.value != LOOPBACK) else {
                let names = cast.interface_names(index).filter(|n| *n != LOOPBACK);
                report.push(diag::interface_unknown(node.name.as_str(), &spec.dev, names));
                continue;
            };
            let interface: InterfaceId = cast.id(interface);
            let address = spec.address.value;
            if found.iter().any(|n| n.interface == interface && n.address == address) {
                report.push(diag::neighbour_twice(node.name.as_str(), &spec.address));
                continue;
            }
            let mac = spec.mac.as_ref().map(|m| m.value);
            found.push(Neighbour { interface, address, mac });
        }
        all.push(found);
    }
    all
}
