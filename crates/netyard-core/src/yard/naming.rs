//! A kernel name for every interface, a file name for every namespace.
//!
//! In a node every name that the kernel takes is itself; the others are derived
//! from it. In the fabric and on the host, where the yard's own inventions live
//! beside names that the user wrote and, on the host, strangers': exact names
//! first, which must be free, then bridges (the network's name), then ports
//! (`NODE.IFACE`), each as readable as it can be.

use std::collections::{HashMap, HashSet}; // looked up, never iterated

use super::PUBLISHED_NAMESPACES;
use super::gather::{Cast, LOOPBACK, Role};
use super::outside;
use super::segment::Segments;
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::Facts;
use crate::name::{FullName, InterfaceName, NodeName, fnv1a};
use crate::state::{InterfaceId, Place};

/// Longest file name (`NAME_MAX`, linux/limits.h).
const FILE_NAME_MAX: usize = 255;

/// An interface's identity and its name in the kernel.
#[derive(Clone)]
pub(super) struct Named {
    pub id: InterfaceId,
    pub kernel: InterfaceName,
}

/// All names.
pub(super) struct Names {
    /// By interface.
    pub interfaces: Vec<InterfaceName>,
    /// By network.
    pub networks: Vec<NetworkNames>,
    /// By node: the namespace's name, and whether it is published.
    pub namespaces: Vec<(String, bool)>,
    /// The same of the fabric.
    pub fabric: (String, bool),
}

/// The names of what a network is made of.
pub(super) struct NetworkNames {
    pub core: Named,
    pub shards: Vec<ShardNames>,
    /// In the order of the star's ports.
    pub ports: Vec<Named>,
}

/// A shard, and both ends of its trunk.
pub(super) struct ShardNames {
    pub bridge: Named,
    /// The end at the shard.
    pub up: Named,
    /// The end at the core.
    pub down: Named,
}

pub(super) fn assign(
    cast: &Cast<'_>,
    segments: &Segments,
    facts: &Facts,
    report: &mut Report,
) -> Names {
    let (namespaces, fabric) = namespaces(cast, facts, report);
    let mut interfaces = in_nodes(cast);
    let scope = cast.spec.yard.value.as_str();
    let mut host = Pool::new(scope, Place::Host);
    host.kernel.extend(facts.host_interfaces.keys().map(|name| (name.clone(), None)));
    let mut pools = Pools { host, fabric: Pool::new(scope, Place::Fabric) };
    // A namespace has one before there is anything else.
    pools.fabric.kernel.extend(InterfaceName::new(LOOPBACK).map(|lo| (lo, None)));
    pools.fabric.full.extend(FullName::new(LOOPBACK));
    pools.take_exact(cast, segments, facts, report);
    let mut networks = pools.name_bridges(cast, segments);
    pools.name_rest_of_host(cast, &networks, &mut interfaces);
    for (network, names) in networks.iter_mut().enumerate() {
        pools.name_shards(segments.networks[network].shards, names);
        pools.name_ports(cast, segments, network, names);
    }
    Names { interfaces, networks, namespaces, fabric }
}

/// Names in the nodes' own namespaces; the host's are overwritten later.
fn in_nodes(cast: &Cast<'_>) -> Vec<InterfaceName> {
    let derive = |i: usize, salt: u32| {
        let interface = &cast.interfaces[i];
        let node = cast.nodes[interface.node].name.as_str();
        InterfaceName::derive(node, interface.name.as_str(), salt)
    };
    let mut names: Vec<InterfaceName> = (0..cast.interfaces.len()).map(|i| derive(i, 0)).collect();
    for node in &cast.nodes {
        let is_derived = |i: &&usize| names[**i].as_str() != cast.interfaces[**i].name.as_str();
        let mut derived: Vec<usize> = node.interfaces.iter().filter(is_derived).copied().collect();
        if derived.is_empty() {
            continue;
        }
        derived.sort_by_key(|i| &cast.interfaces[*i].name);
        let exact = node.interfaces.iter().filter(|i| !is_derived(i));
        let mut used: HashSet<InterfaceName> = exact.map(|i| names[*i].clone()).collect();
        for i in derived {
            let free = (0..).map(|salt| derive(i, salt)).find(|name| used.insert(name.clone()));
            names[i] = free.unwrap_or_else(|| names[i].clone());
        }
    }
    names
}

/// The names in use in one namespace.
struct Pool<'s> {
    scope: &'s str,
    place: Place,
    /// With the place in the file; none for a stranger's.
    kernel: HashMap<InterfaceName, Option<Span>>,
    full: HashSet<FullName>,
}

