//! A port that is untagged in two VLANs.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "vlan-leak",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "frames of one VLAN leave untagged by a port of another",
    means: "a new port gets the bridge's default VLAN; who then adds an access VLAN and leaves the default one has two that leave untagged",
    evidence: "`IFLA_BRIDGE_VLAN_INFO` of a port: two VLANs with the flag `untagged`, and `IFLA_BR_VLAN_DEFAULT_PVID`",
    fix: "take the default VLAN off the port, or set `vlan_default_pvid 0`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for port in stack.links.iter().filter(|link| link.port_state.is_some()) {
            let Some(link) = port.master.and_then(|master| stack.link(master)) else { continue };
            let Some(bridge) = link.bridge.filter(|bridge| bridge.vlan_filtering) else { continue };
            let untagged: Vec<u16> =
                port.vlans.iter().filter(|vlan| vlan.untagged).map(|vlan| vlan.vid).collect();
            let leaks = untagged.len() > 1 && untagged.contains(&bridge.default_pvid);
            if !leaks || !scene.matters(place, link) {
                continue;
            }
            let vid = bridge.default_pvid;
            let what = format!(
                "frames of VLAN {vid}, the default one of bridge `{}`, leave untagged by port `{}`, too",
                link.name, port.name
            );
            let all: Vec<String> = untagged.iter().map(u16::to_string).collect();
            let finding = CHECK
                .finding(place, what)
                .with("interface", port.name.as_str())
                .with("bridge", link.name.as_str())
                .with("vid", u64::from(vid))
                .with("untagged", all.join(" "));
            found.push(finding.fix(format!("`bridge vlan del vid {vid} dev {}`", port.name)));
        }
    }
    found
}
