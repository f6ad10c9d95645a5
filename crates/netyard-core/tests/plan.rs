//! Plans as people see them: what is in them, why, and as which commands.

use netyard_core::addr::Mac;
use netyard_core::fake::FakeKernel;
use netyard_core::interface::*;
use netyard_core::name::{FullName, InterfaceName, NodeName};
use netyard_core::plan::show::{Detail, show, text};
use netyard_core::plan::{Disturbance, Op, Plan, ShellNames, plan};
use netyard_core::state::*;

fn node(text: &str) -> Place {
    Place::Node(NodeName::new(text).unwrap())
}

fn id(place: &Place, text: &str) -> InterfaceId {
    InterfaceId { place: place.clone(), name: FullName::new(text).unwrap() }
}

fn interface(place: &Place, text: &str, kind: Kind) -> Interface {
    Interface {
        id: id(place, text),
        kernel_name: InterfaceName::derive("test", text, 0),
        kind,
        parent: None,
        master: None,
        port: None,
        mtu: Some(1500),
        mac: None,
        up: true,
    }
}

fn veth(place: &Place, text: &str, peer: &Place, other: &str) -> Interface {
    interface(place, text, Kind::Veth(Veth { peer: id(peer, other) }))
}

fn on(interface: Interface) -> Object {
    Object::Interface(Box::new(interface))
}

fn namespace(place: &Place) -> Object {
    let netns = format!("home-{place}");
    Object::Namespace(Namespace { place: place.clone(), netns, published: true, hostname: None })
}

fn address(interface: &InterfaceId, net: &str) -> Object {
    let (interface, net) = (interface.clone(), net.parse().unwrap());
    Object::Address(Address { interface, net, peer: None, dad: false })
}

fn default_route(place: &Place, gateway: &str, device: &str) -> Object {
    Object::Route(Route {
        place: place.clone(),
        table: MAIN_TABLE,
        destination: "0.0.0.0/0".parse().unwrap(),
        metric: 0,
        kind: RouteKind::Unicast,
        hops: vec![NextHop {
            gateway: Some(gateway.parse().unwrap()),
            interface: FullName::new(device).unwrap(),
            onlink: false,
            weight: 1,
        }],
        source: None,
        mtu: None,
    })
}

/// Two nodes and a cable between them.
fn cable(mtu: u32, gateway: &str) -> State {
    let (r1, r2) = (node("r1"), node("r2"));
    let mut ends = [veth(&r1, "eth0", &r2, "eth0"), veth(&r2, "eth0", &r1, "eth0")];
    ends.iter_mut().for_each(|end| end.mtu = Some(mtu));
    let [first, second] = ends;
    let objects = [
        namespace(&r1),
        namespace(&r2),
        address(&first.id, "10.0.0.1/24"),
        address(&second.id, "10.0.0.2/24"),
        default_route(&r1, gateway, "eth0"),
        on(first),
        on(second),
    ];
    objects.into_iter().collect()
}

fn shown(actual: &State, desired: &State) -> String {
    let names = ShellNames::of([actual, desired]);
    text(&show(&plan(actual, desired), &names, Detail { shell: true }))
}

fn disturbed(plan: &Plan) -> Vec<String> {
    let name = |d: &Disturbance| match d {
        Disturbance::Flaps { interface, .. } => interface.to_string(),
        Disturbance::Restarts { node, .. } => node.clone(),
    };
    plan.disturbances.iter().map(name).collect()
}

#[test]
fn a_new_yard_reads_as_the_commands_one_would_type() {
    let lines = "\
+ node r1
    $ ip netns add home-r1
+ node r2
    $ ip netns add home-r2
+ veth r1:eth0 to r2:eth0
    $ ip -n home-r1 link add eth0 mtu 1500 type veth peer name eth0 mtu 1500 netns home-r2
    $ ip -n home-r1 link set eth0 up
    $ ip -n home-r2 link set eth0 up
+ address 10.0.0.1/24 on r1:eth0
    $ ip -n home-r1 address add 10.0.0.1/24 dev eth0 brd +
+ route default via 10.0.0.2 in r1
    $ ip -n home-r1 route add default via 10.0.0.2 dev eth0
+ address 10.0.0.2/24 on r2:eth0
    $ ip -n home-r2 address add 10.0.0.2/24 dev eth0 brd +
6 to add, 0 to change, 0 to remove
";
    assert_eq!(shown(&State::default(), &cable(1500, "10.0.0.2")), lines);
}

#[test]
fn a_change_names_what_differs_and_disturbs_nobody() {
    let (actual, desired) = (cable(1500, "10.0.0.2"), cable(1400, "10.0.0.3"));
    let lines = "\
~ veth r1:eth0: mtu 1500 → 1400
    $ ip -n home-r1 link set eth0 mtu 1400
~ veth r2:eth0: mtu 1500 → 1400
    $ ip -n home-r2 link set eth0 mtu 1400
~ route default via 10.0.0.3 in r1: hops via 10.0.0.2 dev eth0 → via 10.0.0.3 dev eth0
    $ ip -n home-r1 route replace default via 10.0.0.3 dev eth0
0 to add, 3 to change, 0 to remove
";
    assert_eq!(shown(&actual, &desired), lines);
    assert_eq!(disturbed(&plan(&actual, &desired)), Vec::<String>::new());
}

