//! The host as router of a yard's networks: its settings, its default routes,
//! and what becomes of both.

use std::collections::BTreeSet;

use netyard_core::name::YardName;
use netyard_core::plan::plan;
use netyard_core::state::State;
use netyard_linux::{Access, Session};

use super::bridged::similar;
use super::outer::{OUTER, Stream, codes, desired, resolve, up_file, whole};
use super::{alone, down, sh, steps_left, talks, try_talk};

/// The outer namespace knows the way to what is routed, not to what is
/// masqueraded.
const KNOWN: &str = "
    ip -n outer route add 10.2.0.0/24 via 192.0.2.10
    ip -n outer -6 route add 2001:db8:2::/64 via 2001:db8::10
";

const ROUTED: &str = "
yard: bed
networks:
  own: { prefix: [10.2.0.0/24, '2001:db8:2::/64'], uplink: { routed: eth0 } }
nodes:
  a: { interfaces: { eth0: { network: own } } }
";

fn setting(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

#[test]
fn a_routed_network_is_reached_and_reaches_and_the_host_is_as_before() {
    alone(|| {
        sh(OUTER);
        sh(KNOWN);
        let before = whole();
        let stream = Stream::open("198.51.100.1");
        up_file(ROUTED).unwrap();
        talks(("bed-a", "10.2.0.1"), ("outer", "198.51.100.1"));
        talks(("bed-a", "2001:db8:2::1"), ("outer", "2001:db8:f::1"));
        talks(("outer", "192.0.2.1"), ("bed-a", "10.2.0.1"));
        talks(("outer", "2001:db8::1"), ("bed-a", "2001:db8:2::1"));
        // By a name, only the interfaces that take part forward IPv4.
        assert_eq!(setting("ipv4/ip_forward"), "0");
        assert_eq!(setting("ipv4/conf/eth0/forwarding"), "1");
        assert_eq!(setting("ipv6/conf/eth0/accept_ra"), "2");
        assert_eq!(setting("ipv6/conf/own/accept_ra"), "0");
        assert_eq!(steps_left(&desired(ROUTED)), [] as [String; 0]);
        stream.goes_on();
        down().unwrap();
        stream.close();
        similar(&whole(), &before);
    });
}

#[test]
fn auto_follows_the_default_route_to_another_interface() {
    alone(|| {
        sh(OUTER);
        let before = whole();
        let file = ROUTED.replace("{ routed: eth0 }", "masquerade");
        up_file(&file).unwrap();
        assert_eq!(setting("ipv4/ip_forward"), "1");
        talks(("bed-a", "10.2.0.1"), ("outer", "198.51.100.1"));
        talks(("bed-a", "2001:db8:2::1"), ("outer", "2001:db8:f::1"));
        // Those outside know no way in, and open none.
        assert!(!try_talk(("outer", "192.0.2.1"), ("bed-a", "10.2.0.1"), 3));
        // The machine moves: another interface, another network, nothing told to netyard.
        sh("ip link add wlan0 type veth peer name air0 netns outer
            ip link set wlan0 up; ip -n outer link set air0 up
            ip -n outer addr add 203.0.113.1/24 dev air0
            ip -n outer addr add 2001:db8:a::1/64 dev air0 nodad
            ip addr flush dev eth0; ip addr add 203.0.113.50/24 dev wlan0
            ip addr add 2001:db8:a::50/64 dev wlan0 nodad
            ip route add default via 203.0.113.1; ip -6 route flush default
            ip -6 route add default via 2001:db8:a::1 dev wlan0
            ip link set eth0 down");
        talks(("bed-a", "10.2.0.1"), ("outer", "198.51.100.1"));
        talks(("bed-a", "2001:db8:2::1"), ("outer", "2001:db8:f::1"));
        down().unwrap();
        sh("ip link del wlan0; ip link set eth0 up
            ip addr add 192.0.2.10/24 dev eth0; ip addr add 2001:db8::10/64 dev eth0 nodad
            ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1 dev eth0");
        similar(&whole(), &before);
    });
}

#[test]
fn a_default_route_that_was_advertised_stays_when_the_host_forwards() {
    alone(|| {
        sh(OUTER);
        sh(KNOWN);
        sh("ip -6 route del default");
        super::bridged::advertise("2001:db8:5::");
        let learnt = || sh("ip -6 route show default").contains("proto ra");
        let begin = std::time::Instant::now();
        while !learnt() {
            assert!(begin.elapsed().as_secs() < 10, "no route was learnt");
            super::bridged::advertise("2001:db8:5::");
        }
        let before = setting("ipv6/conf/eth0/accept_ra");
        up_file(ROUTED).unwrap();
        assert!(learnt(), "{}", sh("ip -6 route"));
        talks(("bed-a", "2001:db8:2::1"), ("outer", "2001:db8:f::1"));
        down().unwrap();
        assert!(learnt(), "{}", sh("ip -6 route"));
        assert_eq!(setting("ipv6/conf/eth0/accept_ra"), before);
    });
}

#[test]
fn macvlans_of_the_hosts_interface_are_in_its_network() {
    alone(|| {
        sh(OUTER);
        let before = whole();
        up_file(MACVLAN).unwrap();
        talks(("bed-a", "192.0.2.30"), ("outer", "192.0.2.1"));
        talks(("bed-a", "192.0.2.30"), ("bed-b", "192.0.2.31"));
        assert_eq!(steps_left(&desired(MACVLAN)), [] as [String; 0]);
        down().unwrap();
        similar(&whole(), &before);
    });
}

/// Two nodes in the network of `eth0`.
const MACVLAN: &str = "
yard: bed
networks: { out: { uplink: { macvlan: eth0 } } }
nodes:
  a: { interfaces: { eth0: { network: out, address: 192.0.2.30/24 } } }
  b: { interfaces: { eth0: { network: out, kind: macvlan, mode: bridge, address: 192.0.2.31/24 } } }
";

#[test]
fn an_upstream_that_uses_the_yards_prefix_is_noticed_before_and_after() {
    alone(|| {
        sh(OUTER);
        for (theirs, collides) in [
            ("10.2.0.7/24", true),
            ("10.2.0.130/25", true),
            ("10.9.9.9/8", true),
            ("10.3.0.7/24", false),
        ] {
            sh(&format!("ip addr add {theirs} dev eth0"));
            assert_eq!(codes(ROUTED).contains(&"prefix-on-host"), collides, "{theirs}");
            assert_eq!(resolve(ROUTED).0.is_none(), collides);
            sh(&format!("ip addr del {theirs} dev eth0"));
        }
        up_file(ROUTED).unwrap();
        assert_eq!(codes(ROUTED), [] as [&str; 0]);
        for theirs in ["10.2.0.7/24", "10.2.0.130/25", "10.9.9.9/8"] {
            sh(&format!("ip addr add {theirs} dev eth0"));
            assert!(codes(ROUTED).contains(&"upstream-collides"), "{theirs}");
            // It goes on, and can be changed and taken away.
            assert!(resolve(ROUTED).0.is_some());
            sh(&format!("ip addr del {theirs} dev eth0"));
        }
        sh("ip route add 10.2.0.0/16 via 192.0.2.1");
        assert!(codes(ROUTED).contains(&"upstream-collides"));
        down().unwrap();
    });
}

#[test]
fn what_two_yards_need_of_the_host_goes_with_the_last_of_them() {
    alone(|| {
        sh(OUTER);
        sh(KNOWN);
        let before = whole();
        let one = desired(ROUTED);
        let text = "yard: two\nnetworks: { t: { prefix: 10.9.0.0/24, uplink: { routed: auto } } }\n\
                    nodes: { b: { interfaces: { eth0: { network: t } } } }\n";
        let two = || of("two", text);
        for lost in [false, true] {
            for first in [0, 1] {
                let ups = || {
                    super::up(&one).unwrap();
                    bring("two", &two());
                };
                match first {
                    0 => ups(),
                    _ => {
                        bring("two", &two());
                        super::up(&one).unwrap();
                    }
                }
                if lost {
                    sh("rm -r /run/netyard");
                }
                talks(("bed-a", "10.2.0.1"), ("outer", "198.51.100.1"));
                match first {
                    0 => drop(open("two").down(&mut |_| ()).unwrap()),
                    _ => down().unwrap(),
                }
                if first == 0 {
                    talks(("bed-a", "10.2.0.1"), ("outer", "198.51.100.1"));
                    down().unwrap();
                } else {
                    assert_eq!(setting("ipv4/ip_forward"), "1");
                    assert_eq!(setting("ipv6/conf/all/forwarding"), "1");
                    open("two").down(&mut |_| ()).unwrap();
                }
                similar(&whole(), &before);
            }
        }
    });
}

fn open(yard: &str) -> Session {
    Session::open(&YardName::new(yard).unwrap(), Access::Write, &mut |_| false).unwrap()
}

fn of(yard: &str, text: &str) -> State {
    use netyard_core::{diag::Source, spec, state::lower, yard::resolve};
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, yard, &mut |_, _| Err("no such file".to_owned()));
    let facts = open(yard).facts(&BTreeSet::new()).unwrap();
    let (found, report) = resolve(&parsed.spec.unwrap(), &facts);
    lower(&found.unwrap_or_else(|| panic!("{report:#?}"))).settled()
}

fn bring(yard: &str, desired: &State) {
    let mut session = open(yard);
    let actual = session.observe(desired).unwrap().state;
    session.apply(&plan(&actual, desired), desired, &mut |_| ()).unwrap();
}
