//! A VLAN that ports have and their bridge has not.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "vlan-not-on-bridge",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "frames of a VLAN do not reach the bridge's own interfaces",
    means: "with VLAN filtering the bridge itself is a port; a VLAN interface on it hears only what the bridge is a member of",
    evidence: "`IFLA_BRIDGE_VLAN_INFO` of the bridge against the VLAN interfaces on it",
    fix: "add the VLAN to the bridge itself",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|link| link.vlan_id.is_some()) {
            let Some(bridge) = link.parent.and_then(|parent| stack.link(parent)) else { continue };
            let filters = bridge.bridge.is_some_and(|bridge| bridge.vlan_filtering);
            let Some(vid) = link.vlan_id.filter(|_| filters && scene.matters(place, bridge)) else {
                continue;
            };
            if bridge.vlans.iter().any(|vlan| vlan.vid == vid) {
                continue;
            }
            let what = format!(
                "`{}` is in VLAN {vid} of bridge `{}`, and the bridge itself is not",
                link.name, bridge.name
            );
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("bridge", bridge.name.as_str())
                .with("vid", u64::from(vid));
            found.push(finding.fix(format!("`bridge vlan add vid {vid} dev {} self`", bridge.name)));
        }
    }
    found
}
