//! firewalld rejects what is in no zone that allows it.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "firewalld-drop",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "firewalld rejects what the yard sends",
    means: "an interface that is in no zone is in the default one, which forwards nothing",
    evidence: "table `inet firewalld`: a rule or policy that ends a packet of the yard",
    fix: "put the yard's bridge into a zone that allows it",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Firewalld, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    let bridge = culprit.inside();
    vec![format!(
        "`firewall-cmd --permanent --zone=trusted --add-interface={bridge}`, then \
         `firewall-cmd --reload`"
    )]
}
