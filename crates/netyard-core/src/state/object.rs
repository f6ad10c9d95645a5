//! The objects of a State. Interfaces, which have kinds, are in
//! [`crate::interface`].

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::interface::Interface;
use crate::name::{FullName, NodeName};
use crate::nft::Table;
use crate::state::Process;

use super::{LibvirtNetwork, Tunnel};

/// A network namespace, seen from the yard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// The host's own: where `netyard up` was called.
    Host,
    /// The yard's own, where bridges live that do not touch the host.
    Fabric,
    /// A node's.
    Node(NodeName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Fabric => f.write_str("(fabric)"),
            Self::Node(node) => node.fmt(f),
        }
    }
}

/// An interface by place and full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterfaceId {
    /// The namespace it is in.
    pub place: Place,
    /// Its name as users see it.
    pub name: FullName,
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place, self.name)
    }
}

/// A network namespace of the yard's own, with its `lo` (an [`Interface`] of its own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Never [`Place::Host`].
    pub place: Place,
    /// Its name for `ip netns`, a file name below `/run/netns`.
    pub netns: String,
    /// True when that name is bind-mounted there; else the yard's keeper holds it.
    pub published: bool,
    /// The hostname of its own UTS namespace, if it has one.
    pub hostname: Option<String>,
}

/// VLAN membership of a bridge port, or of the bridge itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlan {
    /// The port, or the bridge.
    pub interface: InterfaceId,
    /// 1 to 4094.
    pub vid: u16,
    /// Untagged frames that come in belong to it (`pvid`).
    pub pvid: bool,
    /// Its frames go out untagged (`untagged`).
    pub untagged: bool,
    /// True when `interface` is the bridge itself (`bridge vlan … self`).
    pub on_bridge: bool,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The interface that has it.
    pub interface: InterfaceId,
    /// Address and prefix length.
    pub net: IpNet,
    /// The other end of a point-to-point address (`IFA_ADDRESS`).
    pub peer: Option<IpAddr>,
    /// Duplicate address detection (RFC 4862); always false for IPv4.
    pub dad: bool,
}

/// What becomes of packets that take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// They go to the next hops.
    Unicast,
    /// They vanish (`RTN_BLACKHOLE`).
    Blackhole,
    /// They are answered with "host unreachable" (`RTN_UNREACHABLE`).
    Unreachable,
    /// They are answered with "administratively prohibited" (`RTN_PROHIBIT`).
    Prohibit,
}

/// A next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// The router, or none for a destination on the link.
    pub gateway: Option<IpAddr>,
    /// The interface it leads through; in the route's own namespace.
    pub interface: FullName,
    /// The gateway is taken to be on the link whatever the addresses say.
    pub onlink: bool,
    /// 1 to 256; its share among the hops of a multipath route.
    pub weight: u16,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The namespace whose table it is in.
    pub place: Place,
    /// Table number; 254 is `main`.
    pub table: u32,
    /// `0.0.0.0/0` and `::/0` are the default routes.
    pub destination: IpNet,
    /// Lower wins; the kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub metric: u32,
    /// What becomes of the packets.
    pub kind: RouteKind,
    /// Empty unless unicast; sorted; more than one is multipath.
    pub hops: Vec<NextHop>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The path MTU in bytes, if it is to be limited.
    pub mtu: Option<u32>,
}

/// What a policy rule does with a packet it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Looks up that table.
    Table(u32),
    /// Goes on at the rule of that priority.
    Goto(u32),
    /// Drops it.
    Blackhole,
    /// Answers "unreachable".
    Unreachable,
    /// Answers "prohibited".
    Prohibit,
}

/// A policy rule. It has no identity but all that it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The namespace it is in.
    pub place: Place,
    /// True for IPv6.
    pub ipv6: bool,
    /// Lower is asked first.
    pub priority: u32,
    /// Matches packets from here.
    pub from: Option<IpNet>,
    /// Matches packets to here.
    pub to: Option<IpNet>,
    /// Matches this firewall mark, under this mask.
    pub fwmark: Option<(u32, u32)>,
    /// Matches packets that came in here.
    pub iif: Option<FullName>,
    /// Matches packets of sockets bound to here.
    pub oif: Option<FullName>,
    /// Matches packets that the rest does not match.
    pub not: bool,
    /// What is done.
    pub action: RuleAction,
    /// Rejects a found route of this prefix length or shorter.
    pub suppress_prefix_length: Option<u32>,
}

/// A permanent neighbour entry (ARP, NDP), or a proxy entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The interface it is on.
    pub interface: InterfaceId,
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its hardware address; none for a proxy entry.
    pub mac: Option<Mac>,
}

/// What happens to the packets that an interface sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Impairment {
    /// Nanoseconds each packet waits.
    pub delay: u64,
    /// Nanoseconds by which the delay varies.
    pub jitter: u64,
    /// Lost packets, parts per million.
    pub loss: u32,
    /// Duplicated packets, parts per million.
    pub duplicate: u32,
    /// Packets sent at once while others wait, parts per million.
    pub reorder: u32,
    /// Packets with a flipped bit, parts per million.
    pub corrupt: u32,
    /// Bits per second; 0 is unlimited.
    pub rate: u64,
    /// Packets the queue holds; 0 leaves it to netyard.
    pub limit: u32,
}

/// The impairment of an interface's sending side: its root qdisc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// The interface that sends.
    pub interface: InterfaceId,
    /// What happens to what it sends.
    pub impairment: Impairment,
}

/// A device of a flowtable: flows that were accepted between such devices skip
/// the ruleset.
///
/// It is an object beside its [`Table`], which is there before any interface is:
/// the kernel takes it out of the flowtable when its interface goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowDevice {
    /// The device.
    pub interface: InterfaceId,
    /// The table that the flowtable is in.
    pub table: String,
    /// The flowtable.
    pub flowtable: String,
    /// The flowtable's.
    pub priority: i32,
}

