//! The FakeKernel beside a real one that has every kind.

use netyard_core::interface::{Bond, BondMode, Bridge, Interface, Kind, Vlan, Vrf};
use netyard_core::state::{Object, Place, PortVlan};

use crate::bed::{
    cable, empty, full, id, interface, isolated, node, object, plugged, with_address,
};
use crate::fake::{both_agree, down, with, without};
use crate::kinds::{quiet_bridge, two_nodes};
use crate::yard::default_route;

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn both_kernels_agree_on_vlans() {
    isolated(|bed| {
        let a = node("a");
        let vlan = |number: u16| Kind::Vlan(Vlan { id: number, service_tag: false });
        let on = |parent: &str, name: &str, number| Interface {
            parent: Some(id(&a, parent)),
            mtu: Some(1400),
            ..interface(&a, name, vlan(number))
        };
        let mut objects = two_nodes();
        objects.extend([object(on("eth0", "v10", 10)), object(on("v10", "v10.7", 7))]);
        objects.push(with_address(&a, "v10", "10.10.0.1/24"));
        objects.push(with_address(&a, "v10.7", "10.17.0.1/24"));
        objects.push(default_route(&a, "v10", "10.10.0.9"));
        both_agree(objects.clone(), two_nodes());
        // Those on an interface that goes down go down, and come up, with it.
        both_agree(objects.clone(), down(&objects, &a, &["eth0", "v10", "v10.7"]));
        let other = with(&objects, &a, "v10", |o| o.kind = vlan(11));
        both_agree(objects.clone(), other);
        both_agree(objects.clone(), without(&objects, &a, "v10.7"));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: bridge VLAN filtering"]
fn both_kernels_agree_on_the_vlans_of_ports() {
    isolated(|bed| {
        let (a, fabric) = (node("a"), Place::Fabric);
        let filtering = || Kind::Bridge(Bridge { vlan_filtering: true, ..quiet_bridge() });
        let mut objects = [empty(&a), empty(&fabric)].concat();
        for name in ["lan", "wan"] {
            objects.push(object(interface(&fabric, name, filtering())));
        }
        let [end, port] = cable([(&a, "eth0"), (&fabric, "port")]);
        objects.extend([object(end), object(plugged(port, "lan"))]);
        let vlan = |vid: u16, untagged: bool| {
            Object::PortVlan(PortVlan {
                interface: id(&fabric, "port"),
                vid,
                pvid: untagged,
                untagged,
                on_bridge: false,
            })
        };
        let plain = objects.clone();
        objects.extend([vlan(10, true), vlan(20, false)]);
        both_agree(objects.clone(), plain);
        // A port that leaves its bridge loses its VLANs.
        both_agree(
            objects.clone(),
            with(&objects, &fabric, "port", |o| o.master = Some(full("wan"))),
        );
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: vrf"]
fn both_kernels_agree_on_the_members_of_a_vrf() {
    isolated(|bed| {
        let a = node("a");
        let vrf = |name: &str, table| Interface {
            mtu: None,
            ..interface(&a, name, Kind::Vrf(Vrf { table }))
        };
        let mut objects = two_nodes();
        objects.extend([object(vrf("red", 100)), object(vrf("blue", 200))]);
        let member = with(&objects, &a, "eth0", |o| o.master = Some(full("red")));
        // Who joins or leaves is taken down and up.
        both_agree(objects.clone(), member.clone());
        both_agree(member.clone(), with(&member, &a, "eth0", |o| o.master = Some(full("blue"))));
        let alone = with(&without(&member, &a, "red"), &a, "eth0", |o| o.master = None);
        both_agree(member, alone);
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: bond"]
fn both_kernels_agree_on_the_members_of_a_bond() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let bond = |mode| Kind::Bond(Bond { mode, miimon: 100 });
        let mut objects = [empty(&a), empty(&b)].concat();
        for name in ["left", "right"] {
            objects.extend(cable([(&a, name), (&b, name)]).map(object));
        }
        objects.push(object(interface(&a, "both", bond(BondMode::ActiveBackup))));
        objects.push(with_address(&a, "both", "10.0.0.1/24"));
        let joined = |o: &mut Interface| o.master = Some(full("both"));
        let one = with(&objects, &a, "left", joined);
        let two = with(&one, &a, "right", joined);
        // Who joins must be down, and who leaves is left down. A bond that its last member
        // leaves gets another address from the kernel, also on the way to another mode;
        // netyard tells it its own again.
        both_agree(objects, one.clone());
        both_agree(one, two.clone());
        let xor = with(&two, &a, "both", |o| o.kind = bond(BondMode::BalanceXor));
        both_agree(two, xor);
        bed.clear();
    });
}