impl<'s> Pool<'s> {
    fn new(scope: &'s str, place: Place) -> Self {
        Self { scope, place, kernel: HashMap::new(), full: HashSet::new() }
    }

    /// Takes a name that the user wants exactly.
    fn take(&mut self, name: &InterfaceName, span: Span, report: &mut Report) {
        match self.kernel.get(name) {
            Some(None) => report.push(diag::name_on_host(name.as_str(), span)),
            Some(Some(first)) => report.push(diag::name_taken(name.as_str(), span, *first)),
            None => {
                self.kernel.insert(name.clone(), Some(span));
                self.full.extend(FullName::new(name.as_str()));
            }
        }
    }

    /// The kernel's name for a full name, as near to it as is free.
    fn kernel_name(&mut self, full: &str, span: Span) -> InterfaceName {
        let mut salt = 0;
        loop {
            let name = InterfaceName::derive(self.scope, full, salt);
            if !self.kernel.contains_key(&name) {
                self.kernel.insert(name.clone(), Some(span));
                return name;
            }
            salt += 1;
        }
    }

    /// A full name as near to `wanted` as is free, and its kernel name.
    fn name(&mut self, wanted: &str, span: Span) -> Named {
        let mut full = FullName::new(wanted).unwrap_or_else(|_| shortened(wanted));
        let mut next = 2;
        while self.full.contains(&full) {
            let other = format!("{wanted}~{next}");
            full = FullName::new(&other).unwrap_or_else(|_| shortened(&other));
            next += 1;
        }
        self.full.insert(full.clone());
        let kernel = self.kernel_name(full.as_str(), span);
        Named { id: InterfaceId { place: self.place.clone(), name: full }, kernel }
    }

    /// A name that was [taken](Self::take).
    fn exact(&self, name: &InterfaceName) -> Option<Named> {
        let full = FullName::new(name.as_str()).ok()?;
        let id = InterfaceId { place: self.place.clone(), name: full };
        Some(Named { id, kernel: name.clone() })
    }
}

struct Pools<'s> {
    host: Pool<'s>,
    fabric: Pool<'s>,
}

