//! What the pure steps need to know of the host, gathered by `netyard-linux`.

pub mod libvirt;
pub mod link;
pub mod machine;
pub mod radio;
pub mod ruleset;
pub mod stack;
pub mod tunnel;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::addr::Mac;
use crate::key::{KeyFact, KeyName};
use crate::name::InterfaceName;
use crate::nft::Protocol;

pub use link::{Bridge, Link, Membership};
pub use machine::{
    LogLine, Machine, Manager, ManagerName, NeighbourTable, NetworkFile, SettingLine, Unmanaged,
};
pub use ruleset::{ForeignChain, ForeignRule, ForeignSet, ForeignTable, Ruleset};
pub use stack::{Address, Conntrack, Flow, Listener, Resolver, Route, Stack, Survey};
pub use tunnel::{PeerPulse, TunnelPulse};

/// Facts about the host, observed before planning.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Destinations in the host's routing tables that are not this yard's own,
    /// default routes left out.
    pub host_routes: Vec<HostRoute>,
    /// The host's interfaces that are not this yard's own; those that it has
    /// borrowed from the host are among them.
    pub host_interfaces: BTreeMap<InterfaceName, HostInterface>,
    /// Names under `/run/netns` that are not this yard's own.
    pub foreign_namespaces: BTreeSet<String>,
    /// Link kinds (as in `IFLA_INFO_KIND`) and qdiscs (as in `TCA_KIND`,
    /// prefixed `qdisc:`) that this kernel was found to lack, each with the
    /// kernel option that would bring it, or the device that may not be opened.
    pub missing_kinds: BTreeMap<String, String>,
    /// The prefixes this yard drew its addresses from when it was last brought
    /// up; they stay as long as the yard is up.
    pub recorded_pools: Vec<IpNet>,
    /// True when the yard is up: its prefixes are in use already.
    pub running: bool,
    /// `net.ipv4.conf.all.rp_filter` of the host, over which an interface's own
    /// wins only where it is greater.
    pub rp_filter_of_all: u8,
    /// The services database: name to protocols and ports.
    pub services: BTreeMap<String, Vec<(Protocol, u16)>>,
    /// The session over which netyard is called, if it is one from elsewhere.
    pub ssh: Option<Ssh>,
    /// False when the yard lives in a user namespace of its own: then there is
    /// no host to touch.
    pub host_reachable: bool,
    /// What the host's files of settings say (sysctl.d(5), `/etc/sysctl.conf`),
    /// in the order in which they are read: of two that speak of one setting the
    /// later one wins. Only what is below `net/`.
    pub sysctl_lines: Vec<SysctlLine>,
    /// What is known of the keys that the file needs; one that is not here is
    /// made by the first `up`.
    pub keys: BTreeMap<KeyName, KeyFact>,
    /// Settings of the host that other yards hold.
    pub held_settings: Vec<HeldSetting>,
    /// The radios, where the file speaks of one.
    pub radios: radio::Radios,
    /// Files that the file speaks of, and programs that it needs, that are not there.
    pub missing_files: BTreeSet<String>,
    /// Nodes whose containers have OpenWrt's own jails among their files (`/sbin/ujail`).
    pub jailed: BTreeSet<String>,
    /// What is known of files with a secret of the user's, by how they are written.
    pub secret_files: BTreeMap<String, SecretFile>,
    /// What libvirt has, where the file speaks of it.
    pub libvirt: Option<libvirt::Libvirt>,
}

/// A file with a secret of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Its whole path.
    pub path: String,
    /// What is wrong with it, or with what is in it.
    pub wrong: Option<SecretWrong>,
}

/// Why a secret is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretWrong {
    /// The file cannot be read, or others can read it, too.
    Unreadable(String),
    /// It has so many characters.
    Length(usize),
    /// It has characters that are not printable ASCII.
    Text,
}

/// A setting of the host that another yard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSetting {
    /// The yard.
    pub yard: String,
    /// With slashes: `net/ipv4/ip_forward`.
    pub key: String,
    /// What it is now.
    pub value: String,
}

