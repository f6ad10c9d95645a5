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
//! * A network's `delegated:` has the process ask for a prefix too, and share it out.
//! * `ra` is the kernel's own: addresses and the way out by router advertisements.
//!
//! The machines here are pure: an event and the time in, what is to be done out.
//! Times are milliseconds of any clock that does not go back.

pub mod v4;
pub mod v6;

use ipnet::Ipv6Net;
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
    /// A prefix by DHCPv6, for other interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated: Option<Delegated>,
    /// The name servers that routers advertise, with `resolver`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ra: bool,
    /// The name the client says it has.
    pub hostname: Option<String>,
    /// It writes the name servers it is told into the node's `resolv.conf`.
    pub resolver: bool,
}

/// A prefix that is asked for, and who gets a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Delegated {
    /// The length that is wished for; the server may give another.
    pub length: u8,
    /// Each with a /64.
    pub shares: Vec<Share>,
}

/// A /64 of a delegated prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whose: the kernel's name of an interface in the same namespace.
    pub interface: InterfaceName,
    /// Which, from 0.
    pub number: u32,
}

impl Share {
    /// The interface's address in it, the first; none where the prefix has not that many.
    pub fn address(&self, prefix: Ipv6Net) -> Option<Ipv6Net> {
        let bits = 64_u32.checked_sub(u32::from(prefix.prefix_len()))?;
        let fits = bits >= 32 || u64::from(self.number) < 1_u64 << bits;
        let start = u128::from(prefix.network()) | u128::from(self.number) << 64;
        fits.then(|| Ipv6Net::new_assert((start | 1).into(), 64))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_shared_out_by_numbers_until_it_is_used_up() {
        let share = |number, prefix: &str| {
            let interface = InterfaceName::new("lan0").unwrap();
            let address = Share { interface, number }.address(prefix.parse().unwrap());
            address.map(|net| net.to_string()).unwrap_or_default()
        };
        assert_eq!(share(0, "2001:db8:1:100::/56"), "2001:db8:1:100::1/64");
        assert_eq!(share(255, "2001:db8:1:100::/56"), "2001:db8:1:1ff::1/64");
        assert_eq!(share(256, "2001:db8:1:100::/56"), "");
        assert_eq!(share(0, "2001:db8::/64"), "2001:db8::1/64");
        assert_eq!(share(1, "2001:db8::/64"), "");
        assert_eq!(share(0, "2001:db8::/65"), "");
        assert_eq!(share(u32::MAX, "2000::/3"), "2000:0:ffff:ffff::1/64");
    }
}
