//! Where findings begin: what is just enough for one, and what is just not.

use crate::facts::{Address, Bridge, Conntrack, Link, Stack, Survey};
use crate::state::Place;

use super::{CHECKS, Phase, Scene, judge};

/// How often the check of that id finds something in stacks of their own.
fn found(id: &str, stacks: Vec<(Place, Stack)>) -> usize {
    assert!(CHECKS.iter().any(|check| check.id == id), "no check {id}");
    let survey = Survey { stacks, ..Survey::default() };
    let scene = Scene { survey: &survey, yard: None, phase: Phase::Running };
    let findings = judge(&scene, &[Phase::Plan, Phase::Running]);
    findings.iter().filter(|finding| finding.check.id == id).count()
}

fn on_host(id: &str, stack: Stack) -> usize {
    found(id, vec![(Place::Host, stack)])
}

fn link(index: u32, name: &str, kind: &str) -> Link {
    let (name, kind) = (name.to_owned(), kind.to_owned());
    Link { index, name, kind, up: true, carrier: true, operstate: 6, mtu: 1500, ..Link::default() }
}

fn address(link: u32, net: &str) -> Address {
    Address { link, net: net.parse().unwrap(), tentative: false, duplicate: false }
}

fn settings(all: &[(&str, &str)]) -> Stack {
    let all = all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Stack { settings: all.collect(), ..Stack::default() }
}

#[test]
fn connection_tracking_is_full_at_nine_tenths() {
    let full = |count| {
        let conntrack = Some(Conntrack { count, max: 100, ..Conntrack::default() });
        on_host("conntrack-full", Stack { conntrack, ..Stack::default() })
    };
    assert_eq!([0, 50, 89, 90, 100].map(full), [0, 0, 0, 1, 1]);
}

#[test]
fn who_has_one_link_forwards_for_nobody() {
    let with = |links: u32| {
        let mut stack = settings(&[("net/ipv4/ip_forward", "0")]);
        stack.counters.insert("Ip.InAddrErrors".to_owned(), 7);
        for index in 1..=links {
            stack.links.push(link(index, &format!("eth{index}"), ""));
            stack.addresses.push(address(index, &format!("10.0.{index}.1/24")));
        }
        on_host("forwarding-off", stack)
    };
    assert_eq!([1, 2].map(with), [0, 1]);
}

#[test]
fn marks_are_wanted_by_who_has_a_tunnel() {
    let with = |kind: &str| {
        let mut stack = settings(&[("net/ipv4/conf/all/src_valid_mark", "1")]);
        stack.links.push(link(2, "wg0", kind));
        on_host("src-valid-mark", stack)
    };
    assert_eq!(["dummy", "wireguard"].map(with), [1, 0]);
}

#[test]
fn an_address_of_a_link_that_is_down_is_waited_for_by_nobody() {
    let with = |up: bool| {
        let mut stack = Stack::default();
        stack.links.push(Link { up, carrier: false, ..link(2, "eth0", "") });
        stack.addresses.push(Address { tentative: true, ..address(2, "fd00::1/64") });
        on_host("address-tentative", stack)
    };
    assert_eq!([true, false].map(with), [1, 0]);
}

#[test]
fn a_source_is_checked_as_strictly_as_the_setting_of_all_says() {
    let with = |all: &str, own: &str| {
        let mut stack = settings(&[
            ("net/ipv4/conf/all/rp_filter", all),
            ("net/ipv4/conf/eth0/rp_filter", own),
        ]);
        stack.counters.insert("TcpExt.IPReversePathFilter".to_owned(), 3);
        stack.links.push(link(2, "eth0", ""));
        on_host("rp-filter", stack)
    };
    assert_eq!([with("0", "1"), with("1", "0"), with("2", "1"), with("0", "0")], [1, 1, 0, 0]);
}

#[test]
fn a_bridge_that_hears_a_querier_needs_none_of_its_own() {
    let with = |bridge: Bridge| {
        let mut stack = Stack::default();
        stack.links.push(Link { bridge: Some(bridge), ..link(1, "br0", "bridge") });
        for index in [2, 3] {
            let port = link(index, &format!("p{index}"), "veth");
            stack.links.push(Link { master: Some(1), port_state: Some(3), ..port });
        }
        on_host("multicast-querier", stack)
    };
    let none = Bridge { snooping: true, ..Bridge::default() };
    assert_eq!(with(none), 1);
    assert_eq!(with(Bridge { querier: true, ..none }), 0);
    assert_eq!(with(Bridge { querier_seen: true, ..none }), 0);
}

#[test]
fn a_bridge_without_an_address_of_ipv6_believes_nobody() {
    let with = |net: &str| {
        let mut stack = settings(&[("net/ipv6/conf/br0/accept_ra", "1")]);
        let bridge = Some(Bridge::default());
        stack.links.push(Link { bridge, ..link(1, "br0", "bridge") });
        let guest = link(2, "p2", "veth");
        stack.links.push(Link { master: Some(1), port_state: Some(3), ..guest });
        stack.addresses.push(address(1, net));
        on_host("bridge-accepts-ra", stack)
    };
    assert_eq!(["10.0.0.1/24", "fe80::1/64"].map(with), [0, 1]);
}

#[test]
fn two_of_one_hardware_address_disturb_each_other_where_they_meet() {
    let guest = |node: &str, net: &str| {
        let mut stack = Stack::default();
        let mac = Some("02:00:00:00:00:01".parse().unwrap());
        stack.links.push(Link { mac, ..link(2, "eth0", "veth") });
        stack.addresses.push(address(2, net));
        (Place::Node(crate::name::NodeName::new(node).unwrap()), stack)
    };
    let with = |one, other| found("mac-twice", vec![guest("a", one), guest("b", other)]);
    assert_eq!(with("10.0.0.1/24", "10.0.0.2/24"), 1);
    assert_eq!(with("10.0.0.1/24", "10.0.1.2/24"), 0);
}
