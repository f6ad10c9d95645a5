//! How the tunnels of a yard are: who does the work, and who was heard when.

use std::collections::BTreeMap;

use netyard_core::facts::{PeerPulse, TunnelPulse};
use netyard_core::state::InterfaceId;
use netyard_core::yard::{Wireguard, Yard};
use serde_json::{Value, json};

use crate::ui;

/// The end of a tunnel.
pub struct TunnelHealth {
    end: Wireguard,
    /// None where nobody could be asked.
    pulse: Option<TunnelPulse>,
}

/// The tunnels of a yard, with what they do at the moment.
pub fn tunnels(yard: &Yard, pulses: &BTreeMap<InterfaceId, TunnelPulse>) -> Vec<TunnelHealth> {
    let of = |end: &Wireguard| TunnelHealth {
        end: end.clone(),
        pulse: pulses.get(&end.tunnel.interface).cloned(),
    };
    yard.tunnels.iter().map(of).collect()
}

/// For people.
pub fn text(tunnels: &[TunnelHealth]) -> String {
    let head = ["TUNNEL", "ENGINE", "BIRTH", "PORT", "PEER", "HANDSHAKE", "RECEIVED", "SENT"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for tunnel in tunnels {
        let end = &tunnel.end;
        let mut own = vec![
            end.tunnel.interface.to_string(),
            end.engine.word().to_owned(),
            end.birth.to_string(),
            end.tunnel.listen.to_string(),
        ];
        for peer in &end.tunnel.peers {
            let name = end.names.get(&peer.public_key).cloned().unwrap_or_default();
            let pulse = tunnel.peer(peer.public_key);
            let (received, sent) = pulse.map_or((0, 0), |pulse| (pulse.received, pulse.sent));
            own.extend([name, tunnel.heard(pulse), bytes(received), bytes(sent)]);
            rows.push(std::mem::replace(&mut own, vec![String::new(); 4]));
        }
        if end.tunnel.peers.is_empty() {
            rows.push(own);
        }
    }
    if rows.len() > 1 { format!("\n{}", ui::table(&rows)) } else { String::new() }
}

/// For programs.
pub fn json(tunnels: &[TunnelHealth]) -> Value {
    let tunnel = |tunnel: &TunnelHealth| {
        let end = &tunnel.end;
        let peer = |peer: &netyard_core::state::TunnelPeer| {
            let pulse = tunnel.peer(peer.public_key);
            json!({
                "name": end.names.get(&peer.public_key),
                "public_key": peer.public_key,
                "endpoint": pulse.and_then(|p| p.endpoint).map(|e| e.to_string()),
                "handshake_age": pulse.and_then(|p| p.age),
                "received": pulse.map(|p| p.received),
                "sent": pulse.map(|p| p.sent),
                "allowed_ips": peer.allowed_ips,
            })
        };
        json!({
            "interface": end.tunnel.interface.to_string(),
            "engine": end.engine.word(),
            "birth": end.birth.to_string(),
            "listen": end.tunnel.listen,
            "public_key": end.tunnel.key.public,
            "works": tunnel.pulse.is_some(),
            "peers": end.tunnel.peers.iter().map(peer).collect::<Vec<_>>(),
        })
    };
    tunnels.iter().map(tunnel).collect()
}

impl TunnelHealth {
    fn peer(&self, key: netyard_core::key::PublicKey) -> Option<&PeerPulse> {
        self.pulse.as_ref()?.peers.iter().find(|peer| peer.public_key == key)
    }

    /// When a peer was heard.
    fn heard(&self, pulse: Option<&PeerPulse>) -> String {
        if self.pulse.is_none() {
            return "unknown".to_owned();
        }
        match pulse.and_then(|pulse| pulse.age) {
            None => "never".to_owned(),
            Some(age) if age < 180 => format!("{age} s ago"),
            Some(age) if age < 7200 => format!("{} min ago", age / 60),
            Some(age) => format!("{} h ago", age / 3600),
        }
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}
