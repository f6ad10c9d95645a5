//! Every kind of interface that a small kernel has: made, observed to be what
//! was asked for, seen to carry traffic, taken away.

use std::io::{Read, Write};
use std::net::IpAddr;

use netyard_core::interface::{
    Bridge, BridgePort, Interface, Kind, Macvlan, MacvlanMode, Physical, Tap, Vxlan,
};
use netyard_core::name::InterfaceName;
use netyard_core::state::{Object, Place, State};

use crate::bed::{
    Bed, cable, empty, full, id, interface, isolated, node, object, plugged, tun, with_address,
};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";

/// Two nodes and a cable between their `eth0`, with addresses of both families.
pub fn two_nodes() -> Vec<Object> {
    let (a, b) = (node("a"), node("b"));
    let mut objects = [empty(&a), empty(&b)].concat();
    objects.extend(cable([(&a, "eth0"), (&b, "eth0")]).map(object));
    for (place, v4, v6) in [(&a, "10.0.0.1/24", "fd00::1/64"), (&b, "10.0.0.2/24", "fd00::2/64")] {
        objects.push(with_address(place, "eth0", v4));
        objects.push(with_address(place, "eth0", v6));
    }
    objects
}

fn become_objects(bed: &mut Bed<'_>, objects: Vec<Object>) {
    bed.become_state(&objects.into_iter().collect::<State>());
}

pub fn quiet_bridge() -> Bridge {
    Bridge {
        stp: false,
        priority: 32768,
        forward_delay: 0,
        hello_time: 2000,
        max_age: 20_000,
        ageing_time: 300_000,
        vlan_filtering: false,
        multicast_snooping: true,
        multicast_querier: false,
        group_forward_mask: 0,
    }
}

#[test]
fn a_cable_carries_traffic_of_both_families() {
    isolated(|bed| {
        become_objects(bed, two_nodes());
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.talks((&node("b"), "fd00::2"), (&node("a"), "fd00::1"));
        bed.clear();
    });
}

#[test]
fn a_cable_changes_in_place() {
    isolated(|bed| {
        let objects = two_nodes();
        become_objects(bed, objects.clone());
        let changed = objects.into_iter().map(|object| match object {
            Object::Interface(mut o) if o.id == id(&node("a"), "eth0") => {
                o.mtu = Some(1400);
                o.mac = Some(netyard_core::addr::Mac([2, 1, 1, 1, 1, 1]));
                Object::Interface(o)
            }
            other => other,
        });
        become_objects(bed, changed.collect());
        bed.talks((&node("a"), A), (&node("b"), B));
        let link = bed.command(&node("a"), "ip -o link show eth0");
        assert!(link.contains("mtu 1400") && link.contains("02:01:01:01:01:01"), "{link}");
        bed.clear();
    });
}

/// Nodes `a`, `b`, `c`, each with an `eth0` in a bridge of the fabric.
fn around_a_bridge(bridge: Bridge, port: BridgePort) -> Vec<Object> {
    let fabric = Place::Fabric;
    let mut objects = empty(&fabric);
    objects.push(object(interface(&fabric, "lan", Kind::Bridge(bridge))));
    for (name, address) in [("a", "10.0.0.1/24"), ("b", "10.0.0.2/24"), ("c", "10.0.0.3/24")] {
        let place = node(name);
        let [end, socket] = cable([(&place, "eth0"), (&fabric, &format!("socket-of-node-{name}"))]);
        let mut socket = plugged(socket, "lan");
        socket.port = Some(port.clone());
        objects.extend(empty(&place));
        objects.extend([object(end), object(socket)]);
        objects.push(with_address(&place, "eth0", address));
    }
    objects
}

#[test]
fn a_bridge_joins_its_ports() {
    isolated(|bed| {
        become_objects(bed, around_a_bridge(quiet_bridge(), BridgePort::DEFAULT));
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.talks((&node("c"), C), (&node("b"), B));
        let long = "ip -o link show socket-of-node-a";
        assert!(
            bed.command(&Place::Fabric, long)
                .contains("netyard:bed/fabric:/socket-of-node-a/a/eth0")
        );
        bed.clear();
    });
}

#[test]
fn names_of_any_length_and_script_are_known_again() {
    isolated(|bed| {
        let names = [35, 105, 252].map(|length| "Zürich".repeat(40)[..length].to_owned());
        let a = node("a");
        let nodes = names.each_ref().map(|name| node(&name[..name.len().min(224)]));
        let mut objects = empty(&a);
        for ((place, name), number) in nodes.iter().zip(&names).zip(1..) {
            let [mut end, port] = cable([(place, name), (&a, &name[..name.len() - 1])]);
            end.mtu = Some(1400 + number);
            objects.extend(empty(place));
            objects.extend([object(end), object(port)]);
            objects.push(with_address(place, name, &format!("10.{number}.0.1/24")));
            objects.push(with_address(&a, &name[..name.len() - 1], &format!("10.{number}.0.2/24")));
        }
        become_objects(bed, objects);
        for (place, number) in nodes.iter().zip(1..) {
            bed.talks((place, &format!("10.{number}.0.1")), (&a, &format!("10.{number}.0.2")));
        }
        // Forgotten and unasked for, they go all the same.
        bed.command(&Place::Host, "rm -rf /run/netyard");
        bed.clear();
    });
}

