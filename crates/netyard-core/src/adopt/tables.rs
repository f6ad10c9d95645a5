//! The nftables that stay beside an adopted yard: what there is, and rules of address
//! translation of which one makes the other useless.

use std::collections::BTreeSet;

use crate::facts::{ForeignChain, ForeignRule, ForeignTable, Ruleset};
use crate::nft::Hook;

/// How the statements begin that translate, in nft's words.
const STATEMENTS: [&str; 4] = ["masquerade", "snat", "dnat", "redirect"];

/// A line for each table that is not netyard's, and one for each rule that never translates
/// because one before it takes the same packets and says something else.
pub fn tables(ruleset: &Ruleset) -> Vec<String> {
    let foreign = ruleset.tables.iter().filter(|table| !table.is_ours());
    let mut lines: Vec<String> = foreign
        .map(|table| {
            let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
            let ForeignTable { family, name, .. } = table;
            format!("nftables, table {family} {name} ({rules} rules): it stays as it is")
        })
        .collect();
    let mut contradictions = BTreeSet::new();
    for hook in [Hook::Prerouting, Hook::Postrouting] {
        for ipv6 in [false, true] {
            contradictions.extend(contradicting(ruleset.at(hook, ipv6)));
        }
    }
    lines.extend(contradictions);
    lines
}

/// A rule that translates.
struct Translation {
    /// Where it is, for people.
    at: String,
    /// Which packets it takes.
    packets: String,
    /// What becomes of them.
    statement: String,
}

fn contradicting(chains: Vec<(&ForeignTable, &ForeignChain)>) -> Vec<String> {
    let nat = chains.into_iter().filter(|(table, chain)| chain.kind == "nat" && !table.is_ours());
    let all: Vec<Translation> = nat.flat_map(|(table, chain)| translations(table, chain)).collect();
    let mut lines = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let same = |earlier: &&Translation| earlier.packets == one.packets;
        let Some(first) = all[..number].iter().find(same) else { continue };
        if first.statement != one.statement {
            lines.push(format!(
                "{}: `{}` never happens: {} says `{}` of the same packets before it; delete one of them",
                one.at, one.statement, first.at, first.statement
            ));
        }
    }
    lines
}

fn translations(table: &ForeignTable, chain: &ForeignChain) -> Vec<Translation> {
    let read = |rule: &ForeignRule| {
        let text = rule.text(table);
        let words: Vec<&str> = text.split_whitespace().collect();
        let first = words.iter().position(|word| STATEMENTS.contains(word))?;
        let packets = words[..first].iter().filter(|word| **word != "counter");
        Some(Translation {
            at: format!("{} {} {} handle {}", table.family, table.name, chain.name, rule.handle),
            packets: packets.copied().collect::<Vec<_>>().join(" "),
            statement: words[first..].join(" "),
        })
    };
    chain.rules.iter().filter_map(read).collect()
}
