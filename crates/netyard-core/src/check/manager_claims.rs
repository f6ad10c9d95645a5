//! NetworkManager takes the yard's interfaces for its own.

use super::scene::Claimed;
use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "networkmanager-claims",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "NetworkManager adds a profile to an interface of the yard",
    means: "NetworkManager looks after every interface it is not told to leave alone; of those that others make it at least assumes a profile",
    evidence: "NetworkManager is there, and no `unmanaged-devices=` or `[device] managed=0` covers a name of the yard's on the host",
    fix: "a file in `/etc/NetworkManager/conf.d` with `unmanaged-devices=`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(manager) = scene.manager(ManagerName::NetworkManager) else { return Vec::new() };
    if scene.yard.is_none() {
        return Vec::new();
    }
    let mut names = Vec::new();
    for (name, kind) in scene.interfaces_on_host() {
        let one = Claimed { name: &name, kind: &kind, mac: None };
        if !scene.machine().unmanaged.iter().any(|file| file.covers(one)) {
            names.push(name);
        }
    }
    let Some(first) = names.first() else { return Vec::new() };
    let verb = if manager.running { "looks after" } else { "would look after" };
    let what = format!("NetworkManager {verb} `{}`", names.join("`, `"));
    let device: Vec<String> = names.iter().map(|name| format!("interface-name:{name}")).collect();
    let finding = CHECK
        .finding(&Place::Host, what)
        .with("interface", first.as_str())
        .with("interfaces", names.join(" "))
        .with("trace", manager.trace.as_str());
    vec![finding.fix(format!(
        "`/etc/NetworkManager/conf.d/netyard.conf` with `[keyfile]` and `unmanaged-devices={}`, then \
         `nmcli general reload`",
        device.join(";")
    ))]
}