#[test]
fn every_setting_of_a_bridge_is_kept_and_changes_in_place() {
    isolated(|bed| {
        let settled = Bridge {
            stp: true,
            priority: 4096,
            forward_delay: 4010,
            hello_time: 1000,
            max_age: 10_000,
            ageing_time: 60_030,
            vlan_filtering: false,
            multicast_snooping: false,
            multicast_querier: true,
            group_forward_mask: 8,
        };
        let port = BridgePort {
            cost: 50,
            priority: 7,
            hairpin: true,
            isolated: false,
            learning: false,
            unicast_flood: true,
            multicast_router: true,
        };
        become_objects(bed, around_a_bridge(settled.clone(), port));
        become_objects(
            bed,
            around_a_bridge(quiet_bridge(), BridgePort { cost: 2, ..BridgePort::DEFAULT }),
        );
        bed.talks((&node("a"), A), (&node("b"), B));
        become_objects(bed, around_a_bridge(settled, BridgePort::DEFAULT));
        bed.clear();
    });
}

#[test]
fn isolated_ports_do_not_reach_each_other() {
    isolated(|bed| {
        let isolated = BridgePort { isolated: true, ..BridgePort::DEFAULT };
        let mut objects = around_a_bridge(quiet_bridge(), isolated);
        for o in &mut objects {
            if let Object::Interface(o) = o
                && o.id.name == full("socket-of-node-b")
            {
                o.port = Some(BridgePort::DEFAULT);
            }
        }
        become_objects(bed, objects);
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.talks((&node("c"), C), (&node("b"), B));
        bed.is_silent((&node("a"), A), (&node("c"), C));
        bed.clear();
    });
}

/// What sits on `eth0` of two nodes in a subnet of its own.
fn above(objects: &mut Vec<Object>, make: impl Fn(&Place, IpAddr, IpAddr) -> Interface) {
    let ips: [IpAddr; 2] = [A.parse().unwrap(), B.parse().unwrap()];
    for (place, own, other, net) in
        [(node("a"), ips[0], ips[1], "10.1.0.1/24"), (node("b"), ips[1], ips[0], "10.1.0.2/24")]
    {
        let upper = make(&place, own, other);
        objects.push(with_address(&place, upper.id.name.as_str(), net));
        objects.push(object(upper));
    }
}

#[test]
fn a_vxlan_carries_traffic_over_its_parents_network() {
    isolated(|bed| {
        for (parent, learning, ttl) in [(true, true, 0), (false, false, 9)] {
            let mut objects = two_nodes();
            above(&mut objects, |place, local, remote| Interface {
                parent: parent.then(|| id(place, "eth0")),
                mtu: Some(1450),
                ..interface(
                    place,
                    "vx",
                    Kind::Vxlan(Vxlan {
                        id: 0xab_cdef,
                        remote: Some(remote),
                        local: Some(local),
                        port: 8472,
                        ttl,
                        learning,
                    }),
                )
            });
            become_objects(bed, objects);
            bed.talks((&node("a"), "10.1.0.1"), (&node("b"), "10.1.0.2"));
        }
        bed.clear();
    });
}

#[test]
fn macvlans_and_macvtaps_carry_traffic_on_a_parent_in_another_namespace() {
    isolated(|bed| {
        let mode = MacvlanMode::Bridge;
        for kind in [Kind::Macvlan(Macvlan { mode }), Kind::Macvtap(Macvlan { mode })] {
            // `m` on a's eth0, in a namespace of its own.
            let mut objects = two_nodes();
            let m = node("m");
            objects.extend(empty(&m));
            let parent = Some(id(&node("a"), "eth0"));
            objects.push(object(Interface { parent, ..interface(&m, "mac0", kind.clone()) }));
            objects.push(with_address(&m, "mac0", "10.0.0.3/24"));
            become_objects(bed, objects);
            bed.talks((&m, C), (&node("b"), B));
            bed.clear();
        }
    });
}

#[test]
fn every_mode_of_a_macvlan_is_kept() {
    isolated(|bed| {
        use MacvlanMode::{Bridge, Passthru, Private, Vepa};
        for mode in [Private, Vepa, Bridge, Private, Passthru] {
            let mut objects = two_nodes();
            above(&mut objects, |place, _, _| Interface {
                parent: Some(id(place, "eth0")),
                mac: None,
                ..interface(place, "mac0", Kind::Macvlan(Macvlan { mode }))
            });
            become_objects(bed, objects);
            bed.talks((&node("a"), "10.1.0.1"), (&node("b"), "10.1.0.2"));
        }
        bed.clear();
    });
}

