//! What people call the objects of a State.

use std::fmt;

use ipnet::IpNet;

use super::{Object, Place, Route, RouteKind, Rule, Sysctl};
use crate::interface::{Interface, Kind};

/// `address 10.0.0.1/24 on r1:eth0`: sort, name and where it is.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(o) => match &o.place {
                Place::Fabric => write!(f, "fabric"),
                place => write!(f, "node {place}"),
            },
            Self::Interface(o) => o.fmt(f),
            Self::PortVlan(o) => write!(f, "vlan {} on {}", o.vid, o.interface),
            Self::Sysctl(o) => o.fmt(f),
            Self::Address(o) => write!(f, "address {} on {}", o.net, o.interface),
            Self::Neighbour(o) => match o.mac {
                Some(mac) => write!(f, "neighbour {} at {mac} on {}", o.address, o.interface),
                None => write!(f, "proxy for {} on {}", o.address, o.interface),
            },
            Self::Route(o) => o.fmt(f),
            Self::Rule(o) => o.fmt(f),
            Self::Qdisc(o) => write!(f, "impairment of {}", o.interface),
            Self::Table(o) => write!(f, "firewall of {}", o.place),
            Self::FlowDevice(o) => write!(f, "offload of {} to {}", o.interface, o.flowtable),
            Self::Tunnel(o) => write!(f, "peers of {}", o.interface),
            Self::File(o) => write!(f, "file {} of {}", o.name, o.node),
            Self::Command(o) => write!(f, "command {} in {}", o.argv.join(" "), o.node),
            Self::Process(o) => write!(f, "process {} in {}", o.name, o.place),
            Self::LibvirtNetwork(o) => write!(f, "libvirt network {}", o.name),
        }
    }
}

/// `vlan r1:eth0.10`: kind and id.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", kind_word(&self.kind), self.id)
    }
}

/// The word that `ip link` has for a kind.
pub(crate) fn kind_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Loopback => "loopback",
        Kind::Veth(_) => "veth",
        Kind::Bridge(_) => "bridge",
        Kind::Vlan(_) => "vlan",
        Kind::Vxlan(_) => "vxlan",
        Kind::Macvlan(_) => "macvlan",
        Kind::Macvtap(_) => "macvtap",
        Kind::Ipvlan(_) => "ipvlan",
        Kind::Dummy => "dummy",
        Kind::Vrf(_) => "vrf",
        Kind::Bond(_) => "bond",
        Kind::Tap(_) => "tap",
        Kind::Tun(_) => "tun",
        Kind::Ifb => "ifb",
        Kind::Wireguard => "wireguard",
        Kind::Wlan(_) => "wlan",
        Kind::Physical(_) => "interface",
    }
}

/// `sysctl net.ipv4.conf.eth0.rp_filter in r1`.
impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sysctl {} in {}", dotted(self), self.place)
    }
}

/// The key with dots, or with slashes where the interface's name has a dot.
fn dotted(sysctl: &Sysctl) -> String {
    match &sysctl.interface {
        Some(name) if name.as_str().contains('.') => sysctl.key.replace("{if}", name.as_str()),
        Some(name) => sysctl.key.replace('/', ".").replace("{if}", name.as_str()),
        None => sysctl.key.replace('/', "."),
    }
}

/// `route default via 10.0.0.1 in r1`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Unicast => write!(f, "route {}", Destination(&self.destination))?,
            kind => write!(f, "{} route {}", kind.word(), Destination(&self.destination))?,
        }
        match &*self.hops {
            [] => {}
            [hop] => match hop.gateway {
                Some(gateway) => write!(f, " via {gateway}")?,
                None => write!(f, " dev {}", hop.interface)?,
            },
            hops => write!(f, " over {} next hops", hops.len())?,
        }
        if self.table != crate::state::MAIN_TABLE {
            write!(f, " in table {} of {}", self.table, self.place)
        } else {
            write!(f, " in {}", self.place)
        }
    }
}

impl RouteKind {
    /// The word of `ip route` for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
        }
    }
}

/// A destination as `ip` writes it: `default` for all addresses of a family.
struct Destination<'a>(&'a IpNet);

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.prefix_len(), self.0) {
            (0, IpNet::V4(_)) => f.write_str("default"),
            (0, IpNet::V6(_)) => f.write_str("default (IPv6)"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// `rule 100 in r1`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.ipv6 { "IPv6 rule" } else { "rule" };
        write!(f, "{family} {} in {}", self.priority, self.place)
    }
}
