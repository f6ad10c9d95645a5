//! A flowtable names a device that is not there.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "flowtable-device",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a flowtable does not load, or offloads nothing",
    means: "a flowtable hangs on devices by name; one that is gone takes no flows, and a ruleset that names one that is missing is refused on older kernels",
    evidence: "`NFTA_FLOWTABLE_HOOK_DEVS` of all flowtables against the interfaces there are",
    fix: "name only devices that are there",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for table in stack.ruleset.iter().flat_map(|ruleset| &ruleset.tables) {
            for flowtable in &table.flowtables {
                let gone = flowtable.devices.iter().filter(|name| stack.link_named(name).is_none());
                let gone: Vec<&str> = gone.map(String::as_str).collect();
                if gone.is_empty() && !flowtable.devices.is_empty() {
                    continue;
                }
                let what = match gone.first() {
                    Some(name) => format!("flowtable `{}` names `{name}`, which is not there", flowtable.name),
                    None => format!("flowtable `{}` has no device", flowtable.name),
                };
                let finding = CHECK
                    .finding(place, what)
                    .with("family", table.family.to_string())
                    .with("table", table.name.as_str())
                    .with("flowtable", flowtable.name.as_str())
                    .with("handle", flowtable.handle)
                    .with("devices", gone.join(" "));
                found.push(finding.fix("name only devices that are there"));
            }
        }
    }
    found
}
