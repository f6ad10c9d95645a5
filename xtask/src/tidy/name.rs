//! Names and lengths of files.

use super::Finding;
use super::source::Source;

/// More than this fails; more than [`NOTICEABLE`] is mentioned.
const TOO_LONG: usize = 700;
const NOTICEABLE: usize = 500;

/// Files and directories whose name says nothing about the subject.
pub fn drawers(sources: &[Source]) -> Vec<Finding> {
    const DRAWERS: [&str; 12] = [
        "common", "handler", "handlers", "helper", "helpers", "manager", "misc", "shared", "type",
        "types", "util", "utils",
    ];
    let mut findings = Vec::new();
    // Other tools' files are called what their tools call them.
    let ours = sources.iter().filter(|source| !source.path.starts_with("cases/import/"));
    for source in ours {
        let parts = source.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        for part in parts.filter(|part| DRAWERS.contains(part)) {
            findings.push(Finding::new(source, 0, format!("`{part}` names no subject")));
        }
    }
    findings
}

/// Rust files with too many lines.
pub fn long_files(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        if lines > NOTICEABLE {
            let mut finding = Finding::new(source, 0, format!("{lines} lines"));
            finding.mild = lines <= TOO_LONG;
            findings.push(finding);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::source::source;
    use super::*;

    #[test]
    fn a_drawer_is_refused_as_file_and_as_directory() {
        let bad = [source("crates/a/src/utils.rs", ""), source("crates/a/src/common/mod.rs", "")];
        assert_eq!(drawers(&bad).len(), 2);
        assert_eq!(drawers(&[source("crates/a/src/vlan.rs", "")]), []);
    }

    #[test]
    fn a_long_file_is_mentioned_and_a_longer_one_refused() {
        let verdict = |lines| {
            let findings = long_files(&[source("a.rs", &"x\n".repeat(lines))]);
            findings.first().map(|finding| finding.mild)
        };
        assert_eq!(verdict(500), None);
        assert_eq!(verdict(501), Some(true));
        assert_eq!(verdict(701), Some(false));
        assert_eq!(long_files(&[source("README.md", &"x\n".repeat(900))]), []);
    }
}
