//! An address is somebody else's.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "address-duplicate",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "an address is there and answers nobody",
    means: "duplicate address detection heard somebody who has it; the kernel keeps it and does not use it",
    evidence: "`IFA_F_DADFAILED` of an address",
    fix: "give one of both another address; `ip neigh` on another machine tells who has it",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for address in stack.addresses.iter().filter(|address| address.duplicate) {
            let Some(link) = stack.link(address.link) else { continue };
            if !scene.matters(place, link) {
                continue;
            }
            let what = format!("address `{}` on `{}` is somebody else's", address.net, link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("address", address.net.to_string())
                .with("flag", "IFA_F_DADFAILED");
            found.push(finding.fix("give one of both another address"));
        }
    }
    found
}
