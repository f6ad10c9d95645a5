//! The kinds of interface that only a whole kernel has.

use netyard_core::interface::{
    Bond, BondMode, Bridge, Interface, Ipvlan, IpvlanIsolation, IpvlanMode, Kind, Vlan, Vrf,
};
use netyard_core::state::{NextHop, Object, Place, PortVlan, Route, RouteKind, State};

use crate::bed::{
    Bed, cable, empty, full, id, interface, isolated, node, object, plugged, with_address,
};
use crate::kinds::{quiet_bridge, two_nodes};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn become_objects(bed: &mut Bed<'_>, objects: Vec<Object>) {
    bed.become_state(&objects.into_iter().collect::<State>());
}

fn on(place: &Place, parent: &str, name: &str, kind: Kind) -> Interface {
    Interface { parent: Some(id(place, parent)), ..interface(place, name, kind) }
}

fn vlan(place: &Place, parent: &str, vlan_id: u16) -> Interface {
    let kind = Kind::Vlan(Vlan { id: vlan_id, service_tag: false });
    on(place, parent, &format!("{parent}.{vlan_id}"), kind)
}

fn route(place: &Place, destination: &str, gateway: Option<&str>, dev: &str) -> Object {
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    Object::Route(Route {
        place: place.clone(),
        table: 254,
        destination: destination.parse().unwrap(),
        metric: 0,
        kind: RouteKind::Unicast,
        hops: vec![NextHop { gateway, interface: full(dev), onlink: false, weight: 1 }],
        source: None,
        mtu: None,
    })
}

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn vlans_of_one_id_reach_each_other_and_others_do_not() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let mut objects = two_nodes();
        for (place, number) in [(&a, 1), (&b, 2)] {
            objects.push(object(vlan(place, "eth0", 10)));
            objects.push(with_address(place, "eth0.10", &format!("10.10.0.{number}/24")));
        }
        objects.push(object(vlan(&b, "eth0", 20)));
        objects.push(with_address(&b, "eth0.20", "10.10.0.3/24"));
        become_objects(bed, objects);
        bed.talks((&a, "10.10.0.1"), (&b, "10.10.0.2"));
        bed.command(&b, "ip address delete 10.10.0.2/24 dev eth0.10");
        bed.is_silent((&a, "10.10.0.1"), (&b, "10.10.0.3"));
        bed.become_state(&State::default());
    });
}

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn vlans_are_stacked() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let mut objects = two_nodes();
        for (place, number) in [(&a, 1), (&b, 2)] {
            let kind = Kind::Vlan(Vlan { id: 100, service_tag: true });
            objects.push(object(on(place, "eth0", "outer", kind)));
            objects.push(object(Interface { mtu: Some(1496), ..vlan(place, "outer", 10) }));
            objects.push(with_address(place, "outer.10", &format!("10.10.0.{number}/24")));
        }
        become_objects(bed, objects);
        bed.talks((&a, "10.10.0.1"), (&b, "10.10.0.2"));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn a_vlan_sits_on_a_parent_in_another_namespace() {
    isolated(|bed| {
        let (a, b, m) = (node("a"), node("b"), node("m"));
        let mut objects = two_nodes();
        objects.extend(empty(&m));
        let kind = Kind::Vlan(Vlan { id: 10, service_tag: false });
        let parent = Some(id(&a, "eth0"));
        objects.push(object(Interface { parent, ..interface(&m, "v10", kind) }));
        objects.push(object(vlan(&b, "eth0", 10)));
        objects.push(with_address(&m, "v10", "10.10.0.1/24"));
        objects.push(with_address(&b, "eth0.10", "10.10.0.2/24"));
        become_objects(bed, objects);
        bed.talks((&m, "10.10.0.1"), (&b, "10.10.0.2"));
        bed.clear();
    });
}

