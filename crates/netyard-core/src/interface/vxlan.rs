//! `vxlan`: Ethernet over UDP (RFC 7348).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A VXLAN interface; an underlying interface, if any, is its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// VXLAN network identifier, 24 bits.
    pub id: u32,
    /// The one other end, or a multicast group.
    pub remote: Option<IpAddr>,
    /// The address packets are sent from.
    pub local: Option<IpAddr>,
    /// UDP port; default 4789.
    pub port: u16,
    /// Hop limit of the outer packets; 0 inherits.
    pub ttl: u8,
    /// Learns where addresses are; default on.
    pub learning: bool,
}
