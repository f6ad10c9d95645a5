//! The attributes of an expression: in one piece, as they are on the wire.
//!
//! A ruleset of 10,000 rules has some 70,000 expressions, each compiled, encoded,
//! read back and compared. As bytes in the order of their numbers, an expression's
//! attributes are one piece of memory, and all of these are copies and comparisons.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::expr::push;
use crate::wire::attributes;

/// Attributes by number, each once, sorted.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<u8>);

/// Header of an attribute, in bytes.
const HEADER: usize = 4;

impl Attributes {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of one.
    pub(crate) fn get(&self, attribute: u16) -> Option<&[u8]> {
        self.iter().find(|(kind, _)| *kind == attribute).map(|(_, value)| value)
    }

    /// Each by its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        attributes(&self.0)
    }

    /// Their numbers.
    pub fn kinds(&self) -> impl Iterator<Item = u16> {
        self.iter().map(|(kind, _)| kind)
    }

    /// Sets one.
    pub(crate) fn insert(&mut self, attribute: u16, value: &[u8]) {
        let (start, end) = self.place(attribute);
        if start == self.0.len() {
            if self.0.is_empty() {
                // What most expressions need: without it the memory grows three times.
                self.0.reserve(48);
            }
            return push(&mut self.0, attribute, value);
        }
        let mut bytes = Vec::with_capacity(value.len() + 8);
        push(&mut bytes, attribute, value);
        self.0.splice(start..end, bytes);
    }

    /// Takes one away.
    pub(crate) fn remove(&mut self, attribute: u16) {
        let (start, end) = self.place(attribute);
        self.0.drain(start..end);
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Their bytes, as in `NFTA_EXPR_DATA`.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what [`Self::bytes`] gives, in any order; of two the last counts.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut all = Self(Vec::with_capacity(bytes.len()));
        for (kind, value) in attributes(bytes) {
            all.insert(kind, value);
        }
        all
    }

    /// Where one is, or would be.
    fn place(&self, attribute: u16) -> (usize, usize) {
        let mut start = 0;
        for (kind, value) in self.iter() {
            let end = start + (HEADER + value.len()).next_multiple_of(4);
            if kind >= attribute {
                return (start, if kind == attribute { end } else { start });
            }
            start = end;
        }
        (start, start)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// In journals and plans: hexadecimal by number.
impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        serializer.collect_map(self.iter().map(|(kind, value)| (kind, text(value))))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("not an attribute in hexadecimal");
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok()
        };
        let mut all = Self::new();
        for (kind, text) in std::collections::BTreeMap::<u16, String>::deserialize(deserializer)? {
            let value: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
            // More does not fit an attribute's header (linux/netlink.h).
            let fits =
                |value: &Vec<u8>| kind < 0x4000 && value.len() + HEADER <= usize::from(u16::MAX);
            all.insert(kind, &value.filter(fits).ok_or_else(wrong)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn they_are_a_sorted_map() {
        let mut random = 1_u32;
        let (mut ours, mut map) = (Attributes::new(), BTreeMap::new());
        for _ in 0..2000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (kind, length) = ((random >> 28) as u16, (random >> 20) as usize % 9);
            if random & 1024 == 0 {
                ours.remove(kind);
                map.remove(&kind);
            } else {
                ours.insert(kind, &vec![kind as u8; length]);
                map.insert(kind, vec![kind as u8; length]);
            }
            assert!(ours.iter().eq(map.iter().map(|(kind, value)| (*kind, value.as_slice()))));
            assert_eq!(ours.get(kind), map.get(&kind).map(Vec::as_slice));
            assert_eq!(Attributes::read(ours.bytes()), ours);
        }
        ours.clear();
        assert_eq!(ours, Attributes::new());
    }

    #[test]
    fn they_are_read_in_any_order() {
        let mut mixed = Vec::new();
        push(&mut mixed, 3, b"abc");
        push(&mut mixed, 1, b"x");
        let read: Vec<_> = Attributes::read(&mixed).kinds().collect();
        assert_eq!(read, [1, 3]);
    }

    #[test]
    fn a_journal_has_them_in_hexadecimal() {
        let mut all = Attributes::new();
        all.insert(2, &[0xab, 1]);
        all.insert(1, &[]);
        let text = serde_json::to_string(&all).expect("JSON");
        assert_eq!(text, r#"{"1":"","2":"ab01"}"#);
        assert_eq!(serde_json::from_str::<Attributes>(&text).expect("the same"), all);
        assert!(serde_json::from_str::<Attributes>(r#"{"1":"xy"}"#).is_err());
        let long = format!(r#"{{"1":"{}"}}"#, "00".repeat(70_000));
        assert!(serde_json::from_str::<Attributes>(&long).is_err());
    }
}
