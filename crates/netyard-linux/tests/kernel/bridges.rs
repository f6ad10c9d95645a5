//! Several bridges, and what one bridge keeps from its ports.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use netyard_core::interface::{Bridge, Kind};
use netyard_core::state::{Object, Place, State};

use crate::bed::{Bed, cable, empty, interface, isolated, node, object, plugged, with_address};
use crate::kinds::quiet_bridge;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";

/// The packets that an interface has received.
fn received(bed: &mut Bed<'_>, place: &Place, dev: &str) -> u64 {
    let table = bed.command(place, "cat /proc/net/dev");
    let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{dev}:")));
    line.unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// `a` on one bridge, `b` on another, and two cables between them: a loop.
fn loop_of_two(bridge: &Bridge) -> Vec<Object> {
    let fabric = Place::Fabric;
    let mut objects = empty(&fabric);
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let mut kind = bridge.clone();
        kind.priority += 4096 * number as u16;
        objects.push(object(interface(&fabric, name, Kind::Bridge(kind))));
    }
    for name in ["left", "right"] {
        let names = ["one", "two"].map(|bridge| format!("{name}-{bridge}"));
        let [first, second] = cable([(&fabric, &names[0]), (&fabric, &names[1])]);
        objects.extend([object(plugged(first, "one")), object(plugged(second, "two"))]);
    }
    for (name, address, bridge) in [("a", "10.0.0.1/24", "one"), ("b", "10.0.0.2/24", "two")] {
        let place = node(name);
        let [end, port] = cable([(&place, "eth0"), (&fabric, &format!("to-{name}"))]);
        objects.extend(empty(&place));
        objects.extend([object(end), object(plugged(port, bridge))]);
        objects.push(with_address(&place, "eth0", address));
    }
    objects
}

#[test]
fn a_loop_with_spanning_tree_does_not_melt_and_heals() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        // The shortest times that the standard allows (IEEE 802.1D, 17.14).
        let bridge = Bridge {
            stp: true,
            priority: 4096,
            forward_delay: 4000,
            hello_time: 1000,
            max_age: 6000,
            ..quiet_bridge()
        };
        bed.become_state(&loop_of_two(&bridge).into_iter().collect());
        bed.talks((&a, A), (&b, B));
        let ports = bed.command(&Place::Fabric, "bridge link");
        assert_eq!(ports.matches("state blocking").count(), 1, "{ports}");
        // What everybody hears goes around no loop: each once, and some hellos.
        let heard = received(bed, &b, "eth0");
        let speaker = bed.socket(&a, A);
        speaker.set_broadcast(true).unwrap();
        for _ in 0..20 {
            speaker.send_to(b"everybody", "10.0.0.255:9").unwrap();
        }
        bed.talks((&a, A), (&b, B));
        let heard = received(bed, &b, "eth0") - heard;
        assert!((20..200).contains(&heard), "{heard} packets of 20");
        // The cable in use breaks: the other takes over.
        let root = ports.lines().find(|line| line.contains("state blocking")).unwrap();
        let in_use = if root.contains("left") { "right" } else { "left" };
        bed.command(&Place::Fabric, &format!("ip link set {in_use}-one down"));
        bed.talks((&a, A), (&b, B));
        let ports = bed.command(&Place::Fabric, "bridge link");
        assert!(!ports.contains("state blocking"), "{ports}");
        bed.become_state(&State::default());
    });
}

/// Nodes `a`, `b` and `c` on one bridge.
fn three(bridge: Bridge) -> Vec<Object> {
    let fabric = Place::Fabric;
    let mut objects = empty(&fabric);
    objects.push(object(interface(&fabric, "lan", Kind::Bridge(bridge))));
    for (name, address) in [("a", "10.0.0.1/24"), ("b", "10.0.0.2/24"), ("c", "10.0.0.3/24")] {
        let place = node(name);
        let [end, port] = cable([(&place, "eth0"), (&fabric, name)]);
        objects.extend(empty(&place));
        objects.extend([object(end), object(plugged(port, "lan"))]);
        objects.push(with_address(&place, "eth0", address));
    }
    objects
}

/// So many datagrams to a group: how many more packets `b`, who is in it, and
/// `c`, who is not, hear.
fn to_the_group(bed: &mut Bed<'_>, speaker: &UdpSocket, datagrams: u64) -> (u64, u64) {
    let (b, c) = (node("b"), node("c"));
    let before = (received(bed, &b, "eth0"), received(bed, &c, "eth0"));
    for _ in 0..datagrams {
        speaker.send_to(b"to the group", "239.1.2.3:9").unwrap();
    }
    (received(bed, &b, "eth0") - before.0, received(bed, &c, "eth0") - before.1)
}

#[test]
fn snooping_keeps_a_group_from_those_who_did_not_join() {
    const MANY: u64 = 200;
    isolated(|bed| {
        for snooping in [true, false] {
            let bridge = Bridge {
                multicast_snooping: snooping,
                multicast_querier: snooping,
                ..quiet_bridge()
            };
            bed.become_state(&three(bridge).into_iter().collect());
            bed.talks((&node("a"), A), (&node("c"), C));
            let group = Ipv4Addr::new(239, 1, 2, 3);
            let member = bed.socket(&node("b"), B);
            member.join_multicast_v4(&group, &B.parse().unwrap()).unwrap();
            let speaker = bed.inside(&node("a"), || {
                let socket = rustix::net::socket(
                    rustix::net::AddressFamily::INET,
                    rustix::net::SocketType::DGRAM,
                    None,
                )
                .unwrap();
                let from: Ipv4Addr = A.parse().unwrap();
                rustix::net::sockopt::set_ip_multicast_if(&socket, &from).unwrap();
                UdpSocket::from(socket)
            });
            // A new querier waits for another's answers, ten seconds, before it
            // believes itself (`br_multicast_querier_exists`): maybe amid the datagrams.
            let begin = Instant::now();
            let mut last = to_the_group(bed, &speaker, MANY);
            while snooping && last.1 >= MANY / 2 && begin.elapsed() < Duration::from_secs(30) {
                last = to_the_group(bed, &speaker, MANY);
            }
            assert!(last.0 >= MANY, "{last:?}");
            assert_eq!(last.1 < MANY / 2, snooping, "{last:?}");
            bed.clear();
        }
    });
}
