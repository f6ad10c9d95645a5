//! Packets for others arrive and forwarding is off.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::Stack;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "forwarding-off",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "nothing is forwarded",
    means: "a stack forwards only where `ip_forward` says so; it is off in every new namespace unless somebody turned it on",
    evidence: "`net.ipv4.ip_forward` is 0 in the namespace, and packets for others arrive there (`Ip.InAddrErrors` of `/proc/net/snmp`), or others route through it",
    fix: "write `forward: true` at the node, or set `net.ipv4.ip_forward` to 1 there",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let errors = stack.counter("Ip.InAddrErrors");
        if stack.setting("net/ipv4/ip_forward") != Some("0") || errors == 0 || !is_between(stack) {
            continue;
        }
        let what = format!("{errors} packets for others arrived, and `ip_forward` is 0");
        let finding = CHECK
            .finding(place, what)
            .with("key", "net/ipv4/ip_forward")
            .with("value", "0")
            .with("counter", "Ip.InAddrErrors")
            .with("count", errors);
        let fix = match place {
            crate::state::Place::Node(node) => format!("write `forward: true` at node `{node}`"),
            _ => "`sysctl -w net.ipv4.ip_forward=1`".to_owned(),
        };
        found.push(finding.fix(fix));
    }
    found
}

/// Between two links; a stack with one is nobody's router.
fn is_between(stack: &Stack) -> bool {
    let with_ipv4 = |index: u32| stack.addresses_of(index).any(|a| a.net.addr().is_ipv4());
    stack.links.iter().filter(|link| !link.loopback && with_ipv4(link.index)).count() > 1
}
