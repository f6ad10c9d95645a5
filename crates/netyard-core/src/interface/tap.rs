//! `tap` and `tun`: an interface whose other end is a program.
//!
//! ```yaml
//! t0: { kind: tap, owner: 1000 }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u8_of, u32_of};

/// A persistent tap or tun interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// The user who may open it, besides root.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
    /// Several queues (`IFF_MULTI_QUEUE`).
    pub multi_queue: bool,
}

/// The keys of `kind: tap` and `kind: tun`.
pub static SHAPE: Shape = Shape {
    name: "`tap` or `tun` interface",
    doc: "An interface whose other end is a program: `tap` carries Ethernet frames, `tun` IP packets.",
    fields: &[
        Field::new(
            "owner",
            Type::Int { min: 0, max: u32::MAX as i64 - 1 },
            "The number of the user who may open it, besides root.",
        ),
        Field::new(
            "group",
            Type::Int { min: 0, max: u32::MAX as i64 - 1 },
            "The number of the group that may open it.",
        ),
        Field::new("multi-queue", Type::Bool, "Several queues, so that several threads may read."),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
fn parse(record: &Record) -> Tap {
    Tap {
        owner: record.number("owner"),
        group: record.number("group"),
        multi_queue: record.bool("multi-queue").is_some_and(|q| q.value),
    }
}

/// Reads `kind: tap`.
pub(super) fn parse_tap(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Tap(parse(record)))
}

/// Reads `kind: tun`.
pub(super) fn parse_tun(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Tun(parse(record)))
}

/// The kernel option that brings tap and tun interfaces.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_TUN";

// linux/if_link.h
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;
// linux/if_tun.h
const IFF_TUN: u8 = 1;

impl Tap {
    /// Reads `IFLA_INFO_DATA`; true when it is a tun. Owner and group are not
    /// there where the reader's user namespace does not know them.
    ///
    /// None of it can be changed over netlink: the interface is made, and its
    /// owner set, through `/dev/net/tun`.
    pub(crate) fn read(data: &[u8]) -> Option<(Self, bool)> {
        let mut tap = Self { owner: None, group: None, multi_queue: false };
        let mut tun = None;
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_TUN_OWNER => tap.owner = u32_of(value),
                IFLA_TUN_GROUP => tap.group = u32_of(value),
                IFLA_TUN_TYPE => tun = Some(u8_of(value)? == IFF_TUN),
                IFLA_TUN_MULTI_QUEUE => tap.multi_queue = u8_of(value)? != 0,
                _ => {}
            }
        }
        Some((tap, tun?))
    }
}
