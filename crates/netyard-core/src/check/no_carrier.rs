//! A bridge with addresses and no running port.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "bridge-no-carrier",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a bridge has no carrier, and daemons do not start on it",
    means: "a bridge is up where a port of it is; without one its addresses stay tentative, its routes are dead and servers wait for it",
    evidence: "a bridge that is up, has an address and `IFLA_OPERSTATE` other than up",
    fix: "attach somebody, or a port that is always up",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    const OPERSTATE_UP: u8 = 6;
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let bridges = stack.links.iter().filter(|link| link.bridge.is_some() && link.up);
        for bridge in bridges.filter(|link| link.operstate != OPERSTATE_UP) {
            let used = stack.addresses_of(bridge.index).any(|one| !is_link_local(one.net.addr()));
            if !used || !scene.matters(place, bridge) {
                continue;
            }
            let ports = stack.ports(bridge.index).count();
            let what = format!("bridge `{}` has no carrier: none of its {ports} ports runs", bridge.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", bridge.name.as_str())
                .with("operstate", u64::from(bridge.operstate))
                .with("ports", ports as u64);
            found.push(finding.fix("attach somebody to it, or set a port of it up"));
        }
    }
    found
}

fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
