//! A port is forwarded twice, and the first rule wins.

use std::collections::BTreeMap;

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "dnat-shadowed",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a port forward leads somewhere else",
    means: "the first rule that translates a destination decides; one that is left from something gone hides the one that is meant",
    evidence: "rules of nat chains at `prerouting`: two that translate the same destination port to different targets",
    fix: "delete the rule that is stale, by its handle",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let Some(ruleset) = &stack.ruleset else { continue };
        let mut told = BTreeMap::new();
        for packet in super::scene::forwarded_ports(stack, ruleset) {
            let all = ruleset.translations(&packet);
            let [first, rest @ ..] = all.as_slice() else { continue };
            let Some(hidden) = rest.iter().find(|t| (t.address, t.port) != (first.address, first.port))
            else {
                continue;
            };
            let port = packet.dport.unwrap_or_default();
            if told.insert((first.by.handle, hidden.by.handle), ()).is_some() {
                continue;
            }
            let (by, behind) = (&first.by, &hidden.by);
            let what = format!(
                "port {port} goes to {}, as rule {} of chain `{} {} {}` says, and never to {}",
                super::scene::target_text(first),
                by.handle,
                by.family,
                by.table,
                by.chain,
                super::scene::target_text(hidden)
            );
            let finding = CHECK
                .finding(place, what)
                .with("family", by.family.to_string())
                .with("table", by.table.as_str())
                .with("chain", by.chain.as_str())
                .with("handle", by.handle)
                .with("port", port)
                .with("hidden-table", behind.table.as_str())
                .with("hidden-chain", behind.chain.as_str())
                .with("hidden-handle", behind.handle);
            found.push(finding.fix(format!(
                "where the first one is stale: `nft delete rule {} {} {} handle {}`",
                by.family, by.table, by.chain, by.handle
            )));
        }
    }
    found
}
