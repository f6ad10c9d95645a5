//! An address is not usable yet.

use std::net::IpAddr;

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "address-tentative",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a server cannot bind just after the network came up",
    means: "an IPv6 address is tried for a second or two before it is used; on a link without carrier it stays so",
    evidence: "`IFA_F_TENTATIVE` of an address",
    fix: "wait for it, or turn duplicate address detection off on links of one's own (`dad: false`)",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for address in stack.addresses.iter().filter(|address| address.tentative) {
            let Some(link) = stack.link(address.link) else { continue };
            // The kernel's own, of every interface that came up just now.
            if matches!(address.net.addr(), IpAddr::V6(ip) if ip.is_unicast_link_local()) {
                continue;
            }
            // Nobody binds to one on a link that is down.
            if !link.up || !scene.matters(place, link) {
                continue;
            }
            let what = format!("address `{}` on `{}` is still tentative", address.net, link.name);
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("address", address.net.to_string())
                .with("flag", "IFA_F_TENTATIVE");
            found.push(match link.carrier {
                true => finding.fix("wait for a second, or set `dad: false` on the interface"),
                false => finding.fix(format!("`{}` has no carrier: set its other end up", link.name)),
            });
        }
    }
    found
}
