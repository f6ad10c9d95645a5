//! `vlan`: an 802.1Q or 802.1ad interface on a parent.
//!
//! ```yaml
//! eth0.10: { kind: vlan, parent: eth0, id: 10 }
//! outer: { kind: vlan, parent: eth0, id: 100, protocol: 802.1ad }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

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
