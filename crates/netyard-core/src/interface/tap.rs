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
