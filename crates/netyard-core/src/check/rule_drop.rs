//! Packets end at a rule that is not netyard's.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "foreign-rule-drop",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "a rule of somebody else drops or rejects what the yard sends",
    means: "a drop ends a packet whatever other chains accept, before or after",
    evidence: "nftables of the host: the first rule outside of netyard's tables that drops or rejects a packet of a way the yard takes over the host",
    fix: "put a rule that accepts before it, with the command shown, or delete it",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Rule, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    culprit.accept_before(Some(culprit.blame.handle))
}
