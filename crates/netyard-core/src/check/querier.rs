//! Multicast is filtered by who asked, and nobody asks.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "multicast-querier",
    severity: Severity::Note,
    phase: Phase::Running,
    title: "neighbour discovery or mesh multicast stops after some minutes",
    means: "a bridge with snooping sends a group only to ports that reported it, once a querier was seen; when that goes, reports end and groups expire",
    evidence: "`IFLA_BR_MCAST_SNOOPING` 1, `IFLA_BR_MCAST_QUERIER` 0 and no querier in `IFLA_BR_MCAST_QUERIER_STATE`, on a bridge of two ports or more",
    fix: "turn the querier on, or snooping off",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in stack.links.iter().filter(|link| link.up && scene.matters(place, link)) {
            let Some(bridge) = link.bridge else { continue };
            let asks = bridge.querier || bridge.querier_seen;
            if !bridge.snooping || asks || stack.ports(link.index).count() < 2 {
                continue;
            }
            let what = format!("bridge `{}` filters multicast, and nobody asks who wants it", link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("snooping", 1_u64)
                .with("querier", 0_u64);
            found.push(finding.fix(format!(
                "`ip link set {0} type bridge mcast_querier 1`, or `mcast_snooping 0`",
                link.name
            )));
        }
    }
    found
}
