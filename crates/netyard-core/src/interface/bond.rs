//! `bond`: several interfaces as one.
//!
//! ```yaml
//! b0: { kind: bond, mode: active-backup }
//! eth0: { master: b0 }
//! eth1: { master: b0 }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

/// A bond; its members name it as their master. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// How members share the work.
    pub mode: BondMode,
    /// How often the members' links are looked at; default 100.
    pub miimon: u32,
}

/// The keys of `kind: bond`.
pub static SHAPE: Shape = Shape {
    name: "`bond` interface",
    doc: "Several interfaces as one; its members name it as their `master`.",
    fields: &[
        Field::new(
            "mode",
            Type::Word(&[
                "balance-rr",
                "active-backup",
                "balance-xor",
                "broadcast",
                "802.3ad",
                "balance-tlb",
                "balance-alb",
            ]),
            "How its members share the work; `active-backup` where nothing is said.",
        ),
        Field::new(
            "miimon",
            Type::Duration,
            "How often the members' links are looked at; `100ms` where nothing is said.",
        ),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, report: &mut Report) -> Option<Kind> {
    let mode = match record.text("mode").as_ref().map(|m| m.value.as_str()) {
        Some("balance-rr") => BondMode::BalanceRr,
        Some("balance-xor") => BondMode::BalanceXor,
        Some("broadcast") => BondMode::Broadcast,
        Some("802.3ad") => BondMode::Lacp,
        Some("balance-tlb") => BondMode::BalanceTlb,
        Some("balance-alb") => BondMode::BalanceAlb,
        _ => BondMode::ActiveBackup,
    };
    let miimon = record.milliseconds("miimon", 1, 3_600_000, report).unwrap_or(100);
    Some(Kind::Bond(Bond { mode, miimon }))
}

/// How the members of a bond share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the kernel's own names, Documentation/networking/bonding.rst
pub enum BondMode {
    BalanceRr,
    ActiveBackup,
    BalanceXor,
    Broadcast,
    #[serde(rename = "802.3ad")]
    Lacp,
    BalanceTlb,
    BalanceAlb,
}
