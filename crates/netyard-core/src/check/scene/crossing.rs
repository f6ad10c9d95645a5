//! Which packets of the yard cross the host, and where.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Scene;
use crate::facts::Stack;
use crate::facts::ruleset::walk::{Packet, Tracked};
use crate::nft::Hook;
use crate::state::Place;
use crate::yard::{Attachment, Exit, Through, Uplink, Way, Yard};

/// Somewhere beyond: any address will do that no rule knows.
const BEYOND: [&str; 2] = ["203.0.113.77", "2001:db8:77::77"];
const TCP: u8 = 6;
const UDP: u8 = 17;
const HTTPS: u16 = 443;
const DHCP: u16 = 67;
const DNS: u16 = 53;

/// A packet of the yard's that crosses a hook of the host.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// The packet.
    pub packet: Packet,
    /// The yard's bridge that it comes from or goes to.
    pub inside: String,
    /// The interface beyond, where it is forwarded.
    pub outside: Option<String>,
    /// What it is, for a sentence: "connections from network `lan` to `eth0`".
    pub what: String,
    /// Without it the yard does not do what its file says.
    pub needed: bool,
}

impl Scene<'_> {
    /// The kernel names of the host's interfaces that the yard goes out by.
    pub fn ways_out(&self) -> Vec<String> {
        let (Some(yard), Some(host)) = (self.yard, self.host()) else { return Vec::new() };
        let mut names = Vec::new();
        for uplink in &yard.uplinks {
            match &uplink.way {
                Way::Routed { through: Through::Interface(name), .. } => {
                    names.push(name.to_string())
                }
                Way::Routed { through: Through::Auto, .. } => {
                    names.extend(foreign_uplinks(host, yard));
                }
                Way::Bridge(name) | Way::Macvlan(name) => names.push(name.to_string()),
                Way::None => {}
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// All of them.
    pub fn crossings(&self) -> Vec<Crossing> {
        let (Some(yard), Some(host)) = (self.yard, self.host()) else { return Vec::new() };
        let mut all = Vec::new();
        for (index, _) in yard.networks.iter().enumerate() {
            if let Some(bridge) = bridge_of(yard, index) {
                to_host(yard, index, host, &bridge, &mut all);
            }
        }
        for uplink in &yard.uplinks {
            beyond(yard, uplink, host, &mut all);
        }
        all
    }
}

/// The host's interfaces with a default route that are not the yard's.
fn foreign_uplinks(host: &Stack, yard: &Yard) -> Vec<String> {
    let foreign = host.uplinks().into_iter().filter(|l| !Stack::is_ours(l, yard.name.as_str()));
    foreign.map(|link| link.name.clone()).collect()
}

/// The kernel's name of a network's bridge on the host.
fn bridge_of(yard: &Yard, network: usize) -> Option<String> {
    let host = yard.nodes.iter().find(|node| node.place == Place::Host)?;
    let bridge = host.interfaces.iter().find(|i| i.attachment == Attachment::Bridge(network))?;
    Some(bridge.device.kernel_name.to_string())
}

/// The address of somebody in a network: a node's, or any of its prefix.
fn somebody(yard: &Yard, network: usize, prefix: &IpNet) -> IpAddr {
    let attached = yard
        .nodes
        .iter()
        .filter(|node| node.place != Place::Host)
        .flat_map(|node| &node.interfaces)
        .filter(|interface| interface.attachment == Attachment::Network(network));
    let mut addresses = attached.flat_map(|i| &i.addresses).map(|address| address.net.addr());
    let one = addresses.find(|address| prefix.contains(address));
    one.or_else(|| prefix.hosts().nth(1)).unwrap_or(prefix.addr())
}

/// An interface as a rule sees it; one that is not there yet has no index.
fn interface(host: &Stack, name: &str) -> Option<(String, u32)> {
    let index = host.link_named(name).map_or(u32::MAX, |link| link.index);
    Some((name.to_owned(), index))
}

/// From a network to the host's address in it.
fn to_host(yard: &Yard, network: usize, host: &Stack, bridge: &str, all: &mut Vec<Crossing>) {
    let node = yard.nodes.iter().find(|node| node.place == Place::Host);
    let own = node.into_iter().flat_map(|node| &node.interfaces);
    let own = own.filter(|interface| interface.attachment == Attachment::Bridge(network));
    let name = &yard.networks[network].name;
    for address in own.flat_map(|interface| &interface.addresses) {
        let to = address.net.addr();
        let from = somebody(yard, network, &address.net.trunc());
        let icmp = if to.is_ipv4() { 1 } else { 58 };
        let services = [(icmp, None, "pings"), (UDP, Some(DHCP), "DHCP"), (UDP, Some(DNS), "DNS")];
        for (protocol, dport, what) in services {
            // DHCPv6 is another port, and nobody needs it here.
            if to.is_ipv6() && dport == Some(DHCP) {
                continue;
            }
            let mut packet = Packet::new(Hook::Input, from, to, protocol);
            packet.iif = interface(host, bridge);
            packet.dport = dport;
            all.push(Crossing {
                packet,
                inside: bridge.to_owned(),
                outside: None,
                what: format!("{what} from network `{name}` to the host's address `{to}`"),
                needed: protocol == icmp,
            });
        }
    }
}

/// From a network to beyond the host, and back.
fn beyond(yard: &Yard, uplink: &Uplink, host: &Stack, all: &mut Vec<Crossing>) {
    let (Way::Routed { through, .. }, Some(bridge)) = (&uplink.way, uplink.inside.first()) else {
        return;
    };
    let bridge = bridge.to_string();
    let outsides = match through {
        Through::Interface(name) => vec![name.to_string()],
        Through::Auto => foreign_uplinks(host, yard),
    };
    let name = &yard.networks[uplink.network].name;
    for outside in &outsides {
        for ipv6 in [false, true] {
            let exit = uplink.exit(ipv6);
            let prefix = uplink.prefixes.iter().find(|p| p.addr().is_ipv6() == ipv6);
            let (Some(prefix), Some(exit)) = (prefix, exit.filter(|exit| *exit != Exit::None))
            else {
                continue;
            };
            let Ok(far) = BEYOND[usize::from(ipv6)].parse::<IpAddr>() else { continue };
            let near = somebody(yard, uplink.network, prefix);
            let mut push = |out: bool, state: Tracked, what: String| {
                let (from, to) = if out { (near, far) } else { (far, near) };
                let mut packet = Packet::new(Hook::Forward, from, to, TCP);
                let (iif, oif) = if out { (&bridge, outside) } else { (outside, &bridge) };
                (packet.iif, packet.oif) = (interface(host, iif), interface(host, oif));
                let answers = state == Tracked::Established;
                packet.dport = Some(HTTPS).filter(|_| !answers);
                packet.sport = Some(HTTPS).filter(|_| answers);
                packet.state = state;
                all.push(Crossing {
                    packet,
                    inside: bridge.clone(),
                    outside: Some(outside.clone()),
                    what,
                    needed: true,
                });
            };
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            let out = format!("{family} from network `{name}` out by `{outside}`");
            push(true, Tracked::New, out);
            let back = format!("{family} answers to network `{name}` in by `{outside}`");
            push(false, Tracked::Established, back);
            if exit == Exit::Routed {
                let into = format!("{family} to network `{name}` in by `{outside}`");
                push(false, Tracked::New, into);
            }
        }
    }
}
