//! Ports of one bridge carry frames of different sizes.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "bridge-mtu",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "large packets vanish and no counter rises",
    means: "a bridge drops a frame that is larger than the MTU of the port it goes out by, in silence; a ping of small packets works",
    evidence: "`IFLA_MTU` of all ports of a bridge",
    fix: "one MTU for all ports of a bridge",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let bridges = stack.links.iter().filter(|link| link.bridge.is_some());
        for bridge in bridges.filter(|link| scene.matters(place, link)) {
            let ports = || stack.ports(bridge.index);
            let (Some(least), Some(most)) =
                (ports().min_by_key(|port| port.mtu), ports().max_by_key(|port| port.mtu))
            else {
                continue;
            };
            if least.mtu == most.mtu {
                continue;
            }
            let what = format!(
                "frames from port `{}` (mtu {}) of bridge `{}` are too large for port `{}` (mtu {})",
                most.name, most.mtu, bridge.name, least.name, least.mtu
            );
            let finding = CHECK
                .finding(place, what)
                .with("interface", bridge.name.as_str())
                .with("port", least.name.as_str())
                .with("mtu", least.mtu)
                .with("larger-port", most.name.as_str())
                .with("larger-mtu", most.mtu);
            found.push(finding.fix(format!("`ip link set {} mtu {}`", least.name, most.mtu)));
        }
    }
    found
}
