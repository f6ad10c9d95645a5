//! A network has no address left for a client.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::service::trouble::{Trouble, Wanted};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "dhcp-range-full",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "a client gets no address, others keep theirs",
    means: "all addresses of the range, or all prefixes of the pool, are leased",
    evidence: "netyard's server had nothing for a client in the last ten minutes",
    fix: "a wider `range`, a greater `pool`, or a shorter `lease`; `netyard leases` shows who has what",
    find,
};

/// Who gets nothing asks again every few minutes at most.
const TEN_MINUTES: u64 = 600;

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, age, met) in scene.troubles(TEN_MINUTES) {
        let Trouble::Exhausted { what, client } = &met.trouble else { continue };
        let (wanted, key) = match what {
            Wanted::Ipv4 => ("IPv4 address", "a wider `dhcp: { range }`"),
            Wanted::Ipv6 => ("IPv6 address", "a wider `dhcp6: { range }`"),
            Wanted::Prefix => ("prefix", "a greater `pool`, or a longer `length`"),
        };
        let said = format!("network `{}` had no {wanted} left for `{client}`", met.network);
        let finding = CHECK
            .finding(place, said)
            .with("network", met.network.as_str())
            .with("wanted", wanted)
            .with("client", client.as_str())
            .with("seconds", age);
        found.push(finding.fix(format!("{key}, or a shorter `lease`; `netyard leases` shows who has them")));
    }
    found
}
