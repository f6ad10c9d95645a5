//! Packets of a tunnel that do not fit the way to its peer.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Link, Stack};
use crate::state::Place;
use std::net::IpAddr;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "tunnel-mtu",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "ssh works through a tunnel, and copying stalls",
    means: "a packet of WireGuard is 60 bytes longer than what it carries over IPv4, 80 over IPv6: where \
            that is more than the way takes it is sent in pieces, which firewalls drop, or not at all",
    evidence: "`IFLA_MTU` of the tunnel, and of the interface by which its peer's endpoint is reached from \
               where the tunnel was born",
    fix: "an `mtu` of the tunnel of at most that less 60 or 80",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for end in scene.yard.iter().flat_map(|yard| &yard.tunnels) {
        let id = &end.tunnel.interface;
        let stack = |place: &Place| {
            scene.survey.stacks.iter().find(|(at, _)| at == place).map(|(_, stack)| stack)
        };
        let Some((_, pulse)) = scene.survey.tunnels.iter().find(|(at, _)| at == id) else {
            continue;
        };
        let tunnel = stack(&id.place).and_then(|stack| stack.link_named(id.name.as_str()));
        let (Some(tunnel), Some(birth)) = (tunnel, stack(&end.birth)) else { continue };
        for endpoint in pulse.peers.iter().filter_map(|peer| peer.endpoint) {
            let Some(way) = way_to(birth, endpoint.ip()) else { continue };
            let room = way.mtu.saturating_sub(if endpoint.is_ipv4() { 60 } else { 80 });
            if tunnel.mtu <= room {
                continue;
            }
            let what = format!(
                "packets of `{}` (mtu {}) do not fit `{}` (mtu {}), by which `{endpoint}` is reached",
                id.name, tunnel.mtu, way.name, way.mtu
            );
            let finding = CHECK
                .finding(&id.place, what)
                .with("interface", id.name.as_str())
                .with("mtu", tunnel.mtu)
                .with("endpoint", endpoint.to_string())
                .with("way", way.name.as_str())
                .with("way-mtu", way.mtu);
            found.push(finding.fix(format!("`mtu: {room}` for `{}`", id.name)));
            break;
        }
    }
    found
}

/// The interface by which the main table reaches an address.
fn way_to(stack: &Stack, to: IpAddr) -> Option<&Link> {
    const MAIN: u32 = 254;
    let leads = stack.routes.iter().filter(|r| r.table == MAIN && r.destination.contains(&to));
    let best = leads.max_by_key(|r| (r.destination.prefix_len(), std::cmp::Reverse(r.metric)))?;
    stack.link(best.link)
}
