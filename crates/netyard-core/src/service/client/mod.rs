//! Clients: an interface that has its address from somebody else.
//!
//! ```yaml
//! nodes:
//!   laptop:
//!     interfaces:
//!       eth0: { network: lan, address: [dhcp, ra] }     # or dhcp6, or all three
//! ```
//!
//! * `dhcp` is a client of DHCPv4 ([`v4`]), `dhcp6` one of DHCPv6 ([`v6`]): one
//!   process `client-IFACE` for both, in the node.
//! * `ra` is the kernel's own: addresses and the way out by router advertisements.
//!
//! The machines here are pure: an event and the time in, what is to be done out.
//! Times are milliseconds of any clock that does not go back.

pub mod v4;
pub mod v6;

use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::name::{FullName, InterfaceName};
use crate::state::Process;

/// The version of [`ClientConfig`] as JSON.
pub const VERSION: u32 = 1;

/// What a client process is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClientConfig {
    /// [`VERSION`].
    pub version: u32,
    /// The kernel's name of its interface.
    pub interface: InterfaceName,
    /// An address by DHCPv4.
    pub dhcp4: bool,
    /// An address by DHCPv6.
    pub dhcp6: bool,
    /// The name servers that routers advertise, with `resolver`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ra: bool,
    /// The name the client says it has.
    pub hostname: Option<String>,
    /// It writes the name servers it is told into the node's `resolv.conf`.
    pub resolver: bool,
}

/// The file of a client's process that has its [`ClientConfig`].
pub const FILE: &str = "client.json";

/// What the process of an interface's client is called.
pub fn process_name(interface: &FullName) -> String {
    format!("client-{interface}")
}

/// What a client's process was told; none for any other process.
pub fn config(process: &Process) -> Option<ClientConfig> {
    let file = process.files.iter().find(|file| file.name == FILE)?;
    serde_json::from_str(&file.content).ok()
}

/// Numbers that need not be good, only different: of transactions, and by how
/// much waits differ.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Other numbers for another seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number: xorshift64 (Marsaglia 2003).
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A time a tenth shorter or longer.
    pub fn about(&mut self, ms: u64) -> u64 {
        ms - ms / 10 + self.roll() % (ms / 5).max(1)
    }
}

/// The identifier of a machine by a hardware address (DUID-LL, RFC 8415, 11.4).
pub fn duid(mac: Mac) -> Vec<u8> {
    [&[0, 3, 0, 1], &mac.0[..]].concat()
}
