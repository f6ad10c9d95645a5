//! Networks of libvirt's that are a yard's.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::interface::Change;
use crate::name::{FullName, YardName};

/// A network that libvirt knows, and that is the yard's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtNetwork {
    /// What libvirt calls it.
    pub name: String,
    /// Whose it is: the note in its metadata.
    pub yard: YardName,
    /// The yard's network that it is.
    pub network: FullName,
    /// What it will be when it is started; none where that was taken away while it ran.
    pub definition: Option<LibvirtDefinition>,
    /// What it is while it runs.
    pub running: Option<LibvirtDefinition>,
}

/// What libvirt is told of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibvirtDefinition {
    /// How packets leave it.
    pub forward: LibvirtForward,
    /// The interface that they leave by; none: where the host's routes lead.
    pub out: Option<String>,
    /// The bridge's name in the kernel.
    pub bridge: String,
    /// Spanning tree protocol.
    pub stp: bool,
    /// How long a port listens and learns, in seconds.
    pub delay: u32,
    /// The bridge's address.
    pub mac: Option<Mac>,
    /// In bytes, where it is not 1500.
    pub mtu: Option<u32>,
    /// The domain of its machines' names.
    pub domain: Option<String>,
    /// Names are answered.
    pub dns: bool,
    /// The host's addresses in it.
    pub addresses: Vec<IpNet>,
    /// The addresses that are given, first and last.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Addresses that are one machine's alone.
    pub hosts: Vec<(Mac, Ipv4Addr)>,
    /// What somebody else wrote there that netyard does not know.
    pub other: Vec<String>,
}

/// How packets leave a network of libvirt's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LibvirtForward {
    /// Not at all.
    #[default]
    None,
    /// Under the host's address, from these ports.
    Nat(u16, u16),
    /// Under the machines' own addresses.
    Route,
    /// The bridge is somebody else's: netyard's.
    Bridge,
}

impl LibvirtNetwork {
    /// The bridge that libvirt makes for it.
    pub fn bridge(&self) -> Option<&str> {
        let known = self.running.as_ref().or(self.definition.as_ref())?;
        (known.forward != LibvirtForward::Bridge).then_some(known.bridge.as_str())
    }

    /// How it becomes `to`. The bridge goes while libvirt takes over another definition.
    pub fn change(&self, to: &Self) -> Change {
        match &self.running {
            Some(running) if to.running.as_ref() != Some(running) => {
                Change::Recreate("libvirt takes a definition over when the network starts")
            }
            _ => Change::InPlace,
        }
    }
}
