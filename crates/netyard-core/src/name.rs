//! Names: of yards, nodes and interfaces, and how a name of any length becomes
//! one that the kernel takes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest interface name the kernel takes, in bytes (`IFNAMSIZ` - 1, linux/if.h).
pub const INTERFACE_NAME_MAX: usize = 15;
/// Longest alternative interface name, in bytes (`ALTIFNAMSIZ` - 1, linux/if.h).
pub const ALTNAME_MAX: usize = 127;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a yard: one file, one system.
    YardName
}
name! {
    /// The name of a node: any script, 1 to 255 bytes, no `/`, `:`, control or white space.
    NodeName
}
name! {
    /// The name of an interface as the user wrote it: any length and script.
    FullName
}
name! {
    /// The name of an interface as the kernel knows it: 1 to 15 bytes.
    InterfaceName
}

/// Why a text cannot be a name of its sort; reads after "the name `x` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(pub &'static str);

fn check_free_name(text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName("is empty"));
    }
    if text.len() > 255 {
        return Err(BadName("is longer than 255 bytes"));
    }
    if text == "." || text == ".." {
        return Err(BadName("is a directory's"));
    }
    if text.contains(['/', ':']) {
        return Err(BadName("has a `/` or `:` in it"));
    }
    if text.starts_with('-') {
        return Err(BadName("begins with `-`"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(BadName("has white space or a control character in it"));
    }
    Ok(())
}

impl YardName {
    /// Takes a yard's name; fails on what cannot be part of a file name.
    pub fn new(text: &str) -> Result<Self, BadName> {
        check_free_name(text).map(|()| Self(text.into()))
    }
}

impl NodeName {
    /// Takes a node's name; fails on what cannot be part of a file name.
    pub fn new(text: &str) -> Result<Self, BadName> {
        check_free_name(text).map(|()| Self(text.into()))
    }
}

impl FullName {
    /// Takes an interface's name of any length up to 255 bytes.
    pub fn new(text: &str) -> Result<Self, BadName> {
        check_free_name(text).map(|()| Self(text.into()))
    }
}

impl InterfaceName {
    /// Takes a name that the kernel takes too (`dev_valid_name`, net/core/dev.c).
    pub fn new(text: &str) -> Result<Self, BadName> {
        check_free_name(text)?;
        if text.len() > INTERFACE_NAME_MAX {
            return Err(BadName("is longer than 15 bytes"));
        }
        // `__dev_alloc_name` in net/core/dev.c.
        if text.contains('%') {
            return Err(BadName("has a `%` in it, for which the kernel puts a number"));
        }
        if text == "all" || text == "default" {
            return Err(BadName("is taken by the sysctl tree (net.ipv4.conf.all, .default)"));
        }
        Ok(Self(text.into()))
    }

    /// The kernel's name for an interface called `full`: itself where the
    /// kernel takes it, else a readable head, `~` and six characters that stand
    /// for the whole (30 bits of FNV-1a over `scope`, `full` and `salt`).
    ///
    /// Deterministic; a caller that meets a collision calls again with the next
    /// `salt`, which begins at 0.
    pub fn derive(scope: &str, full: &str, salt: u32) -> Self {
        if salt == 0
            && let Ok(name) = Self::new(full)
        {
            return name;
        }
        let mut name: String = full.chars().filter(|c| c.is_ascii_alphanumeric()).take(8).collect();
        name.push('~');
        let hash = fnv1a(&[scope.as_bytes(), full.as_bytes(), &salt.to_le_bytes()]);
        name.extend((0..6).map(|i| BASE32[(hash >> (5 * i)) as usize & 31] as char));
        Self(name.into())
    }
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// FNV-1a, 64 bits, with a separator after each part: stable across versions
/// and machines, which `std`'s hasher does not promise.
pub fn fnv1a(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    for part in parts {
        part.iter().copied().for_each(&mut eat);
        eat(0xff);
    }
    // One more mix: FNV's low bits are weak for short input.
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// `*` and `?`, as in a shell; sets in brackets count as any one character.
pub(crate) fn glob(pattern: &str, word: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => word.is_empty(),
        Some('*') => {
            let after = rest.as_str();
            glob(after, word)
                || word.char_indices().any(|(at, c)| glob(after, &word[at + c.len_utf8()..]))
        }
        Some('[') => match rest.as_str().split_once(']') {
            Some((_, after)) => {
                let mut word = word.chars();
                word.next().is_some() && glob(after, word.as_str())
            }
            None => false,
        },
        Some(c) => {
            let mut word = word.chars();
            word.next().is_some_and(|one| c == '?' || one == c)
                && glob(rest.as_str(), word.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_stays_itself() {
        assert_eq!(InterfaceName::derive("r1", "eth0", 0).as_str(), "eth0");
    }

    #[test]
    fn a_long_name_keeps_a_head_and_fits() {
        let name = InterfaceName::derive("r1", "uplink-to-the-neighbours-roof", 0);
        assert!(name.as_str().starts_with("uplinkto~"), "{name}");
        assert_eq!(name.as_str().len(), INTERFACE_NAME_MAX);
        assert_ne!(name, InterfaceName::derive("r1", "uplink-to-the-neighbours-roof", 1));
    }

    #[test]
    fn a_name_of_another_script_gets_a_kernel_name() {
        let name = InterfaceName::derive("r1", "Übergang/zürich".replace('/', "-").as_str(), 0);
        assert!(name.as_str().len() <= INTERFACE_NAME_MAX);
    }

    #[test]
    fn names_that_would_leave_a_directory_are_refused() {
        assert!(NodeName::new("../etc").is_err());
        assert!(NodeName::new("a b").is_err());
        assert!(NodeName::new("").is_err());
        assert!(InterfaceName::new("all").is_err());
    }
}
