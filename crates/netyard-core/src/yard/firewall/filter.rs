//! `input:`, `output:`, `forward:` and `policies:`.

use super::scope::{At, Ends, Scope};
use super::service;
use crate::diag::firewall as say;
use crate::firewall::{Direction, End, Filter, Pair, Rule};
use crate::spec::firewall::{FilterRuleSpec, FilterSpec, Names, PolicySpec, Verdict};

/// `input:`, `output:` and `forward:`.
pub(super) fn filters(scope: &mut Scope<'_, '_>) -> [Option<Filter>; 3] {
    let spec = scope.spec;
    let all = [
        (&spec.input, Direction::Input),
        (&spec.output, Direction::Output),
        (&spec.forward, Direction::Forward),
    ];
    all.map(|(filter, direction)| {
        let filter = filter.as_ref()?;
        let mut resolved = resolve(filter, direction, true, scope);
        let default = match filter.has_allow {
            true => Verdict::Drop,
            false => Verdict::Accept,
        };
        resolved.policy = resolved.policy.or(Some(default));
        Some(resolved)
    })
}

/// `only`: the filter is for no other direction, so that all in it must fit.
fn resolve(
    spec: &FilterSpec,
    direction: Direction,
    only: bool,
    scope: &mut Scope<'_, '_>,
) -> Filter {
    Filter {
        span: spec.span,
        policy: spec.policy.as_ref().map(|p| p.value),
        log: spec.log.clone(),
        rules: spec.rules.iter().filter_map(|r| rule(r, direction, only, scope)).collect(),
    }
}

fn rule(
    spec: &FilterRuleSpec,
    direction: Direction,
    only: bool,
    scope: &mut Scope<'_, '_>,
) -> Option<Rule> {
    let what = service::traffic(&spec.what, scope.spec, scope.world.facts, scope.report);
    let (from, to) = sides(&spec.from, &spec.to, direction, only, scope)?;
    let (from, to) = (from.list(), to.list());
    check_families(spec, &from, &to, scope);
    Some(Rule {
        span: spec.span,
        label: spec.label.clone(),
        verdict: spec.verdict,
        what: what?,
        from,
        to,
        ipv6: spec.ipv6,
        limit: spec.limit,
        connections: spec.connections,
        log: spec.log.clone(),
    })
}

/// Both sides of a rule; none where they cannot be in this direction.
fn sides(
    from: &Names,
    to: &Names,
    direction: Direction,
    only: bool,
    scope: &mut Scope<'_, '_>,
) -> Option<(Ends, Ends)> {
    let mut both = [side(from, scope), side(to, scope)];
    let mut fine = true;
    for (ends, names, is_source) in [(0, from, true), (1, to, false)] {
        let here = match direction {
            Direction::Input => !is_source,
            Direction::Output => is_source,
            Direction::Forward => false,
        };
        let Some(span) = names.first().map(|n| n.span) else { continue };
        if here && both[ends].has_interfaces() {
            if only {
                scope.report.push(say::interface_of_self(direction, span));
            }
            fine = false;
        } else if both[ends].this && !here {
            if only {
                scope.report.push(say::self_elsewhere(direction, is_source, span));
            }
            fine = false;
        }
        both[ends].any |= both[ends].this;
    }
    let [from, to] = both;
    fine.then_some((from, to))
}

fn side(names: &Names, scope: &mut Scope<'_, '_>) -> Ends {
    match names.is_empty() {
        true => Ends::any(),
        false => scope.ends(names, At::Rule),
    }
}

/// IPv4 here and IPv6 there: such a packet there is none.
fn check_families(spec: &FilterRuleSpec, from: &[End], to: &[End], scope: &mut Scope<'_, '_>) {
    let families = |ends: &[End]| {
        let fits = |v6: bool| ends.iter().any(|e| e.family().is_none_or(|f| f == v6));
        [fits(false), fits(true)]
    };
    let said = spec.ipv6.map_or([true, true], |v6| [!v6, v6]);
    let (from_fits, to_fits) = (families(from), families(to));
    if from.is_empty() || to.is_empty() {
        return; // an empty zone, of which is told already
    }
    if (0..2).all(|i| !(said[i] && from_fits[i] && to_fits[i])) {
        let from = spec.from.first().map_or(spec.span, |n| n.span);
        let to = spec.to.first().map_or(spec.span, |n| n.span);
        scope.report.push(say::families_mixed(from, to));
    }
}

/// `policies:`, each for the directions that it is about.
pub(super) fn pairs(scope: &mut Scope<'_, '_>) -> Vec<Pair> {
    let spec = scope.spec;
    spec.policies.iter().flat_map(|policy| pair(policy, scope)).collect()
}

fn pair(spec: &PolicySpec, scope: &mut Scope<'_, '_>) -> Vec<Pair> {
    let (from, to) = (side(&spec.from, scope), side(&spec.to, scope));
    if from.this && to.this {
        scope.report.push(say::self_to_self(spec.span));
        return Vec::new();
    }
    let any = || vec![End::Any];
    let mut ways = Vec::new();
    // `any` goes to the node too, but what the node itself sends is said as `self`.
    if to.this || to.any {
        ways.push((Direction::Input, from.list(), any()));
    }
    if from.this {
        ways.push((Direction::Output, any(), to.list()));
    }
    ways.push((Direction::Forward, from.list(), to.list()));
    ways.retain(|(_, from, to)| !from.is_empty() && !to.is_empty());
    let only = ways.len() == 1;
    ways.into_iter()
        .map(|(direction, from, to)| Pair {
            title: title(spec, direction),
            direction,
            from,
            to,
            filter: resolve(&spec.filter, direction, only, scope),
        })
        .collect()
}

/// `inside to self`, `inside to outside`.
fn title(spec: &PolicySpec, direction: Direction) -> String {
    let words = |names: &Names| {
        let others = names.iter().map(|n| n.value.as_str()).filter(|n| *n != "self");
        others.collect::<Vec<_>>().join(",")
    };
    match direction {
        Direction::Input => format!("{} to self", words(&spec.from)),
        Direction::Output => format!("self to {}", words(&spec.to)),
        Direction::Forward => format!("{} to {}", words(&spec.from), words(&spec.to)),
    }
}
