//! The Yard: what the Spec means. Names are resolved, defaults filled in,
//! addresses and MACs allotted, deterministically.
//!
//! [`resolve`] runs these passes, each a pure function of those before it:
//!
//! 1. `gather`: who is there. Nodes, networks, links, and every interface once,
//!    whichever of them makes it.
//! 2. `relate`: parents and masters, and an order in which what is below
//!    comes first.
//! 3. `mtu`: from the networks and links upward.
//! 4. `segment`: bridges, their ports and shards, VLANs.
//! 5. `naming`: a kernel name for every interface, a file name for every namespace.
//! 6. `address`: pools, prefixes, addresses.
//! 7. `route`, `rule`, `sysctl`, `file`, `service`: what each node is configured with.
//! 8. `wireguard`: tunnels, their ports, their peers and how they are reached.
//! 9. `firewall`: zones, services and addresses of firewalls.
//! 10. `check`: what is only visible from above, such as an address used twice.
//! 11. `expect`: who is probed from where, multiplied out.
//! 12. `assemble`: the Yard, if nothing was wrong.
//!
//! A pass that meets a mistake reports it and leaves the thing out, so that one
//! run reports them all.
//!
//! What a yard looks like on the host:
//!
//! * A node of kind netns is a namespace, called `YARD-NODE` for `ip netns`.
//! * A network is a bridge. It lives in the yard's fabric, a namespace called
//!   `YARD.fabric`, where no firewall of the host sees its frames; with `host:`
//!   it is on the host. `NODE.IFACE` is the bridge's end of a node's cable.
//! * A network of more than [`SHARD`] ports is a star of bridges.
//! * A link is a veth pair straight between two nodes.
//! * A netns node is not a router unless the file says so: `net.ipv4.ip_forward`
//!   is pinned to 0, because a new namespace copies it from the host, where a
//!   container engine may have set it.

mod address;
mod assemble;
mod check;
mod client;
mod container;
mod delegated;
mod expect;
mod file;
mod firewall;
mod forward;
mod gather;
mod libvirt;
mod mtu;
mod naming;
mod origin;
mod outside;
mod pool;
mod prefix;
mod relate;
mod route;
mod rule;
mod segment;
mod service;
mod serving;
mod serving6;
mod sysctl;
mod uplink;
mod vm;
mod wireguard;

use ipnet::IpNet;

use crate::diag::{Report, Span};
use crate::expect::Expectation;
use crate::facts::Facts;
use crate::firewall::Firewall;
use crate::interface;
use crate::name::{FullName, NodeName, YardName};
use crate::spec::Spec;
use crate::state::{
    Impairment, InterfaceId, LibvirtNetwork, Namespace, Neighbour, Place, Process, Route, Rule,
    Sysctl,
};

pub use crate::spec::{Exit, Through};
pub use check::{RadioWishes, radio_wishes};
pub use serving::{SERVICES, Serving};
pub use uplink::{Uplink, Way};
pub use wireguard::{KeyWish, Wireguard, wishes as key_wishes};

/// Ports on one bridge, beyond which a network becomes a star of bridges: one
/// core, and as many shards as it takes, each joined to it by a veth pair.
///
/// A kernel bridge takes 1,023 ports (`BR_PORT_BITS` 10, net/bridge/br_private.h)
/// and floods a frame to all of them in one softirq; 128 keeps that short and
/// lets 1,023 × 128 ports share one network.
pub const SHARD: usize = 128;

/// Namespaces of one yard, beyond which they are not published below
/// `/run/netns`: each mount slows every later one down.
pub const PUBLISHED_NAMESPACES: usize = 256;

/// Messages that one [`resolve`] gives at most.
const DIAGNOSTICS: usize = 1000;

