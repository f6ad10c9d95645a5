//! What holds for every plan, on the FakeKernel.

mod scale;
mod table;
mod yard;

use netyard_core::fake::FakeKernel;
use netyard_core::interface::Kind;
use netyard_core::name::InterfaceName;
use netyard_core::plan::{Batch, Op, Phase, Plan, plan};
use netyard_core::state::{Need, Object, Place, State};
use proptest::collection::vec;
use proptest::prelude::*;

/// A State whose Debug form is short: the plan says more.
#[derive(Clone)]
struct Short(State);

impl std::fmt::Debug for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} objects", self.0.len())
    }
}

/// Two States: unlike each other, or alike but for a few attributes.
fn states() -> impl Strategy<Value = (Short, Short)> {
    let bytes = || vec(any::<u8>(), yard::BYTES);
    let changes = vec((0..yard::BYTES, any::<u8>()), 0..12);
    let alike = (bytes(), changes).prop_map(|(bytes, changes)| {
        let mut others = bytes.clone();
        for (at, byte) in changes {
            others[at] = byte;
        }
        (Short(yard::state(&bytes)), Short(yard::state(&others)))
    });
    let unlike =
        (bytes(), bytes()).prop_map(|(a, d)| (Short(yard::state(&a)), Short(yard::state(&d))));
    prop_oneof![3 => alike, 1 => unlike]
}

/// A kernel in that state; the interfaces of the host that are not lent are its.
fn kernel(state: &State) -> FakeKernel {
    let lent = |name: &InterfaceName| {
        state.objects().any(|object| match object {
            Object::Interface(o) => matches!(&o.kind, Kind::Physical(p) if p.host_name == *name),
            _ => false,
        })
    };
    let strangers = yard::STRANGERS.iter().map(|name| InterfaceName::new(name).unwrap());
    strangers
        .filter(|name| !lent(name))
        .fold(FakeKernel::new(state.clone()), FakeKernel::with_host_interface)
}

/// What can be taken back: all but commands, which have run.
fn without_commands(state: &State) -> State {
    state.objects().filter(|o| !matches!(o, Object::Command(_))).cloned().collect()
}

/// What a plan does, one line each, for messages.
fn outline(plan: &Plan) -> String {
    let line = |op: &Op| match op {
        Op::Add { object } => format!("+ {object}"),
        Op::AddPair { first, second } => format!("+ {first} = {second}"),
        Op::Set { from, to } => format!("~ {from}: {from:?} -> {to:?}"),
        Op::Remove { object } => format!("- {object}"),
        Op::RemovePair { first, second } => format!("- {first} = {second}"),
        Op::Mark { object, .. } => format!("= {object}"),
    };
    plan.steps().enumerate().fold(String::new(), |text, (number, step)| {
        format!("{text}\n{number} {} ({:?})", line(&step.op), step.why)
    })
}

fn applied(actual: &State, plan: &Plan) -> Result<State, TestCaseError> {
    let mut kernel = kernel(actual);
    if let Err(failure) = kernel.apply(plan) {
        let step = plan.steps().nth(failure.done);
        let about = format!("{}: {step:?} in{}", failure.refusal, outline(plan));
        return Err(TestCaseError::fail(about));
    }
    Ok(kernel.state().clone())
}

/// The first object in which two states differ.
fn difference(left: &State, right: &State) -> Option<String> {
    let missing = |a: &State, b: &State| {
        a.objects().find(|o| b.get(&o.key()) != Some(o)).map(|o| format!("{o:?}"))
    };
    let (left, right) = (missing(left, right), missing(right, left));
    (left.is_some() || right.is_some()).then(|| format!("{left:?} against {right:?}"))
}

/// Another order that the executor is free to choose.
fn shuffled(plan: &Plan) -> Plan {
    let place = |op: &Op| match op {
        Op::Add { object }
        | Op::Set { to: object, .. }
        | Op::Remove { object }
        | Op::Mark { object, .. } => object.place(),
        Op::AddPair { first, .. } | Op::RemovePair { first, .. } => first.id.place.clone(),
    };
    let shuffle = |batch: &Batch| {
        let mut batch = batch.clone();
        match batch.phase {
            Phase::Remove => {}
            Phase::Interfaces => batch.steps.reverse(),
            _ => batch.steps.sort_by_key(|step| std::cmp::Reverse(place(&step.op))),
        }
        batch
    };
    Plan { batches: plan.batches.iter().map(shuffle).collect(), ..plan.clone() }
}

