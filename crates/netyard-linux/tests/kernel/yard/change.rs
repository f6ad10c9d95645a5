//! A yard that is up is changed, or drifts and is healed.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use netyard_core::interface::{Bridge, Interface, Kind, Physical};
use netyard_core::name::{InterfaceName, YardName};
use netyard_core::plan::plan;
use netyard_core::state::{Key, Object, Place, State};
use netyard_linux::{Access, Session};

use super::*;
use crate::bed::{cable, id, interface, node, object};

/// `left` and `right` on one cable, `10.1.0.1` and `.2`.
fn line() -> State {
    let (left, right) = (node("left"), node("right"));
    let ends = cable([(&left, "eth0"), (&right, "eth0")]);
    let mut objects = [published(&left), published(&right)].concat();
    objects.extend(ends.map(object));
    objects.push(with_address(&left, "eth0", "10.1.0.1/24"));
    objects.push(with_address(&right, "eth0", "10.1.0.2/24"));
    objects.into_iter().collect()
}

fn with_mtu(state: &State, mtu: u32) -> State {
    ["left", "right"].iter().fold(state.clone(), |state, name| {
        let key = Key::Interface(id(&node(name), "eth0"));
        changed(&state, &key, |object| match object {
            Object::Interface(o) => o.mtu = Some(mtu),
            _ => unreachable!(),
        })
    })
}

/// Sends numbered packets from left to right while `work` runs; gives how many
/// were sent and how many arrived.
fn stream(work: impl FnOnce(&AtomicU32)) -> (u32, u32) {
    let server = inside("bed-right", || UdpSocket::bind("10.1.0.2:7000").unwrap());
    let client = inside("bed-left", || UdpSocket::bind("10.1.0.1:0").unwrap());
    server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // The pace: an answer that does not come.
    client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let running = AtomicBool::new(true);
    let sent = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut buffer = [0; 8];
            while running.load(Ordering::Relaxed) {
                client.send_to(b"tick", "10.1.0.2:7000").unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
                let _ = client.recv_from(&mut buffer);
            }
        });
        let receiver = scope.spawn(|| {
            let (mut got, mut buffer) = (0, [0; 8]);
            while server.recv_from(&mut buffer).is_ok() {
                got += 1;
            }
            got
        });
        work(&sent);
        running.store(false, Ordering::Relaxed);
        sender.join().unwrap();
        (sent.load(Ordering::Relaxed), receiver.join().unwrap())
    })
}

#[test]
fn a_change_in_place_loses_no_packet() {
    alone(|| {
        let line = line();
        up(&line).unwrap();
        talks(("bed-left", "10.1.0.1"), ("bed-right", "10.1.0.2"));
        let mut wider = with_mtu(&line, 1400);
        wider.insert(with_address(&node("right"), "eth0", "10.1.0.3/24"));
        wider.insert(with_address(&node("left"), "eth0", "10.9.0.1/16"));
        wider.insert(default_route(&node("left"), "eth0", "10.1.0.3"));
        let (sent, got) = stream(|sent| {
            for round in 0.. {
                if round >= 3 && sent.load(Ordering::Relaxed) > 50 {
                    break;
                }
                assert!(round < 100, "the stream does not flow");
                assert!(up(&wider).unwrap() >= 5);
                assert!(up(&line).unwrap() >= 5);
            }
        });
        assert_eq!(got, sent);
        assert_eq!(steps_left(&line), [] as [String; 0]);
        down().unwrap();
    });
}

#[test]
fn the_stream_notices_a_link_that_goes_down() {
    // The measure above must be able to fail.
    alone(|| {
        up(&line()).unwrap();
        talks(("bed-left", "10.1.0.1"), ("bed-right", "10.1.0.2"));
        let (sent, got) = stream(|_| {
            sh("ip -n bed-right link set eth0 down; sleep 0.2; ip -n bed-right link set eth0 up");
        });
        assert!(got < sent, "{got} of {sent}");
        down().unwrap();
    });
}

