//! The loopback interface is down.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "loopback-down",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "programs of one namespace do not reach each other",
    means: "a new namespace has its `lo` down; who asks 127.0.0.1, or an own address, gets \"network is unreachable\"",
    evidence: "`IFF_UP` of `lo`",
    fix: "set it up",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|link| link.loopback && !link.up) {
            let finding = CHECK.finding(place, format!("`{}` is down", link.name));
            let finding = finding.with("interface", link.name.as_str()).with("flag", "IFF_UP");
            found.push(finding.fix(format!("`ip link set {} up`", link.name)));
        }
    }
    found
}