/// As many cases as PROPTEST_CASES says, or a few: these are many steps each.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(32);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_gives_what_is_desired_from_anything((Short(actual), Short(desired)) in states()) {
        let plan = plan(&actual, &desired);
        let result = applied(&actual, &plan)?;
        prop_assert_eq!(difference(&result, &desired), None);
        let result = applied(&actual, &shuffled(&plan))?;
        prop_assert_eq!(difference(&result, &desired), None);
    }

    #[test]
    fn a_plan_builds_from_nothing_and_takes_all_away((Short(state), _) in states()) {
        let empty = State::default();
        let result = applied(&empty, &plan(&empty, &state))?;
        prop_assert_eq!(difference(&result, &state), None);
        let down = plan(&state, &empty);
        let result = applied(&state, &down)?;
        prop_assert_eq!(difference(&result, &empty), None);
    }

    #[test]
    fn what_is_as_desired_needs_no_plan((Short(state), _) in states()) {
        prop_assert_eq!(plan(&state, &state), Plan::default());
    }

    #[test]
    fn a_process_starts_after_those_it_needs_and_ends_before_them(
        (Short(actual), Short(desired)) in states()
    ) {
        let plan = plan(&actual, &desired);
        let mut started = std::collections::BTreeMap::new();
        let mut ended = std::collections::BTreeMap::new();
        for (number, step) in plan.steps().enumerate() {
            match &step.op {
                Op::Add { object: Object::Process(o) } | Op::Set { to: Object::Process(o), .. } => {
                    started.insert((o.place.clone(), o.name.clone()), (number, o.after.clone()));
                }
                Op::Remove { object: Object::Process(o) } => {
                    ended.insert((o.place.clone(), o.name.clone()), (number, o.after.clone()));
                }
                Op::Remove { object: Object::Namespace(o) } => {
                    // All in it have ended by then.
                    let left = actual.objects().find(|object| match object {
                        Object::Process(p) => {
                            p.place == o.place
                                && !ended.contains_key(&(p.place.clone(), p.name.clone()))
                        }
                        _ => false,
                    });
                    prop_assert!(left.is_none(), "{:?} in{}", left, outline(&plan));
                }
                _ => {}
            }
        }
        for (order, later) in [(&started, true), (&ended, false)] {
            for (number, after) in order.values() {
                for need in after {
                    let Need::Process(place, name) = need else { continue };
                    let Some((other, _)) = order.get(&(place.clone(), name.clone())) else { continue };
                    prop_assert_eq!(number > other, later, "{:?} in{}", need, outline(&plan));
                }
            }
        }
    }

    #[test]
    fn the_same_states_give_the_same_plan((Short(actual), Short(desired)) in states()) {
        let bytes = |p: &Plan| serde_json::to_vec(p).unwrap();
        let first = plan(&actual, &desired);
        let again = plan(&actual.clone(), &desired.clone());
        prop_assert_eq!(bytes(&first), bytes(&again));
        let read: Plan = serde_json::from_slice(&bytes(&first)).unwrap();
        prop_assert_eq!(read, first);
    }

    #[test]
    fn a_plan_that_fails_anywhere_is_taken_back((Short(actual), Short(desired)) in states()) {
        if desired.is_empty() {
            return Ok(());
        }
        let plan = plan(&actual, &desired);
        let mut forward = kernel(&actual);
        let before = without_commands(&actual);
        for done in 0..=plan.steps().count() {
            let mut kernel = forward.clone();
            if let Err(refusal) = kernel.undo(&plan, done) {
                prop_assert!(false, "{}: undo of {} of{}", refusal, done, outline(&plan));
            }
            let after = without_commands(kernel.state());
            prop_assert_eq!(difference(&after, &before), None, "after {} of{}", done, outline(&plan));
            if let Some(step) = plan.steps().nth(done) {
                prop_assert!(forward.obey(&step.op).is_ok());
            }
        }
    }

    #[test]
    fn a_batch_is_small_and_keeps_a_namespace_together((Short(actual), Short(desired)) in states()) {
        for batch in plan(&actual, &desired).batches {
            prop_assert!(!batch.steps.is_empty() && batch.steps.len() <= netyard_core::plan::BATCH);
        }
    }
}

#[test]
fn the_random_states_have_everything_in_them() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let (Short(state), _) = states().new_tree(&mut runner).unwrap().current();
        assert!(kernel(&state).state() == &state);
        for object in state.objects() {
            let sort = serde_json::to_value(object).unwrap()["object"].to_string();
            let host = object.place() == Place::Host;
            seen.insert((sort, host));
            if let Object::Interface(o) = object {
                seen.insert((format!("{} {}", o.id.name, o.master.is_some()), host));
            }
        }
    }
    for sort in ["namespace", "interface", "port-vlan", "sysctl", "address", "neighbour", "route"] {
        assert!(seen.contains(&(format!("\"{sort}\""), false)), "{sort}");
    }
    for sort in ["rule", "qdisc", "table", "flow-device", "file", "command", "process"] {
        assert!(seen.contains(&(format!("\"{sort}\""), false)), "{sort}");
    }
    assert!(seen.contains(&("d0 true".to_string(), false)));
}
