//! `ipvlan`: shares its parent's MAC address.
//!
//! ```yaml
//! ip0: { kind: ipvlan, parent: eth0, mode: l3 }
//! ```

use netlink_packet_route::link::{InfoData, InfoIpVlan, IpVlanFlags, IpVlanMode};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u16_of};

/// An ipvlan; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipvlan {
    /// On which layer packets are told apart.
    pub mode: IpvlanMode,
    /// How those of one parent reach each other.
    pub isolation: IpvlanIsolation,
}

/// The keys of `kind: ipvlan`.
pub static SHAPE: Shape = Shape {
    name: "`ipvlan` interface",
    doc: "An interface that shares its parent's MAC address.",
    fields: &[
        Field::required(
            "parent",
            Type::Text,
            "The interface it shares: of the same node, or `host:NAME`.",
        ),
        Field::new(
            "mode",
            Type::Word(&["l2", "l3", "l3s"]),
            "On which layer packets are told apart: `l2` Ethernet, also where nothing is said; `l3` IP; `l3s` IP with netfilter and source checks.",
        ),
        Field::new(
            "isolation",
            Type::Word(&["bridge", "private", "vepa"]),
            "How those of one parent reach each other: `bridge` directly, also where nothing is said; `private` not at all; `vepa` through a switch outside.",
        ),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Ipvlan(Ipvlan {
        mode: match record.text("mode").as_ref().map(|m| m.value.as_str()) {
            Some("l3") => IpvlanMode::L3,
            Some("l3s") => IpvlanMode::L3s,
            _ => IpvlanMode::L2,
        },
        isolation: match record.text("isolation").as_ref().map(|i| i.value.as_str()) {
            Some("private") => IpvlanIsolation::Private,
            Some("vepa") => IpvlanIsolation::Vepa,
            _ => IpvlanIsolation::Bridge,
        },
    }))
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

impl IpvlanMode {
    /// The word for it, of files and of `ip link`.
    pub fn word(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }
}

impl IpvlanIsolation {
    /// The word for it, of files and of `ip link`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        }
    }
}

/// The kernel option that brings ipvlans.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_IPVLAN";

// linux/if_link.h
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;

impl Ipvlan {
    /// `IFLA_INFO_DATA`.
    pub(crate) fn data(&self) -> InfoData {
        let mode = match self.mode {
            IpvlanMode::L2 => IpVlanMode::L2,
            IpvlanMode::L3 => IpVlanMode::L3,
            IpvlanMode::L3s => IpVlanMode::L3S,
        };
        let flags = match self.isolation {
            IpvlanIsolation::Bridge => IpVlanFlags::empty(),
            IpvlanIsolation::Private => IpVlanFlags::Private,
            IpvlanIsolation::Vepa => IpVlanFlags::Vepa,
        };
        InfoData::IpVlan(vec![InfoIpVlan::Mode(mode), InfoIpVlan::Flags(flags)])
    }

    /// What can be changed in place: all, but it changes for all ipvlans of the
    /// parent (drivers/net/ipvlan/ipvlan_main.c keeps both on the port).
    pub(crate) fn change(&self, from: &Self) -> Option<InfoData> {
        (self != from).then(|| self.data())
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (mut mode, mut isolation) = (None, IpvlanIsolation::Bridge);
        for (kind, value) in attributes(data) {
            match (kind, u16_of(value)?) {
                (IFLA_IPVLAN_MODE, 0) => mode = Some(IpvlanMode::L2),
                (IFLA_IPVLAN_MODE, 1) => mode = Some(IpvlanMode::L3),
                (IFLA_IPVLAN_MODE, 2) => mode = Some(IpvlanMode::L3s),
                (IFLA_IPVLAN_FLAGS, 1) => isolation = IpvlanIsolation::Private,
                (IFLA_IPVLAN_FLAGS, 2) => isolation = IpvlanIsolation::Vepa,
                _ => {}
            }
        }
        Some(Self { mode: mode?, isolation })
    }
}
