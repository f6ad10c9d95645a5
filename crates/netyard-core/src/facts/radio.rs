//! The radios of a machine, and what the law allows them where it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::interface::WlanRole;

/// All that is known of radios.
#[derive(Clone, Debug, Default)]
pub struct Radios {
    /// They were looked for: one that is not here is not there.
    pub known: bool,
    /// Those of the host's namespace.
    pub list: Vec<Radio>,
    /// What the database of regulations says of countries; empty where there is none.
    pub countries: BTreeMap<String, Vec<Allowance>>,
}

/// A radio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Radio {
    /// As `iw phy` calls it: `phy0`.
    pub name: String,
    /// What interfaces it may have: numbers of `enum nl80211_iftype`.
    pub roles: BTreeSet<u32>,
    /// The channels that it has.
    pub frequencies: Vec<Frequency>,
    /// Which interfaces it may have at once; any where there is nothing.
    pub combinations: Vec<Combination>,
    /// Its driver lets it go into another namespace.
    pub movable: bool,
    /// Its interfaces that are not the yard's own: name and number of its type.
    pub interfaces: Vec<(String, u32)>,
    /// Who turned it off (rfkill(8)), if somebody did.
    pub blocked: Option<Blocked>,
    /// Those of its interfaces that a program has: name and program.
    pub held: Vec<(String, String)>,
}

/// By what a radio is turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// By a program.
    Soft,
    /// By a switch.
    Hard,
}

/// A channel of a radio, as things are where it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frequency {
    /// Its middle.
    pub mhz: u32,
    /// Not allowed at all.
    pub disabled: bool,
    /// Nobody may begin to send there (`no-IR`).
    pub passive: bool,
    /// Only after listening for radar.
    pub radar: bool,
}

/// Interfaces that a radio may have at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combination {
    /// So many of those types.
    pub limits: Vec<(u32, BTreeSet<u32>)>,
    /// So many of all.
    pub most: u32,
    /// On so many channels.
    pub channels: u32,
}

impl Radio {
    /// True where its driver knows that role.
    pub fn can(&self, role: WlanRole) -> bool {
        self.roles.contains(&role.number())
    }

    /// True where interfaces of these types may be up at once. A single one always may.
    pub fn takes(&self, kinds: &[u32]) -> bool {
        let known = kinds.iter().all(|kind| self.roles.contains(kind));
        if kinds.len() < 2 || self.combinations.is_empty() {
            return known;
        }
        known && self.combinations.iter().any(|combination| combination.fits(kinds))
    }
}

impl Combination {
    /// A type belongs to one limit of a combination.
    fn fits(&self, kinds: &[u32]) -> bool {
        let all = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
        let covered = kinds.iter().all(|kind| self.limits.iter().any(|(_, of)| of.contains(kind)));
        let within = self.limits.iter().all(|(most, of)| {
            let count = kinds.iter().filter(|kind| of.contains(kind)).count();
            u32::try_from(count).is_ok_and(|count| count <= *most)
        });
        covered && within && all <= self.most
    }
}

/// A part of the spectrum that a country's law speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// In kHz.
    pub first: u32,
    /// In kHz.
    pub last: u32,
    /// Nobody may begin to send there.
    pub passive: bool,
    /// Only after listening for radar.
    pub radar: bool,
}

/// What the database says of these countries (`regulatory.db`; net/wireless/reg.c,
/// `struct fwdb_header`); none where it is no such database. A country that it does not
/// have is not in the answer.
pub fn countries(
    database: &[u8],
    wanted: &BTreeSet<String>,
) -> Option<BTreeMap<String, Vec<Allowance>>> {
    const MAGIC: u32 = 0x5247_4442;
    const VERSION: u32 = 20;
    if number(database, 0)? != MAGIC || number(database, 4)? != VERSION {
        return None;
    }
    let mut found = BTreeMap::new();
    let mut at = 8;
    while *database.get(at)? != 0 {
        let name = std::str::from_utf8(database.get(at..at + 2)?).ok()?;
        if wanted.contains(name) {
            let rules = usize::from(short(database, at + 2)?) << 2;
            found.insert(name.to_owned(), allowances(database, rules)?);
        }
        at += 4;
    }
    Some(found)
}

fn allowances(database: &[u8], at: usize) -> Option<Vec<Allowance>> {
    const DFS: u8 = 1 << 2;
    const NO_IR: u8 = 1 << 3;
    let length = usize::from(*database.get(at)?);
    let count = usize::from(*database.get(at + 1)?);
    let pointers = at + length.next_multiple_of(2);
    let rule = |number_of: usize| {
        let at = usize::from(short(database, pointers + 2 * number_of)?) << 2;
        let flags = *database.get(at + 1)?;
        Some(Allowance {
            first: number(database, at + 4)?,
            last: number(database, at + 8)?,
            passive: flags & NO_IR != 0,
            radar: flags & DFS != 0,
        })
    };
    (0..count).map(rule).collect()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of one country, whose law has one rule.
    fn database() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(0x5247_4442_u32.to_be_bytes());
        bytes.extend(20_u32.to_be_bytes());
        bytes.extend(*b"DE");
        bytes.extend(4_u16.to_be_bytes()); // the collection, at 16
        bytes.extend([0; 4]);
        bytes.extend([3, 1, 1, 0]);
        bytes.extend(6_u16.to_be_bytes()); // the rule, at 24
        bytes.extend([0; 2]);
        bytes.extend([16, 1 << 3, 0, 0]);
        for khz in [2_400_000_u32, 2_483_500, 40_000] {
            bytes.extend(khz.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn a_country_is_found_with_its_rules() {
        let wanted = ["DE", "XX"].map(str::to_owned).into();
        let found = countries(&database(), &wanted).unwrap();
        let rule = Allowance { first: 2_400_000, last: 2_483_500, passive: true, radar: false };
        assert_eq!(found, BTreeMap::from([("DE".to_owned(), vec![rule])]));
    }

    #[test]
    fn a_database_that_is_cut_off_or_foreign_says_nothing() {
        let wanted = BTreeSet::from(["DE".to_owned()]);
        let whole = database();
        for end in 0..whole.len() - 4 {
            assert_eq!(countries(&whole[..end], &wanted), None, "{end}");
        }
        assert_eq!(countries(&[0; 64], &wanted), None);
    }
}
