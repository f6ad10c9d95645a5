//! Addresses, neighbours, routes and rules: made, observed to be what was asked
//! for, obeyed by packets, changed, taken away.

use netyard_core::addr::Mac;
use netyard_core::state::{
    Address, Neighbour, NextHop, Object, Place, Route, RouteKind, Rule, RuleAction, State,
};

use crate::bed::{Bed, cable, empty, full, id, isolated, node, object, with_address};
use crate::kinds::two_nodes;

const A: &str = "10.0.0.1";
const A6: &str = "fd00::1";
const B: &str = "10.0.1.2";
const B6: &str = "fd00:1::2";

/// Nodes `a` and `b`, and `r` between them with two cables.
pub fn in_a_row() -> Vec<Object> {
    let (a, r, b) = (node("a"), node("r"), node("b"));
    let mut objects = [empty(&a), empty(&r), empty(&b)].concat();
    objects.extend(cable([(&a, "eth0"), (&r, "left")]).map(object));
    objects.extend(cable([(&r, "right-hand-side-of-r"), (&b, "eth0")]).map(object));
    for (place, name, v4, v6) in [
        (&a, "eth0", "10.0.0.1/24", "fd00::1/64"),
        (&r, "left", "10.0.0.9/24", "fd00::9/64"),
        (&r, "right-hand-side-of-r", "10.0.1.9/24", "fd00:1::9/64"),
        (&b, "eth0", "10.0.1.2/24", "fd00:1::2/64"),
    ] {
        objects.push(with_address(place, name, v4));
        objects.push(with_address(place, name, v6));
    }
    objects
}

fn become_objects(bed: &mut Bed<'_>, objects: &[Object]) {
    bed.become_state(&objects.iter().cloned().collect::<State>());
}

/// Lets `r` forward; settings are no part of what is proved here.
fn forward(bed: &mut Bed<'_>) {
    let text = "echo 1 > /proc/sys/net/ipv4/ip_forward
                echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    bed.command(&node("r"), text);
}

fn hop(gateway: Option<&str>, interface: &str) -> NextHop {
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    NextHop { gateway, interface: full(interface), onlink: false, weight: 1 }
}

fn route(place: &Place, destination: &str, hops: Vec<NextHop>) -> Route {
    let ipv6 = destination.contains(':');
    Route {
        place: place.clone(),
        table: 254,
        destination: destination.parse().unwrap(),
        metric: if ipv6 { 1024 } else { 0 },
        kind: RouteKind::Unicast,
        hops,
        source: None,
        mtu: None,
    }
}

pub fn there_and_back() -> Vec<Route> {
    let (a, b) = (node("a"), node("b"));
    vec![
        route(&a, "0.0.0.0/0", vec![hop(Some("10.0.0.9"), "eth0")]),
        route(&a, "::/0", vec![hop(Some("fd00::9"), "eth0")]),
        route(&b, "10.0.0.0/24", vec![hop(Some("10.0.1.9"), "eth0")]),
        route(&b, "fd00::/64", vec![hop(Some("fd00:1::9"), "eth0")]),
    ]
}

fn with_routes(routes: Vec<Route>) -> Vec<Object> {
    in_a_row().into_iter().chain(routes.into_iter().map(Object::Route)).collect()
}

#[test]
fn routes_lead_there_and_back() {
    isolated(|bed| {
        become_objects(bed, &with_routes(there_and_back()));
        forward(bed);
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.talks((&node("a"), A6), (&node("b"), B6));
        bed.clear();
    });
}

#[test]
fn a_route_of_ipv4_leads_over_a_gateway_of_ipv6() {
    isolated(|bed| {
        let mut routes = there_and_back();
        routes[0].hops = vec![hop(Some("fd00::9"), "eth0")];
        become_objects(bed, &with_routes(routes));
        forward(bed);
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.clear();
    });
}

