//! The other end of a cable is down.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "peer-down",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a link is up and nothing passes",
    means: "a veth pair carries when both ends are up",
    evidence: "a veth that is up with `IFLA_OPERSTATE` lower-layer-down",
    fix: "set the other end up",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    const LOWER_LAYER_DOWN: u8 = 3;
    const DOWN: u8 = 2;
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|link| link.kind == "veth" && link.up) {
            let down = matches!(link.operstate, LOWER_LAYER_DOWN | DOWN) && !link.carrier;
            if !down || !scene.matters(place, link) {
                continue;
            }
            let what = format!("`{}` is up, and the other end of its cable is not", link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("operstate", u64::from(link.operstate));
            let peer = link.parent.and_then(|peer| stack.link(peer));
            found.push(match peer {
                Some(peer) => finding
                    .with("peer", peer.name.as_str())
                    .fix(format!("`ip link set {} up`", peer.name)),
                None => finding.fix("set the other end up, in the namespace it is in"),
            });
        }
    }
    found
}
