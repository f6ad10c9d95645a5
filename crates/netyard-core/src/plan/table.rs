//! What differs between two rulesets, rule by rule.

use super::Difference;
use crate::nft::{Chain, Edit, Table, edits};

/// The edits for people: what was, and what will be.
pub(super) fn differences(from: &Table, to: &Table) -> Vec<Difference> {
    let difference = |attribute: String, actual: &dyn ToString, desired: &dyn ToString| {
        Difference { attribute, actual: actual.to_string(), desired: desired.to_string() }
    };
    let none = &"none";
    let edits = edits(Some(from), to);
    let each = edits.iter().map(|edit| match edit {
        Edit::AddSet(s) => difference(format!("set {}", s.name), none, &s.words().join(", ")),
        Edit::RemoveSet(s) => difference(format!("set {}", s.name), &s.words().join(", "), none),
        Edit::AddElements(s, e) => difference(format!("set {}", s.name), none, &e.join(", ")),
        Edit::RemoveElements(s, e) => difference(format!("set {}", s.name), &e.join(", "), none),
        Edit::AddLearned(s) => difference("set".into(), none, &s.name),
        Edit::RemoveLearned(s) => difference("set".into(), &s.name, none),
        Edit::AddOther(s) => difference("set".into(), none, &s.name),
        Edit::RemoveOther(s) => difference("set".into(), &s.name, none),
        Edit::AddFlowtable(t) => difference("flowtable".into(), none, &t.name),
        Edit::RemoveFlowtable(t) => difference("flowtable".into(), &t.name, none),
        Edit::AddChain(c) => difference("chain".into(), none, &c.name),
        Edit::RemoveChain(c) => difference("chain".into(), &c.name, none),
        Edit::SetPolicy(c) => {
            let policy = |c: &Chain| c.base.map_or("none", |base| base.policy.word());
            let old = from.chains.iter().find(|old| old.name == c.name);
            difference(format!("policy of {}", c.name), &old.map_or("none", policy), &policy(c))
        }
        Edit::RemoveRule { chain, index } => {
            difference(chain.name.clone(), &chain.rules[*index], none)
        }
        Edit::AddRule { chain, index, .. } => {
            difference(chain.name.clone(), none, &chain.rules[*index])
        }
    });
    let mut differences: Vec<Difference> = each.collect();
    if differences.is_empty() {
        // The order of its parts, which says nothing.
        differences.push(difference("order".into(), none, none));
    }
    differences
}