#[test]
fn what_a_route_forbids_does_not_go() {
    isolated(|bed| {
        become_objects(bed, &with_routes(there_and_back()));
        forward(bed);
        bed.talks((&node("a"), A), (&node("b"), B));
        for kind in [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit] {
            let mut routes = there_and_back();
            let a = node("a");
            routes.push(Route { kind, ..route(&a, "10.0.1.2/32", vec![]) });
            routes.push(Route { kind, ..route(&a, "fd00:1::2/128", vec![]) });
            become_objects(bed, &with_routes(routes));
            bed.is_silent((&a, A), (&node("b"), B));
            bed.is_silent((&a, A6), (&node("b"), B6));
        }
        become_objects(bed, &with_routes(there_and_back()));
        bed.talks((&node("a"), A), (&node("b"), B));
        bed.talks((&node("a"), A6), (&node("b"), B6));
        bed.clear();
    });
}

/// Every attribute of a route, one after the other on the same key, and back:
/// each change is made in place and read back.
#[test]
fn every_attribute_of_a_route_is_kept_and_changes() {
    isolated(|bed| {
        let r = node("r");
        let left = |gateway| hop(Some(gateway), "left");
        let right = |gateway| hop(Some(gateway), "right-hand-side-of-r");
        let weighed = |hop: NextHop, weight| NextHop { weight, ..hop };
        let onlink = |hop: NextHop| NextHop { onlink: true, ..hop };
        for (to, near, far, source, nowhere) in [
            ("10.9.0.0/16", "10.0.0.1", "10.0.1.2", "10.0.0.9", "10.77.0.1"),
            ("fd09::/32", "fd00::1", "fd00:1::2", "fd00::9", "fd77::1"),
        ] {
            let with = |hops| route(&r, to, hops);
            let variants = [
                with(vec![left(near)]),
                Route { mtu: Some(1300), ..with(vec![left(near)]) },
                Route { source: Some(source.parse().unwrap()), ..with(vec![left(near)]) },
                with(vec![hop(None, "left")]),
                with(vec![onlink(left(nowhere))]),
                with(vec![weighed(left(near), 1), weighed(right(far), 1)]),
                with(vec![weighed(left(near), 3), weighed(right(far), 256)]),
                Route { kind: RouteKind::Blackhole, ..with(vec![]) },
                with(vec![right(far)]),
                Route { table: 70_000, metric: 7, ..with(vec![left(near)]) },
                Route { table: 70_000, metric: 8, ..with(vec![left(near)]) },
            ];
            for variant in variants.iter().chain(variants.iter().rev()) {
                become_objects(bed, &with_routes(vec![variant.clone()]));
            }
        }
        bed.clear();
    });
}

#[test]
fn of_two_routes_only_the_one_meant_goes() {
    isolated(|bed| {
        let a = node("a");
        let metric = |metric| Route { metric, ..route(&a, "10.9.0.0/16", vec![hop(None, "eth0")]) };
        for kept in [0, 5, 9] {
            become_objects(bed, &with_routes(vec![metric(0), metric(5), metric(9)]));
            become_objects(bed, &with_routes(vec![metric(kept)]));
        }
        // A stranger's route is neither seen nor touched.
        bed.command(&a, "ip route add 10.9.0.0/16 dev eth0 metric 3 proto static");
        become_objects(bed, &with_routes(vec![]));
        assert!(bed.command(&a, "ip route show 10.9.0.0/16").contains("metric 3"));
        bed.clear();
    });
}

fn rule(place: &Place, priority: u32, action: RuleAction) -> Rule {
    Rule {
        place: place.clone(),
        ipv6: false,
        priority,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        not: false,
        action,
        suppress_prefix_length: None,
    }
}

#[test]
fn rules_choose_the_table() {
    isolated(|bed| {
        // The way to `b` is in a table of its own, for packets from one address only.
        let (a, b) = (node("a"), node("b"));
        let mut routes = there_and_back();
        routes[0].table = 100;
        let mut objects = with_routes(routes);
        objects.push(with_address(&a, "eth0", "10.0.0.3/24"));
        let from = Some("10.0.0.3/32".parse().unwrap());
        let chosen = Rule { from, ..rule(&a, 50, RuleAction::Table(100)) };
        objects.push(Object::Rule(chosen));
        become_objects(bed, &objects);
        forward(bed);
        bed.talks((&a, "10.0.0.3"), (&b, B));
        bed.is_silent((&a, A), (&b, B));
        bed.clear();
    });
}

