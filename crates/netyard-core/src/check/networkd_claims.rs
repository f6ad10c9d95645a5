//! systemd-networkd takes the yard's interfaces for its own.

use super::scene::Claimed;
use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "networkd-claims",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "an interface leaves its bridge, or gets an address by DHCP",
    means: "networkd configures each interface that a `.network` file matches, also those that another program makes",
    evidence: "`.network` files below `/etc`, `/run` and `/usr/lib/systemd/network` in their order: the first whose `[Match]` covers a name of the yard's on the host",
    fix: "a file that sorts first, with the yard's names and `Unmanaged=yes`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let running = scene.manager(ManagerName::Networkd).is_some_and(|one| one.running);
    for (name, kind) in scene.interfaces_on_host() {
        let one = Claimed { name: &name, kind: &kind, mac: None };
        // The first file that matches is the one that counts.
        let Some(file) = scene.machine().networks.iter().find(|file| file.covers(one)) else {
            continue;
        };
        if file.unmanaged {
            continue;
        }
        let severity = match (running, file.other) {
            (true, false) => Severity::Error,
            _ => Severity::Warning,
        };
        let verb = if running { "configures" } else { "would configure" };
        let what = format!("systemd-networkd {verb} `{name}`, which `{}` matches", file.file);
        let finding = CHECK
            .finding(&Place::Host, what)
            .severity(severity)
            .with("interface", name.as_str())
            .with("file", file.file.as_str())
            .with("match", file.words());
        found.push(finding.fix(format!(
            "`/etc/systemd/network/00-netyard.network` with `[Match]` `Name={name}` and `[Link]` \
             `Unmanaged=yes`, then `networkctl reload`"
        )));
    }
    found
}
