//! What the yard's tunnels do at the moment.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::key::PublicKey;

/// A tunnel at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunnelPulse {
    /// Its UDP port.
    pub listen: u16,
    /// Its peers.
    pub peers: Vec<PeerPulse>,
}

/// A peer at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerPulse {
    /// Who it is.
    pub public_key: PublicKey,
    /// Where it was heard last, or is looked for.
    pub endpoint: Option<SocketAddr>,
    /// Seconds since the last handshake, when it was looked at; none: there was none.
    pub age: Option<u64>,
    /// Bytes that came from it.
    pub received: u64,
    /// Bytes that went to it.
    pub sent: u64,
    /// The addresses behind it.
    pub allowed_ips: Vec<IpNet>,
}
