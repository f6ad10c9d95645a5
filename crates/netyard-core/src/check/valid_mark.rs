//! A setting that a tunnel left behind.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "src-valid-mark",
    severity: Severity::Note,
    phase: Phase::Running,
    title: "the check of source addresses asks with marks, for nobody",
    means: "wg-quick sets `src_valid_mark` for its tunnel and does not set it back",
    evidence: "`net.ipv4.conf.all.src_valid_mark` is 1 and there is no WireGuard interface",
    fix: "set it to 0",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    const KEY: &str = "net/ipv4/conf/all/src_valid_mark";
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let tunnel = stack.links.iter().any(|link| link.kind == "wireguard");
        if stack.setting(KEY) != Some("1") || tunnel {
            continue;
        }
        let what = "`src_valid_mark` is 1, and there is no WireGuard interface that wants it";
        let finding = CHECK.finding(place, what).with("key", KEY).with("value", "1");
        found.push(finding.fix("`sysctl -w net.ipv4.conf.all.src_valid_mark=0`"));
    }
    found
}