/// A line of a file of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlLine {
    /// The file's path.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// With slashes, and `*` for any part: `net/ipv4/conf/*/rp_filter`.
    pub key: String,
    /// What it is set to.
    pub value: String,
}

impl Facts {
    /// True when the host is known not to have that interface; where nothing is
    /// known of its interfaces (every host has at least `lo`) it may have any.
    pub fn lacks(&self, name: &str) -> bool {
        !self.host_interfaces.is_empty() && !self.host_interfaces.contains_key(name)
    }

    /// The line that decides what a setting is at the next boot, if any speaks
    /// of it. `key` has slashes and names its interface: `net/ipv4/conf/eth0/rp_filter`.
    pub fn sysctl_line(&self, key: &str) -> Option<&SysctlLine> {
        // They are one variable of the kernel (net/ipv4/devinet.c).
        let names = ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"];
        let other = names.iter().position(|n| *n == key).map(|at| names[1 - at]);
        let speaks = |line: &&SysctlLine| {
            line.key == key || Some(line.key.as_str()) == other || matches(&line.key, key)
        };
        // A line with a `*` is passed over where another names the setting (sysctl.d(5)).
        let exact = |line: &&SysctlLine| !line.key.contains('*');
        let all = || self.sysctl_lines.iter().rev().filter(speaks);
        all().find(exact).or_else(|| all().next())
    }
}

/// True when a pattern with `*` for whole parts fits.
fn matches(pattern: &str, key: &str) -> bool {
    let (mut left, mut right) = (pattern.split('/'), key.split('/'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == "*" || a == b => {}
            _ => return false,
        }
    }
}

/// A session of ssh(1), seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Where it comes from.
    pub client: Option<IpAddr>,
    /// The port on which the host listens.
    pub port: u16,
}

/// A route of the host that a yard's prefixes must not cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoute {
    /// Its destination.
    pub destination: IpNet,
    /// The interface it leads through.
    pub interface: String,
}

/// An interface of the host that is not the yard's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostInterface {
    /// `IFLA_INFO_KIND`, empty for a physical one.
    pub kind: String,
    /// In bytes.
    pub mtu: u32,
    /// True when the host's default route leads through it.
    pub has_default_route: bool,
    /// True when it has addresses beyond link-local ones.
    pub has_addresses: bool,
    /// Its hardware address, where it has one of six bytes.
    pub mac: Option<Mac>,
    /// True when the kernel configures it by router advertisements (`accept_ra`
    /// is not 0), and not a program.
    pub accepts_ra: bool,
    /// For how many seconds the first of its addresses that ends is still valid;
    /// none where all are for ever.
    pub lease: Option<u32>,
    /// True for a radio, which no bridge takes as it is.
    pub wireless: bool,
    /// True when it is this yard's port, or lent to a node of it.
    pub borrowed: bool,
    /// The profile by which NetworkManager has set it up; none where that leaves it alone,
    /// or only looks on.
    pub profile: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_wins_and_a_name_beats_a_pattern() {
        let line = |file: &str, key: &str, value: &str| SysctlLine {
            file: file.into(),
            line: 1,
            key: key.into(),
            value: value.into(),
        };
        let sysctl_lines = vec![
            line("a", "net/ipv4/ip_forward", "1"),
            line("b", "net/ipv4/conf/all/forwarding", "0"),
            line("c", "net/ipv4/conf/eth0/rp_filter", "2"),
            line("d", "net/ipv4/conf/*/rp_filter", "1"),
        ];
        let facts = Facts { sysctl_lines, ..Facts::default() };
        let file = |key: &str| facts.sysctl_line(key).map(|line| line.file.as_str());
        assert_eq!(file("net/ipv4/ip_forward"), Some("b"));
        assert_eq!(file("net/ipv4/conf/eth0/rp_filter"), Some("c"));
        assert_eq!(file("net/ipv4/conf/eth1/rp_filter"), Some("d"));
        assert_eq!(file("net/ipv6/conf/all/forwarding"), None);
    }
}