#[test]
fn a_namespace_made_anew_takes_the_other_end_of_its_cables() {
    let actual = cable(1500, "10.0.0.2");
    let mut desired = actual.clone();
    let renamed = Namespace {
        place: node("r2"),
        netns: "exact".to_string(),
        published: true,
        hostname: None,
    };
    desired.insert(Object::Namespace(renamed));
    let plan = plan(&actual, &desired);
    assert_eq!(disturbed(&plan), ["r2", "r1:eth0"]);
    let removed = |op: &Op| matches!(op, Op::Remove { .. } | Op::RemovePair { .. });
    let removals: Vec<String> =
        plan.steps().filter(|s| removed(&s.op)).map(|s| s.op.to_string()).collect();
    let expected = [
        "ip -n r1 route del default via 10.0.0.2 dev eth0",
        "ip -n r1 address del 10.0.0.1/24 dev eth0",
        "ip -n r1 link del eth0",
        "ip netns del home-r2",
    ];
    assert_eq!(removals, expected);
}

#[test]
fn down_is_one_step_for_each_namespace_and_has_no_way_back() {
    let down = plan(&cable(1500, "10.0.0.2"), &State::default());
    let ops: Vec<String> = down.steps().map(|s| s.op.to_string()).collect();
    assert_eq!(ops, ["ip netns del home-r1", "ip netns del home-r2"]);
    assert!(down.steps().all(|s| s.undo == netyard_core::plan::Undo::Nothing));
}

#[test]
fn a_new_vlan_id_makes_the_vlan_and_what_is_on_it_anew() {
    let r1 = node("r1");
    let state = |vid| -> State {
        let mut parent = interface(&r1, "d0", Kind::Dummy);
        parent.mac = Some(Mac([2, 0, 0, 0, 0, 1]));
        let kind = Kind::Vlan(Vlan { id: vid, service_tag: false });
        let vlan = Interface { parent: Some(parent.id.clone()), ..interface(&r1, "lan", kind) };
        let address = address(&vlan.id, "10.0.0.1/24");
        [namespace(&r1), on(parent), on(vlan), address].into_iter().collect()
    };
    let lines = "\
- address 10.0.0.1/24 on r1:lan: with r1:lan
    $ ip -n home-r1 address del 10.0.0.1/24 dev lan
- vlan r1:lan: made anew, for a vlan keeps its id and its tag
    $ ip -n home-r1 link del lan
+ vlan r1:lan: made anew, for a vlan keeps its id and its tag
    $ ip -n home-r1 link add link d0 name lan mtu 1500 type vlan id 20
    $ ip -n home-r1 link set lan up
+ address 10.0.0.1/24 on r1:lan: with r1:lan
    $ ip -n home-r1 address add 10.0.0.1/24 dev lan brd +
! r1:lan is down for a moment: a vlan keeps its id and its tag
2 to add, 0 to change, 2 to remove
";
    assert_eq!(shown(&state(10), &state(20)), lines);
}

#[test]
fn a_cycle_of_parents_still_gives_a_plan() {
    let r1 = node("r1");
    let vlan = |name: &str, parent: &str| {
        let kind = Kind::Vlan(Vlan { id: 10, service_tag: false });
        on(Interface { parent: Some(id(&r1, parent)), ..interface(&r1, name, kind) })
    };
    let cycle: State = [namespace(&r1), vlan("a", "b"), vlan("b", "a")].into_iter().collect();
    assert_eq!(plan(&State::default(), &cycle).steps().count(), 3);
    assert!(plan(&cycle, &State::default()).steps().count() > 0);
}

#[test]
fn an_interface_that_came_up_goes_down_again_without_losing_its_addresses() {
    let r1 = node("r1");
    let state = |up| -> State {
        let dummy = Interface { up, ..interface(&r1, "d0", Kind::Dummy) };
        let address = address(&dummy.id, "fd00::1/64");
        [namespace(&r1), on(dummy), address].into_iter().collect()
    };
    let plan = plan(&state(false), &state(true));
    let mut kernel = FakeKernel::new(state(false));
    kernel.apply(&plan).unwrap();
    assert_eq!(kernel.state(), &state(true));
    kernel.undo(&plan, plan.steps().count()).unwrap();
    assert_eq!(kernel.state(), &state(false));
}

