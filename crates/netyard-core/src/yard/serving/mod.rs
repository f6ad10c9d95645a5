//! Who serves a network, and what it is told.
//!
//! A network is served from the node that `serve:` names; else by the host, where
//! the network is on it; else by its only router; else from the fabric, where its
//! bridge gets an address for that. All networks of one place are served by one
//! process; by dnsmasq, each by one of its own.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

pub(super) use check::check;

use super::address::Addressing;
use super::gather::{Cast, Role};
use super::{Attachment, Interface, Network, Node};
use crate::addr::Mac;
use crate::diag::{Report, serving as say};
use crate::name::InterfaceName;
use crate::service::dns::is_name;
use crate::service::dnsmasq;
use crate::service::served::{Dhcp4, Dns, Reserved, Served, ServedNetwork, Upstream, VERSION};
use crate::spec::{DhcpSpec, Engine, Exit, ForwardSpec, NamesSpec, WaySpec};
use crate::state::{
    InterfaceId, Need, Place, Process, ProcessFile, Program, Ready, Reload, Sysctl,
};

/// How long a lease lasts where the file says nothing, in seconds.
const LEASE: u32 = 3600;
/// Answers that are kept where the file says nothing.
const CACHE: u32 = 1000;
const DNS_PORT: u16 = 53;
const DHCP_PORT: u16 = 67;
const DHCP6_PORT: u16 = 547;
/// What the process is called that serves from a place.
pub const SERVICES: &str = "services";
/// What a client has that is told nothing, in bytes (RFC 894).
const ETHERNET_MTU: u32 = 1500;

/// Where a network is served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// That interface, of a node or the host.
    Interface(usize),
    /// Its own bridge in the fabric, which gets an address.
    Bridge,
}

/// By network; none where nothing is served.
pub(super) fn seats(cast: &Cast<'_>, report: &mut Report) -> Vec<Option<Seat>> {
    (0..cast.spec.networks.len()).map(|network| seat(cast, network, report)).collect()
}

fn seat(cast: &Cast<'_>, network: usize, report: &mut Report) -> Option<Seat> {
    let spec = &cast.spec.networks[network];
    let serving = &spec.serving;
    if !serving.is_any() {
        if serving.unsure {
            return None;
        }
        let idle = [
            serving.serve.as_ref().map(|s| ("serve", s.span)),
            serving.engine.as_ref().map(|e| ("engine", e.span)),
        ];
        for (key, span) in idle.into_iter().flatten() {
            report.push(say::nothing_served(key, span));
        }
        return None;
    }
    let name = spec.name.value.as_str();
    let members = &cast.members[network];
    let of_node =
        |node: usize| members.iter().copied().find(|member| cast.interfaces[*member].node == node);
    if let Some(said) = &serving.serve {
        let node = cast.node(&said.value);
        let found = node.and_then(of_node);
        if found.is_none() {
            report.push(say::no_server(&said.value, name, node.is_some(), said.span));
        }
        return found.map(Seat::Interface);
    }
    let bridge = members.iter().find(|m| matches!(cast.interfaces[**m].role, Role::Bridge(_)));
    if let Some(bridge) = bridge {
        return Some(Seat::Interface(*bridge));
    }
    let routers: Vec<usize> = members.iter().copied().filter(|m| is_router(cast, *m)).collect();
    if let [router] = routers[..] {
        return Some(Seat::Interface(router));
    }
    if spec.uplink.as_ref().is_some_and(|u| matches!(u.way, WaySpec::Macvlan(_))) {
        report.push(say::nowhere(name, serving.span().unwrap_or(spec.name.span)));
        return None;
    }
    Some(Seat::Bridge)
}

pub(super) fn is_router(cast: &Cast<'_>, interface: usize) -> bool {
    let node = cast.nodes[cast.interfaces[interface].node].spec;
    node.and_then(super::service::forwards).is_some_and(|forward| forward.value)
}

/// The name servers of a network, and its domain, for `resolv.conf`.
pub(super) fn resolver(
    cast: &Cast<'_>,
    plan: &Addressing,
    seats: &[Option<Seat>],
    network: usize,
) -> Option<(Vec<IpAddr>, String)> {
    let names = cast.spec.networks[network].serving.dns.as_ref()?;
    let addresses = match seats[network]? {
        Seat::Interface(interface) => &plan.interfaces[interface],
        Seat::Bridge => &plan.bridges[network],
    };
    let prefixes = &plan.segments[network].list;
    let of_it = addresses.iter().map(|a| a.net.addr());
    let of_it = of_it.filter(|a| prefixes.iter().any(|(prefix, _)| prefix.contains(a)));
    Some((of_it.collect(), domain(cast, names)))
}

