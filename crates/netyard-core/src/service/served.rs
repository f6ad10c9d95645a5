//! What the server of a place is told: which networks it serves, and with what.
//!
//! `netyard serve` reads it as JSON; the plan shows it, so no secret is in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::dhcp6::Dhcp6;
pub use super::ra::{Preference, Ra};
use crate::addr::Mac;
use crate::name::{FullName, InterfaceName};

/// The version of [`Served`] as JSON.
pub const VERSION: u32 = 1;

/// All that one server process does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// [`VERSION`].
    pub version: u32,
    /// In the order of the file.
    pub networks: Vec<ServedNetwork>,
}

/// What is served on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServedNetwork {
    /// The network's name in the file; leases are kept under it.
    pub network: FullName,
    /// The kernel's name of the server's interface in it; none where the server
    /// has none, and clients reach it by relay agents.
    pub interface: Option<InterfaceName>,
    /// The server's addresses in it, with the network's prefix lengths.
    pub addresses: Vec<IpNet>,
    /// `dhcp:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp4: Option<Dhcp4>,
    /// `ra:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ra: Option<Ra>,
    /// `dhcp6:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp6: Option<Dhcp6>,
    /// `dns:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
}

/// DHCPv4 on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dhcp4 {
    /// The prefix that addresses are of.
    pub subnet: Ipv4Net,
    /// The server's own address: option 54, and where renewals go.
    pub server: Ipv4Addr,
    /// First and last address of each range, inclusive, in order.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// How long a lease lasts, in seconds; `u32::MAX` is for ever.
    pub lease: u32,
    /// Addresses that are one client's alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reserved>,
    /// Addresses within the ranges that are never given to anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Ipv4Addr>,
    /// The default router (option 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// Name servers (option 6).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<Ipv4Addr>,
    /// The domain (option 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The network's MTU (option 26), where it is not 1500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Further options, by code: what the file says of a code wins over the above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(u8, Vec<u8>)>,
}

/// An address that is one client's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The client, by its hardware address.
    pub mac: Mac,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its name, where it is a node of the yard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Names on a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dns {
    /// The zone that is the yard's own: never asked of anybody else.
    pub domain: String,
    /// Names of the zone, without the domain, and their addresses.
    pub records: Vec<(String, Vec<IpAddr>)>,
    /// Who is asked about everything else, in order.
    pub forward: Upstream,
    /// Answers that are kept.
    pub cache: u32,
}

/// Who knows the names that are not the yard's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// Nobody: such a question is refused.
    #[default]
    None,
    /// Those in the `/etc/resolv.conf` of the machine, now and later.
    System,
    /// These, in order.
    These(Vec<SocketAddr>),
}