/// Wherever the plan is cut off, all is as it was when it is undone.
#[track_caller]
fn is_taken_back_from_everywhere(actual: &State, desired: &State) -> Vec<String> {
    let plan = plan(actual, desired);
    let steps: Vec<String> = plan.steps().map(|step| step.op.to_string()).collect();
    let mut forward = FakeKernel::new(actual.clone());
    for done in 0..=steps.len() {
        let mut kernel = forward.clone();
        let undone = kernel.undo(&plan, done);
        assert!(undone.is_ok(), "undo of {done}: {undone:?} in {steps:#?}");
        assert!(kernel.state() == actual, "undo of {done} of {steps:#?}");
        if let Some(step) = plan.steps().nth(done) {
            forward.obey(&step.op).unwrap();
        }
    }
    assert!(forward.state() == desired);
    steps
}

fn route(
    place: &Place,
    to: &str,
    gateway: Option<&str>,
    device: &str,
    src: Option<&str>,
) -> Object {
    let Object::Route(mut route) = default_route(place, "192.0.2.1", device) else {
        unreachable!()
    };
    route.destination = to.parse().unwrap();
    route.hops[0].gateway = gateway.map(|gateway| gateway.parse().unwrap());
    route.source = src.map(|source| source.parse().unwrap());
    Object::Route(route)
}

#[test]
fn routes_go_before_the_last_ipv4_address_of_an_interface_that_is_made_anew() {
    let r1 = node("r1");
    let state = |vid, with_route: bool| -> State {
        let mut parent = interface(&r1, "d0", Kind::Dummy);
        parent.mac = Some(Mac([2, 0, 0, 0, 0, 1]));
        let kind = Kind::Vlan(Vlan { id: vid, service_tag: false });
        let vlan = Interface { parent: Some(parent.id.clone()), ..interface(&r1, "lan", kind) };
        let address = address(&vlan.id, "10.0.0.1/24");
        let onlink = route(&r1, "10.5.0.0/16", None, "lan", None);
        let objects = [namespace(&r1), on(parent), on(vlan), address];
        objects.into_iter().chain(with_route.then_some(onlink)).collect()
    };
    // The address comes again and goes by itself, and would take the route along.
    let steps = is_taken_back_from_everywhere(&state(10, true), &state(20, false));
    let position = |text: &str| steps.iter().position(|step| step.contains(text));
    let route = position("route del 10.5.0.0/16").expect("a step of its own");
    assert!(route < position("address del").unwrap(), "{steps:#?}");
}

#[test]
fn an_ipv6_route_that_leads_over_one_with_a_source_goes_before_it() {
    let (r1, r2) = (node("r1"), node("r2"));
    let mut dummy = interface(&r1, "d0", Kind::Dummy);
    dummy.mac = Some(Mac([2, 0, 0, 0, 0, 1]));
    let state = |with_r1: bool| -> State {
        let stays = [namespace(&r2)];
        let goes = [
            namespace(&r1),
            address(&dummy.id, "fd00::1/64"),
            route(&r1, "fd05::/64", None, "d0", Some("fd00::1")),
            route(&r1, "fd06::/64", Some("fd05::9"), "d0", None),
            on(dummy.clone()),
        ];
        stays.into_iter().chain(goes.into_iter().filter(|_| with_r1)).collect()
    };
    let steps = is_taken_back_from_everywhere(&state(true), &state(false));
    let position = |text: &str| steps.iter().position(|step| step.contains(text));
    let over = position("route del fd06::/64").expect("a step of its own");
    assert!(over < position("route del fd05::/64").unwrap(), "{steps:#?}");
}

#[test]
fn an_impairments_line_says_the_queue_that_netyard_gives_it() {
    let r1 = node("r1");
    let line = |impairment: Impairment, mtu: u32| {
        let eth0 = Interface { mtu: Some(mtu), ..interface(&r1, "eth0", Kind::Dummy) };
        let qdisc = Object::Qdisc(Qdisc { interface: eth0.id.clone(), impairment });
        let state: State = [namespace(&r1), on(eth0), qdisc].into_iter().collect();
        let names = ShellNames::of([&state]);
        let steps = plan(&State::default(), &state);
        let lines = steps.steps().flat_map(|step| step.op.shell(&names)).collect::<Vec<_>>();
        lines.into_iter().find(|line| line.starts_with("tc ")).expect("a line of tc's")
    };
    let at = "tc -n home-r1 qdisc add dev eth0 root";
    let slow = Impairment { delay: 20_000_000, ..Impairment::default() };
    assert_eq!(line(slow, 1500), format!("{at} netem limit 6000 delay 20ms"));
    let short = Impairment { limit: 5, ..slow };
    assert_eq!(line(short, 1500), format!("{at} netem limit 5 delay 20ms"));
    // A bucket holds two packets, a jumbo frame where there are some.
    let narrow = Impairment { rate: 64_000, ..Impairment::default() };
    assert_eq!(line(narrow, 1500), format!("{at} tbf rate 64kbit burst 3080b limit 15140b"));
    assert_eq!(line(narrow, 9000), format!("{at} tbf rate 64kbit burst 18080b limit 15140b"));
}
