//! Policy rules.

use super::gather::{Cast, LOOPBACK};
use super::pool::is_v6;
use crate::diag::yard as diag;
use crate::diag::{Report, Spanned};
use crate::facts::Facts;
use crate::name::FullName;
use crate::spec::RuleSpec;
use crate::state::{Rule, RuleAction};

/// The priority of the first rule that names none; the kernel's own are 0, 1000
/// (`l3mdev`, in namespaces with VRFs, which later ones of 1000 come after),
/// 32766 and 32767.
const FIRST_PRIORITY: u32 = 1000;

/// By node.
pub(super) fn resolve(cast: &Cast<'_>, facts: &Facts, report: &mut Report) -> Vec<Vec<Rule>> {
    let mut all = Vec::with_capacity(cast.nodes.len());
    for (index, node) in cast.nodes.iter().enumerate() {
        let specs = node.spec.map_or(&[][..], |s| &s.rules);
        let mut rules: Vec<Rule> = Vec::new();
        for (position, spec) in specs.iter().enumerate() {
            let priority = FIRST_PRIORITY.saturating_add(position as u32);
            let priority = spec.priority.as_ref().map_or(priority, |p| p.value);
            let iif = device(cast, index, spec.iif.as_ref(), facts, report);
            let oif = device(cast, index, spec.oif.as_ref(), facts, report);
            for v6 in families(spec) {
                let rule = Rule {
                    place: node.place.clone(),
                    ipv6: v6,
                    priority,
                    from: spec.from.as_ref().map(|p| p.value.trunc()),
                    to: spec.to.as_ref().map(|p| p.value.trunc()),
                    fwmark: spec.fwmark.as_ref().map(|m| m.value),
                    iif: iif.clone(),
                    oif: oif.clone(),
                    not: spec.not,
                    action: spec.action,
                    suppress_prefix_length: spec.suppress_prefix_length,
                };
                if rules.contains(&rule) {
                    report.push(diag::rule_twice(node.name.as_str(), spec.span));
                } else {
                    rules.push(rule);
                }
            }
        }
        check_jumps(&rules, specs, report);
        all.push(rules);
    }
    all
}

/// True for IPv6; none after a contradiction, of which the parser told.
fn families(spec: &RuleSpec) -> Vec<bool> {
    let prefixes = [&spec.from, &spec.to].into_iter().flatten();
    let mut said: Vec<bool> = spec.ipv6.into_iter().collect();
    said.extend(prefixes.map(|p| is_v6(p.value)));
    match said[..] {
        [] => vec![false, true],
        [first, ..] if said.iter().all(|v6| *v6 == first) => vec![first],
        _ => Vec::new(),
    }
}

fn device(
    cast: &Cast<'_>,
    node: usize,
    dev: Option<&Spanned<String>>,
    facts: &Facts,
    report: &mut Report,
) -> Option<FullName> {
    let dev = dev?;
    if let Some(found) = cast.interface(node, &dev.value) {
        return Some(cast.interfaces[found].name.clone());
    }
    let is_foreign =
        cast.is_host(node) && (dev.value == LOOPBACK || !facts.lacks(dev.value.as_str()));
    if is_foreign {
        return FullName::new(&dev.value).ok();
    }
    let name = cast.nodes[node].name.as_str();
    report.push(diag::interface_unknown(name, dev, cast.interface_names(node)));
    None
}

/// The kernel refuses a jump back (fib_nl_newrule, net/core/fib_rules.c).
fn check_jumps(rules: &[Rule], specs: &[RuleSpec], report: &mut Report) {
    for spec in specs {
        let RuleAction::Goto(target) = spec.action else { continue };
        let own = rules.iter().find(|r| r.action == spec.action);
        if own.is_some_and(|own| target <= own.priority) {
            report.push(diag::rule_jumps_back(target, spec.span));
        } else if !rules.iter().any(|r| r.priority == target) {
            report.push(diag::rule_jumps_nowhere(target, spec.span));
        }
    }
}
