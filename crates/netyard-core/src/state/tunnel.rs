//! What a WireGuard interface is told: its key, its port, its peers.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::InterfaceId;
use crate::key::PublicKey;
use crate::name::{InterfaceName, YardName};

/// A secret key as the State knows it: where it is kept, and what tells it from
/// others. It is itself nowhere in a State, a plan or a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRef {
    /// The file it is in; `{secrets}` stands for the directory of the yard's own.
    pub file: String,
    /// Its public key; of a preshared key the same function, which nobody can invert.
    pub public: PublicKey,
}

/// What a WireGuard interface of the kernel is told (`WG_CMD_SET_DEVICE`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tunnel {
    /// The interface.
    pub interface: InterfaceId,
    /// The UDP port it listens on, in the namespace it was made in.
    pub listen: u16,
    /// Its private key.
    pub key: KeyRef,
    /// Sorted by public key.
    pub peers: Vec<TunnelPeer>,
}

/// The other end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelPeer {
    /// Who it is.
    pub public_key: PublicKey,
    /// The secret that both share beyond that.
    pub preshared_key: Option<KeyRef>,
    /// Address and port, or name and port; none: the peer calls.
    pub endpoint: Option<String>,
    /// Seconds; 0: none.
    pub keepalive: u16,
    /// The addresses behind it, sorted.
    pub allowed_ips: Vec<IpNet>,
}

/// Where the process of a tunnel tells of itself, in its directory.
pub const TUNNEL_SOCKET: &str = "wireguard.sock";

/// What the process is told that does the work where the kernel cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelFile {
    /// [`TunnelFile::VERSION`].
    pub version: u32,
    /// The yard.
    pub yard: YardName,
    /// The namespace that the tun is in, by its name for `ip netns`; none: where
    /// the process is.
    pub netns: Option<String>,
    /// What the tun is called in the kernel.
    pub device: InterfaceName,
    /// What a device of the kernel would be told.
    pub tunnel: Tunnel,
}

impl TunnelFile {
    /// The version of the format.
    pub const VERSION: u32 = 1;
}
