//! Options that the file may say beside those with keys of their own.

/// What an option's value is (RFC 2132 and those after it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionForm {
    /// IPv4 addresses.
    Addresses,
    /// A text.
    Text,
    /// A whole number of so many bytes.
    Number(u8),
}

/// Names of options, their codes and forms.
const NAMED: &[(&str, u8, OptionForm)] = &[
    ("time-offset", 2, OptionForm::Number(4)),
    ("time", 4, OptionForm::Addresses),
    ("log", 7, OptionForm::Addresses),
    ("root-path", 17, OptionForm::Text),
    ("mtu", 26, OptionForm::Number(2)),
    ("broadcast", 28, OptionForm::Addresses),
    ("ntp", 42, OptionForm::Addresses),
    ("netbios", 44, OptionForm::Addresses),
    ("tftp", 66, OptionForm::Text),
    ("boot-file", 67, OptionForm::Text),
    ("smtp", 69, OptionForm::Addresses),
    ("posix-timezone", 100, OptionForm::Text),
    ("timezone", 101, OptionForm::Text),
    ("captive-portal", 114, OptionForm::Text),
    ("wpad", 252, OptionForm::Text),
];

/// Codes of options that are the protocol's own, or have a key.
const OWN: &[u8] = &[0, 1, 12, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 81, 82, 255];

/// An option as the file calls it: a name, or a code from 1 to 254; its code and,
/// where it is known, its form.
pub fn named(name: &str) -> Option<(u8, Option<OptionForm>)> {
    if let Some((_, code, form)) = NAMED.iter().find(|(word, ..)| *word == name) {
        return Some((*code, Some(*form)));
    }
    let code = name.parse::<u8>().ok().filter(|code| !OWN.contains(code))?;
    Some((code, form(code)))
}

/// The form of an option that is known.
pub fn form(code: u8) -> Option<OptionForm> {
    match code {
        3 | 6 => Some(OptionForm::Addresses),
        15 => Some(OptionForm::Text),
        _ => NAMED.iter().find(|(_, known, _)| *known == code).map(|(.., form)| *form),
    }
}

/// The names there are, for "did you mean".
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().map(|(name, ..)| *name)
}
