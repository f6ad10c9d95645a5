//! Devices of the kernel's own driver.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use netyard_core::facts::{PeerPulse, TunnelPulse};
use netyard_core::state::{InterfaceId, KeyRef, Tunnel, TunnelPeer};
use netyard_core::wire::generic::{family_of, family_question};
use netyard_core::wire::wireguard::{Change, Device, FAMILY, Peer, PeerChange, device_question};

use super::keys;
use crate::netlink::{Batch, Failure, Socket};

/// A peer that answered so lately is where it is: the endpoint of the file is only
/// where it was looked for first. In seconds; a session is renewed after 120 and
/// ends after 180.
const ALIVE: u64 = 180;

/// The number that generic netlink has for WireGuard; an error where the kernel has none.
fn family(socket: &mut Socket) -> io::Result<u16> {
    let (ty, body) = family_question(FAMILY);
    let found = socket.ask(ty, &body, |message| family_of(message.payload))?;
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn device(socket: &mut Socket, index: u32) -> io::Result<Device> {
    let family = family(socket)?;
    let mut device = Device::default();
    socket.dump_raw(family, &device_question(index), |message| match message {
        None => device = Device::default(),
        Some(message) => device.add(message.payload),
    })?;
    Ok(device.sorted())
}

/// Tells a device what differs; `socket` is one for generic netlink in its namespace.
pub(crate) fn configure(
    socket: &mut Socket,
    index: u32,
    from: Option<&Tunnel>,
    to: &Tunnel,
    secrets: &Path,
) -> io::Result<Vec<Failure>> {
    let change = change(from, to, secrets)?;
    let family = family(socket)?;
    let mut batch = Batch::default();
    for body in change.messages(index) {
        batch.push_raw(family, 0, &body);
    }
    Ok(socket.run(batch)?.failures)
}

fn change(from: Option<&Tunnel>, to: &Tunnel, secrets: &Path) -> io::Result<Change> {
    let read = |key: &KeyRef| keys::of(key, secrets);
    let key_changes = from.is_none_or(|from| from.key.public != to.key.public);
    let key = key_changes.then(|| read(&to.key)).transpose()?;
    let listen = Some(to.listen).filter(|_| from.is_none_or(|from| from.listen != to.listen));
    let old = |peer: &TunnelPeer| {
        let known = from.into_iter().flat_map(|from| &from.peers);
        known.into_iter().find(|old| old.public_key == peer.public_key)
    };
    let mut peers = Vec::new();
    for gone in from.into_iter().flat_map(|from| &from.peers) {
        if to.peers.iter().all(|peer| peer.public_key != gone.public_key) {
            peers.push(PeerChange {
                public_key: gone.public_key,
                gone: true,
                preshared: None,
                endpoint: None,
                keepalive: 0,
                allowed_ips: Vec::new(),
            });
        }
    }
    for peer in &to.peers {
        let old = old(peer);
        if old == Some(peer) {
            continue;
        }
        let moves = old.is_none_or(|old| old.endpoint != peer.endpoint);
        let endpoint = peer.endpoint.as_deref().filter(|_| moves);
        peers.push(PeerChange {
            public_key: peer.public_key,
            gone: false,
            preshared: peer.preshared_key.as_ref().map(read).transpose()?,
            // One that cannot be resolved now is by the process that looks after it.
            endpoint: endpoint.and_then(|text| text.to_socket_addrs().ok()?.next()),
            keepalive: peer.keepalive,
            allowed_ips: peer.allowed_ips.clone(),
        });
    }
    Ok(Change { key, listen, peers })
}

/// Reads a device. `desired` tells what its keys' files are called, and what the
/// kernel may have otherwise: the endpoint of a peer that has moved and answers.
pub(crate) fn observe(
    socket: &mut Socket,
    id: &InterfaceId,
    index: u32,
    desired: Option<&Tunnel>,
) -> io::Result<Tunnel> {
    let device = device(socket, index)?;
    let public = device.public_key.unwrap_or(netyard_core::key::PublicKey::UNMADE);
    let file = desired.filter(|desired| desired.key.public == public);
    let file = file.map_or_else(String::new, |desired| desired.key.file.clone());
    let peers = device.peers.iter().map(|peer| {
        let mut wanted = desired.iter().flat_map(|desired| &desired.peers);
        seen(peer, wanted.find(|wanted| wanted.public_key == peer.public_key))
    });
    Ok(Tunnel {
        interface: id.clone(),
        listen: device.listen,
        key: KeyRef { file, public },
        peers: peers.collect(),
    })
}

fn seen(peer: &Peer, wanted: Option<&TunnelPeer>) -> TunnelPeer {
    let preshared_key = peer.preshared.map(|public| {
        let wanted = wanted.and_then(|wanted| wanted.preshared_key.as_ref());
        let file = wanted.filter(|key| key.public == public);
        KeyRef { file: file.map_or_else(String::new, |key| key.file.clone()), public }
    });
    let said = wanted.and_then(|wanted| wanted.endpoint.clone());
    let found = peer.endpoint.map(|endpoint| endpoint.to_string());
    let is_name = said.as_ref().is_some_and(|said| said.parse::<SocketAddr>().is_err());
    let endpoint = match (wanted, &found) {
        // It calls from wherever it is.
        (Some(wanted), _) if wanted.endpoint.is_none() => None,
        // Where a name leads is looked after by a process of its own.
        (Some(_), _) if is_name => said,
        (Some(_), Some(_)) if age(peer.last_handshake).is_some_and(|age| age < ALIVE) => said,
        _ => found,
    };
    TunnelPeer {
        public_key: peer.public_key,
        preshared_key,
        endpoint,
        keepalive: peer.keepalive,
        allowed_ips: peer.allowed_ips.clone(),
    }
}

/// Seconds since then; none for never.
pub(super) fn age(handshake: u64) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    (handshake != 0).then(|| now.saturating_sub(handshake))
}

/// What a device does at the moment.
pub(crate) fn pulse(socket: &mut Socket, index: u32) -> io::Result<TunnelPulse> {
    let device = device(socket, index)?;
    let peers = device.peers.iter().map(|peer| PeerPulse {
        public_key: peer.public_key,
        endpoint: peer.endpoint,
        age: age(peer.last_handshake),
        received: peer.received,
        sent: peer.sent,
        allowed_ips: peer.allowed_ips.clone(),
    });
    Ok(TunnelPulse { listen: device.listen, peers: peers.collect() })
}

/// Tells a device where a peer is now.
pub(super) fn move_peer(
    socket: &mut Socket,
    index: u32,
    peer: &TunnelPeer,
    to: SocketAddr,
) -> io::Result<()> {
    let preshared = peer.preshared_key.as_ref();
    // The file has the path itself.
    let preshared = preshared.map(|key| keys::of(key, Path::new(""))).transpose()?;
    let change = Change {
        key: None,
        listen: None,
        peers: vec![PeerChange {
            public_key: peer.public_key,
            gone: false,
            preshared,
            endpoint: Some(to),
            keepalive: peer.keepalive,
            allowed_ips: peer.allowed_ips.clone(),
        }],
    };
    let family = family(socket)?;
    let mut batch = Batch::default();
    for body in change.messages(index) {
        batch.push_raw(family, 0, &body);
    }
    match socket.run(batch)?.failures.first() {
        Some(failure) => Err(failure.errno.into()),
        None => Ok(()),
    }
}
