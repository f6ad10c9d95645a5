//! Keys of WireGuard (Curve25519, RFC 7748), 32 bytes each.
//!
//! A public key is a name like any other. A secret one is never shown: it has no
//! `Display`, its `Debug` is a fingerprint, it cannot be serialised, and the only
//! way to its text is [`WgKey::reveal`], which whoever writes a file of keys calls.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::StaticSecret;

use crate::name::fnv1a;

/// Bytes of a key.
pub const LENGTH: usize = 32;

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; LENGTH]);

/// A private or a preshared key.
#[derive(Clone)]
pub struct WgKey([u8; LENGTH]);

/// Why a text is not a key: a phrase that goes after "it".
pub type NoKey = &'static str;

fn decode(text: &str) -> Result<[u8; LENGTH], NoKey> {
    let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| "is not base64")?;
    let bytes: [u8; LENGTH] = bytes.try_into().map_err(|_| "is not 32 bytes long")?;
    if bytes == [0; LENGTH] { Err("is all zero") } else { Ok(bytes) }
}

impl PublicKey {
    /// Stands for a key that the first `up` will make.
    pub const UNMADE: Self = Self([0; LENGTH]);

    /// Reads base64, as `wg pubkey` writes it.
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        decode(text).map(Self)
    }

    /// The key of these bytes.
    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// Its first characters: enough to tell keys apart.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text + "…"
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::UNMADE {
            return f.write_str("(made by `up`)");
        }
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(&text).map_err(serde::de::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("no key"))?;
        Ok(Self(bytes))
    }
}

impl WgKey {
    /// Reads base64, as `wg genkey` and `wg genpsk` write it.
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        decode(text).map(Self)
    }

    /// The private key of these bytes, which should be random; clamped (RFC 7748,
    /// section 5), as the kernel does it.
    pub fn private(mut bytes: [u8; LENGTH]) -> Self {
        bytes[0] &= 248;
        bytes[31] = bytes[31] & 127 | 64;
        Self(bytes)
    }

    /// The preshared key of these bytes, which should be random.
    pub const fn preshared(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The public key of this private one.
    pub fn public(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&StaticSecret::from(self.0)).to_bytes())
    }

    /// What tells it from others and gives nothing of it away: one cannot get
    /// from a public key to the private one.
    pub fn fingerprint(&self) -> String {
        self.public().short()
    }

    /// Its bytes, for the kernel or a handshake.
    pub const fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// Its text, for a file that nobody else can read.
    pub fn reveal(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }
}

impl fmt::Debug for WgKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WgKey(of {})", self.fingerprint())
    }
}

/// Longest file name of a key (`NAME_MAX` is 255).
const NAME_MAX: usize = 200;

/// What a key is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// One that netyard keeps: a file name.
    Own(String),
    /// A file of the user's, as written.
    File(String),
}

impl KeyName {
    fn own(parts: &[&str], ending: &str) -> Self {
        let plain = parts.join(".");
        let fits = plain.len() <= NAME_MAX && !plain.contains('/');
        let name = if fits {
            format!("{plain}.{ending}")
        } else {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            format!("{:016x}.{ending}", fnv1a(&parts))
        };
        Self::Own(name)
    }

    /// The private key of an interface.
    pub fn private(node: &str, interface: &str) -> Self {
        Self::own(&[node, interface], "key")
    }

    /// What two interfaces share.
    pub fn shared(one: (&str, &str), other: (&str, &str)) -> Self {
        let (a, b) = if one <= other { (one, other) } else { (other, one) };
        Self::own(&[a.0, a.1, b.0, b.1], "psk")
    }

    /// The public key of a guest of an interface.
    pub fn guest(node: &str, interface: &str, guest: &str) -> Self {
        Self::own(&[node, interface, "peer", guest], "pub")
    }

    /// What an interface shares with its guest.
    pub fn guest_shared(node: &str, interface: &str, guest: &str) -> Self {
        Self::own(&[node, interface, "peer", guest], "psk")
    }

    /// The file it is in, `{secrets}` for the directory of the yard's own.
    pub fn file(&self) -> String {
        match self {
            Self::Own(name) => format!("{{secrets}}/{name}"),
            Self::File(path) => path.clone(),
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) | Self::File(name) => f.write_str(name),
        }
    }
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFact {
    /// It is there.
    There {
        /// Its file, `{secrets}` for the directory of the yard's own.
        file: String,
        /// Its public key; of a preshared key the same function.
        public: PublicKey,
    },
    /// It was looked for and is not there: a guest's.
    Absent,
    /// It cannot be used.
    Unusable {
        /// Its file.
        file: String,
        /// A phrase that goes after the file's name.
        why: String,
        /// What to do.
        fix: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748, section 6.1.
    const ALICE: [u8; 32] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66,
        0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9,
        0x2c, 0x2a,
    ];

    #[test]
    fn a_public_key_is_that_of_the_standard() {
        let text = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
        assert_eq!(WgKey::private(ALICE).public().to_string(), text);
        assert_eq!(PublicKey::parse(text), Ok(WgKey::private(ALICE).public()));
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        let fails = |text: &str| PublicKey::parse(text).unwrap_err();
        assert_eq!(fails("nonsense!"), "is not base64");
        assert_eq!(fails("c2hvcnQ="), "is not 32 bytes long");
        assert_eq!(fails(&BASE64_STANDARD.encode([0; 32])), "is all zero");
    }

    #[test]
    fn a_secret_key_does_not_show_itself() {
        let key = WgKey::private(ALICE);
        let shown = format!("{key:?} {}", key.fingerprint());
        let secret = key.reveal();
        for length in [8, 12, 44] {
            assert!(!shown.contains(&secret[..length]), "{shown}");
        }
    }
}
