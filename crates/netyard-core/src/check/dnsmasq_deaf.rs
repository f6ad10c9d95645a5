//! A network whose server says nothing of strangers.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::spec::Engine;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "dnsmasq-deaf",
    severity: Severity::Note,
    phase: Phase::Plan,
    title: "nobody notices a second server, a second router or a range that is full",
    means: "dnsmasq serves the network, and does not listen for others; what it has no address for is \
            in its log alone",
    evidence: "networks of the yard with `engine: dnsmasq` that have DHCP or router advertisements",
    fix: "leave `engine: dnsmasq` out, or look at `netyard logs`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let servings = scene.yard.iter().flat_map(|yard| &yard.servings);
    for serving in servings.filter(|serving| serving.engine == Engine::Dnsmasq) {
        for network in &serving.served.networks {
            if network.dhcp4.is_none() && network.dhcp6.is_none() && network.ra.is_none() {
                continue;
            }
            let name = &network.network;
            let what = format!("nobody listens for other servers and routers on network `{name}`");
            let finding = CHECK.finding(&serving.place, what).with("network", name.as_str());
            found.push(finding.fix(format!(
                "`engine: netyard` would say so; what dnsmasq says is `netyard logs NODE dnsmasq-{name}`"
            )));
        }
    }
    found
}
