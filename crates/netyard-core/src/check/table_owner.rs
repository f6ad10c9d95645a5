//! A table that goes with the program that made it.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "table-owner",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "an nftables table goes when one program ends",
    means: "a table with the flag `owner` and without `persist` is deleted when the socket that made it is closed, and nobody else can change it",
    evidence: "`NFTA_TABLE_FLAGS` of all tables: owner without persist",
    fix: "give the table the flag `persist`, too, where the program can; else know that its rules go with it",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let tables = stack.ruleset.iter().flat_map(|ruleset| &ruleset.tables);
        for table in tables.filter(|table| table.owned && !table.persists) {
            let name = format!("{} {}", table.family, table.name);
            let finding = CHECK
                .finding(place, format!("table `{name}` goes when the program that owns it ends"))
                .with("family", table.family.to_string())
                .with("table", table.name.as_str())
                .with("handle", table.handle)
                .with("flags", "owner");
            found.push(finding.fix("let its program set `flags owner, persist`"));
        }
    }
    found
}
