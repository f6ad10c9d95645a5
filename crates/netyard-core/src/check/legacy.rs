//! Rules of the old iptables, which nftables does not show.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "iptables-legacy",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "the old iptables filters too, unseen by nft",
    means: "the tables of iptables-legacy are asked beside nftables; `nft list ruleset` and this doctor do not see their rules",
    evidence: "`/proc/net/ip_tables_names` and `ip6_tables_names` of each namespace",
    fix: "look at them with `iptables-legacy-save`; move to iptables-nft, or unload `iptable_filter`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for table in &stack.legacy_tables {
            let (command, name) = table.split_once(' ').unwrap_or(("iptables", table));
            let what = format!("table `{name}` of {command}-legacy filters beside nftables");
            let finding = CHECK.finding(place, what).with("table", name).with("command", command);
            found.push(finding.fix(format!("`{command}-legacy-save -t {name}` shows its rules")));
        }
    }
    found
}
