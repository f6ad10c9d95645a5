//! What access points and stations have in common: the name of a network, its
//! passphrase, its security, the country.

use crate::diag::{Report, Span, Spanned, radio as say};
use crate::shape::{Field, Record, Type};

/// How a network is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// By nothing.
    Open,
    /// By a passphrase (WPA2-PSK).
    Wpa2,
    /// By a passphrase that nobody can guess offline (WPA3, SAE).
    Wpa3,
    /// By both, as each station can.
    Both,
}

/// A network on the air.
#[derive(Clone, Debug, PartialEq)]
pub struct Air {
    /// The interface.
    pub interface: Spanned<String>,
    /// Its name.
    pub ssid: Spanned<String>,
    /// How it is kept.
    pub security: Security,
    /// The file with its passphrase, as written.
    pub passphrase: Option<Spanned<String>>,
    /// Where it is: two letters.
    pub country: Option<Spanned<String>>,
}

pub(crate) const INTERFACE: Field =
    Field::required("interface", Type::Text, "The interface of the node that it uses.");
pub(crate) const SSID: Field = Field::required("ssid", Type::Text, "The name of the network.");
pub(crate) const PASSPHRASE: Field = Field::new(
    "passphrase-file",
    Type::Text,
    "A file whose only line is the passphrase, 8 to 63 characters; relative to this file. It is never shown, and read when the service starts.",
);

/// Reads what both have.
pub(crate) fn air(record: &Record, report: &mut Report) -> Option<Air> {
    let (interface, ssid) = (record.text("interface")?, record.text("ssid")?);
    let mut right = true;
    if ssid.value.is_empty() || ssid.value.len() > 32 {
        report.push(say::bad_ssid(ssid.value.len(), ssid.span));
        right = false;
    }
    let word = record.text("security");
    let security = match word.as_ref().map(|word| word.value.as_str()) {
        Some("open") => Security::Open,
        Some("wpa2") => Security::Wpa2,
        Some("wpa3") => Security::Wpa3,
        _ => Security::Both,
    };
    let passphrase = record.text("passphrase-file");
    if passphrase.is_none() != (security == Security::Open) {
        let said = word.as_ref().map_or("", |word| word.value.as_str());
        let span = passphrase.as_ref().map_or(ssid.span, |file| file.span);
        report.push(say::passphrase_needed(said, span));
        right = false;
    }
    let country = record.text("country");
    if let Some(country) = &country
        && !(country.value.len() == 2 && country.value.bytes().all(|b| b.is_ascii_uppercase()))
    {
        report.push(say::bad_country(&country.value, country.span));
        right = false;
    }
    right.then_some(Air { interface, ssid, security, passphrase, country })
}

impl Air {
    /// The name as a configuration takes it whatever is in it: in digits.
    pub(crate) fn ssid_digits(&self) -> String {
        self.ssid.value.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What stands for the passphrase until the process starts; `path` says where a
    /// file of the user's is.
    pub(crate) fn passphrase(&self, path: impl Fn(&str) -> String) -> Option<String> {
        self.passphrase.as_ref().map(|file| format!("{{file:{}}}", path(&file.value)))
    }

    /// Where a message about it points.
    pub fn span(&self) -> Span {
        self.interface.span
    }
}

/// The middle of a channel, in MHz (IEEE 802.11, annex E); none for what is no channel.
pub fn frequency(channel: u32) -> Option<u32> {
    match channel {
        1..=13 => Some(2407 + 5 * channel),
        14 => Some(2484),
        32..=177 => Some(5000 + 5 * channel),
        _ => None,
    }
}
