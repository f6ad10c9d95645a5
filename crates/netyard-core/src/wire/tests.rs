//! What is written is read back the same: every kind of interface and every
//! object, message by message. That the kernel agrees is proved in
//! `netyard-linux`'s kernel tests.

mod object;

use std::collections::BTreeSet;

use netlink_packet_core::NetlinkSerializable;
use netlink_packet_route::RouteNetlinkMessage;

use super::link::{Creation, Made, Target, read_all};
use super::{LongMarks, Names, Request, address, group, neighbour, qdisc, route, rule, vlan};
use crate::addr::Mac;
use crate::interface::{
    Bond, BondMode, Bridge, BridgePort, Interface, Ipvlan, IpvlanIsolation, IpvlanMode, Kind,
    Macvlan, MacvlanMode, Physical, Tap, Veth, Vlan, Vrf, Vxlan,
};
use crate::name::{FullName, InterfaceName, NodeName, YardName};
use crate::state::{
    Address, Impairment, InterfaceId, Neighbour, NextHop, Place, PortVlan, Qdisc, Route, RouteKind,
    Rule, RuleAction,
};

fn full(name: &str) -> FullName {
    FullName::new(name).unwrap()
}

fn kernel(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

fn node(name: &str) -> Place {
    Place::Node(NodeName::new(name).unwrap())
}

fn id(place: Place, name: &str) -> InterfaceId {
    InterfaceId { place, name: full(name) }
}

fn yard() -> YardName {
    YardName::new("home").unwrap()
}

fn interface(kind: Kind) -> Interface {
    Interface {
        id: id(node("r1"), "the-long-way-round"),
        kernel_name: kernel("thelongw~abcdef"),
        kind,
        parent: None,
        master: None,
        port: None,
        mtu: Some(1400),
        mac: Some(Mac([2, 0, 0, 0, 0, 9])),
        up: true,
    }
}

/// The body of a message: what a dump gives without the netlink header.
fn body(request: &Request) -> Vec<u8> {
    let mut bytes = vec![0; request.message.buffer_len()];
    request.message.serialize(&mut bytes);
    bytes
}

/// One message that says all that several say of an interface.
fn joined(requests: &[Request]) -> Vec<u8> {
    let mut whole = vec![0; 16];
    for bytes in requests.iter().map(body) {
        whole[4..8].copy_from_slice(&bytes[4..8]);
        whole[8] |= bytes[8];
        whole.extend(&bytes[16..]);
    }
    whole
}

fn target(yard: &YardName) -> Target<'_> {
    Target { yard, index: 7, netns: None, parent: None, master: None, bonded: false }
}

/// Another interface in the same place, as the kernel tells of it.
fn neighbour_link(index: u32, name: &str) -> Vec<u8> {
    let mut other = interface(Kind::Dummy);
    other.id.name = full(name);
    other.kernel_name = kernel(name);
    let yard = yard();
    let Creation::Link(request) = other.creation(&Target { index, ..target(&yard) }) else {
        unreachable!()
    };
    body(&request)
}

fn survives(interface: &Interface, target: Target<'_>) {
    let mut requests = match interface.creation(&target) {
        Creation::Link(request) => vec![request],
        other => unreachable!("{other:?}"),
    };
    requests.extend(interface.configuration(&target, Made::Whole));
    let messages = [joined(&requests), neighbour_link(3, "eth0"), neighbour_link(4, "br0")];
    let messages: Vec<&[u8]> = messages.iter().map(|m| &m[..]).collect();
    let (names, seen) = read_all(target.yard, &node("r1"), &LongMarks::default(), &messages);
    assert_eq!(seen[0].interface.as_ref(), Some(interface));
    assert_eq!(seen[0].group, group(target.yard));
    assert_eq!(names.index(&interface.id.name), Ok(target.index));
    assert_eq!(names.kernel(&interface.id.name), interface.kernel_name.as_str());
}

pub(crate) fn bridge() -> Bridge {
    Bridge {
        stp: true,
        priority: 4096,
        forward_delay: 4000,
        hello_time: 1000,
        max_age: 10_000,
        ageing_time: 60_000,
        vlan_filtering: true,
        multicast_snooping: true,
        multicast_querier: true,
        group_forward_mask: 8,
    }
}

#[test]
fn interfaces_without_a_parent_survive() {
    let yard = yard();
    for mode in [
        BondMode::BalanceRr,
        BondMode::ActiveBackup,
        BondMode::BalanceXor,
        BondMode::Broadcast,
        BondMode::Lacp,
        BondMode::BalanceTlb,
        BondMode::BalanceAlb,
    ] {
        survives(&interface(Kind::Bond(Bond { mode, miimon: 50 })), target(&yard));
    }
    for kind in [Kind::Dummy, Kind::Ifb, Kind::Bridge(bridge()), Kind::Vrf(Vrf { table: 1 << 20 })]
    {
        survives(&interface(kind.clone()), target(&yard));
        survives(&Interface { up: false, ..interface(kind) }, target(&yard));
    }
}