#[test]
fn a_tap_and_a_tun_give_their_packets_to_a_program() {
    isolated(|bed| {
        let a = node("a");
        for tap in [true, false] {
            let options = Tap { owner: Some(0), group: Some(0), multi_queue: !tap };
            let kind = if tap { Kind::Tap(options.clone()) } else { Kind::Tun(options.clone()) };
            let mut made = interface(&a, "t0", kind);
            made.mac = made.mac.filter(|_| tap);
            let mut objects = empty(&a);
            objects.extend([object(made), with_address(&a, "t0", "10.0.0.1/24")]);
            if tap {
                objects.push(Object::Neighbour(netyard_core::state::Neighbour {
                    interface: id(&a, "t0"),
                    address: B.parse().unwrap(),
                    mac: Some(netyard_core::addr::Mac([2, 0, 0, 0, 0, 2])),
                }));
            }
            become_objects(bed, objects);
            let mut program = bed.inside(&a, || tun("t0", 0, tap, &options)).unwrap();
            let socket = bed.socket(&a, A);
            let packet = given(&socket, &mut program, b"to the program");
            let (ip, answer) = packet.split_at(if tap { 14 } else { 0 });
            assert!(!tap || ip[..6] == [2, 0, 0, 0, 0, 2], "{packet:?}");
            // The program sends it back: addresses and ports the other way round.
            let mut back = packet.clone();
            let at = packet.len() - answer.len();
            back[at + 12..at + 16].copy_from_slice(&answer[16..20]);
            back[at + 16..at + 20].copy_from_slice(&answer[12..16]);
            back[at + 20..at + 22].copy_from_slice(&answer[22..24]);
            back[at + 22..at + 24].copy_from_slice(&answer[20..22]);
            if tap {
                back[..6].copy_from_slice(&packet[6..12]);
                back[6..12].copy_from_slice(&packet[..6]);
            }
            program.write_all(&back).unwrap();
            let mut buffer = [0; 64];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from.port()), (&b"to the program"[..], 9));
            drop(program);
            bed.clear();
        }
    });
}

/// Sends `words` until the program reads a packet that ends with them: attached
/// only now, the interface may need a moment, and the kernel has packets of its own.
fn given(socket: &std::net::UdpSocket, program: &mut std::fs::File, words: &[u8]) -> Vec<u8> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut buffer = [0; 2048];
    for _ in 0..100 {
        let _ = socket.send_to(words, (B, 9));
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        while poll(&mut [PollFd::new(&*program, PollFlags::IN)], Some(&wait)).unwrap() == 1 {
            let length = program.read(&mut buffer).unwrap();
            if buffer[..length].ends_with(words) {
                return buffer[..length].to_vec();
            }
        }
    }
    panic!("the packet did not come");
}

#[test]
fn an_ifb_passes_on_what_is_sent_to_it() {
    isolated(|bed| {
        let mut objects = two_nodes();
        let b = node("b");
        let ifb = interface(&b, "in0", Kind::Ifb);
        objects.push(object(ifb));
        become_objects(bed, objects);
        bed.command(
            &b,
            "tc qdisc add dev eth0 ingress
             tc filter add dev eth0 parent ffff: protocol ip u32 match u32 0 0 \
                action mirred egress redirect dev in0",
        );
        bed.talks((&node("a"), A), (&b, B));
        let counted = bed.command(&b, "cat /proc/net/dev");
        let line = counted.lines().find(|line| line.trim().starts_with("in0:")).unwrap();
        assert_ne!(line.split_whitespace().nth(2), Some("0"), "{line}");
        bed.clear();
    });
}

#[test]
fn a_physical_interface_is_lent_and_given_back() {
    isolated(|bed| {
        // A dummy for hardware: the host's, there before netyard and after it.
        bed.command(
            &Place::Host,
            "ip link add enp6s0 type veth peer name wire && ip link set wire up",
        );
        let a = node("a");
        let host_name = InterfaceName::new("enp6s0").unwrap();
        let mut objects = empty(&a);
        let lent = interface(&a, "the-way-out-of-here", Kind::Physical(Physical { host_name }));
        objects.push(with_address(&a, "the-way-out-of-here", "10.0.0.1/24"));
        objects.push(object(lent));
        become_objects(bed, objects);
        bed.command(&Place::Host, "ip address add 10.0.0.2/24 dev wire");
        bed.talks((&a, A), (&Place::Host, B));
        bed.become_state(&State::default());
        let links = bed.command(&Place::Host, "ip -o link show enp6s0");
        assert!(!links.contains("netyard"), "{links}");
        assert!(!links.contains("the-way-out"), "{links}");
    });
}
