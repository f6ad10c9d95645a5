//! `ipvlan`: shares its parent's MAC address.

use serde::{Deserialize, Serialize};

/// An ipvlan; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipvlan {
    /// On which layer packets are told apart.
    pub mode: IpvlanMode,
    /// How those of one parent reach each other.
    pub isolation: IpvlanIsolation,
}

/// On which layer an ipvlan tells packets apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpvlanMode {
    /// Ethernet, with ARP and neighbour discovery.
    L2,
    /// IP: the parent routes.
    L3,
    /// IP, with netfilter and source checks.
    L3s,
}

/// How ipvlans of one parent reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpvlanIsolation {
    /// Directly.
    Bridge,
    /// Not at all.
    Private,
    /// Through a switch outside that sends frames back.
    Vepa,
}
