//! ufw drops what it was not told of.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};
use crate::nft::Hook;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "ufw-drop",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "ufw drops what the yard sends",
    means: "ufw sets the policies of `INPUT` and `FORWARD` to `drop`; what is let through is in its own chains",
    evidence: "chains `ufw-…` in `ip filter` or `ip6 filter`, and a policy or rule of theirs that drops a packet of the yard",
    fix: "tell ufw of the yard's bridge: `ufw route allow` for what is forwarded, `ufw allow` for what is for the host",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Ufw, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    let (bridge, outside) = (culprit.inside(), culprit.outside());
    match culprit.hook {
        Hook::Forward => vec![format!("`ufw route allow in on {bridge} out on {outside}`")],
        _ => vec![format!("`ufw allow in on {bridge}`")],
    }
}