/// The domain of a network's names.
pub(super) fn domain(cast: &Cast<'_>, names: &NamesSpec) -> String {
    if let Some(said) = &names.domain {
        return said.value.trim_end_matches('.').to_lowercase();
    }
    let yard = cast.spec.yard.value.as_str();
    match is_name(yard) {
        true => format!("{}.internal", yard.to_lowercase()),
        false => "internal".to_owned(),
    }
}

/// What is served from one place by one engine, and where the server's addresses are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// The place.
    pub place: Place,
    /// The program.
    pub engine: Engine,
    /// What it is told.
    pub served: Served,
    /// The interfaces that it serves on.
    pub interfaces: Vec<InterfaceId>,
}

impl Serving {
    /// The process that serves it.
    pub fn process(&self) -> Process {
        let mut process = match self.engine {
            Engine::Netyard => self.own_process(),
            Engine::Dnsmasq => self.dnsmasq(),
        };
        process.after = self.interfaces.iter().cloned().map(Need::Address).collect();
        process.keep = true;
        process
    }

    fn own_process(&self) -> Process {
        let arguments = ["serve", "{dir}/services.json", "{data}"].map(str::to_owned);
        let program = Program::Netyard(arguments.to_vec());
        let mut process = Process::new(self.place.clone(), SERVICES, program);
        let mut text = serde_json::to_string(&self.served).unwrap_or_default();
        text.push('\n');
        process.files = vec![ProcessFile::new("services.json", text)];
        process.ready = Ready::Notify;
        process.reload = Reload::Signal("HUP".to_owned());
        process.confined = true;
        process
    }

    fn dnsmasq(&self) -> Process {
        let argv = ["dnsmasq", "--keep-in-foreground", "--conf-file={dir}/dnsmasq.conf"];
        let program = Program::Argv(argv.map(str::to_owned).to_vec());
        let networks = &self.served.networks;
        let name = networks.first().map_or("", |n| n.network.as_str());
        let mut process = Process::new(self.place.clone(), &format!("dnsmasq-{name}"), program);
        let texts = networks.iter().map(dnsmasq::configuration);
        process.files = vec![ProcessFile::new("dnsmasq.conf", texts.collect())];
        let any = |has: fn(&ServedNetwork) -> bool| networks.iter().any(has);
        process.ready = match () {
            () if any(|network| network.dns.is_some()) => Ready::Udp(DNS_PORT),
            () if any(|network| network.dhcp4.is_some()) => Ready::Udp(DHCP_PORT),
            () if any(|network| network.dhcp6.is_some()) => Ready::Udp(DHCP6_PORT),
            // Advertisements have no port.
            () => Ready::Started,
        };
        process.confined = true;
        process
    }
}

/// What the yard has, for the servers.
pub(super) struct Stage<'a, 's> {
    pub cast: &'a Cast<'s>,
    pub plan: &'a Addressing,
    pub seats: &'a [Option<Seat>],
    pub nodes: &'a [Node],
    pub networks: &'a [Network],
}

impl Stage<'_, '_> {
    /// One for each place; by dnsmasq, one for each network.
    pub fn servings(&self) -> Vec<Serving> {
        let mut all: BTreeMap<(Place, Option<usize>), Serving> = BTreeMap::new();
        for (index, seat) in self.seats.iter().enumerate() {
            let Some(seat) = seat else { continue };
            let Some((id, kernel_name)) = self.interface(index, *seat) else { continue };
            let serving = &self.cast.spec.networks[index].serving;
            let engine = serving.engine.as_ref().map(|e| e.value).unwrap_or_default();
            let alone = (engine == Engine::Dnsmasq).then_some(index);
            let key = (id.place.clone(), alone);
            let entry = all.entry(key).or_insert_with(|| Serving {
                place: id.place.clone(),
                engine,
                served: Served { version: VERSION, networks: Vec::new() },
                interfaces: Vec::new(),
            });
            entry.served.networks.push(self.network(index, *seat, kernel_name));
            entry.interfaces.push(id);
        }
        all.into_values().collect()
    }

    /// The server's interface, and the kernel's name of it.
    fn interface(&self, network: usize, seat: Seat) -> Option<(InterfaceId, InterfaceName)> {
        match seat {
            Seat::Bridge => {
                let id = &self.networks[network].bridge;
                let all = &mut self.networks[network].devices.iter();
                let device = &all.find(|d| d.device.id == *id)?.device;
                Some((id.clone(), device.kernel_name.clone()))
            }
            Seat::Interface(index) => {
                let id = self.cast.id(index);
                let mut all = self.nodes.iter().flat_map(|n| &n.interfaces);
                let device = &all.find(|i| i.device.id == id)?.device;
                Some((id, device.kernel_name.clone()))
            }
        }
    }

