//! What a server of networks meets that the networks' owner should know: written
//! down beside its configuration, for `netyard doctor`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::name::FullName;

/// The version of [`Troubles`] as JSON.
const VERSION: u32 = 1;
/// What is older than the newest so many is forgotten.
const MOST: usize = 64;

/// Something that is not as it should be on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "kebab-case")]
pub enum Trouble {
    /// Nothing was left for a client.
    Exhausted {
        /// What it asked for.
        what: Wanted,
        /// Who it is: its hardware address, or its IPv6 address.
        client: String,
    },
    /// A client chose another DHCP server.
    OtherServer {
        /// How that one calls itself (option 54).
        server: Ipv4Addr,
        /// The client.
        client: Mac,
    },
    /// Somebody else advertises himself as a router.
    OtherRouter {
        /// From where.
        router: Ipv6Addr,
        /// His hardware address, where he says it.
        mac: Option<Mac>,
        /// For how many seconds he is a way out; 0 is not at all.
        lifetime: u16,
        /// The prefixes that he speaks of.
        prefixes: Vec<IpNet>,
    },
    /// A client found its address in use.
    InUse {
        /// The address.
        address: IpAddr,
        /// The client.
        client: String,
    },
}

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A prefix of its own.
    Prefix,
}

/// A trouble, where and when it was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// On which network.
    pub network: FullName,
    /// In seconds since 1970.
    pub at: u64,
    /// What it is.
    #[serde(flatten)]
    pub trouble: Trouble,
}

/// All that were met, the newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    version: u32,
    met: Vec<Met>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { version: VERSION, met: Vec::new() }
    }
}

impl Troubles {
    /// What JSON says; what cannot be read is none.
    pub fn read(text: &[u8]) -> Self {
        let read: Option<Self> = serde_json::from_slice(text).ok();
        read.filter(|read| read.version == VERSION).unwrap_or_default()
    }

    /// One more; what is met again takes the place of the time before.
    pub fn add(&mut self, met: Met) {
        self.met.retain(|one| one.network != met.network || !one.trouble.is_again(&met.trouble));
        self.met.push(met);
        let old = self.met.len().saturating_sub(MOST);
        self.met.drain(..old);
    }

    /// All of them, the newest last.
    pub fn met(self) -> Vec<Met> {
        self.met
    }
}

impl Trouble {
    fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exhausted { what, .. }, Self::Exhausted { what: other, .. }) => what == other,
            (Self::OtherServer { server, .. }, Self::OtherServer { server: other, .. }) => {
                server == other
            }
            (Self::OtherRouter { router, .. }, Self::OtherRouter { router: other, .. }) => {
                router == other
            }
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(last: u8, at: u64) -> Met {
        let client = Mac([2, 0, 0, 0, 0, 1]);
        let trouble = Trouble::OtherServer { server: Ipv4Addr::new(10, 0, 0, last), client };
        Met { network: FullName::new("lan").unwrap(), at, trouble }
    }

    #[test]
    fn what_is_met_again_is_there_once_and_the_oldest_goes() {
        let mut all = Troubles::default();
        for at in 0..3 {
            all.add(server(1, at));
        }
        assert_eq!(all.clone().met(), [server(1, 2)]);
        for last in 2..200 {
            all.add(server(last, 9));
        }
        let text = serde_json::to_vec(&all).unwrap();
        let read = Troubles::read(&text).met();
        assert_eq!(read.len(), MOST);
        assert_eq!(read.last(), Some(&server(199, 9)));
    }

    #[test]
    fn what_is_no_such_file_says_nothing() {
        let cut = serde_json::to_string(&Troubles::default()).unwrap();
        for text in ["", "{}", &cut[..cut.len() - 2], r#"{"version":9,"met":[]}"#] {
            assert_eq!(Troubles::read(text.as_bytes()), Troubles::default());
        }
    }
}
