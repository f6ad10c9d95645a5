//! By which everyone sees whose a table is: its name, and a text that the kernel
//! keeps beside it.

use crate::name::{YardName, fnv1a};

/// What the names of all yards' tables begin with.
const PREFIX: &str = "netyard-";
/// Of what a name has of the yard's, in bytes: with a hash it stays readable.
const READABLE: usize = 40;

/// The name of a yard's tables. What nft cannot write is left out, and then a
/// hash of the whole name is added, so that each yard has its own.
pub fn table_name(yard: &YardName) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = yard.as_str();
    if name.chars().all(plain) && name.len() <= READABLE {
        return format!("{PREFIX}{name}");
    }
    let kept: String = name.chars().filter(|c| plain(*c)).take(READABLE).collect();
    format!("{PREFIX}{kept}.{:016x}", fnv1a(&[b"table", name.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        table_name(&YardName::new(name).unwrap())
    }

    #[test]
    fn any_yard_has_a_table_name_of_its_own_that_nft_can_write() {
        assert_eq!(of("home"), "netyard-home");
        let names = ["home", "höme", "hme", &"x".repeat(200), &"x".repeat(201), "räume"];
        let all: std::collections::BTreeSet<String> = names.iter().map(|n| of(n)).collect();
        assert_eq!(all.len(), names.len());
        for name in &all {
            assert!(name.len() < 80, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
        }
    }
}
