//! firewalld takes away rules of others when it reloads.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "firewalld-flushes",
    severity: Severity::Note,
    phase: Phase::Plan,
    title: "firewalld throws away rules of iptables when it reloads",
    means: "with `FlushAllOnReload=yes`, rules that somebody added by iptables or `firewall-cmd --direct` are gone after a reload; netyard's own table is not touched",
    evidence: "`FlushAllOnReload` in `/etc/firewalld/firewalld.conf`; the default is `yes`",
    fix: "put what must stay into firewalld's permanent configuration",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(manager) = scene.manager(ManagerName::Firewalld) else { return Vec::new() };
    let Some(("yes", file)) = manager.setting("FlushAllOnReload") else { return Vec::new() };
    let what = "firewalld flushes the tables of iptables when it reloads";
    let finding = CHECK.finding(&Place::Host, what).with("file", file);
    vec![finding.with("key", "FlushAllOnReload").with("value", "yes").fix(
        "what is accepted for the yard by hand must be in firewalld's permanent configuration",
    )]
}
