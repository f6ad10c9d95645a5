//! babeld sees nobody at the other end of a tunnel.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::Link;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "babel-deaf",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "babeld sees no neighbour over a tunnel of WireGuard",
    means: "babeld speaks from link-local addresses, which WireGuard does not make, to `ff02::1:6`, which the peer's allowed addresses must have",
    evidence: "a tunnel without an address of `fe80::/10`, or a peer whose allowed addresses lack `fe80::/64` or `ff02::1:6`, in a stack where somebody has UDP port 6696",
    fix: "one tunnel for each peer, with all addresses allowed and a link-local address of its own; netyard does so for tunnels of its file",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks().filter(|(_, stack)| stack.speaks_babel()) {
        for link in stack.links.iter().filter(|link| link.up && is_tunnel(scene, place, link)) {
            let own = |net: ipnet::IpNet| match net {
                ipnet::IpNet::V6(net) => net.addr().is_unicast_link_local(),
                ipnet::IpNet::V4(_) => false,
            };
            if !scene.matters(place, link) || stack.addresses_of(link.index).any(|a| own(a.net)) {
                continue;
            }
            let what = format!("tunnel `{}` has no link-local address, and babeld is there", link.name);
            let finding = CHECK.finding(place, what).with("interface", link.name.as_str());
            found.push(finding.fix(format!("`ip address add fe80::1/64 dev {}`, another one at the other end; `netyard up` for a yard's", link.name)));
        }
        found.extend(shut(scene, place));
    }
    found
}

/// Peers of the yard's tunnels there whose allowed addresses leave babeld's out.
fn shut<'s>(scene: &'s Scene<'_>, place: &'s Place) -> impl Iterator<Item = Finding> + use<'s> {
    let here = scene.survey.tunnels.iter().filter(move |(id, _)| id.place == *place);
    here.flat_map(|(id, pulse)| pulse.peers.iter().map(move |peer| (id, peer))).filter_map(
        move |(id, peer)| {
            let needed = ["fe80::1", "ff02::1:6"].map(|text| text.parse::<std::net::IpAddr>());
            let lacks = needed.into_iter().flatten().find(|address| {
                !peer.allowed_ips.iter().any(|net| net.contains(address))
            })?;
            let what = format!("a peer of `{}` may not send from or to `{lacks}`, and babeld is there", id.name);
            let finding = CHECK
                .finding(place, what)
                .severity(Severity::Warning)
                .with("interface", id.name.as_str())
                .with("lacks", lacks.to_string());
            Some(finding.fix("allow `::/0` and `0.0.0.0/0`, with one tunnel for each peer"))
        },
    )
}

/// WireGuard's own kind, or that of a process of netyard's in its place.
fn is_tunnel(scene: &Scene<'_>, place: &Place, link: &Link) -> bool {
    let stands_in = |id: &crate::state::InterfaceId| id.place == *place && id.name.as_str() == link.name;
    link.kind == "wireguard" || scene.survey.tunnels.iter().any(|(id, _)| stands_in(id))
}
