//! The neighbour table has no room left.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "neighbour-overflow",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "random loss, and \"neighbour table overflow\" in the kernel's log",
    means: "the table of neighbours of all namespaces together holds `gc_thresh3` entries; who comes later is not reached",
    evidence: "`table_fulls` of `/proc/net/stat/arp_cache` and `ndisc_cache`, which only the machine's first namespace has",
    fix: "raise `gc_thresh1` to `3` in the machine's first namespace",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for table in &scene.machine().neighbours {
        let nearly = table.most > 0 && table.entries * 10 >= table.most * 9;
        if table.overflows == 0 && !nearly {
            continue;
        }
        let family = if table.name == "arp_cache" { "ipv4" } else { "ipv6" };
        let what = format!(
            "the neighbour table of {family} had no room {} times; it holds {} of {}",
            table.overflows, table.entries, table.most
        );
        // What has been may long be over.
        let severity = if nearly { Severity::Error } else { Severity::Warning };
        let finding = CHECK
            .finding(&Place::Host, what)
            .severity(severity)
            .with("file", format!("/proc/net/stat/{}", table.name))
            .with("table-fulls", table.overflows)
            .with("entries", table.entries)
            .with("key", format!("net/{family}/neigh/default/gc_thresh3"))
            .with("value", table.most);
        found.push(finding.fix(format!(
            "`sysctl -w net.{family}.neigh.default.gc_thresh3={}`",
            (table.most * 4).max(4096)
        )));
    }
    found
}
