//! `vlan`: an 802.1Q or 802.1ad interface on a parent.
//!
//! ```yaml
//! eth0.10: { kind: vlan, parent: eth0, id: 10 }
//! outer: { kind: vlan, parent: eth0, id: 100, protocol: 802.1ad }
//! ```

use netlink_packet_route::link::{InfoData, InfoVlan, VlanProtocol};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u16_of};

/// A VLAN interface; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// 1 to 4094.
    pub id: u16,
    /// The outer tag of a stacked VLAN (802.1ad) instead of 802.1Q.
    pub service_tag: bool,
}

/// The keys of `kind: vlan`.
pub static SHAPE: Shape = Shape {
    name: "`vlan` interface",
    doc: "An 802.1Q or 802.1ad interface on a parent: its frames are tagged there.",
    fields: &[
        Field::required("id", Type::Int { min: 1, max: 4094 }, "The VLAN, 1 to 4094."),
        Field::required(
            "parent",
            Type::Text,
            "The interface it sits on: of the same node, or `host:NAME`.",
        ),
        Field::new(
            "protocol",
            Type::Word(&["802.1q", "802.1ad"]),
            "The tag: `802.1q`, or `802.1ad` for the outer tag of stacked VLANs; left out, `802.1q`.",
        ),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    let service_tag = record.text("protocol").is_some_and(|p| p.value == "802.1ad");
    Some(Kind::Vlan(Vlan { id: record.number("id")?, service_tag }))
}

/// The kernel option that brings VLAN interfaces.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_VLAN_8021Q";

// linux/if_link.h
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VLAN_PROTOCOL: u16 = 5;
const ETH_P_8021AD: u16 = 0x88a8;

impl Vlan {
    /// `IFLA_INFO_DATA`. Neither id nor protocol can be changed later.
    pub(crate) fn data(&self) -> InfoData {
        let protocol =
            if self.service_tag { VlanProtocol::Ieee8021Ad } else { VlanProtocol::Ieee8021Q };
        InfoData::Vlan(vec![InfoVlan::Id(self.id), InfoVlan::Protocol(protocol)])
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (mut id, mut service_tag) = (None, false);
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_VLAN_ID => id = u16_of(value),
                IFLA_VLAN_PROTOCOL => service_tag = u16_of(value)? == ETH_P_8021AD.to_be(),
                _ => {}
            }
        }
        Some(Self { id: id?, service_tag })
    }
}
