//! `bond`: several interfaces as one.

use serde::{Deserialize, Serialize};

/// A bond; its members name it as their master. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// How members share the work.
    pub mode: BondMode,
    /// How often the members' links are looked at; default 100.
    pub miimon: u32,
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
