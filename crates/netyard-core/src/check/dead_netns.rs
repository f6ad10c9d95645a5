//! A name of a namespace that leads to none.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "netns-not-a-namespace",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "`ip netns exec` says \"invalid argument\"",
    means: "a name below `/run/netns` is a mount of a namespace on an empty file; after a crash only the file is left, and nobody can use the name",
    evidence: "files below `/run/netns` that are no namespaces (`statfs` is not nsfs)",
    fix: "remove the file: `ip netns delete` does",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let names = scene.machine().dead_netns.iter();
    let finding = |name: &String| {
        let what = format!("`/run/netns/{name}` is no namespace");
        let finding = CHECK.finding(&Place::Host, what).with("file", format!("/run/netns/{name}"));
        finding.fix(format!("`ip netns delete {name}`"))
    };
    names.map(finding).collect()
}