/// What the Spec means, complete and without mistakes.
#[derive(Clone, Debug)]
pub struct Yard {
    /// Its name.
    pub name: YardName,
    /// The prefixes that addresses were allotted from, in the order in which
    /// they were used; to be recorded, and given back as
    /// [`Facts::recorded_pools`](crate::facts::Facts::recorded_pools).
    pub pools: Vec<IpNet>,
    /// The namespace in which bridges live that do not touch the host; none in
    /// a yard without namespaces.
    pub fabric: Option<Namespace>,
    /// In the order of the file; the host, where the yard touches it, among them.
    pub nodes: Vec<Node>,
    /// In the order of the file.
    pub networks: Vec<Network>,
    /// In the order of the file.
    pub links: Vec<Link>,
    /// The networks' ways out, in the order of the networks.
    pub uplinks: Vec<Uplink>,
    /// What is expected of it when it is up, in the order of the file.
    pub expectations: Vec<Expectation>,
    /// In the order of the file; at most one in each place.
    pub firewalls: Vec<Firewall>,
    /// Processes that belong to the yard as a whole.
    pub processes: Vec<Process>,
    /// What is served on networks, by place.
    pub servings: Vec<Serving>,
    /// The ends of tunnels, in the order of the nodes.
    pub tunnels: Vec<Wireguard>,
}

/// One isolated network stack, or the host.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Where the file names it.
    pub span: Span,
    /// [`Place::Host`] or [`Place::Node`].
    pub place: Place,
    /// Its namespace; none for the host.
    pub namespace: Option<Namespace>,
    /// What netyard makes there, `lo` first; on the host, bridges of networks
    /// are among them, foreign interfaces not.
    pub interfaces: Vec<Interface>,
    /// Settings, of the node and of its interfaces.
    pub sysctls: Vec<Sysctl>,
    /// Routes, gateway shorthands included.
    pub routes: Vec<Route>,
    /// Policy rules.
    pub rules: Vec<Rule>,
    /// Permanent neighbour entries.
    pub neighbours: Vec<Neighbour>,
    /// Files below `/etc/netns/NAME/`: name and content.
    pub files: Vec<(String, String)>,
    /// Commands, in order.
    pub commands: Vec<Vec<String>>,
    /// Its services, in the order of the file.
    pub processes: Vec<Process>,
}

/// An interface of a node.
#[derive(Clone, Debug)]
pub struct Interface {
    /// As the kernel will have it.
    pub device: interface::Interface,
    /// Where the file makes it.
    pub span: Span,
    /// What it is plugged into.
    pub attachment: Attachment,
    /// Its addresses, in order.
    pub addresses: Vec<Address>,
    /// The VLANs it belongs to as a port of a bridge of its node; for a bridge,
    /// those of the bridge itself.
    pub vlans: Vec<Membership>,
    /// What happens to what it sends.
    pub impairment: Option<Impairment>,
}

/// What an interface is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A network: index into [`Yard::networks`].
    Network(usize),
    /// It is the bridge of a network that touches the host.
    Bridge(usize),
    /// A link: index into [`Yard::links`], and which of its ends.
    Link(usize, usize),
    /// Nothing.
    None,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Address and prefix length.
    pub net: IpNet,
    /// Duplicate address detection.
    pub dad: bool,
    /// True when netyard chose it.
    pub allotted: bool,
    /// Where it was written; the interface's place when it was allotted.
    pub span: Span,
}

/// Membership of a bridge port, or a bridge, in a VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// 1 to 4094.
    pub vid: u16,
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Its frames go out untagged.
    pub untagged: bool,
}

/// A layer-2 segment.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name.
    pub name: FullName,
    /// Where the file names it.
    pub span: Span,
    /// Its bridge, the core where there are shards: on the host it is also one
    /// of the host's interfaces, in the fabric the first of `devices`.
    pub bridge: InterfaceId,
    /// Addresses of that bridge in the fabric, from which it is served.
    pub addresses: Vec<Address>,
    /// Its prefixes, declared, taken over from explicit addresses, or allotted.
    pub prefixes: Vec<IpNet>,
    /// Of the bridge, its ports and their other ends, in bytes.
    pub mtu: u32,
    /// Ports belong to VLANs.
    pub vlan_filtering: bool,
    /// What it is made of in the fabric and on the host, besides what is a
    /// node's: bridges, trunks between them, ports.
    pub devices: Vec<Device>,
    /// Settings of those of them that are the host's.
    pub sysctls: Vec<Sysctl>,
    /// Its services in the fabric and on the host, besides what is a node's.
    pub processes: Vec<Process>,
    /// As libvirt knows it.
    pub libvirt: Option<LibvirtNetwork>,
}

