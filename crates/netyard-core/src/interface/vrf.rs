//! `vrf`: a routing table of its own for the interfaces it is master of.
//!
//! ```yaml
//! blue: { kind: vrf, table: 10 }
//! eth1: { master: blue }
//! ```

use netlink_packet_route::link::{InfoData, InfoVrf};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u32_of};

/// A VRF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vrf {
    /// Its routing table.
    pub table: u32,
}

/// The keys of `kind: vrf`.
pub static SHAPE: Shape = Shape {
    name: "`vrf` interface",
    doc: "A routing table of its own for the interfaces that name it as their `master`.",
    fields: &[Field::required(
        "table",
        Type::Int { min: 1, max: u32::MAX as i64 },
        "The number of its routing table.",
    )],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Vrf(Vrf { table: record.number("table")? }))
}

/// The kernel option that brings VRFs.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_NET_VRF";

const IFLA_VRF_TABLE: u16 = 1; // linux/if_link.h

impl Vrf {
    /// `IFLA_INFO_DATA`. The table cannot be changed later (drivers/net/vrf.c
    /// has no `changelink`).
    pub(crate) fn data(&self) -> InfoData {
        InfoData::Vrf(vec![InfoVrf::TableId(self.table)])
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (_, value) = attributes(data).find(|(kind, _)| *kind == IFLA_VRF_TABLE)?;
        Some(Self { table: u32_of(value)? })
    }
}