#[test]
fn rules_of_an_interface_and_their_negation_are_obeyed() {
    isolated(|bed| {
        let (a, r, b) = (node("a"), node("r"), node("b"));
        let mut objects = with_routes(there_and_back());
        become_objects(bed, &objects);
        forward(bed);
        bed.talks((&a, A), (&b, B));
        let iif = Some(full("right-hand-side-of-r"));
        let to = Some("10.0.0.0/8".parse().unwrap());
        let stop = Rule { iif, to, ..rule(&r, 10, RuleAction::Blackhole) };
        objects.push(Object::Rule(stop.clone()));
        become_objects(bed, &objects);
        bed.is_silent((&a, A), (&b, B));
        let last = objects.len() - 1;
        // "Not to 10/8" stops nothing between the two.
        objects[last] = Object::Rule(Rule { not: true, iif: None, ..stop });
        become_objects(bed, &objects);
        bed.talks((&a, A), (&b, B));
        bed.clear();
    });
}

#[test]
fn every_attribute_of_a_rule_is_kept() {
    isolated(|bed| {
        let r = node("r");
        let with = |rules: &[Rule]| {
            let rules = rules.iter().cloned().map(Object::Rule);
            in_a_row().into_iter().chain(rules).collect::<Vec<_>>()
        };
        let table = RuleAction::Table(70_000);
        let rules = [
            Rule {
                from: Some("10.0.0.0/8".parse().unwrap()),
                to: Some("10.9.0.0/16".parse().unwrap()),
                fwmark: Some((0x10, 0xff)),
                iif: Some(full("right-hand-side-of-r")),
                oif: Some(full("left")),
                not: true,
                suppress_prefix_length: Some(0),
                ..rule(&r, 1, table)
            },
            Rule { fwmark: Some((1, u32::MAX)), ..rule(&r, 2, RuleAction::Table(100)) },
            Rule { fwmark: Some((0, 1)), ..rule(&r, 2, RuleAction::Table(100)) },
            rule(&r, 3, RuleAction::Goto(32_766)),
            rule(&r, 32_765, RuleAction::Unreachable),
            Rule { ipv6: true, ..rule(&r, 32_764, RuleAction::Prohibit) },
            Rule {
                ipv6: true,
                from: Some("fd00::/8".parse().unwrap()),
                iif: Some(full("lo")),
                oif: Some(full("not-yet-there")),
                ..rule(&r, 1, table)
            },
        ];
        become_objects(bed, &with(&rules));
        for number in 0..rules.len() {
            let mut fewer = rules.to_vec();
            fewer.remove(number);
            become_objects(bed, &with(&fewer));
            become_objects(bed, &with(&rules));
        }
        bed.clear();
    });
}

#[test]
fn a_permanent_neighbour_is_believed() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let with = |neighbours: &[(&str, Option<Mac>)]| {
            let entries = neighbours.iter().map(|(address, mac)| {
                let (interface, address) = (id(&node("a"), "eth0"), address.parse().unwrap());
                Object::Neighbour(Neighbour { interface, address, mac: *mac })
            });
            two_nodes().into_iter().chain(entries).collect::<Vec<_>>()
        };
        let wrong = Some(Mac([2, 0, 0, 0, 0, 0x66]));
        become_objects(bed, &with(&[]));
        bed.talks((&a, A), (&b, "10.0.0.2"));
        bed.talks((&a, A6), (&b, "fd00::2"));
        // Takes the place of what the kernel has learnt.
        become_objects(bed, &with(&[("10.0.0.2", wrong), ("fd00::2", wrong)]));
        bed.is_silent((&a, A), (&b, "10.0.0.2"));
        bed.is_silent((&a, A6), (&b, "fd00::2"));
        let text = bed.command(&b, "ip -o link show eth0");
        let right = text.split_whitespace().find_map(|word| word.parse::<Mac>().ok());
        assert!(right.is_some(), "{text}");
        become_objects(bed, &with(&[("10.0.0.2", right), ("fd00::2", right)]));
        bed.talks((&a, A), (&b, "10.0.0.2"));
        bed.talks((&a, A6), (&b, "fd00::2"));
        // Kept beside proxy entries, and each becomes the other.
        become_objects(bed, &with(&[("10.0.0.2", None), ("fd00::77", None)]));
        become_objects(bed, &with(&[("10.0.0.2", right), ("fd00::77", right)]));
        bed.clear();
    });
}