#[test]
fn interfaces_on_a_parent_survive_here_and_abroad() {
    let yard = yard();
    let mut kinds: Vec<Kind> = [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa]
        .into_iter()
        .chain([MacvlanMode::Passthru])
        .flat_map(|mode| [Kind::Macvlan(Macvlan { mode }), Kind::Macvtap(Macvlan { mode })])
        .collect();
    for service_tag in [false, true] {
        kinds.push(Kind::Vlan(Vlan { id: 4094, service_tag }));
    }
    for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s] {
        for isolation in [IpvlanIsolation::Bridge, IpvlanIsolation::Private, IpvlanIsolation::Vepa]
        {
            kinds.push(Kind::Ipvlan(Ipvlan { mode, isolation }));
        }
    }
    for (remote, local) in [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")] {
        kinds.push(Kind::Vxlan(Vxlan {
            id: 0xab_cdef,
            remote: Some(remote.parse().unwrap()),
            local: Some(local.parse().unwrap()),
            port: 8472,
            ttl: 64,
            learning: false,
        }));
    }
    for kind in kinds {
        let has_mac = !matches!(kind, Kind::Ipvlan(_));
        for parent in [id(node("r1"), "eth0"), id(Place::Host, "eth0")] {
            let mut interface = interface(kind.clone());
            interface.mac = interface.mac.filter(|_| has_mac);
            interface.parent = Some(parent);
            survives(&interface, Target { parent: Some(3), ..target(&yard) });
        }
    }
}

#[test]
fn a_ports_options_survive() {
    let yard = yard();
    let port = BridgePort {
        cost: 50,
        priority: 7,
        hairpin: true,
        isolated: true,
        learning: false,
        unicast_flood: false,
        multicast_router: true,
    };
    let mut interface = interface(Kind::Dummy);
    interface.master = Some(full("br0"));
    interface.port = Some(port);
    survives(&interface, Target { master: Some(4), ..target(&yard) });
}

#[test]
fn both_ends_of_a_cable_survive() {
    let yard = yard();
    let ends = [id(node("r1"), "eth0"), id(Place::Fabric, "a-port-of-the-bridge")];
    let end = |own: usize, kernel_name| Interface {
        id: ends[own].clone(),
        kernel_name: kernel(kernel_name),
        kind: Kind::Veth(Veth { peer: ends[1 - own].clone() }),
        ..interface(Kind::Dummy)
    };
    let (first, second) = (end(1, "aportoft~abcdef"), end(0, "eth0"));
    let (at, peer_at) =
        (Target { netns: Some(11), ..target(&yard) }, Target { netns: Some(12), ..target(&yard) });
    let pair = Interface::pair_creation(&first, &at, &second, &peer_at);
    let mut requests = vec![pair];
    requests.extend(first.configuration(&at, Made::Whole));
    let (_, seen) = read_all(&yard, &Place::Fabric, &LongMarks::default(), &[&joined(&requests)]);
    assert_eq!(seen[0].interface.as_ref(), Some(&first));

    let RouteNetlinkMessage::NewLink(message) = &requests[0].message else { unreachable!() };
    let text = format!("{message:?}");
    assert!(text.contains("NetNsFd(11)") && text.contains("NetNsFd(12)"), "{text}");
    // The peer comes down, so its configuration brings it up.
    let peer = joined(&second.configuration(&peer_at, Made::AsPeer));
    assert_eq!(peer[8], 1);
}

#[test]
fn what_no_message_makes_is_configured_whole() {
    let yard = yard();
    let options = Tap { owner: Some(1000), group: None, multi_queue: true };
    let tap = interface(Kind::Tap(options.clone()));
    match tap.creation(&target(&yard)) {
        Creation::Tun { name, index, tap, options: asked } => {
            assert_eq!((name.as_str(), index, tap), ("thelongw~abcdef", 7, true));
            assert_eq!(asked, options);
        }
        other => unreachable!("{other:?}"),
    }
    let physical =
        interface(Kind::Physical(Physical { host_name: InterfaceName::new("enp6s0").unwrap() }));
    let bare = |interface: &Interface| {
        let mut requests = interface.configuration(&target(&yard), Made::Bare);
        requests.push(interface.moving(7, &target(&yard)));
        joined(&requests)
    };
    let (_, seen) = read_all(&yard, &node("r1"), &LongMarks::default(), &[&bare(&physical)]);
    assert_eq!(seen[0].interface.as_ref(), Some(&physical));
    assert_eq!(seen[0].group, 0, "hardware in the group would keep it from being deleted");
    let (_, seen) = read_all(&yard, &node("r1"), &LongMarks::default(), &[&bare(&tap)]);
    assert_eq!(seen[0].group, group(&yard));
}

#[test]
fn a_strangers_interface_is_only_seen() {
    let yard = yard();
    let stranger = YardName::new("other").unwrap();
    let dummy = interface(Kind::Dummy);
    let theirs = dummy.configuration(&target(&stranger), Made::Bare);
    let elsewhere = dummy.configuration(&target(&yard), Made::Bare);
    let (_, seen) = read_all(&yard, &node("r1"), &LongMarks::default(), &[&joined(&theirs)]);
    assert!(seen[0].interface.is_none());
    let (_, seen) = read_all(&yard, &node("r2"), &LongMarks::default(), &[&joined(&elsewhere)]);
    assert!(seen[0].interface.is_none(), "it was moved by somebody");
    assert!(seen[0].mark.is_some());
}

#[test]
fn settings_say_only_what_differs() {
    let yard = yard();
    let at = target(&yard);
    let from = interface(Kind::Bridge(bridge()));
    assert_eq!(from.settings(&from, &at), []);
    let to = Interface { mtu: Some(9000), up: false, ..from.clone() };
    let requests = to.settings(&from, &at);
    assert_eq!(requests.len(), 2, "{requests:?}");
    // STP off goes first: with it on, the kernel refuses a forward delay of 0.
    let to = interface(Kind::Bridge(Bridge { stp: false, forward_delay: 0, ..bridge() }));
    let text = format!("{:?}", to.settings(&from, &at));
    assert!(text.find("StpState").unwrap() < text.find("ForwardDelay").unwrap(), "{text}");
    assert!(!text.contains("Priority"), "{text}");
}
