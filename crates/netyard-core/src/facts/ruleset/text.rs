//! A rule as nft writes it: enough to know it by.

use super::{Family, ForeignRule, ForeignSet, ForeignTable};
use crate::nft::Expr;
use crate::nft::expr::{self, Collection};

impl ForeignRule {
    /// As nft would write it, without what it counts.
    pub fn text(&self, table: &ForeignTable) -> String {
        let ipv6 = match table.family {
            Family::Ip => Some(false),
            Family::Ip6 => Some(true),
            _ => None,
        };
        let whole: Vec<Expr> = self.whole.iter().map(|e| with_elements(e, table)).collect();
        crate::nft::foreign_text(&whole, ipv6)
    }
}

/// With what is in the set that it looks into, where that has no name.
fn with_elements(expression: &Expr, table: &ForeignTable) -> Expr {
    let set = expression.set_name().filter(|name| name.starts_with("__"));
    let set = set.and_then(|name| table.sets.get(name)).map(|set| Box::new(set.collection()));
    Expr { set, ..expression.clone() }
}

impl ForeignSet {
    fn collection(&self) -> Collection {
        let flags = |ends| if ends { expr::INTERVAL_END } else { 0 };
        let element = |one: &super::Element| expr::Element {
            key: one.key.clone(),
            flags: flags(one.ends),
            key_end: one.key_end.clone().unwrap_or_default(),
            data: one.whole_data.clone(),
        };
        let mut elements: Vec<expr::Element> = self.elements.iter().map(element).collect();
        elements.sort();
        Collection {
            flags: if self.interval { expr::SET_INTERVAL } else { 0 },
            key_type: self.key_type,
            key_len: u32::try_from(self.key_length).unwrap_or(u32::MAX),
            elements,
            ..Collection::default()
        }
    }
}
