//! `wg set`: what a tunnel is told. Keys are named by their files, never shown.

use super::unit::quoted;
use super::{ShellNames, Verb};
use crate::state::{Object, Tunnel, TunnelPeer};

/// Tells a tunnel its key, its port and its peers; of a change, only what differs.
pub(super) fn tunnel(
    names: &ShellNames,
    verb: Verb,
    from: Option<&Object>,
    o: &Tunnel,
) -> Vec<String> {
    let place = &o.interface.place;
    let device = names.device(place, &o.interface.name);
    let set = format!("{}wg set {device}", names.exec(place));
    let from = match from {
        Some(Object::Tunnel(from)) => Some(&**from),
        _ => None,
    };
    if verb == Verb::Remove {
        let gone = o.peers.iter().map(|peer| format!("{set} peer {} remove", peer.public_key));
        return gone.collect();
    }
    let mut lines = Vec::new();
    let mut own = String::new();
    if from.is_none_or(|from| from.listen != o.listen) {
        own += &format!(" listen-port {}", o.listen);
    }
    if from.is_none_or(|from| from.key != o.key) {
        own += &format!(" private-key {}", quoted(&o.key.file));
    }
    if !own.is_empty() {
        lines.push(set.clone() + &own);
    }
    for old in from.into_iter().flat_map(|from| &from.peers) {
        if o.peers.iter().all(|peer| peer.public_key != old.public_key) {
            lines.push(format!("{set} peer {} remove", old.public_key));
        }
    }
    for peer in &o.peers {
        let before = from.into_iter().flat_map(|from| &from.peers);
        if !before.into_iter().any(|old| old == peer) {
            lines.push(set.clone() + &one(peer));
        }
    }
    lines
}

fn one(peer: &TunnelPeer) -> String {
    let mut line = format!(" peer {}", peer.public_key);
    if let Some(key) = &peer.preshared_key {
        line += &format!(" preshared-key {}", quoted(&key.file));
    }
    if let Some(endpoint) = &peer.endpoint {
        line += &format!(" endpoint {}", quoted(endpoint));
    }
    if peer.keepalive > 0 {
        line += &format!(" persistent-keepalive {}", peer.keepalive);
    }
    let nets: Vec<String> = peer.allowed_ips.iter().map(ToString::to_string).collect();
    let nets = if nets.is_empty() { "''".to_owned() } else { nets.join(",") };
    line + &format!(" allowed-ips {nets}")
}
