//! Tunnels: WireGuard and VXLAN.

use super::{Device, device, is_true};
use crate::diag::import as say;
use crate::draft::reading::{entries, items, net, number, text};
use crate::draft::wireguard::{self, A_KEY, Peer};
use crate::draft::{Map, Value, Work};
use crate::key::PublicKey;
use crate::spec::tree::{Content, Entry, Node};

pub(super) fn draw(name: &str, tunnel: &Device<'_>, work: &mut Work) {
    let mode = tunnel.get("mode").and_then(|mode| text(mode, "mode", work)).unwrap_or_default();
    let mut drawn = Map::default();
    match mode {
        "wireguard" => {
            drawn.set("kind", "wireguard");
            let own = ["mode", "key", "keys", "port", "mark", "peers"];
            device::common(name, tunnel, &own, &mut drawn, work);
            wireguard(name, tunnel, &mut drawn, work);
        }
        "vxlan" => {
            drawn.set("kind", "vxlan");
            let own = ["mode", "id", "local", "remote", "port", "ttl", "mac-learning", "link"];
            device::common(name, tunnel, &own, &mut drawn, work);
            vxlan(tunnel, &mut drawn, work);
        }
        other => {
            let key = format!("tunnels.{name}");
            let why = format!("netyard has no tunnels of mode `{other}`");
            return work.ignored(tunnel.entry.key.span, key, why);
        }
    }
    device::put(name, drawn, work);
}

fn vxlan(tunnel: &Device<'_>, drawn: &mut Map, work: &mut Work) {
    for (theirs, ours) in [("id", "id"), ("port", "port"), ("ttl", "ttl")] {
        if let Some(value) = tunnel.get(theirs).and_then(|value| number(value, theirs, work)) {
            drawn.set(ours, value);
        }
    }
    for (theirs, ours) in [("local", "local"), ("remote", "remote"), ("link", "parent")] {
        if let Some(value) = tunnel.get(theirs).and_then(|value| text(value, theirs, work)) {
            drawn.set(ours, value);
        }
    }
    if let Some(learning) = tunnel.get("mac-learning") {
        drawn.set("learning", is_true(learning));
    }
}

fn wireguard(name: &str, tunnel: &Device<'_>, drawn: &mut Map, work: &mut Work) {
    if let Some(port) = tunnel.get("port").and_then(|port| number(port, "port", work)) {
        drawn.set("listen", port);
    }
    // `key` is the private one, or a mapping with it.
    let key = tunnel.get("keys").or_else(|| tunnel.get("key"));
    let key = key.map(|key| key.get("private").map_or(key, |entry| &entry.value));
    if let Some(key) = key {
        let file = format!("{name}.key");
        let path = tunnel.path(name, "key");
        if let Some(file) = secret(key, &file, path, work) {
            drawn.set("private-key-file", file);
        }
    }
    let mut peers = Vec::new();
    for (at, peer) in tunnel.all("peers", work).into_iter().enumerate() {
        peers.push(of_peer(peer, name, at + 1, work));
    }
    for peer in peers.iter().filter(|peer| peer.map.get("public-key").is_none()) {
        work.report.push(say::bad_line(peer.place, "a peer with `keys: { public: … }`"));
    }
    wireguard::settle(&mut peers, "tunnels.peers.allowed-ips", work);
    for peer in peers {
        drawn.push("peers", Value::Map(peer.map));
    }
}

fn of_peer(peer: &Node, name: &str, count: usize, work: &mut Work) -> Peer {
    let mut drawn = Peer { place: peer.span, ..Peer::default() };
    for entry in entries(peer, "a peer", work) {
        let (key, span, value) = (&*entry.key.value, entry.key.span, &entry.value);
        let path = format!("tunnels.{name}.peers.{key}");
        match key {
            "keys" => keys(value, &mut drawn.map, (name, count), work),
            "endpoint" => {
                if let Some(endpoint) = text(value, key, work) {
                    drawn.map.set("endpoint", endpoint);
                    work.kept(span, path);
                }
            }
            "keepalive" => {
                if let Some(seconds) = number(value, key, work) {
                    drawn.map.set("keepalive", format!("{seconds}s"));
                    work.kept(span, path);
                }
            }
            "allowed-ips" => {
                for item in items(value, key, work) {
                    let net = text(item, key, work).and_then(net);
                    match net {
                        Some(net) => drawn.allowed.push((item.span, net.trunc())),
                        None => work.report.push(say::bad_line(item.span, "a network")),
                    }
                }
                work.kept(span, path);
            }
            _ => work.ignored(span, path, "netyard does not know it"),
        }
    }
    drawn
}

fn keys(value: &Node, drawn: &mut Map, peer: (&str, usize), work: &mut Work) {
    for Entry { key, value } in entries(value, "keys", work) {
        let path = format!("tunnels.{}.peers.keys.{}", peer.0, key.value);
        match &*key.value {
            "public" => match text(value, "public", work).map(PublicKey::parse) {
                Some(Ok(public)) => {
                    drawn.set("public-key", public.to_string());
                    work.kept(key.span, path);
                }
                _ => {
                    drawn.set("public-key", "");
                    work.report.push(say::bad_line(value.span, A_KEY));
                }
            },
            "shared" => {
                let file = format!("{}.peer{}.psk", peer.0, peer.1);
                if let Some(file) = secret(value, &file, path, work) {
                    drawn.set("preshared-key-file", file);
                }
            }
            _ => work.ignored(key.span, path, "netyard does not know it"),
        }
    }
}

/// The file a key will lie in: the one it lies in already, or a new one.
fn secret(value: &Node, file: &str, path: String, work: &mut Work) -> Option<String> {
    let Content::Scalar(scalar) = &value.content else { return None };
    // netplan takes the path of a file, too.
    if scalar.text.starts_with('/') {
        work.kept(value.span, path);
        return Some(scalar.text.to_string());
    }
    match wireguard::moved(&scalar.text, file, value.span, path, work) {
        Ok(()) => Some(file.to_owned()),
        Err(expected) => {
            work.report.push(say::bad_line(value.span, expected));
            None
        }
    }
}
