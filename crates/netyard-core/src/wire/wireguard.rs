//! WireGuard over generic netlink (linux/wireguard.h, linux/genetlink.h).
//!
//! A device with many peers takes several messages either way; what a later one
//! says of a peer that an earlier one began is added to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::generic::HEADER;
use super::{attributes, ip, u16_of, u64_of};
use crate::key::{LENGTH, PublicKey, WgKey};
use crate::nft::expr::{NESTED, push};

/// The family's name.
pub const FAMILY: &str = "wireguard";
/// Bytes of attributes in one message: the kernel takes 64 KiB.
const ROOM: usize = 16 << 10;

const GET_DEVICE: u8 = 0;
const SET_DEVICE: u8 = 1;
const WGDEVICE_A_IFINDEX: u16 = 1;
const WGDEVICE_A_PRIVATE_KEY: u16 = 3;
const WGDEVICE_A_PUBLIC_KEY: u16 = 4;
const WGDEVICE_A_LISTEN_PORT: u16 = 6;
const WGDEVICE_A_PEERS: u16 = 8;
const WGPEER_A_PUBLIC_KEY: u16 = 1;
const WGPEER_A_PRESHARED_KEY: u16 = 2;
const WGPEER_A_FLAGS: u16 = 3;
const WGPEER_A_ENDPOINT: u16 = 4;
const WGPEER_A_KEEPALIVE: u16 = 5;
const WGPEER_A_LAST_HANDSHAKE: u16 = 6;
const WGPEER_A_RX_BYTES: u16 = 7;
const WGPEER_A_TX_BYTES: u16 = 8;
const WGPEER_A_ALLOWEDIPS: u16 = 9;
const REMOVE_ME: u32 = 1;
const REPLACE_ALLOWEDIPS: u32 = 2;
const WGALLOWEDIP_A_FAMILY: u16 = 1;
const WGALLOWEDIP_A_IPADDR: u16 = 2;
const WGALLOWEDIP_A_CIDR_MASK: u16 = 3;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What a device is to become.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The private key, where it changes.
    pub key: Option<WgKey>,
    /// The port, where it changes.
    pub listen: Option<u16>,
    /// The peers that change.
    pub peers: Vec<PeerChange>,
}

/// What a peer is to become.
#[derive(Clone, Debug)]
pub struct PeerChange {
    /// Who it is.
    pub public_key: PublicKey,
    /// It goes, and the rest does not matter.
    pub gone: bool,
    /// The preshared key; none takes one away.
    pub preshared: Option<WgKey>,
    /// Where it is, where that changes.
    pub endpoint: Option<SocketAddr>,
    /// Seconds; 0: none.
    pub keepalive: u16,
    /// The addresses behind it.
    pub allowed_ips: Vec<IpNet>,
}

/// A device as the kernel tells it.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// Its public key; none where it has no private one.
    pub public_key: Option<PublicKey>,
    /// Its port.
    pub listen: u16,
    /// Its peers.
    pub peers: Vec<Peer>,
}

/// A peer as the kernel tells it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who it is.
    pub public_key: PublicKey,
    /// What stands for its preshared key: see [`WgKey::public`].
    pub preshared: Option<PublicKey>,
    /// Where it was heard last, or is said to be.
    pub endpoint: Option<SocketAddr>,
    /// Seconds; 0: none.
    pub keepalive: u16,
    /// Seconds since 1970; 0: never.
    pub last_handshake: u64,
    /// Bytes that came from it.
    pub received: u64,
    /// Bytes that went to it.
    pub sent: u64,
    /// The addresses behind it, sorted.
    pub allowed_ips: Vec<IpNet>,
}

/// The body of the message that asks for a device.
pub fn device_question(index: u32) -> Vec<u8> {
    let mut body = vec![GET_DEVICE, 1, 0, 0];
    push(&mut body, WGDEVICE_A_IFINDEX, &index.to_ne_bytes());
    body
}

