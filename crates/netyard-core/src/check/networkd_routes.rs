//! systemd-networkd removes routes that it did not make.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "networkd-foreign-routes",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "routes disappear when systemd-networkd starts again",
    means: "with `ManageForeignRoutes=yes`, the default, networkd drops routes and rules of others on interfaces it manages, when it starts or reconfigures",
    evidence: "`ManageForeignRoutes` and `ManageForeignRoutingPolicyRules` in `networkd.conf` and its drop-ins, while networkd runs and the yard has routes or rules on the host",
    fix: "a drop-in with `ManageForeignRoutes=no` and `ManageForeignRoutingPolicyRules=no`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(manager) = scene.manager(ManagerName::Networkd).filter(|one| one.running) else {
        return Vec::new();
    };
    let host = |yard: &crate::yard::Yard| {
        let mut nodes = yard.nodes.iter().filter(|node| node.place == Place::Host);
        nodes.any(|node| !node.routes.is_empty() || !node.rules.is_empty())
    };
    if scene.yard.is_some_and(|yard| !host(yard)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for key in ["ManageForeignRoutes", "ManageForeignRoutingPolicyRules"] {
        let (value, file) = manager.setting(key).unwrap_or(("yes", "the default"));
        if matches!(value, "no" | "false" | "0" | "off") {
            continue;
        }
        let what = format!("systemd-networkd runs with `{key}={value}`");
        // Of a host that is looked at for itself it is only good to know.
        let severity = if scene.yard.is_some() { Severity::Warning } else { Severity::Note };
        let finding = CHECK
            .finding(&Place::Host, what)
            .severity(severity)
            .with("key", key)
            .with("value", value)
            .with("file", file);
        found.push(finding.fix(format!(
            "`/etc/systemd/networkd.conf.d/netyard.conf` with `[Network]` and `{key}=no`"
        )));
    }
    found
}
