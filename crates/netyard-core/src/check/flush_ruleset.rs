//! A reload of nftables.service takes every table away.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ManagerName;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "flush-ruleset",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "a reload of `nftables.service` takes the yard's rules away",
    means: "`flush ruleset` at the head of the file deletes every table, of everyone",
    evidence: "`flush ruleset` in `/etc/nftables.conf`, where the yard has rules on the host",
    fix: "replace it by `table …` and `delete table …` of the tables that the file makes, or run `netyard up` after a reload",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(manager) = scene.manager(ManagerName::Nftables) else { return Vec::new() };
    let Some(("true", file)) = manager.setting("flush ruleset") else { return Vec::new() };
    let ours = |yard: &crate::yard::Yard| !yard.uplinks.is_empty();
    let tables = scene.host().and_then(|host| host.ruleset.as_ref());
    let there = tables.is_some_and(|ruleset| ruleset.tables.iter().any(|table| table.is_ours()));
    if !there && !scene.yard.is_some_and(ours) {
        return Vec::new();
    }
    let what = format!("`{file}` deletes all tables when nftables.service starts or reloads");
    let finding = CHECK.finding(&Place::Host, what).with("file", file);
    vec![finding.with("line", "flush ruleset").fix(
        "replace `flush ruleset` by `destroy table …` for each table that the file makes",
    )]
}
