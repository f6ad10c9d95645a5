//! Objects other than interfaces.

use super::*;

fn names() -> Names {
    let mut names = Names::default();
    names.insert(3, full("eth0"), kernel("eth0"));
    names.insert(4, full("the-long-way-round"), kernel("thelongw~abcdef"));
    names
}

#[test]
fn addresses_survive() {
    for (net, peer, dad) in [
        ("10.0.0.1/24", None, false),
        ("10.0.0.1/32", Some("10.0.0.2"), false),
        ("10.0.0.0/31", None, false),
        ("fd00::1/64", None, false),
        ("fd00::1/64", None, true),
        ("fd00::1/128", Some("fd00::2"), false),
    ] {
        let address = Address {
            interface: id(node("r1"), "the-long-way-round"),
            net: net.parse().unwrap(),
            peer: peer.map(|peer| peer.parse().unwrap()),
            dad,
        };
        let message = body(&address.add(&names()).unwrap());
        assert_eq!(address::read(&node("r1"), &names(), &message), Some(address));
    }
}

#[test]
fn neighbours_survive() {
    for (address, mac) in
        [("10.0.0.9", Some(Mac([2, 0, 0, 0, 0, 9]))), ("fd00::9", None), ("10.0.0.8", None)]
    {
        let neighbour =
            Neighbour { interface: id(node("r1"), "eth0"), address: address.parse().unwrap(), mac };
        let message = body(&neighbour.add(&names()).unwrap());
        assert_eq!(neighbour::read(&node("r1"), &names(), &message), Some(neighbour));
    }
}

fn hop(gateway: Option<&str>, interface: &str, weight: u16) -> NextHop {
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    NextHop { gateway, interface: full(interface), onlink: weight > 1, weight }
}

#[test]
fn routes_survive() {
    let route = |destination: &str, hops: Vec<NextHop>| Route {
        place: node("r1"),
        table: 254,
        destination: destination.parse().unwrap(),
        metric: 1024,
        kind: if hops.is_empty() { RouteKind::Prohibit } else { RouteKind::Unicast },
        hops,
        source: None,
        mtu: None,
    };
    let routes = [
        route("0.0.0.0/0", vec![hop(Some("10.0.0.1"), "eth0", 1)]),
        route("10.9.0.0/16", vec![hop(Some("fd00::1"), "eth0", 1)]),
        route("::/0", vec![hop(Some("fd00::1"), "eth0", 1)]),
        route("10.9.0.0/16", vec![hop(None, "the-long-way-round", 1)]),
        route("fd01::/48", vec![]),
        Route { kind: RouteKind::Blackhole, ..route("10.0.0.0/8", vec![]) },
        Route { kind: RouteKind::Unreachable, table: 70_000, ..route("10.0.0.0/8", vec![]) },
        Route {
            source: Some("10.0.0.7".parse().unwrap()),
            mtu: Some(1280),
            metric: 0,
            table: 100,
            ..route(
                "10.1.0.0/16",
                vec![
                    hop(Some("10.0.0.1"), "eth0", 256),
                    hop(Some("10.0.1.1"), "the-long-way-round", 2),
                ],
            )
        },
    ];
    for route in routes {
        let message = body(&route.add(&names()).unwrap());
        assert_eq!(route::read(&node("r1"), &names(), &message), Some(route));
    }
}

#[test]
fn rules_survive() {
    let rule = |action| Rule {
        place: node("r1"),
        ipv6: false,
        priority: 100,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        not: false,
        action,
        suppress_prefix_length: None,
    };
    let full_rule = Rule {
        from: Some("10.0.0.0/8".parse().unwrap()),
        to: Some("10.9.0.0/16".parse().unwrap()),
        fwmark: Some((0x10, 0xff)),
        iif: Some(full("the-long-way-round")),
        oif: Some(full("eth0")),
        not: true,
        suppress_prefix_length: Some(0),
        ..rule(RuleAction::Table(70_000))
    };
    let v6 =
        Rule { ipv6: true, to: Some("fd00::/8".parse().unwrap()), ..rule(RuleAction::Table(254)) };
    let rules = [
        full_rule,
        v6,
        rule(RuleAction::Goto(200)),
        rule(RuleAction::Blackhole),
        rule(RuleAction::Unreachable),
        rule(RuleAction::Prohibit),
    ];
    for rule in rules {
        let message = body(&rule.add(&names()));
        assert_eq!(rule::read(&node("r1"), &names(), &message), Some(rule));
    }
}

