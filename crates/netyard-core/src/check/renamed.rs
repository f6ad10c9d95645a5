//! Somebody renamed an interface of the yard's.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::wire::Mark;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "renamed",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a program does not find an interface by its name",
    means: "udev rules, `.link` files and other network drivers rename interfaces; netyard knows its own by their marks, which survive that, but firewalls, scripts and people go by the name",
    evidence: "an interface whose alias marks it as the yard's and whose name is another than the file gives it",
    fix: "rename it back, and find out who renames: `udevadm test /sys/class/net/NAME`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(yard) = scene.yard else { return Vec::new() };
    let nodes = yard.nodes.iter().flat_map(|node| &node.interfaces).map(|one| &one.device);
    let networks = yard.networks.iter().flat_map(|network| &network.devices).map(|one| &one.device);
    let devices: Vec<_> = nodes.chain(networks).collect();
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for link in &stack.links {
            let Some(mark) = Mark::parse(&link.alias).filter(|mark| mark.yard == yard.name) else {
                continue;
            };
            let own = devices.iter().find(|device| device.id == mark.id);
            let Some(name) = own.map(|device| device.kernel_name.as_str()) else { continue };
            if name == link.name {
                continue;
            }
            let what = format!("`{}` should be called `{name}`: somebody renamed it", link.name);
            let finding = CHECK.finding(place, what);
            let finding = finding.with("interface", link.name.as_str()).with("name", name);
            found.push(finding.fix(format!("`ip link set {} name {name}`", link.name)));
        }
    }
    found
}
