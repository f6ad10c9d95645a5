//! firewalld drops IPv6 whose way back is another one.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "firewalld-ipv6-rpfilter",
    severity: Severity::Note,
    phase: Phase::Plan,
    title: "IPv6 over a tunnel or a second way in is dropped by firewalld",
    means: "with `IPv6_rpfilter=strict`, firewalld drops IPv6 packets whose source would not be reached by the interface they came in by",
    evidence: "`IPv6_rpfilter` in `/etc/firewalld/firewalld.conf`: `yes` or `strict`",
    fix: "set `IPv6_rpfilter=loose-forward`, and reload firewalld",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(manager) = scene.manager(ManagerName::Firewalld) else { return Vec::new() };
    let Some((value @ ("yes" | "strict"), file)) = manager.setting("IPv6_rpfilter") else {
        return Vec::new();
    };
    let what = "firewalld drops IPv6 that comes in by another way than answers would go out";
    let finding = CHECK.finding(&Place::Host, what).with("file", file);
    let finding = finding.with("key", "IPv6_rpfilter").with("value", value);
    vec![finding.fix(format!("`IPv6_rpfilter=loose-forward` in `{file}`, where routes are not symmetric"))]
}