fn port_vlan(name: &str, vid: u16, untagged: bool) -> Object {
    Object::PortVlan(PortVlan {
        interface: id(&Place::Fabric, name),
        vid,
        pvid: untagged,
        untagged,
        on_bridge: false,
    })
}

/// Access ports for `a` and `b` in VLAN 10 and for `c` in 20, a trunk for `t`, one
/// with a native VLAN for `n`, the bridge itself in 10.
fn filtering(vlan_of_b: u16) -> Vec<Object> {
    let fabric = Place::Fabric;
    let filtering = Bridge { vlan_filtering: true, ..quiet_bridge() };
    let mut objects = empty(&fabric);
    objects.push(object(interface(&fabric, "lan", Kind::Bridge(filtering))));
    objects.push(with_address(&fabric, "lan", "10.0.0.9/24"));
    objects.push(Object::PortVlan(PortVlan {
        interface: id(&fabric, "lan"),
        vid: 10,
        pvid: true,
        untagged: true,
        on_bridge: true,
    }));
    for name in ["a", "b", "c", "t"] {
        let place = node(name);
        let [end, port] = cable([(&place, "eth0"), (&fabric, name)]);
        objects.extend(empty(&place));
        objects.extend([object(end), object(plugged(port, "lan"))]);
    }
    for (name, vid, net) in
        [("a", 10, "10.0.0.1/24"), ("b", vlan_of_b, "10.0.0.2/24"), ("c", 20, "10.0.0.3/24")]
    {
        objects.push(with_address(&node(name), "eth0", net));
        objects.push(port_vlan(name, vid, true));
    }
    let t = node("t");
    for vid in [10, 11, 12, 13, 20] {
        objects.push(port_vlan("t", vid, false));
    }
    for (vid, net) in [(10, "10.0.0.4/24"), (20, "10.0.0.5/24")] {
        objects.push(object(vlan(&t, "eth0", vid)));
        objects.push(with_address(&t, &format!("eth0.{vid}"), net));
        // Both are of one subnet here: each has the way to what it is to reach.
        let beyond = if vid == 10 { "10.0.0.1/32" } else { "10.0.0.3/32" };
        objects.push(route(&t, beyond, None, &format!("eth0.{vid}")));
    }
    // A trunk whose native VLAN is 20: untagged on the cable, and 10 tagged.
    let n = node("n");
    let [end, port] = cable([(&n, "eth0"), (&fabric, "n")]);
    objects.extend(empty(&n));
    objects.extend([object(end), object(plugged(port, "lan"))]);
    objects.extend([port_vlan("n", 20, true), port_vlan("n", 10, false)]);
    objects.push(object(vlan(&n, "eth0", 10)));
    objects.push(with_address(&n, "eth0", "10.0.0.6/24"));
    objects.push(with_address(&n, "eth0.10", "10.0.0.7/32"));
    objects.push(route(&n, "10.0.0.1/32", None, "eth0.10"));
    objects
}

