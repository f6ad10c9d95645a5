//! A tunnel at whose other end nobody answers.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{PeerPulse, TunnelPulse};
use crate::state::TunnelPeer;
use crate::yard::Wireguard;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "wireguard-silent",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "nothing passes a tunnel of WireGuard",
    means: "the peer does not answer: it is not there, its endpoint or port is another one, a firewall \
            is between, or one side has another key of the other",
    evidence: "a peer with an endpoint that one calls (`keepalive`, or bytes were sent), whose last \
               handshake was never or more than 180 seconds ago",
    fix: "look at the endpoint from where the packets leave, and at the keys of both sides",
    find,
};

/// A session is renewed after 120 seconds and ends after 180.
const ENDS: u64 = 180;

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for end in scene.yard.iter().flat_map(|yard| &yard.tunnels) {
        let mut pulses = scene.survey.tunnels.iter();
        let pulse = pulses.find(|(id, _)| *id == end.tunnel.interface).map(|(_, pulse)| pulse);
        for peer in &end.tunnel.peers {
            found.extend(pulse.and_then(|pulse| silent(end, peer, pulse)));
        }
    }
    found
}

fn silent(end: &Wireguard, peer: &TunnelPeer, pulse: &TunnelPulse) -> Option<Finding> {
    let of = |one: &&PeerPulse| one.public_key == peer.public_key;
    let now = pulse.peers.iter().find(of)?;
    let calls = now.endpoint.is_some() && (peer.keepalive > 0 || now.sent > 0);
    if !calls || now.age.is_some_and(|age| age <= ENDS) {
        return None;
    }
    let name = end.names.get(&peer.public_key).map_or("a peer", String::as_str);
    let since = match now.age {
        Some(age) => format!("for {age} seconds"),
        None => "ever".to_owned(),
    };
    let id = &end.tunnel.interface;
    let what = format!("`{}` has not heard of `{name}` {since}", id.name);
    let endpoint = now.endpoint.map(|e| e.to_string()).unwrap_or_default();
    let finding = CHECK
        .finding(&id.place, what)
        .with("interface", id.name.as_str())
        .with("peer", name)
        .with("endpoint", endpoint.as_str())
        .with("sent", now.sent)
        .with("received", now.received);
    let birth = &end.birth;
    Some(finding.fix(format!(
        "from `{birth}`, where the packets leave, `{endpoint}` must be reached; and its key for this \
         side must be `{}`",
        end.tunnel.key.public
    )))
}
