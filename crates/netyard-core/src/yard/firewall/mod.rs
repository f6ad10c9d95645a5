//! Firewalls: names of zones, networks, interfaces, nodes, sets and services
//! become kernel names and addresses.

mod check;
mod filter;
mod nat;
mod raw;
mod scope;
pub(super) mod service;
mod shadow;

use super::address::Addressing;
use super::gather::{Cast, HOST};
use super::naming::Names;
use crate::diag::yard as diag;
use crate::diag::{Report, firewall as say};
use crate::facts::Facts;
use crate::firewall::Firewall;
use crate::spec::firewall::FirewallSpec;
use crate::state::Place;

use scope::Scope;

/// What names are looked up in.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub cast: &'a Cast<'a>,
    pub names: &'a Names,
    pub plan: &'a Addressing,
    pub facts: &'a Facts,
}

pub(super) fn resolve(world: World<'_>, report: &mut Report) -> Vec<Firewall> {
    let mut firewalls: Vec<Firewall> = Vec::new();
    for spec in &world.cast.spec.firewalls {
        let node = world.cast.node(&spec.node.value);
        let place = match (node, spec.node.value.as_str()) {
            (_, HOST) => {
                if !world.facts.host_reachable {
                    report.push(diag::host_unreachable("this firewall is", spec.node.span));
                }
                Place::Host
            }
            (Some(node), _) => world.cast.nodes[node].place.clone(),
            (None, _) => {
                let names = world.cast.node_names().chain([HOST]);
                report.push(diag::node_unknown(&spec.node, names));
                continue;
            }
        };
        if let Some(first) = firewalls.iter().find(|f| f.place == place) {
            report.push(say::firewall_twice(&spec.node, first.span));
            continue;
        }
        firewalls.push(one(world, node, place, spec, report));
    }
    firewalls
}

fn one(
    world: World<'_>,
    node: Option<usize>,
    place: Place,
    spec: &FirewallSpec,
    report: &mut Report,
) -> Firewall {
    let mut scope = Scope::new(world, node, spec, report);
    let [input, output, forward] = filter::filters(&mut scope);
    let pairs = filter::pairs(&mut scope);
    let firewall = Firewall {
        place,
        span: spec.node.span,
        sets: scope.sets.clone(),
        input,
        output,
        forward,
        pairs,
        masquerade: nat::masquerade(&mut scope),
        snat: nat::snat(&mut scope),
        forwards: nat::forwards(&mut scope),
        one_to_one: nat::one_to_one(&mut scope),
        behaviour: nat::behaviour(&mut scope),
        mss: spec.mss,
        offload: scope.devices(&spec.offload),
        raw: spec.raw.clone(),
    };
    check::nat(&firewall, spec, scope.report);
    check::lockout(&firewall, world.facts, scope.report);
    shadow::find(&firewall, scope.report);
    if let Some(text) = &firewall.raw {
        raw::check(text, scope.report);
    }
    firewall
}