#[test]
fn a_proxy_entry_answers_for_another() {
    isolated(|bed| {
        // `a` believes 10.0.0.77 to be on its link; it is behind `r`.
        let (a, r, b) = (node("a"), node("r"), node("b"));
        let mut routes = there_and_back();
        routes.push(route(&r, "10.0.0.77/32", vec![hop(Some(B), "right-hand-side-of-r")]));
        let mut objects = with_routes(routes);
        objects.push(with_address(&b, "eth0", "10.0.0.77/32"));
        become_objects(bed, &objects);
        forward(bed);
        bed.talks((&a, A), (&b, B));
        bed.is_silent((&a, A), (&b, "10.0.0.77"));
        let (interface, address) = (id(&r, "left"), "10.0.0.77".parse().unwrap());
        objects.push(Object::Neighbour(Neighbour { interface, address, mac: None }));
        become_objects(bed, &objects);
        bed.command(&a, "ip neighbour flush dev eth0");
        bed.talks((&a, A), (&b, "10.0.0.77"));
        bed.clear();
    });
}

#[test]
fn every_attribute_of_an_address_is_kept_and_changes() {
    isolated(|bed| {
        let a = node("a");
        let address = |net: &str, peer: Option<&str>, dad| {
            let (net, peer) = (net.parse().unwrap(), peer.map(|peer| peer.parse().unwrap()));
            Object::Address(Address { interface: id(&a, "eth0"), net, peer, dad })
        };
        let base: Vec<Object> =
            two_nodes().into_iter().filter(|o| !matches!(o, Object::Address(_))).collect();
        for variant in [
            address("10.0.0.1/24", None, false),
            address("10.0.0.1/32", Some("10.0.0.2"), false),
            address("10.0.0.1/32", Some("10.0.0.7"), false),
            address("10.0.0.0/31", None, false),
            address("fd00::1/64", None, false),
            address("fd00::1/64", None, true),
            address("fd00::1/128", Some("fd00::2"), false),
            address("fd00::1/128", Some("fd00::3"), false),
            address("169.254.0.1/16", None, false),
            address("fe80::1/64", None, false),
        ] {
            let mut objects = base.clone();
            objects.push(variant);
            become_objects(bed, &objects);
        }
        bed.clear();
    });
}

#[test]
fn a_point_to_point_address_reaches_its_peer() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let mut objects: Vec<Object> =
            two_nodes().into_iter().filter(|o| !matches!(o, Object::Address(_))).collect();
        for (place, own, other) in [
            (&a, "192.0.2.1/32", "198.51.100.1"),
            (&b, "198.51.100.1/32", "192.0.2.1"),
            (&a, "fd01::1/128", "fd02::1"),
            (&b, "fd02::1/128", "fd01::1"),
        ] {
            let (net, peer) = (own.parse().unwrap(), Some(other.parse().unwrap()));
            let interface = id(place, "eth0");
            objects.push(Object::Address(Address { interface, net, peer, dad: false }));
        }
        become_objects(bed, &objects);
        bed.talks((&a, "192.0.2.1"), (&b, "198.51.100.1"));
        bed.talks((&b, "fd02::1"), (&a, "fd01::1"));
        bed.clear();
    });
}
