//! A bridge borrows the address of a port.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "bridge-mac",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "the address of a bridge changes when a port comes or goes",
    means: "a bridge whose hardware address nobody set takes the lowest one of its ports; with it go its link-local address, its DHCP lease and what neighbours know",
    evidence: "`IFLA_ADDRESS` of a bridge is that of one of its ports",
    fix: "set the bridge's address",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let bridges = stack.links.iter().filter(|link| link.bridge.is_some());
        for bridge in bridges.filter(|link| scene.matters(place, link)) {
            // netyard sets those of its bridges; that of a bridged uplink is its port's.
            if crate::wire::Mark::parse(&bridge.alias).is_some() {
                continue;
            }
            let same = |port: &&crate::facts::Link| port.mac.is_some() && port.mac == bridge.mac;
            let Some(port) = stack.ports(bridge.index).find(same) else { continue };
            let Some(mac) = bridge.mac else { continue };
            let what = format!(
                "bridge `{}` has the address of its port `{}` and changes it with its ports",
                bridge.name, port.name
            );
            let finding = CHECK
                .finding(place, what)
                .with("interface", bridge.name.as_str())
                .with("port", port.name.as_str())
                .with("address", mac.to_string());
            found.push(finding.fix(format!("`ip link set {} address {mac}` makes it stay", bridge.name)));
        }
    }
    found
}