    fn network(&self, index: usize, seat: Seat, interface: InterfaceName) -> ServedNetwork {
        let spec = &self.cast.spec.networks[index];
        let addresses = match seat {
            Seat::Interface(interface) => &self.plan.interfaces[interface],
            Seat::Bridge => &self.plan.bridges[index],
        };
        let prefixes = &self.networks[index].prefixes;
        let addresses: Vec<IpNet> = addresses
            .iter()
            .map(|a| a.net)
            .filter(|net| prefixes.iter().any(|prefix| prefix.contains(&net.addr())))
            .collect();
        let dhcp4 = spec.serving.dhcp.as_ref();
        let dhcp4 = dhcp4.and_then(|dhcp| self.dhcp4(index, seat, dhcp, &addresses));
        let dns = spec.serving.dns.as_ref().map(|names| self.dns(index, seat, names));
        let own = addresses.clone();
        ServedNetwork {
            network: spec.name.value.clone(),
            interface: Some(interface),
            addresses,
            dhcp4,
            ra: spec.serving.ra.as_ref().map(|ra| self.ra(index, seat, ra, &own)),
            dhcp6: spec.serving.dhcp6.as_ref().map(|dhcp6| self.dhcp6(index, dhcp6, &own)),
            dns,
        }
    }

    /// The interfaces in a network, with their nodes.
    pub(super) fn members(&self, network: usize) -> impl Iterator<Item = (&Node, &Interface)> {
        let all = self.nodes.iter().flat_map(|node| node.interfaces.iter().map(move |i| (node, i)));
        all.filter(move |(_, interface)| match interface.attachment {
            Attachment::Network(index) | Attachment::Bridge(index) => index == network,
            _ => false,
        })
    }

    fn dhcp4(
        &self,
        index: usize,
        seat: Seat,
        dhcp: &DhcpSpec,
        addresses: &[IpNet],
    ) -> Option<Dhcp4> {
        let serving = &self.cast.spec.networks[index].serving;
        let subnet = subnet(dhcp, &self.networks[index].prefixes)?;
        let server = addresses.iter().find_map(|net| match net {
            IpNet::V4(four) if subnet.contains(&four.addr()) => Some(four.addr()),
            _ => None,
        })?;
        let reserved = self.reserved(index, dhcp, subnet);
        let own: BTreeSet<Ipv4Addr> = reserved.iter().map(|r| r.address).collect();
        let all = self.members(index).flat_map(|(_, i)| &i.addresses).map(|a| a.net.addr());
        let all = all.chain(addresses.iter().map(IpNet::addr));
        let taken: BTreeSet<Ipv4Addr> = all
            .filter_map(|address| match address {
                IpAddr::V4(four) if !own.contains(&four) => Some(four),
                _ => None,
            })
            .collect();
        let gateway = match &dhcp.gateway {
            Some(said) => said.as_ref().map(|said| said.value),
            None => self.gateway(index, seat, server, subnet),
        };
        let dns = match (dhcp.dns.is_empty(), serving.dns.is_some()) {
            (true, true) => vec![server],
            _ => dhcp.dns.iter().map(|a| a.value).collect(),
        };
        let said: Vec<_> = dhcp.ranges.iter().map(|range| range.value).collect();
        let mtu = self.networks[index].mtu;
        Some(Dhcp4 {
            subnet,
            server,
            ranges: if said.is_empty() { vec![default_range(subnet)] } else { said },
            lease: dhcp.lease.unwrap_or(LEASE),
            reserved,
            taken: taken.into_iter().collect(),
            gateway,
            dns,
            domain: serving.dns.as_ref().map(|names| domain(self.cast, names)),
            mtu: u16::try_from(mtu).ok().filter(|mtu| u32::from(*mtu) != ETHERNET_MTU),
            options: dhcp.options.clone(),
        })
    }

    /// What is a client's alone: what the file says, and the addresses that nodes
    /// have, which they get by DHCP as well.
    fn reserved(&self, index: usize, dhcp: &DhcpSpec, subnet: Ipv4Net) -> Vec<Reserved> {
        let mut all: Vec<Reserved> = Vec::new();
        for (who, address) in &dhcp.fixed {
            let found = client(self, index, &who.value);
            let Some((mac, name)) = found else { continue };
            all.push(Reserved { mac, address: address.value, name });
        }
        for (node, interface) in self.members(index) {
            let four = interface.addresses.iter().find_map(|a| match a.net {
                IpNet::V4(four) if subnet.contains(&four.addr()) => Some(four.addr()),
                _ => None,
            });
            let (Some(mac), Some(address)) = (interface.device.mac, four) else { continue };
            if all.iter().all(|r| r.mac != mac && r.address != address) {
                let name = Some(node.name.as_str().to_owned()).filter(|name| is_name(name));
                all.push(Reserved { mac, address, name });
            }
        }
        all
    }

