//! `bond`: several interfaces as one.
//!
//! ```yaml
//! b0: { kind: bond, mode: active-backup }
//! eth0: { master: b0 }
//! eth1: { master: b0 }
//! ```

use netlink_packet_route::link::{BondMode as WireMode, InfoBond, InfoData};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::addr::Mac;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, mac, u8_of, u32_of};

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
            "How its members share the work; `active-backup` where nothing is said. Two bonds of `balance-tlb` or `balance-alb` do not understand each other: they want a switch between them.",
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

/// The kernel option that brings bonds.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_BONDING";

// linux/if_link.h
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_MIIMON: u16 = 3;
const IFLA_BOND_SLAVE_PERM_HWADDR: u16 = 4;

impl Bond {
    /// `IFLA_INFO_DATA`. The mode comes first: some modes refuse a `miimon` of 0.
    pub(crate) fn data(&self) -> InfoData {
        InfoData::Bond(vec![InfoBond::Mode(self.mode.wire()), InfoBond::MiiMon(self.miimon)])
    }

    /// What can be changed in place: `miimon`. The mode can only be changed
    /// while the bond is down and has no members (drivers/net/bonding/bond_options.c).
    pub(crate) fn change(&self, from: &Self) -> Option<InfoData> {
        let changed = self.miimon != from.miimon;
        changed.then(|| InfoData::Bond(vec![InfoBond::MiiMon(self.miimon)]))
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (mut mode, mut miimon) = (None, 0);
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_BOND_MODE => mode = BondMode::read(u8_of(value)?),
                IFLA_BOND_MIIMON => miimon = u32_of(value)?,
                _ => {}
            }
        }
        Some(Self { mode: mode?, miimon })
    }
}

/// The MAC address of a bond's member out of `IFLA_INFO_SLAVE_DATA`: while it is
/// a member, its own shows the bond's.
pub(crate) fn member_mac(data: &[u8]) -> Option<Mac> {
    attributes(data).find(|(kind, _)| *kind == IFLA_BOND_SLAVE_PERM_HWADDR).and_then(|a| mac(a.1))
}

impl BondMode {
    fn wire(self) -> WireMode {
        match self {
            Self::BalanceRr => WireMode::BalanceRr,
            Self::ActiveBackup => WireMode::ActiveBackup,
            Self::BalanceXor => WireMode::BalanceXor,
            Self::Broadcast => WireMode::Broadcast,
            Self::Lacp => WireMode::Ieee8023Ad,
            Self::BalanceTlb => WireMode::BalanceTlb,
            Self::BalanceAlb => WireMode::BalanceAlb,
        }
    }

    fn read(number: u8) -> Option<Self> {
        const ALL: [BondMode; 7] = [
            BondMode::BalanceRr,
            BondMode::ActiveBackup,
            BondMode::BalanceXor,
            BondMode::Broadcast,
            BondMode::Lacp,
            BondMode::BalanceTlb,
            BondMode::BalanceAlb,
        ];
        ALL.get(usize::from(number)).copied()
    }
}
