//! The FakeKernel beside the real one: after every step of a plan both have the
//! same objects. What the properties prove is worth what the FakeKernel is.

use netyard_core::fake::FakeKernel;
use netyard_core::interface::{Bridge, Interface, Kind};
use netyard_core::plan::{Plan, plan};
use netyard_core::state::{Object, Place, State};

use crate::bed::{
    cable, empty, full, id, interface, isolated, node, object, plugged, with_address,
};
use crate::kinds::{quiet_bridge, two_nodes};
use crate::yard::{default_route, open, up};

/// The first steps of a plan.
fn begin(plan: &Plan, steps: usize) -> Plan {
    let mut left = steps;
    let mut cut = plan.clone();
    for batch in &mut cut.batches {
        batch.steps.truncate(left);
        left -= batch.steps.len();
    }
    cut.batches.retain(|batch| !batch.steps.is_empty());
    cut
}

/// Goes from one State to another as far as each step, on both kernels; what is
/// observed must be what the FakeKernel has.
pub fn both_go(from: &State, to: &State) {
    let (from, to) = (from.clone().settled(), to.clone().settled());
    let whole = plan(&from, &to);
    let steps = whole.steps().count();
    assert!(steps > 0, "nothing to compare");
    for length in 1..=steps {
        up(&from).unwrap_or_else(|error| panic!("{error}"));
        let cut = begin(&whole, length);
        let mut fake = FakeKernel::new(from.clone());
        fake.apply(&cut).unwrap_or_else(|failure| panic!("{failure:?}"));
        let expected = fake.state().clone();
        let mut session = open();
        session.observe(&expected).unwrap();
        let last = cut.steps().last().map(|step| step.op.to_string()).unwrap_or_default();
        let done = session.apply(&cut, &expected, &mut |_| ());
        done.unwrap_or_else(|error| panic!("step {length} of {steps} ({last}): {error}"));
    }
}

/// There and back again.
pub fn both_agree(one: Vec<Object>, other: Vec<Object>) {
    let (one, other): (State, State) = (one.into_iter().collect(), other.into_iter().collect());
    both_go(&one, &other);
    both_go(&other, &one);
}

pub fn without(objects: &[Object], place: &Place, name: &str) -> Vec<Object> {
    let gone = id(place, name);
    let on = |object: &Object| match object {
        Object::Interface(o) => o.id == gone,
        Object::Address(o) => o.interface == gone,
        Object::Route(o) => {
            o.place == gone.place && o.hops.iter().any(|h| h.interface == gone.name)
        }
        Object::PortVlan(o) => o.interface == gone,
        _ => false,
    };
    objects.iter().filter(|object| !on(object)).cloned().collect()
}

/// The same with an interface changed.
pub fn with(
    objects: &[Object],
    place: &Place,
    name: &str,
    change: impl Fn(&mut Interface),
) -> Vec<Object> {
    let wanted = id(place, name);
    let changed = |object: &Object| match object {
        Object::Interface(o) if o.id == wanted => {
            let mut o = o.clone();
            change(&mut o);
            Object::Interface(o)
        }
        other => other.clone(),
    };
    objects.iter().map(changed).collect()
}

/// The same with interfaces down, through which no route leads then.
pub fn down(objects: &[Object], place: &Place, names: &[&str]) -> Vec<Object> {
    let mut objects = objects.to_vec();
    objects.retain(|object| !matches!(object, Object::Route(_)));
    names.iter().fold(objects, |objects, name| with(&objects, place, name, |o| o.up = false))
}

#[test]
fn both_kernels_agree_on_addresses_and_routes() {
    isolated(|bed| {
        let a = node("a");
        let mut objects = two_nodes();
        objects.push(with_address(&a, "eth0", "10.0.0.5/24"));
        objects.push(default_route(&a, "eth0", "10.0.0.2"));
        let bare: Vec<Object> = objects
            .iter()
            .filter(|o| !matches!(o, Object::Address(_) | Object::Route(_)))
            .cloned()
            .collect();
        both_agree(objects.clone(), bare);
        both_agree(objects.clone(), with(&objects, &a, "eth0", |o| o.mtu = Some(1400)));
        both_agree(objects.clone(), down(&objects, &a, &["eth0"]));
        bed.clear();
    });
}

#[test]
fn both_kernels_agree_on_the_ports_of_bridges() {
    isolated(|bed| {
        let (a, fabric) = (node("a"), Place::Fabric);
        let mut objects = [empty(&a), empty(&fabric)].concat();
        for name in ["lan", "wan"] {
            let kind = Kind::Bridge(Bridge { ageing_time: 60_000, ..quiet_bridge() });
            objects.push(object(interface(&fabric, name, kind)));
        }
        let [end, port] = cable([(&a, "eth0"), (&fabric, "port")]);
        objects.extend([object(end), object(plugged(port, "lan"))]);
        objects.push(with_address(&fabric, "lan", "10.0.0.9/24"));
        objects.push(with_address(&a, "eth0", "10.0.0.1/24"));
        let moved = with(&objects, &fabric, "port", |o| o.master = Some(full("wan")));
        both_agree(objects.clone(), moved);
        let alone = with(&without(&objects, &fabric, "lan"), &fabric, "port", |o| {
            (o.master, o.port) = (None, None);
        });
        both_agree(objects, alone);
        bed.clear();
    });
}
