//! Packets end at the policy of a chain that is not netyard's.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "foreign-policy-drop",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "a chain of somebody else drops what the yard sends",
    means: "every base chain of a hook must let a packet pass; what netyard's own table accepts, another chain with the policy `drop` still drops",
    evidence: "nftables of the host: base chains of the hooks `input` and `forward` outside of netyard's tables, walked with a packet of each way the yard takes over the host",
    fix: "let the packets pass in that chain, with the command shown, and in the file that makes it; or change its policy",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Policy, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    culprit.accept_before(None)
}
