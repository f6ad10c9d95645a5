//! Connection tracking has no room left.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "conntrack-full",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "new connections are dropped under load",
    means: "a packet of a new connection that cannot be tracked is dropped; nothing tells its sender",
    evidence: "`nf_conntrack_count` at nine tenths of `nf_conntrack_max` or more; `drop` and `early_drop` of `/proc/net/stat/nf_conntrack`",
    fix: "raise `net.netfilter.nf_conntrack_max`, or shorten the timeouts",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let Some(tracking) = stack.conntrack else { continue };
        let (count, max) = (tracking.count, tracking.max);
        if max == 0 || count * 10 < max * 9 {
            continue;
        }
        let what = format!("connection tracking holds {count} of {max} entries");
        let finding = CHECK
            .finding(place, what)
            .with("key", "net/netfilter/nf_conntrack_max")
            .with("count", count)
            .with("max", max)
            .with("drop", tracking.drop)
            .with("early-drop", tracking.early_drop);
        found.push(finding.fix(format!("`sysctl -w net.netfilter.nf_conntrack_max={}`", max * 2)));
    }
    found
}
