//! `vrf`: a routing table of its own for the interfaces it is master of.
//!
//! ```yaml
//! blue: { kind: vrf, table: 10 }
//! eth1: { master: blue }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

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
