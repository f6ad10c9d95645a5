//! How long plans of large yards take.

use std::time::Duration;

use ipnet::IpNet;
use netyard_core::interface::{Bridge, Interface, Kind, Veth};
use netyard_core::name::{FullName, InterfaceName, NodeName};
use netyard_core::plan::plan;
use netyard_core::state::*;

fn interface(place: &Place, text: &str, kind: Kind, master: Option<&str>) -> Object {
    Object::Interface(Box::new(Interface {
        id: id(place, text),
        kernel_name: InterfaceName::new(text).unwrap(),
        kind,
        parent: None,
        master: master.map(|m| FullName::new(m).unwrap()),
        port: None,
        mtu: Some(1500),
        mac: None,
        up: true,
    }))
}

fn id(place: &Place, text: &str) -> InterfaceId {
    InterfaceId { place: place.clone(), name: FullName::new(text).unwrap() }
}

fn node(number: usize) -> Place {
    Place::Node(NodeName::new(&format!("r{number}")).unwrap())
}

fn bridge() -> Kind {
    Kind::Bridge(Bridge {
        stp: false,
        priority: 32768,
        forward_delay: 0,
        hello_time: 2000,
        max_age: 20000,
        ageing_time: 300_000,
        vlan_filtering: false,
        multicast_snooping: true,
        multicast_querier: false,
        group_forward_mask: 0,
    })
}

fn namespace(place: Place, netns: String) -> [Object; 2] {
    let lo = interface(&place, "lo", Kind::Loopback, None);
    [Object::Namespace(Namespace { place, netns, published: true, hostname: None }), lo]
}

fn address(interface: InterfaceId, text: String) -> Object {
    let net: IpNet = text.parse().unwrap();
    Object::Address(Address { interface, net, peer: None, dad: false })
}

fn pair(one: InterfaceId, other: InterfaceId, master: Option<&str>) -> [Object; 2] {
    let veth = |peer: &InterfaceId| Kind::Veth(Veth { peer: peer.clone() });
    [
        interface(&one.place, one.name.as_str(), veth(&other), None),
        interface(&other.place, other.name.as_str(), veth(&one), master),
    ]
}

/// A ring of nodes: each has two ends, an IPv4 and an IPv6 address on both.
fn ring(count: usize) -> State {
    let mut objects = Vec::new();
    for i in 0..count {
        let (own, next) = (node(i), node((i + 1) % count));
        objects.extend(namespace(own.clone(), format!("ring-r{i}")));
        objects.extend(pair(id(&own, "right"), id(&next, "left"), None));
        for (end, interface) in [id(&own, "right"), id(&next, "left")].into_iter().enumerate() {
            let (high, low) = (i / 128, i % 128 * 2 + end);
            objects.push(address(interface.clone(), format!("10.1.{high}.{low}/31")));
            objects.push(address(interface, format!("fd00::{i:x}:{end}/127")));
        }
    }
    objects.into_iter().collect()
}

/// Nodes around a bridge in the fabric: an address of each family, a default
/// route and a setting.
fn star(count: usize) -> State {
    let mut objects: Vec<Object> = namespace(Place::Fabric, "star".to_string()).into();
    objects.push(interface(&Place::Fabric, "br0", bridge(), None));
    for i in 0..count {
        let own = node(i);
        objects.extend(namespace(own.clone(), format!("star-r{i}")));
        let (eth0, port) = (id(&own, "eth0"), id(&Place::Fabric, &format!("p{i}")));
        objects.extend(pair(eth0.clone(), port, Some("br0")));
        let (high, low) = (i / 250, i % 250 + 1);
        objects.push(address(eth0.clone(), format!("10.2.{high}.{low}/16")));
        objects.push(address(eth0, format!("fd00::{i:x}/64")));
        objects.push(Object::Route(Route {
            place: own.clone(),
            table: 254,
            destination: "0.0.0.0/0".parse().unwrap(),
            metric: 0,
            kind: RouteKind::Unicast,
            hops: vec![NextHop {
                gateway: Some("10.2.255.254".parse().unwrap()),
                interface: FullName::new("eth0").unwrap(),
                onlink: false,
                weight: 1,
            }],
            source: None,
            mtu: None,
        }));
        objects.push(Object::Sysctl(Sysctl {
            place: own,
            interface: None,
            key: "net/ipv4/ip_forward".to_string(),
            value: "1".to_string(),
        }));
    }
    objects.into_iter().collect()
}

/// Processor time this thread has had, in nanoseconds; the clock on the wall
/// would count those who share the machine (Documentation/scheduler/sched-stats.rst).
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap()
}

/// What one of many takes, the first not counted.
fn cost<T>(f: impl Fn() -> T) -> Duration {
    drop(f());
    let start = processor_time();
    (0..50).for_each(|_| drop(f()));
    Duration::from_nanos((processor_time() - start) / 50)
}

#[test]
#[ignore = "a measurement: cargo test --release -p netyard-core --test properties -- --ignored --nocapture"]
fn large_yards_are_planned_at_once() {
    for (name, state) in [("ring", ring(1000)), ("star", star(1000))] {
        let empty = State::default();
        let (up, same) = (cost(|| plan(&empty, &state)), cost(|| plan(&state, &state)));
        let down = cost(|| plan(&state, &empty));
        println!("{name}: {} objects, up {up:?}, same {same:?}, down {down:?}", state.len());
        assert!(up < Duration::from_millis(10), "{up:?}");
        assert!(same < Duration::from_millis(10), "{same:?}");
    }
}

#[test]
fn down_is_one_step_for_each_namespace() {
    let (ring, star) = (plan(&ring(50), &State::default()), plan(&star(50), &State::default()));
    assert_eq!(ring.steps().count(), 50);
    assert_eq!(star.steps().count(), 51);
}

#[test]
fn a_star_is_two_levels_of_interfaces() {
    let plan = plan(&State::default(), &star(10));
    let phases: Vec<_> = plan.batches.iter().map(|b| (b.phase, b.steps.len())).collect();
    use netyard_core::plan::Phase::*;
    assert_eq!(phases, [(Namespaces, 21), (Interfaces, 1), (Interfaces, 10), (Configure, 41)]);
}

#[test]
fn a_batch_is_not_too_large_and_keeps_a_namespace_together() {
    use netyard_core::plan::{BATCH, Op, Phase};
    let plan = plan(&State::default(), &ring(300));
    assert!(plan.batches.iter().all(|b| !b.steps.is_empty() && b.steps.len() <= BATCH));
    let mut seen = std::collections::BTreeSet::new();
    for batch in plan.batches.iter().filter(|b| b.phase == Phase::Configure) {
        let places: std::collections::BTreeSet<_> = batch
            .steps
            .iter()
            .filter_map(|step| match &step.op {
                Op::Add { object } => Some(object.place()),
                _ => None,
            })
            .collect();
        assert!(places.iter().all(|place| seen.insert(place.clone())), "a namespace is in two");
    }
    assert_eq!(seen.len(), 300);
}
