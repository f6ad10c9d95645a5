//! Somebody else advertises himself as a router on a network of the yard's.

use serde_json::json;

use super::{Check, Finding, Phase, Scene, Severity};
use crate::service::trouble::Trouble;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "ra-rogue-router",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "hosts of a network have addresses or a default route of a stranger's",
    means: "hosts follow every router that advertises itself",
    evidence: "an advertisement from another router in the last half hour on a network that netyard advertises, as its server heard",
    fix: "end the other router, or drop ICMPv6 of type 134 where it comes in",
    find,
};

/// The longest there may be between two advertisements (RFC 4861, 6.2.1).
const HALF_AN_HOUR: u64 = 1800;

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, age, met) in scene.troubles(HALF_AN_HOUR) {
        let Trouble::OtherRouter { router, mac, lifetime, prefixes } = &met.trouble else {
            continue;
        };
        let what = format!("`{router}` advertises itself on network `{}`, too", met.network);
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let mut finding = CHECK
            .finding(place, what)
            .with("network", met.network.as_str())
            .with("router", router.to_string())
            .with("lifetime", *lifetime)
            .with("prefixes", json!(prefixes))
            .with("seconds", age);
        if let Some(mac) = mac {
            finding = finding.with("mac", mac.to_string());
        }
        // Without a lifetime it takes no packets, but its prefixes are believed.
        if *lifetime == 0 && prefixes.is_empty() {
            finding = finding.severity(Severity::Note);
        }
        found.push(finding.fix("end it, or drop ICMPv6 of type 134 where it comes in"));
    }
    found
}
