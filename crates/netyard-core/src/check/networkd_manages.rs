//! systemd-networkd says that it manages an interface of the yard's.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "networkd-manages",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "addresses, VLANs or routes of the yard vanish when networkd reloads",
    means: "an interface that networkd has configured becomes what its files say whenever it reloads or the carrier returns; since version 256 that takes VLANs of bridge ports along that it did not add",
    evidence: "`ADMIN_STATE=` of `/run/systemd/netif/links/INDEX` of an interface of the yard's: `configured`, `configuring`, `pending`",
    fix: "a `.network` file before its own with `Unmanaged=yes`",
    find,
};

/// Words of `ADMIN_STATE` that mean that it is networkd's (sd-network(3)).
const ITS_OWN: [&str; 3] = ["configured", "configuring", "pending"];

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host() else { return Vec::new() };
    let mut found = Vec::new();
    for (index, state) in &scene.machine().networkd_links {
        let Some(link) = host.link(*index).filter(|_| ITS_OWN.contains(&state.as_str())) else {
            continue;
        };
        let own = scene.names_on_host().contains(&link.name)
            || crate::wire::Mark::parse(&link.alias).is_some_and(|mark| mark.host_name.is_none());
        if !own {
            continue;
        }
        let name = &link.name;
        let what = format!("systemd-networkd manages `{name}`, which is netyard's");
        let finding = CHECK
            .finding(&Place::Host, what)
            .with("interface", name.as_str())
            .with("state", state.as_str())
            .with("file", format!("/run/systemd/netif/links/{index}"));
        found.push(finding.fix(format!(
            "write `[Match] Name={name}` and `[Link] Unmanaged=yes` into `/etc/systemd/network/00-netyard.network`, then `networkctl reload`"
        )));
    }
    found
}
