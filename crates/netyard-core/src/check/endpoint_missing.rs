//! A routing daemon speaks into a tunnel whose peer is nowhere.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "wireguard-no-endpoint",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "babeld's log fills with \"Destination address required\"",
    means: "a peer without an endpoint that has not called yet cannot be sent anything; babeld tries every few seconds",
    evidence: "a peer of a tunnel without an endpoint, in a stack where somebody has UDP port 6696",
    fix: "give the peer an `endpoint`, or let it call: `keepalive` on its side",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, _) in scene.stacks().filter(|(_, stack)| stack.speaks_babel()) {
        for (id, pulse) in scene.survey.tunnels.iter().filter(|(id, _)| id.place == *place) {
            for peer in pulse.peers.iter().filter(|peer| peer.endpoint.is_none()) {
                let what = format!("nobody knows where a peer of `{}` is, and babeld calls it", id.name);
                let finding = CHECK
                    .finding(place, what)
                    .with("interface", id.name.as_str())
                    .with("peer", peer.public_key.to_string());
                found.push(finding.fix("give it an `endpoint`, or `keepalive` on its side"));
            }
        }
    }
    found
}
