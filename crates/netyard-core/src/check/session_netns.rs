//! A namespace's name leads to where a session's end takes it away.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "netns-of-a-session",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "a namespace is gone after logout",
    means: "logind unmounts and removes `/run/user/UID` when the user's last session ends, and with it what is mounted there",
    evidence: "links below `/run/netns` that lead below `/run/user`",
    fix: "mount the namespace below `/run/netns` itself",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let finding = |(name, to): &(String, String)| {
        let what = format!("`/run/netns/{name}` leads to `{to}`, which goes when its user logs out");
        let finding = CHECK.finding(&Place::Host, what);
        let finding = finding.with("file", format!("/run/netns/{name}")).with("leads-to", to.as_str());
        finding.fix(format!("`rm /run/netns/{name}; touch /run/netns/{name}; mount --bind {to} /run/netns/{name}`"))
    };
    scene.machine().session_netns.iter().map(finding).collect()
}
