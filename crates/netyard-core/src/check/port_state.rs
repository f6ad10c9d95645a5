//! A port of a bridge does not forward yet, or not at all.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "port-not-forwarding",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "no traffic for half a minute after a port joined, or never",
    means: "with spanning tree a new port listens and learns for twice the forward delay; a blocking one is the second way to somewhere",
    evidence: "`IFLA_BRPORT_STATE` listening, learning or blocking, with `IFLA_BR_STP_STATE` and `IFLA_BR_FORWARD_DELAY`",
    fix: "turn spanning tree off where there is no loop, or shorten the delay; a loop is to be cut",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for port in &stack.links {
            let state = match port.port_state {
                Some(1) => "listening",
                Some(2) => "learning",
                Some(4) => "blocking",
                _ => continue,
            };
            let Some(link) = port.master.and_then(|master| stack.link(master)) else { continue };
            let Some(bridge) = link.bridge.filter(|_| scene.matters(place, link)) else { continue };
            let delay = f64::from(bridge.forward_delay) / 100.0;
            let what = format!("port `{}` of bridge `{}` is {state}", port.name, link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", port.name.as_str())
                .with("bridge", link.name.as_str())
                .with("state", state)
                .with("stp", u64::from(bridge.stp))
                .with("forward-delay-seconds", delay);
            found.push(match state {
                "blocking" => finding.fix("there is a loop: another way leads to the same bridge"),
                _ => finding.fix(format!("`ip link set {} type bridge stp_state 0`", link.name)),
            });
        }
    }
    found
}