impl Change {
    /// The bodies of the messages that make it so, in order.
    pub fn messages(&self, index: u32) -> Vec<Vec<u8>> {
        let begin = || {
            let mut body = vec![SET_DEVICE, 1, 0, 0];
            push(&mut body, WGDEVICE_A_IFINDEX, &index.to_ne_bytes());
            body
        };
        let mut first = begin();
        if let Some(key) = &self.key {
            push(&mut first, WGDEVICE_A_PRIVATE_KEY, key.bytes());
        }
        if let Some(port) = self.listen {
            push(&mut first, WGDEVICE_A_LISTEN_PORT, &port.to_ne_bytes());
        }
        let mut messages = Vec::new();
        let (mut body, mut peers) = (first, Vec::new());
        for piece in self.peers.iter().flat_map(PeerChange::pieces) {
            if peers.len() + piece.len() > ROOM {
                push(&mut body, WGDEVICE_A_PEERS | NESTED, &peers);
                messages.push(std::mem::replace(&mut body, begin()));
                peers.clear();
            }
            push(&mut peers, NESTED, &piece);
        }
        if !peers.is_empty() {
            push(&mut body, WGDEVICE_A_PEERS | NESTED, &peers);
        }
        messages.push(body);
        messages
    }
}

impl PeerChange {
    /// The attributes that say it, in pieces that fit a message.
    fn pieces(&self) -> Vec<Vec<u8>> {
        let mut piece = Vec::new();
        push(&mut piece, WGPEER_A_PUBLIC_KEY, self.public_key.bytes());
        if self.gone {
            push(&mut piece, WGPEER_A_FLAGS, &REMOVE_ME.to_ne_bytes());
            return vec![piece];
        }
        push(&mut piece, WGPEER_A_FLAGS, &REPLACE_ALLOWEDIPS.to_ne_bytes());
        let none = [0; LENGTH];
        let preshared = self.preshared.as_ref().map_or(&none, WgKey::bytes);
        push(&mut piece, WGPEER_A_PRESHARED_KEY, preshared);
        push(&mut piece, WGPEER_A_KEEPALIVE, &self.keepalive.to_ne_bytes());
        if let Some(endpoint) = self.endpoint {
            push(&mut piece, WGPEER_A_ENDPOINT, &sockaddr(endpoint));
        }
        let mut pieces = Vec::new();
        // 28 bytes each.
        for nets in self.allowed_ips.chunks(ROOM / 64) {
            let mut all = Vec::new();
            nets.iter().for_each(|net| push(&mut all, NESTED, &allowed_ip(*net)));
            push(&mut piece, WGPEER_A_ALLOWEDIPS | NESTED, &all);
            let mut next = Vec::new();
            push(&mut next, WGPEER_A_PUBLIC_KEY, self.public_key.bytes());
            pieces.push(std::mem::replace(&mut piece, next));
        }
        if pieces.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

fn allowed_ip(net: IpNet) -> Vec<u8> {
    let mut body = Vec::new();
    let (family, bytes) = match net.addr() {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    push(&mut body, WGALLOWEDIP_A_FAMILY, &family.to_ne_bytes());
    push(&mut body, WGALLOWEDIP_A_IPADDR, &bytes);
    push(&mut body, WGALLOWEDIP_A_CIDR_MASK, &[net.prefix_len()]);
    body
}

/// `struct sockaddr_in` or `sockaddr_in6`.
fn sockaddr(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match address {
        SocketAddr::V4(address) => {
            bytes.extend(AF_INET.to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(address) => {
            bytes.extend(AF_INET6.to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.flowinfo().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.extend(address.scope_id().to_ne_bytes());
        }
    }
    bytes
}

fn read_sockaddr(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    match u16_of(bytes)? {
        AF_INET => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some((Ipv4Addr::from(octets), port).into())
        }
        AF_INET6 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some((Ipv6Addr::from(octets), port).into())
        }
        _ => None,
    }
}

impl Device {
    /// Takes a message of a dump, which goes on where the one before ended.
    pub fn add(&mut self, body: &[u8]) {
        for (kind, value) in attributes(body.get(HEADER..).unwrap_or_default()) {
            match kind {
                WGDEVICE_A_PUBLIC_KEY => {
                    self.public_key = value.try_into().ok().map(PublicKey::from_bytes);
                }
                WGDEVICE_A_LISTEN_PORT => self.listen = u16_of(value).unwrap_or_default(),
                WGDEVICE_A_PEERS => attributes(value).for_each(|(_, peer)| self.add_peer(peer)),
                _ => {}
            }
        }
    }

    fn add_peer(&mut self, body: &[u8]) {
        let Some(read) = Peer::read(body) else { return };
        match self.peers.iter_mut().find(|peer| peer.public_key == read.public_key) {
            Some(peer) => peer.allowed_ips.extend(read.allowed_ips),
            None => self.peers.push(read),
        }
    }

    /// The device with all its parts in order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.peers.sort_by_key(|peer| peer.public_key);
        self.peers.iter_mut().for_each(|peer| peer.allowed_ips.sort());
        self
    }
}

impl Peer {
    fn read(body: &[u8]) -> Option<Self> {
        let mut peer = Self {
            public_key: PublicKey::UNMADE,
            preshared: None,
            endpoint: None,
            keepalive: 0,
            last_handshake: 0,
            received: 0,
            sent: 0,
            allowed_ips: Vec::new(),
        };
        for (kind, value) in attributes(body) {
            match kind {
                WGPEER_A_PUBLIC_KEY => {
                    peer.public_key = PublicKey::from_bytes(value.try_into().ok()?)
                }
                WGPEER_A_PRESHARED_KEY => {
                    let bytes: [u8; LENGTH] = value.try_into().ok()?;
                    let there = bytes != [0; LENGTH];
                    peer.preshared = there.then(|| WgKey::preshared(bytes).public());
                }
                WGPEER_A_ENDPOINT => peer.endpoint = read_sockaddr(value),
                WGPEER_A_KEEPALIVE => peer.keepalive = u16_of(value)?,
                WGPEER_A_LAST_HANDSHAKE => peer.last_handshake = u64_of(value)?,
                WGPEER_A_RX_BYTES => peer.received = u64_of(value)?,
                WGPEER_A_TX_BYTES => peer.sent = u64_of(value)?,
                WGPEER_A_ALLOWEDIPS => {
                    peer.allowed_ips = attributes(value).filter_map(|(_, v)| read_net(v)).collect();
                }
                _ => {}
            }
        }
        Some(peer)
    }
}

fn read_net(body: &[u8]) -> Option<IpNet> {
    let (mut address, mut length) = (None, None);
    for (kind, value) in attributes(body) {
        match kind {
            WGALLOWEDIP_A_IPADDR => address = ip(value),
            WGALLOWEDIP_A_CIDR_MASK => length = value.first().copied(),
            _ => {}
        }
    }
    IpNet::new(address?, length?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::u32_of;

    fn index_of(body: &[u8]) -> Option<u32> {
        let mut all = attributes(body.get(HEADER..)?);
        all.find(|(kind, _)| *kind == WGDEVICE_A_IFINDEX).and_then(|(_, value)| u32_of(value))
    }

    fn peer(number: u8, nets: usize) -> PeerChange {
        let net = |n: usize| IpNet::from(IpAddr::from((n as u32 + 0x0a00_0000).to_be_bytes()));
        PeerChange {
            public_key: PublicKey::from_bytes([number; 32]),
            gone: false,
            preshared: Some(WgKey::preshared([number + 1; 32])),
            endpoint: Some(([192, 0, 2, number], 51820).into()),
            keepalive: 25,
            allowed_ips: (0..nets).map(net).collect(),
        }
    }

    /// What is written is read back by the reader of dumps: the attributes are the same.
    #[test]
    fn what_is_told_is_what_is_read_whatever_its_length() {
        for nets in [0, 1, 255, 256, 257, 5000] {
            let peers = vec![peer(1, 2), peer(2, nets), peer(3, 1)];
            let change = Change { key: None, listen: Some(51820), peers };
            let messages = change.messages(7);
            assert!(messages.iter().all(|body| body.len() < 48 << 10));
            assert!(messages.iter().all(|body| index_of(body) == Some(7)));
            let mut device = Device::default();
            messages.iter().for_each(|body| device.add(body));
            let device = device.sorted();
            assert_eq!(device.listen, 51820);
            assert_eq!(device.peers.len(), 3);
            let second = &device.peers[1];
            assert_eq!(second.allowed_ips, change.peers[1].allowed_ips, "{nets}");
            assert_eq!(second.endpoint, change.peers[1].endpoint);
            assert_eq!(second.keepalive, 25);
            assert_eq!(second.preshared, Some(WgKey::preshared([3; 32]).public()));
        }
    }

    #[test]
    fn an_endpoint_of_ipv6_comes_back() {
        let address: SocketAddr = "[2001:db8::7]:4711".parse().unwrap();
        assert_eq!(read_sockaddr(&sockaddr(address)), Some(address));
    }
}