/// A kernel setting below `/proc/sys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// The namespace it is set in.
    pub place: Place,
    /// The interface, for a setting below `net/ipv?/{conf,neigh}/IF/`.
    pub interface: Option<FullName>,
    /// With slashes; `{if}` stands for the interface: `net/ipv4/conf/{if}/rp_filter`.
    pub key: String,
    /// As read, without the newline.
    pub value: String,
}

/// A file of a node below `/etc/netns/NAME/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The node.
    pub node: NodeName,
    /// Its namespace's name: the directory.
    pub netns: String,
    /// The file's name: `resolv.conf`, `hosts`.
    pub name: String,
    /// All of it; the first line says that netyard wrote it.
    pub content: String,
}

impl File {
    /// What the first line of every file begins with that netyard wrote.
    pub const MARK: &'static str = "# made by netyard";

    /// A line after which others write: clients, what their leases say.
    pub const LEASED: &'static str = "# from here on by leases:\n";

    /// What is netyard's of a content that was read.
    pub fn own(mut content: String) -> String {
        if let Some(at) = content.find(Self::LEASED) {
            content.truncate(at + Self::LEASED.len());
        }
        content
    }
}

/// A command that runs once in a node, when its network is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The node.
    pub node: NodeName,
    /// Its position in the node's list.
    pub index: u32,
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// Anything netyard makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is the struct of its name
pub enum Object {
    Namespace(Namespace),
    Interface(Box<Interface>),
    PortVlan(PortVlan),
    Sysctl(Sysctl),
    Address(Address),
    Neighbour(Neighbour),
    Route(Route),
    Rule(Rule),
    Qdisc(Qdisc),
    Table(Box<Table>),
    FlowDevice(FlowDevice),
    Tunnel(Box<Tunnel>),
    File(File),
    Command(Command),
    Process(Box<Process>),
    LibvirtNetwork(Box<LibvirtNetwork>),
}

/// What makes an object the same object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each variant is the identity of the Object of its name
pub enum Key {
    Namespace(Place),
    Interface(InterfaceId),
    PortVlan(InterfaceId, u16),
    Sysctl(Place, Option<FullName>, String),
    Address(InterfaceId, IpNet),
    Neighbour(InterfaceId, IpAddr),
    Route(Place, u32, IpNet, u32),
    Rule(Box<Rule>),
    Qdisc(InterfaceId),
    Table(Place),
    FlowDevice(InterfaceId, String),
    Tunnel(InterfaceId),
    File(NodeName, String),
    Command(NodeName, u32),
    Process(Place, String),
    LibvirtNetwork(String),
}

impl Object {
    /// Puts its numbers in the steps in which the kernel keeps them.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Interface(o) => {
                if let crate::interface::Kind::Bridge(bridge) = &mut o.kind {
                    *bridge = bridge.clone().rounded();
                }
            }
            Self::Qdisc(o) => o.impairment = o.impairment.settled(),
            Self::Table(o) => **o = (**o).clone().settled(),
            _ => {}
        }
    }

    /// What makes it the same object.
    pub fn key(&self) -> Key {
        match self {
            Self::Namespace(o) => Key::Namespace(o.place.clone()),
            Self::Interface(o) => Key::Interface(o.id.clone()),
            Self::PortVlan(o) => Key::PortVlan(o.interface.clone(), o.vid),
            Self::Sysctl(o) => Key::Sysctl(o.place.clone(), o.interface.clone(), o.key.clone()),
            Self::Address(o) => Key::Address(o.interface.clone(), o.net),
            Self::Neighbour(o) => Key::Neighbour(o.interface.clone(), o.address),
            Self::Route(o) => Key::Route(o.place.clone(), o.table, o.destination, o.metric),
            Self::Rule(o) => Key::Rule(Box::new(o.clone())),
            Self::Qdisc(o) => Key::Qdisc(o.interface.clone()),
            Self::Table(o) => Key::Table(o.place.clone()),
            Self::FlowDevice(o) => Key::FlowDevice(o.interface.clone(), o.flowtable.clone()),
            Self::Tunnel(o) => Key::Tunnel(o.interface.clone()),
            Self::File(o) => Key::File(o.node.clone(), o.name.clone()),
            Self::Command(o) => Key::Command(o.node.clone(), o.index),
            Self::Process(o) => Key::Process(o.place.clone(), o.name.clone()),
            Self::LibvirtNetwork(o) => Key::LibvirtNetwork(o.name.clone()),
        }
    }

    /// The namespace it is in; a file's and a command's is its node's.
    pub fn place(&self) -> Place {
        match self {
            Self::Namespace(o) => o.place.clone(),
            Self::Interface(o) => o.id.place.clone(),
            Self::PortVlan(o) => o.interface.place.clone(),
            Self::Sysctl(o) => o.place.clone(),
            Self::Address(o) => o.interface.place.clone(),
            Self::Neighbour(o) => o.interface.place.clone(),
            Self::Route(o) => o.place.clone(),
            Self::Rule(o) => o.place.clone(),
            Self::Qdisc(o) => o.interface.place.clone(),
            Self::Table(o) => o.place.clone(),
            Self::FlowDevice(o) => o.interface.place.clone(),
            Self::Tunnel(o) => o.interface.place.clone(),
            Self::File(o) => Place::Node(o.node.clone()),
            Self::Command(o) => Place::Node(o.node.clone()),
            Self::Process(o) => o.place.clone(),
            Self::LibvirtNetwork(_) => Place::Host,
        }
    }
}