#[test]
fn what_drifted_is_healed() {
    alone(|| {
        let mut desired = line();
        desired.insert(default_route(&node("left"), "eth0", "10.1.0.2"));
        up(&desired).unwrap();
        let drifts = [
            "ip -n bed-left route del default",
            "ip -n bed-left link set eth0 down; ip -n bed-left link set eth0 name wrong",
            "ip -n bed-right addr del 10.1.0.2/24 dev eth0",
            "ip -n bed-right link set eth0 mtu 1300",
            "ip -n bed-left link del eth0",
            "ip netns del bed-right",
        ];
        for drift in drifts {
            sh(drift);
            assert_ne!(steps_left(&desired), [] as [String; 0], "{drift}");
            up(&desired).unwrap_or_else(|error| panic!("{drift}: {error:?}"));
            assert_eq!(steps_left(&desired), [] as [String; 0], "{drift}");
            talks(("bed-left", "10.1.0.1"), ("bed-right", "10.1.0.2"));
        }
        down().unwrap();
    });
}

#[test]
fn two_yards_do_not_touch_each_other() {
    alone(|| {
        let before = snapshot();
        let other = YardName::new("other").unwrap();
        let theirs: State = line()
            .objects()
            .cloned()
            .map(|object| match object {
                Object::Namespace(mut o) => {
                    o.netns = o.netns.replace("bed", "other");
                    Object::Namespace(o)
                }
                object => object,
            })
            .collect();
        up(&line()).unwrap();
        let mut session = Session::open(&other, Access::Write, &mut |_| false).unwrap();
        let actual = session.observe(&theirs).unwrap().state;
        assert!(actual.is_empty(), "{actual:?}");
        session.apply(&plan(&actual, &theirs), &theirs, &mut |_| ()).unwrap();
        drop(session);
        assert_eq!(netyard_linux::list_yards().unwrap().len(), 2);
        down().unwrap();
        talks(("other-left", "10.1.0.1"), ("other-right", "10.1.0.2"));
        let mut session = Session::open(&other, Access::Write, &mut |_| false).unwrap();
        session.down(&mut |_| ()).unwrap();
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_lent_interface_comes_home_as_it_was() {
    alone(|| {
        sh("ip link add phy0 type veth peer name phy1; ip link set phy0 mtu 1400 up; ip link set phy1 up
            ip addr add 192.0.2.1/24 dev phy0; ip -6 addr add fd01::1/64 dev phy0 nodad
            ip route add 198.51.100.0/24 via 192.0.2.9; ip -6 route add fd02::/64 via fd01::9");
        let look = || {
            sh("ip -o addr show | sed 's/^[0-9]*: //; s/valid_lft.*//' | grep -v fe80 | sort; ip route; ip -6 route | grep -v fe80 | sort
                ip -o link show | sed 's/^[0-9]*: //; s/@[^:]*//' | sort")
        };
        let before = look();
        let router = node("router");
        let lent = Interface {
            mac: None,
            mtu: None,
            ..interface(
                &router,
                "uplink",
                Kind::Physical(Physical { host_name: InterfaceName::new("phy0").unwrap() }),
            )
        };
        let mut state: State = published(&router).into_iter().collect();
        state.insert(object(lent));
        state.insert(with_address(&router, "uplink", "203.0.113.1/24"));
        up(&state).unwrap();
        assert!(sh("ip -n bed-router -o addr show uplink").contains("203.0.113.1"));
        assert_eq!(steps_left(&state), [] as [String; 0]);
        down().unwrap();
        assert_eq!(look(), before);
        // And with the interface alone leaving the file.
        up(&state).unwrap();
        let empty: State = published(&router).into_iter().collect();
        up(&empty).unwrap();
        assert_eq!(look(), before);
        let lo = sh("ip -n bed-router link show lo");
        assert!(!lo.contains("netyard.lent"), "{lo}");
        // What it was is found in the kernel, too, by both.
        up(&state).unwrap();
        sh("rm -r /run/netyard");
        down().unwrap();
        assert_eq!(look(), before);
        up(&state).unwrap();
        sh("rm -r /run/netyard");
        up(&empty).unwrap();
        assert_eq!(look(), before);
        down().unwrap();
    });
}

#[test]
fn a_lent_interface_comes_home_from_names_that_nobody_knows_any_more() {
    alone(|| {
        sh("ip link add phy0 type veth peer name phy1; ip link set phy0 mtu 1400 up; ip link set phy1 up
            ip addr add 192.0.2.1/24 dev phy0");
        // With which index it comes back is the kernel's choice.
        let look = || {
            sh(
                "ip -o addr show phy0 | sed 's/^[0-9]*//' | grep -v fe80; ip -o link show phy0 | sed 's/^[0-9]*//'; ip netns",
            )
        };
        let before = look();
        // Too long for an alias, which then is a hash.
        let name = "u".repeat(240);
        let router = node(&"r".repeat(240));
        let host_name = InterfaceName::new("phy0").unwrap();
        let mut state: State = published(&router).into_iter().collect();
        let mut lent = interface(&router, &name, Kind::Physical(Physical { host_name }));
        lent.kernel_name = InterfaceName::new("uplink").unwrap();
        state.insert(object(Interface { mac: None, mtu: None, ..lent }));
        up(&state).unwrap();
        assert_eq!(steps_left(&state), [] as [String; 0]);
        sh("rm -r /run/netyard");
        down().unwrap();
        assert_eq!(look(), before);
    });
}

#[test]
fn an_address_that_goes_or_changes_leaves_the_others_of_its_prefix() {
    const KEY: &str = "net/ipv4/conf/all/promote_secondaries";
    alone(|| {
        sh("for f in /proc/sys/net/ipv4/conf/*/promote_secondaries; do echo 0 > $f; done");
        let a = node("a");
        let mut state: State = published(&a).into_iter().collect();
        state.insert(setting(&a, KEY, "0"));
        for place in [&a, &Place::Host] {
            let bridge = Kind::Bridge(Bridge { forward_delay: 0, ..Bridge::default() });
            state.insert(object(interface(place, "nyt0", bridge)));
            for address in ["10.9.0.1/24", "10.9.0.2/24", "10.9.0.3/24"] {
                state.insert(with_address(place, "nyt0", address));
            }
        }
        up(&state).unwrap();
        let addresses = || {
            let all = "ip -o -4 address show dev nyt0; ip netns exec bed-a ip -o -4 address show dev nyt0";
            let all = sh(&format!("({all}) | grep -o '10.9.0.[0-9][^ ]*/[0-9]* ' | sort"));
            all.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(addresses().len(), 6);
        for place in [&a, &Place::Host] {
            state.remove(&with_address(place, "nyt0", "10.9.0.1/24").key());
        }
        // Verified: `up` fails where the others have gone.
        up(&state).unwrap();
        assert_eq!(addresses(), ["10.9.0.2/24", "10.9.0.2/24", "10.9.0.3/24", "10.9.0.3/24"]);
        for place in [&a, &Place::Host] {
            let key = with_address(place, "nyt0", "10.9.0.2/24").key();
            state = changed(&state, &key, |object| match object {
                Object::Address(o) => o.peer = Some("10.9.0.99".parse().unwrap()),
                _ => unreachable!(),
            });
        }
        up(&state).unwrap();
        assert_eq!(steps_left(&state), [] as [String; 0]);
        let set = sh("cat /proc/sys/net/ipv4/conf/*/promote_secondaries
            ip netns exec bed-a sh -c 'cat /proc/sys/net/ipv4/conf/*/promote_secondaries'");
        assert!(set.lines().all(|value| value == "0"), "{set}");
        down().unwrap();
    });
}
