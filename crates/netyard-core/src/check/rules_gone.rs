//! The yard runs and its table is not there.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{ManagerName, Stack};
use crate::firewall;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "rules-gone",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "all rules of a running yard are gone at once",
    means: "`nft flush ruleset` by anybody, or a reload of a service that begins with it, deletes every table, also netyard's: nothing is filtered or translated any more",
    evidence: "the yard's table (`NFT_MSG_GETTABLE`) is missing in a namespace where its interfaces are",
    fix: "`netyard up` makes it again; find who flushes, or it will happen again",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    // Before `up` there is none, and that is as it should be.
    let Some(yard) = scene.yard.filter(|_| scene.phase == Phase::Running) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for table in firewall::tables(yard) {
        let stack = scene.stacks().find(|(place, _)| **place == table.place);
        let Some((place, stack)) = stack.filter(|(place, stack)| is_up(scene, place, stack)) else {
            continue;
        };
        let Some(ruleset) = &stack.ruleset else { continue };
        if ruleset.tables.iter().any(|there| there.name == table.name) {
            continue;
        }
        let what = format!("table `inet {}` is gone, and the yard is up", table.name);
        let mut finding = CHECK
            .finding(place, what)
            .with("family", "inet")
            .with("table", table.name.as_str())
            .fix("`netyard up` makes it again");
        let nftables = scene.manager(ManagerName::Nftables).filter(|_| *place == Place::Host);
        if let Some(("true", file)) = nftables.and_then(|one| one.setting("flush ruleset")) {
            finding = finding.with("file", file).fix(format!("`{file}` begins with `flush ruleset`"));
        }
        found.push(finding);
    }
    found
}

/// A namespace that is there is up; the host is where something of the yard is.
fn is_up(scene: &Scene<'_>, place: &Place, stack: &Stack) -> bool {
    let Some(yard) = scene.yard else { return false };
    let ours = |link: &crate::facts::Link| Stack::is_ours(link, yard.name.as_str());
    *place != Place::Host || stack.links.iter().any(ours)
}
