//! `wlan`: a virtual interface of a radio.
//!
//! ```yaml
//! nodes:
//!   host:
//!     interfaces:
//!       softap: { kind: wlan, phy: phy0, type: ap, master: virbr0 }
//! ```
//!
//! The kernel gives it by nl80211 and not by rtnetlink, and only in the namespace
//! that its radio is in. A radio that goes into a node as a whole is a
//! [`super::physical`] interface.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned, radio as say};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

/// A virtual interface of a radio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wlan {
    /// Its radio, as `iw phy` calls it: `phy0`.
    pub phy: String,
    /// What it does there.
    pub role: WlanRole,
}

/// What an interface does on the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WlanRole {
    /// It is an access point, which others join; hostapd makes it one.
    Ap,
    /// It joins an access point; wpa_supplicant does.
    Station,
}

impl WlanRole {
    /// As the file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ap => "ap",
            Self::Station => "station",
        }
    }

    /// Of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Ap, Self::Station].into_iter().find(|role| role.word() == word)
    }

    /// `enum nl80211_iftype`, linux/nl80211.h.
    pub fn number(self) -> u32 {
        match self {
            Self::Station => 2,
            Self::Ap => 3,
        }
    }

    /// Of that number of `enum nl80211_iftype`.
    pub fn of_number(number: u32) -> Option<Self> {
        [Self::Ap, Self::Station].into_iter().find(|role| role.number() == number)
    }
}

/// The keys of `kind: wlan`.
pub static SHAPE: Shape = Shape {
    name: "`wlan` interface",
    doc: "A virtual interface of a radio of the host, beside those that it has: what an access point or a station of its own needs.",
    fields: &[
        Field::required("phy", Type::Text, "The radio, as `iw phy` calls it: `phy0`."),
        Field::required(
            "type",
            Type::Word(&["ap", "station"]),
            "`ap`, an access point (with the service `hostapd`), or `station`, which joins one (with `wpa_supplicant`).",
        ),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, report: &mut Report) -> Option<Kind> {
    let phy = record.text("phy")?;
    let role = WlanRole::of_word(&record.text("type")?.value)?;
    // In the alias of the interface a colon ends it, and sysfs has a directory of its name.
    if phy.value.is_empty() || phy.value.len() > 32 || phy.value.contains(['/', ':', '\0', '\n']) {
        report.push(say::bad_phy(&phy.value, phy.span));
        return None;
    }
    Some(Kind::Wlan(Wlan { phy: phy.value, role }))
}