#[test]
#[ignore = "needs the VM tier: bridge VLAN filtering"]
fn ports_reach_only_their_own_vlan() {
    isolated(|bed| {
        let (a, b, c, t) = (node("a"), node("b"), node("c"), node("t"));
        become_objects(bed, filtering(10));
        bed.talks((&a, A), (&b, B));
        bed.is_silent((&a, A), (&c, "10.0.0.3"));
        bed.talks((&t, "10.0.0.4"), (&a, A));
        bed.talks((&t, "10.0.0.5"), (&c, "10.0.0.3"));
        bed.talks((&Place::Fabric, "10.0.0.9"), (&a, A));
        bed.is_silent((&Place::Fabric, "10.0.0.9"), (&c, "10.0.0.3"));
        let n = node("n");
        bed.talks((&n, "10.0.0.6"), (&c, "10.0.0.3"));
        bed.talks((&n, "10.0.0.7"), (&a, A));
        bed.is_silent((&n, "10.0.0.6"), (&b, B));
        // b's port moves to the other VLAN, in place.
        become_objects(bed, filtering(20));
        bed.talks((&b, B), (&c, "10.0.0.3"));
        bed.is_silent((&a, A), (&b, B));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: bridge VLAN filtering"]
fn the_flags_of_a_ports_vlan_change_in_place() {
    isolated(|bed| {
        for (pvid, untagged) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut objects = filtering(10);
            let vlan = PortVlan {
                interface: id(&Place::Fabric, "b"),
                vid: 12,
                pvid,
                untagged,
                on_bridge: false,
            };
            objects.retain(|o| o.key() != port_vlan("b", 10, true).key());
            objects.push(Object::PortVlan(vlan));
            become_objects(bed, objects);
        }
        become_objects(bed, filtering(10));
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: dummy"]
fn a_dummy_holds_an_address() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let mut objects = two_nodes();
        objects.push(object(interface(&b, "somewhere-to-stay", Kind::Dummy)));
        objects.push(with_address(&b, "somewhere-to-stay", "10.9.0.1/32"));
        objects.push(route(&a, "10.9.0.0/16", Some(B), "eth0"));
        become_objects(bed, objects);
        bed.talks((&a, A), (&b, "10.9.0.1"));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: vrf"]
fn a_vrf_keeps_its_members_apart() {
    isolated(|bed| {
        // `r` forwards between `a` and `b`, which are in the VRF, but not to `c`.
        let r = node("r");
        let mut objects = empty(&r);
        let mut red = interface(&r, "red", Kind::Vrf(Vrf { table: 70_000 }));
        red.mtu = None;
        objects.push(object(red));
        for (name, net, gateway) in [
            ("a", "10.0.1.1/24", "10.0.1.9"),
            ("b", "10.0.2.1/24", "10.0.2.9"),
            ("c", "10.0.3.1/24", "10.0.3.9"),
        ] {
            let place = node(name);
            let port = format!("to-{name}");
            let [end, mut port] = cable([(&place, "eth0"), (&r, &port)]);
            if name != "c" {
                port.master = Some(full("red"));
            }
            objects.extend(empty(&place));
            objects.push(with_address(&place, "eth0", net));
            objects.push(with_address(&r, port.id.name.as_str(), &format!("{gateway}/24")));
            objects.push(route(&place, "0.0.0.0/0", Some(gateway), "eth0"));
            objects.extend([object(end), object(port)]);
        }
        become_objects(bed, objects);
        bed.command(&r, "echo 1 > /proc/sys/net/ipv4/ip_forward");
        let (a, b, c) = (node("a"), node("b"), node("c"));
        bed.talks((&a, "10.0.1.1"), (&b, "10.0.2.1"));
        bed.is_silent((&a, "10.0.1.1"), (&c, "10.0.3.1"));
        bed.clear();
    });
}

/// `a` and `b` with two cables, bonded.
fn bonded(mode: BondMode, miimon: u32) -> Vec<Object> {
    let (a, b) = (node("a"), node("b"));
    let mut objects = [empty(&a), empty(&b)].concat();
    for name in ["left", "right"] {
        for mut end in cable([(&a, name), (&b, name)]) {
            end.master = Some(full("both"));
            objects.push(object(end));
        }
    }
    for (place, net) in [(&a, "10.0.0.1/24"), (&b, "10.0.0.2/24")] {
        objects.push(object(interface(place, "both", Kind::Bond(Bond { mode, miimon }))));
        objects.push(with_address(place, "both", net));
    }
    objects
}

#[test]
#[ignore = "needs the VM tier: bond"]
fn a_bond_survives_the_loss_of_a_cable() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        become_objects(bed, bonded(BondMode::ActiveBackup, 50));
        bed.talks((&a, A), (&b, B));
        let active = bed.command(&a, "ip -d link show both | grep -o 'active_slave [a-z]*'");
        let active = active.split_whitespace().nth(1).unwrap().to_owned();
        bed.command(&a, &format!("ip link set {active} down"));
        bed.talks((&a, A), (&b, B));
        // The plan brings it up again.
        become_objects(bed, bonded(BondMode::ActiveBackup, 100));
        bed.talks((&a, A), (&b, B));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: ipvlan"]
fn ipvlans_share_their_parents_mac_address() {
    isolated(|bed| {
        let (a, b, m) = (node("a"), node("b"), node("m"));
        for (mode, isolation) in [
            (IpvlanMode::L2, IpvlanIsolation::Bridge),
            (IpvlanMode::L2, IpvlanIsolation::Private),
            (IpvlanMode::L3, IpvlanIsolation::Bridge),
            (IpvlanMode::L3, IpvlanIsolation::Vepa),
            (IpvlanMode::L3s, IpvlanIsolation::Bridge),
        ] {
            let mut objects = two_nodes();
            objects.extend(empty(&m));
            let kind = Kind::Ipvlan(Ipvlan { mode, isolation });
            objects.push(object(Interface {
                parent: Some(id(&a, "eth0")),
                mac: None,
                ..interface(&m, "ipv0", kind)
            }));
            if mode == IpvlanMode::L2 {
                objects.push(with_address(&m, "ipv0", "10.0.0.3/24"));
            } else {
                // Nobody answers ARP for it: its parent routes.
                objects.push(with_address(&m, "ipv0", "10.0.0.3/32"));
                objects.push(route(&m, "0.0.0.0/0", None, "ipv0"));
                objects.push(route(&b, "10.0.0.3/32", Some(A), "eth0"));
            }
            become_objects(bed, objects);
            bed.talks((&m, "10.0.0.3"), (&b, B));
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: bond"]
fn every_mode_of_a_bond_is_kept_and_carries_on_with_one_cable() {
    isolated(|bed| {
        // Two bonds of these modes do not understand each other: each sends by all of its
        // cables and hears what comes by the active one alone.
        let wants_switch = |mode| matches!(mode, BondMode::BalanceTlb | BondMode::BalanceAlb);
        for mode in [
            BondMode::ActiveBackup,
            BondMode::BalanceRr,
            BondMode::BalanceXor,
            BondMode::Broadcast,
            BondMode::Lacp,
            BondMode::BalanceTlb,
            BondMode::BalanceAlb,
        ] {
            let objects = if wants_switch(mode) { switched(mode) } else { bonded(mode, 100) };
            become_objects(bed, objects);
            println!("{mode:?}");
            bed.talks((&node("a"), A), (&node("b"), B));
            // Each carries on with either cable alone.
            for name in ["left", "right"] {
                println!("{mode:?} without {name}");
                bed.command(&node("a"), &format!("ip link set {name} down"));
                bed.talks((&node("a"), A), (&node("b"), B));
                bed.command(&node("a"), &format!("ip link set {name} up"));
                bed.talks((&node("a"), A), (&node("b"), B));
            }
            bed.clear();
        }
    });
}

/// `a` with a bond of two cables, and `b` with one, on a switch.
fn switched(mode: BondMode) -> Vec<Object> {
    let (a, b, fabric) = (node("a"), node("b"), Place::Fabric);
    let mut objects = [empty(&a), empty(&b), empty(&fabric)].concat();
    objects.push(object(interface(&fabric, "lan", Kind::Bridge(quiet_bridge()))));
    for (place, name, port) in [(&a, "left", "p1"), (&a, "right", "p2"), (&b, "eth0", "p3")] {
        let [mut end, port] = cable([(place, name), (&fabric, port)]);
        end.master = (place == &a).then(|| full("both"));
        objects.extend([object(end), object(plugged(port, "lan"))]);
    }
    objects.push(object(interface(&a, "both", Kind::Bond(Bond { mode, miimon: 100 }))));
    objects
        .extend([with_address(&a, "both", "10.0.0.1/24"), with_address(&b, "eth0", "10.0.0.2/24")]);
    objects
}
