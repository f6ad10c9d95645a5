//! `macvlan` and `macvtap`: an address of its own on a parent.
//!
//! ```yaml
//! mac0: { kind: macvlan, parent: host:eth0, mode: bridge }
//! ```

use netlink_packet_route::link::{InfoData, InfoMacVlan, InfoMacVtap, MacVlanMode};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u32_of};

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
/// In a network whose uplink is a `macvlan`, the network says it.
const PARENT_OR_NETWORK: Field = Field::new(
    "parent",
    Type::Text,
    "The interface it shares: of the same node, or `host:NAME`; left out beside `network`.",
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
    fields: &[PARENT_OR_NETWORK, MODE],
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
pub(super) fn parse_lan(
    record: &Record,
    name: &Spanned<FullName>,
    report: &mut Report,
) -> Option<Kind> {
    if !record.has("parent") && !record.has("network") {
        let say = crate::diag::shape::missing_key;
        report.push(say(PARENT.key, name.span, SHAPE.name, PARENT.doc));
        return None;
    }
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

/// The kernel option that brings macvlans.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_MACVLAN";
/// The kernel option that brings macvtaps.
pub(crate) const TAP_KERNEL_OPTION: &str = "CONFIG_MACVTAP";

const IFLA_MACVLAN_MODE: u16 = 1; // linux/if_link.h

impl Macvlan {
    /// `IFLA_INFO_DATA` of a macvlan, or of a macvtap.
    pub(crate) fn data(&self, tap: bool) -> InfoData {
        let mode = match self.mode {
            MacvlanMode::Private => MacVlanMode::Private,
            MacvlanMode::Vepa => MacVlanMode::Vepa,
            MacvlanMode::Bridge => MacVlanMode::Bridge,
            MacvlanMode::Passthru => MacVlanMode::Passthrough,
        };
        if tap {
            InfoData::MacVtap(vec![InfoMacVtap::Mode(mode)])
        } else {
            InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)])
        }
    }

    /// What can be changed in place: the mode, but neither to nor from
    /// `passthru` (drivers/net/macvlan.c, `macvlan_changelink`).
    pub(crate) fn change(&self, from: &Self, tap: bool) -> Option<InfoData> {
        (self != from).then(|| self.data(tap))
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (_, value) = attributes(data).find(|(kind, _)| *kind == IFLA_MACVLAN_MODE)?;
        let mode = match u32_of(value)? {
            1 => MacvlanMode::Private,
            2 => MacvlanMode::Vepa,
            4 => MacvlanMode::Bridge,
            8 => MacvlanMode::Passthru,
            _ => return None,
        };
        Some(Self { mode })
    }
}
