//! A lease: who has which address until when.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::name::FullName;

/// The version of a lease file, in its first line.
pub const VERSION: u32 = 1;

/// A lease, and a line of a lease file. A later line of the same
/// [place](Lease::key) stands for an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The network it is of.
    pub network: FullName,
    /// The address, or the first of a delegated prefix.
    pub address: IpAddr,
    /// The length of a delegated prefix; none for an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// Who has it, as hexadecimal digits: DHCPv4, the client identifier
    /// (`01` and the hardware address where the client sends none); DHCPv6, DUID and IAID.
    pub client: String,
    /// The client's hardware address, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The client's name in the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it ends, in seconds since 1970; `u64::MAX` is never.
    pub until: u64,
    /// What became of it.
    pub state: LeaseState,
    /// The router that a delegated prefix is behind, by its address on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Ipv6Addr>,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// The client has it.
    Bound,
    /// The client gave it back; it gets it again while nobody else needs it.
    Released,
    /// Somebody else was found to have the address: nobody gets it until then.
    Declined,
}

impl Lease {
    /// What makes it the same lease.
    pub fn key(&self) -> (&str, IpAddr, Option<u8>) {
        (self.network.as_str(), self.address, self.prefix)
    }

    /// True while a client has it.
    pub fn is_held(&self, now: u64) -> bool {
        self.state == LeaseState::Bound && self.until > now
    }
}