/// An interface that belongs to a network and not to a node.
#[derive(Clone, Debug)]
pub struct Device {
    /// As the kernel will have it.
    pub device: interface::Interface,
    /// Its VLANs.
    pub vlans: Vec<Membership>,
}

/// A cable between two interfaces.
#[derive(Clone, Debug)]
pub struct Link {
    /// As written, or `a:x--b:y`.
    pub name: String,
    /// Where the file makes it.
    pub span: Span,
    /// Both interfaces.
    pub ends: [InterfaceId; 2],
    /// Its prefixes, declared, taken over from explicit addresses, or allotted.
    pub prefixes: Vec<IpNet>,
}

impl Yard {
    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name.as_str() == name)
    }

    /// All processes: the nodes', the networks' and the yard's own.
    pub fn every_process(&self) -> impl Iterator<Item = &Process> {
        let of_nodes = self.nodes.iter().flat_map(|node| &node.processes);
        of_nodes.chain(self.networks.iter().flat_map(|n| &n.processes)).chain(&self.processes)
    }

    /// The network of that name.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|n| n.name.as_str() == name)
    }
}

impl Node {
    /// The interface of that full name.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.device.id.name.as_str() == name)
    }
}

/// Finds out what a Spec means on the host of these Facts.
///
/// All mistakes are in the Report; without errors there is a Yard.
pub fn resolve(spec: &Spec, facts: &Facts) -> (Option<Yard>, Report) {
    let mut report = Report::default();
    let cast = gather::gather(spec, facts, &mut report);
    let relations = relate::relate(&cast, facts, &mut report);
    let mtus = mtu::resolve(&cast, &relations, facts, &mut report);
    let segments = segment::resolve(&cast, &relations, &mut report);
    let names = naming::assign(&cast, &segments, facts, &mut report);
    let seats = serving::seats(&cast, &mut report);
    let plan = address::allot(&cast, &relations, &mtus, &seats, facts, &mut report);
    let connected = route::Connected::new(&cast, &plan);
    let routes = route::resolve(&cast, &relations, &plan, &connected, facts, &mut report);
    let tunnels = wireguard::resolve(&cast, &plan, &mtus, &routes, facts, &mut report);
    let settings = assemble::Settings {
        routes,
        neighbours: route::neighbours(&cast, &mut report),
        rules: rule::resolve(&cast, facts, &mut report),
        sysctls: sysctl::resolve(&cast, &relations, facts, &mut report),
        processes: service::resolve(&cast, &plan, &names, facts, &mut report),
        own_processes: service::of_yard(&cast, facts, &mut report),
        files: file::resolve(&cast, &plan, &seats),
    };
    let expectations = expect::resolve(&cast, &plan, &names, facts, &mut report);
    let world = firewall::World { cast: &cast, names: &names, plan: &plan, facts };
    let firewalls = firewall::resolve(world, &mut report);
    serving::check(&cast, &plan, &seats, &mut report);
    serving6::check(&cast, &plan, &seats, &mut report);
    client::check(&cast, &seats, &mut report);
    container::check(&cast, facts, &mut report);
    vm::check(&cast, facts, &mut report);
    check::all(&cast, &relations, &segments, &plan, facts, &mut report);
    report.settle(DIAGNOSTICS);
    if report.has_errors() {
        return (None, report);
    }
    let parts = assemble::Parts {
        cast,
        relations,
        mtus,
        segments,
        names,
        plan,
        seats,
        settings,
        expectations,
        firewalls,
        tunnels,
        facts,
    };
    let mut yard = parts.assemble();
    expect::follow_forwards(&mut yard);
    (Some(yard), report)
}