impl<'s> Pools<'s> {
    fn of_network(&mut self, cast: &Cast<'_>, network: usize) -> &mut Pool<'s> {
        match cast.spec.networks[network].host {
            Some(_) => &mut self.host,
            None => &mut self.fabric,
        }
    }

    /// Where a network's ports are: at the core, or at a shard, which is always
    /// in the fabric.
    fn of_ports(&mut self, cast: &Cast<'_>, segments: &Segments, network: usize) -> &mut Pool<'s> {
        if segments.networks[network].shards > 0 {
            return &mut self.fabric;
        }
        self.of_network(cast, network)
    }

    fn take_exact(
        &mut self,
        cast: &Cast<'_>,
        segments: &Segments,
        facts: &Facts,
        report: &mut Report,
    ) {
        for interface in &cast.interfaces {
            if cast.is_host(interface.node)
                && !matches!(interface.role, Role::Bridge(_) | Role::Broken)
                && let Ok(name) = InterfaceName::new(interface.name.as_str())
            {
                self.host.take(&name, interface.span, report);
            }
        }
        for (network, spec) in cast.spec.networks.iter().enumerate() {
            if let Some(bridge) = &spec.bridge {
                self.of_network(cast, network).take(&bridge.value, bridge.span, report);
            }
            for port in outside::ports(cast, network, facts) {
                let pool = self.of_network(cast, network);
                match (&pool.place, &port.vlan) {
                    // It is there under this name, and nobody else's.
                    (Place::Host, None) => {
                        pool.full.extend(FullName::new(port.name.as_str()));
                    }
                    _ => pool.take(port.name, port.span, report),
                }
            }
            for port in &segments.networks[network].ports {
                let entry = cast.interfaces[port.interface].spec;
                if let Some(name) = entry.and_then(|s| s.port_name.as_ref()) {
                    let pool = self.of_ports(cast, segments, network);
                    pool.take(&name.value, name.span, report);
                }
            }
        }
    }

    fn name_bridges(&mut self, cast: &Cast<'_>, segments: &Segments) -> Vec<NetworkNames> {
        let networks = cast.spec.networks.iter().enumerate().map(|(network, spec)| {
            let pool = self.of_network(cast, network);
            let exact = spec.bridge.as_ref().and_then(|bridge| pool.exact(&bridge.value));
            let core = exact.unwrap_or_else(|| pool.name(spec.name.value.as_str(), spec.name.span));
            let ports = Vec::with_capacity(segments.networks[network].ports.len());
            NetworkNames { core, shards: Vec::new(), ports }
        });
        networks.collect()
    }

    /// What of the host's interfaces is not exact: bridges, and names that the
    /// kernel does not take.
    fn name_rest_of_host(
        &mut self,
        cast: &Cast<'_>,
        networks: &[NetworkNames],
        names: &mut [InterfaceName],
    ) {
        for (i, interface) in cast.interfaces.iter().enumerate() {
            if let Role::Bridge(network) = interface.role {
                names[i] = networks[network].core.kernel.clone();
            } else if cast.is_host(interface.node)
                && InterfaceName::new(interface.name.as_str()).is_err()
            {
                names[i] = self.host.kernel_name(interface.name.as_str(), interface.span);
            }
        }
    }

    fn name_shards(&mut self, shards: usize, names: &mut NetworkNames) {
        let core = names.core.clone();
        let network = core.id.name.as_str();
        for shard in 1..=shards {
            let span = Span::default();
            let bridge = self.fabric.name(&format!("{network}.{shard}"), span);
            let up = self.fabric.name(&format!("{network}.{shard}.up"), span);
            let down = match core.id.place {
                Place::Host => &mut self.host,
                _ => &mut self.fabric,
            };
            let down = down.name(&format!("{network}.{shard}.down"), span);
            names.shards.push(ShardNames { bridge, up, down });
        }
    }

    fn name_ports(
        &mut self,
        cast: &Cast<'_>,
        segments: &Segments,
        network: usize,
        names: &mut NetworkNames,
    ) {
        let pool = self.of_ports(cast, segments, network);
        let mut wanted = String::new();
        for port in &segments.networks[network].ports {
            let interface = &cast.interfaces[port.interface];
            let exact = interface.spec.and_then(|s| s.port_name.as_ref());
            let exact = exact.and_then(|name| pool.exact(&name.value));
            names.ports.push(exact.unwrap_or_else(|| {
                wanted.clear();
                wanted.push_str(cast.nodes[interface.node].name.as_str());
                wanted.push('.');
                wanted.push_str(interface.name.as_str());
                pool.name(&wanted, interface.span)
            }));
        }
    }
}

/// The names of the nodes' namespaces and of the fabric's.
fn namespaces(
    cast: &Cast<'_>,
    facts: &Facts,
    report: &mut Report,
) -> (Vec<(String, bool)>, (String, bool)) {
    let yard = cast.spec.yard.value.as_str();
    let count = (0..cast.nodes.len()).filter(|n| !cast.is_host(*n)).count() + 1;
    let publish = count <= PUBLISHED_NAMESPACES;
    let mut used: HashMap<String, Span> = HashMap::new();
    let mut check = |name: &str, published: bool, span: Span, report: &mut Report| {
        if let Some(first) = used.insert(name.to_owned(), span) {
            report.push(diag::netns_twice(name, span, first));
        }
        if published && facts.foreign_namespaces.contains(name) {
            report.push(diag::netns_foreign(name, span));
        }
    };
    let mut names = Vec::with_capacity(cast.nodes.len());
    for (index, node) in cast.nodes.iter().enumerate() {
        if cast.is_host(index) {
            names.push((String::new(), false));
            continue;
        }
        let said = node.spec.and_then(|s| s.netns.as_ref());
        let (name, published, span) = match said {
            Some(said) => {
                if let Err(why) = NodeName::new(&said.value) {
                    report.push(diag::netns_bad(said, why.0));
                }
                (said.value.clone(), true, said.span)
            }
            None => (file_name(format!("{yard}-{}", node.name)), publish, node.span),
        };
        check(&name, published, span, report);
        names.push((name, published));
    }
    let fabric = file_name(format!("{yard}.fabric"));
    if count > 1 {
        check(&fabric, publish, cast.spec.yard.span, report);
    }
    (names, (fabric, publish))
}

/// The name itself, or a head of it and a hash where it is too long for a file.
fn file_name(name: String) -> String {
    if name.len() <= FILE_NAME_MAX { name } else { with_hash(&name, FILE_NAME_MAX) }
}

/// The same for the full name of an interface.
fn shortened(name: &str) -> FullName {
    let text = with_hash(name, 200);
    // A head of names that were checked before, which leaves the characters in order.
    FullName::new(&text).unwrap_or_else(|_| unreachable!("`{text}` is made of checked names"))
}

fn with_hash(name: &str, most: usize) -> String {
    let hash = format!("~{:016x}", fnv1a(&[name.as_bytes()]));
    let mut end = name.len().min(most - hash.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}", &name[..end])
}
