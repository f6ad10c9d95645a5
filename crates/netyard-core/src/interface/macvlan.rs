//! `macvlan` and `macvtap`: an address of its own on a parent.
//!
//! ```yaml
//! mac0: { kind: macvlan, parent: host:eth0, mode: bridge }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

/// A macvlan or macvtap; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    /// How those of one parent reach each other.
    pub mode: MacvlanMode,
}

const PARENT: Field = Field::required(
    "parent",
    Type::Text,
    "The interface it shares: of the same node, or `host:NAME`.",
);
const MODE: Field = Field::new(
    "mode",
    Type::Word(&["bridge", "private", "vepa", "passthru"]),
    "How those of one parent reach each other: `bridge` directly, also where nothing is said; `private` not at all; `vepa` through a switch outside; `passthru`: there is only one.",
);

/// The keys of `kind: macvlan`.
pub static SHAPE: Shape = Shape {
    name: "`macvlan` interface",
    doc: "An interface with an address of its own on a parent.",
    fields: &[PARENT, MODE],
    also: &[],
};

/// The keys of `kind: macvtap`.
pub static TAP_SHAPE: Shape = Shape {
    name: "`macvtap` interface",
    doc: "A macvlan whose other end is a program, for a virtual machine.",
    fields: &[PARENT, MODE],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
fn parse(record: &Record) -> Macvlan {
    Macvlan {
        mode: match record.text("mode").as_ref().map(|m| m.value.as_str()) {
            Some("private") => MacvlanMode::Private,
            Some("vepa") => MacvlanMode::Vepa,
            Some("passthru") => MacvlanMode::Passthru,
            _ => MacvlanMode::Bridge,
        },
    }
}

/// Reads `kind: macvlan`.
pub(super) fn parse_lan(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Macvlan(parse(record)))
}

/// Reads `kind: macvtap`.
pub(super) fn parse_tap(record: &Record, _: &Spanned<FullName>, _: &mut Report) -> Option<Kind> {
    Some(Kind::Macvtap(parse(record)))
}

/// How macvlans of one parent reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacvlanMode {
    /// Directly.
    Bridge,
    /// Not at all.
    Private,
    /// Through a switch outside that sends frames back.
    Vepa,
    /// There is only one, and it has the parent to itself.
    Passthru,
}