    /// Whoever serves, where that forwards; else the only router there is.
    fn gateway(
        &self,
        index: usize,
        seat: Seat,
        server: Ipv4Addr,
        subnet: Ipv4Net,
    ) -> Option<Ipv4Addr> {
        let uplink = self.cast.spec.networks[index].uplink.as_ref();
        let by_host = uplink
            .is_some_and(|u| matches!(u.way, WaySpec::Routed { ipv4, .. } if ipv4 != Exit::None));
        let forwards = |interface: usize| {
            let node = self.cast.interfaces[interface].node;
            is_router(self.cast, interface) || self.cast.is_host(node) && by_host
        };
        if matches!(seat, Seat::Interface(interface) if forwards(interface)) {
            return Some(server);
        }
        let members = self.cast.members[index].iter().copied();
        let routers: Vec<usize> = members.filter(|member| forwards(*member)).collect();
        let [router] = routers[..] else { return None };
        self.plan.interfaces[router].iter().find_map(|a| match a.net {
            IpNet::V4(four) if subnet.contains(&four.addr()) => Some(four.addr()),
            _ => None,
        })
    }

    fn dns(&self, index: usize, seat: Seat, names: &NamesSpec) -> Dns {
        let mut records: Vec<(String, Vec<IpAddr>)> = Vec::new();
        for node in self.nodes {
            let addresses = |here: bool| -> Vec<IpAddr> {
                let of_it = node.interfaces.iter().filter(|i| {
                    !here || matches!(i.attachment, Attachment::Network(n) | Attachment::Bridge(n) if n == index)
                });
                let all = of_it.flat_map(|i| &i.addresses).map(|a| a.net.addr());
                all.filter(|a| !a.is_loopback() && !is_link_local(*a)).collect()
            };
            let here = addresses(true);
            let all = if here.is_empty() { addresses(false) } else { here };
            if !all.is_empty() {
                records.push((node.name.as_str().to_owned(), all));
            }
        }
        for (name, addresses) in &names.records {
            let addresses = addresses.iter().map(|a| a.value).collect();
            records.push((name.value.trim_end_matches('.').to_owned(), addresses));
        }
        let on_host = matches!(seat, Seat::Interface(interface)
            if self.cast.is_host(self.cast.interfaces[interface].node));
        let forward = match &names.forward {
            Some(ForwardSpec::None) => Upstream::None,
            Some(ForwardSpec::System) => Upstream::System,
            Some(ForwardSpec::These(list)) => {
                let all = list.iter().map(|a| SocketAddr::new(a.value, DNS_PORT));
                Upstream::These(all.collect())
            }
            None if on_host => Upstream::System,
            None => Upstream::None,
        };
        let cache = names.cache.unwrap_or(CACHE);
        Dns { domain: domain(self.cast, names), records, forward, cache }
    }
}

/// A node in the network, or a hardware address.
pub(super) fn client(
    stage: &Stage<'_, '_>,
    network: usize,
    who: &str,
) -> Option<(Mac, Option<String>)> {
    if let Ok(mac) = who.parse::<Mac>() {
        return Some((mac, None));
    }
    let mut members = stage.members(network).filter(|(node, _)| node.name.as_str() == who);
    let (node, interface) = members.find(|(_, interface)| interface.device.mac.is_some())?;
    let name = Some(node.name.as_str().to_owned()).filter(|name| is_name(name));
    Some((interface.device.mac?, name))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// The prefix that addresses are given of: that of the first range, else the first.
fn subnet(dhcp: &DhcpSpec, prefixes: &[IpNet]) -> Option<Ipv4Net> {
    let mut all = prefixes.iter().filter_map(|prefix| match prefix {
        IpNet::V4(four) => Some(*four),
        IpNet::V6(_) => None,
    });
    match dhcp.ranges.first() {
        Some(range) => all.find(|prefix| prefix.contains(&range.value.0)),
        None => all.next(),
    }
}

/// From the middle to seven eighths: nodes are numbered from the front, the host
/// from the end.
fn default_range(subnet: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    let size = 1_u64 << (32 - subnet.prefix_len());
    let base = u64::from(u32::from(subnet.network()));
    let first = base + size / 2;
    let last = (base + size / 8 * 7).max(first + 2).saturating_sub(1).min(base + size.max(3) - 2);
    let address = |number: u64| Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX));
    (address(first.min(last)), address(last))
}

/// The fabric does not route between the networks that it serves: a new namespace
/// may copy from the host that it does.
pub(super) fn fabric_settings() -> [Sysctl; 2] {
    ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"].map(|key| Sysctl {
        place: Place::Fabric,
        interface: None,
        key: key.to_owned(),
        value: "0".to_owned(),
    })
}