#[test]
fn vlans_of_ports_survive() {
    for (pvid, untagged, on_bridge) in
        [(false, false, false), (true, true, false), (false, true, true)]
    {
        let vlan =
            PortVlan { interface: id(node("r1"), "eth0"), vid: 4094, pvid, untagged, on_bridge };
        let mut message = body(&vlan.add(&names()).unwrap());
        // The kernel tells whose port it is; a bridge is its own.
        message.extend([8, 0, 10, 0]);
        message.extend(if on_bridge { 3_u32 } else { 9 }.to_ne_bytes());
        assert_eq!(vlan::read(&node("r1"), &names(), &message), [vlan]);
    }
}

#[test]
fn a_range_of_vlans_is_each_of_them() {
    let mut message = vec![0; 16];
    message[4] = 3;
    let info = |flags: u16, vid: u16| {
        [[8, 0, 2, 0], [flags as u8, 0, vid as u8, (vid >> 8) as u8]].concat()
    };
    let spec = [info(8, 20), info(16, 29), info(2 | 4, 1)].concat();
    message.extend(((spec.len() + 4) as u16).to_ne_bytes());
    message.extend([26, 0]);
    message.extend(spec);
    let read = vlan::read(&node("r1"), &names(), &message);
    let vids: BTreeSet<u16> = read.iter().map(|vlan| vlan.vid).collect();
    assert_eq!(vids, (20..=29).chain([1]).collect());
    assert!(read.iter().all(|vlan| (vlan.vid == 1) == vlan.pvid));
}

#[test]
fn impairments_survive() {
    let ms = 1_000_000;
    let all = Impairment {
        delay: 20 * ms + 1,
        jitter: 2 * ms,
        loss: 5_000,
        duplicate: 1,
        reorder: 10_000,
        corrupt: 999_999,
        rate: 100_000_000,
        limit: 0,
    };
    let rate = |rate| Impairment { rate, ..Impairment::default() };
    for impairment in [
        all,
        Impairment { limit: 77, ..all },
        Impairment { rate: 80_000_000_000, ..all },
        Impairment { rate: 0, ..all },
        Impairment { delay: 3_600_000 * ms, ..Impairment::default() },
        rate(1_000_000),
        rate(80_000_000_000),
        Impairment { limit: 30, ..rate(64_000) },
        // Not what was asked for, but what the kernel can do; and then it stays.
        rate(9),
        rate(1),
        Impairment { limit: 10, ..rate(64_000) },
    ] {
        let settled = impairment.settled();
        assert_eq!(settled, settled.settled());
        let qdisc = Qdisc { interface: id(node("r1"), "eth0"), impairment };
        let message = body(&qdisc.add(qdisc::USUAL_MTU, &names()).unwrap());
        let read = qdisc::read(&node("r1"), &names(), &message).unwrap();
        assert_eq!(read.impairment, settled);
        let rate_only = Impairment { rate: impairment.rate, limit: impairment.limit, ..rate(0) };
        assert_eq!(impairment.qdisc() == "tbf", impairment == rate_only);
    }
}

#[test]
fn anothers_objects_are_not_read() {
    let route = Route {
        place: node("r1"),
        table: 254,
        destination: "10.0.0.0/8".parse().unwrap(),
        metric: 0,
        kind: RouteKind::Blackhole,
        hops: Vec::new(),
        source: None,
        mtu: None,
    };
    let mut message = body(&route.add(&names()).unwrap());
    message[5] = 4; // RTPROT_STATIC
    assert_eq!(route::read(&node("r1"), &names(), &message), None);
    assert_eq!(route::read_any(&node("r1"), &names(), &message), Some(route));
    let impairment = Impairment { delay: 1, ..Impairment::default() };
    let qdisc = Qdisc { interface: id(node("r1"), "eth0"), impairment };
    let mut message = body(&qdisc.add(qdisc::USUAL_MTU, &names()).unwrap());
    message[10..12].copy_from_slice(&1_u16.to_ne_bytes());
    assert_eq!(qdisc::read(&node("r1"), &names(), &message), None);
}

#[test]
fn no_message_makes_a_reader_stumble() {
    let mut seed = 1_u64;
    for length in 0..400 {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Small numbers make lengths that fit.
                (seed >> 59) as u8
            })
            .collect();
        let (place, names) = (node("r1"), names());
        let _ = read_all(&yard(), &place, &LongMarks::default(), &[&bytes]);
        let _ = address::read(&place, &names, &bytes);
        let _ = neighbour::read(&place, &names, &bytes);
        let _ = route::read_any(&place, &names, &bytes);
        let _ = rule::read(&place, &names, &bytes);
        let _ = vlan::read(&place, &names, &bytes);
        let _ = qdisc::read(&place, &names, &bytes);
    }
}
