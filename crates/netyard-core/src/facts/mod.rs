//! What the pure steps need to know of the host, gathered by `netyard-linux`.

pub mod link;
pub mod machine;
pub mod ruleset;
pub mod stack;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::name::InterfaceName;

pub use link::{Bridge, Link, Membership};
pub use machine::{
    Machine, Manager, ManagerName, NeighbourTable, NetworkFile, SettingLine, Unmanaged,
};
pub use ruleset::{ForeignChain, ForeignRule, ForeignSet, ForeignTable, Ruleset};
pub use stack::{Address, Conntrack, Listener, Resolver, Route, Stack, Survey};

/// Facts about the host, observed before planning.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Destinations in the host's routing tables that are not this yard's own,
    /// default routes left out.
    pub host_routes: Vec<HostRoute>,
    /// The host's interfaces that are not this yard's own.
    pub host_interfaces: BTreeMap<InterfaceName, HostInterface>,
    /// Names under `/run/netns` that are not this yard's own.
    pub foreign_namespaces: BTreeSet<String>,
    /// Link kinds (as in `IFLA_INFO_KIND`) and qdiscs (as in `TCA_KIND`,
    /// prefixed `qdisc:`) that this kernel was found to lack, each with the
    /// kernel option that would bring it.
    pub missing_kinds: BTreeMap<String, String>,
    /// The prefixes this yard drew its addresses from when it was last brought
    /// up; they stay as long as the yard is up.
    pub recorded_pools: Vec<IpNet>,
    /// False when the yard lives in a user namespace of its own: then there is
    /// no host to touch.
    pub host_reachable: bool,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterface {
    /// `IFLA_INFO_KIND`, empty for a physical one.
    pub kind: String,
    /// In bytes.
    pub mtu: u32,
    /// True when the host's default route leads through it.
    pub has_default_route: bool,
    /// True when it has addresses beyond link-local ones.
    pub has_addresses: bool,
}
