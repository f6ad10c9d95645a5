//! `cargo xtask tidy`: the rules of the architecture that no compiler checks, checked over the
//! sources. Each rule says why it exists; each has a test that it can fail.

mod effect;
mod layer;
mod name;
mod source;
mod text;

use crate::Outcome;
use source::Source;
use std::path::Path;
use std::process::ExitCode;

/// A place that breaks a rule.
#[derive(Debug, PartialEq)]
pub struct Finding {
    path: String,
    /// Counted from 1; 0 when the whole file is meant.
    line: usize,
    what: String,
    /// Only mentioned; does not fail.
    mild: bool,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into(), mild: false }
    }
}

/// One rule: what to look for, and why.
struct Rule {
    name: &'static str,
    reason: &'static str,
    find: fn(&[Source]) -> Vec<Finding>,
}

const RULES: [Rule; 9] = [
    Rule {
        name: "layers",
        reason: "a step that sees only its input can be tested, printed and resumed alone",
        find: layer::crossed,
    },
    Rule {
        name: "kinds are strangers",
        reason: "a kind that knows another cannot be added, read or removed as one file",
        find: layer::acquainted,
    },
    Rule {
        name: "core is pure",
        reason: "same input, same bytes out: core has no IO, clock, environment or hash order",
        find: effect::in_core,
    },
    Rule {
        name: "only netyard prints",
        reason: "a library that prints spoils JSON output and cannot be used quietly",
        find: effect::printing,
    },
    Rule {
        name: "only netns changes namespace",
        reason: "a thread in the wrong namespace changes the wrong machine; one file to review",
        find: effect::changing_namespace,
    },
    Rule {
        name: "few write files",
        reason: "what is written must be found again by `down`, and after a power cut",
        find: effect::writing_files,
    },
    Rule {
        name: "no drawers",
        reason: "a name that fits everything collects everything; name the subject",
        find: name::drawers,
    },
    Rule {
        name: "length",
        reason: "a file with one subject stays near 500 lines; a longer one has two",
        find: name::long_files,
    },
    Rule {
        name: "no machine, no registry",
        reason: "the sources must mean the same on every machine and behind every mirror",
        find: text::machine_and_registry,
    },
];

/// Checks all rules and prints what breaks them.
///
/// # Errors
/// When the sources cannot be listed or read.
pub fn run(root: &Path) -> Outcome {
    let sources = source::tracked(root)?;
    let mut broken = 0;
    for rule in &RULES {
        let findings = (rule.find)(&sources);
        let grave = findings.iter().filter(|finding| !finding.mild).count();
        broken += grave;
        for finding in &findings {
            let word = if finding.mild { "warning" } else { "error" };
            println!("{word}[{}]: {}", rule.name, finding.what);
            println!("  --> {}:{}", finding.path, finding.line.max(1));
        }
        if grave > 0 {
            println!("why: {}\n", rule.reason);
        }
    }
    println!("tidy: {} rules over {} files, {broken} broken", RULES.len(), sources.len());
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_keep_every_rule() {
        let sources = source::tracked(crate::root()).unwrap();
        assert!(sources.iter().any(|source| source.path == "xtask/src/tidy/mod.rs"));
        for rule in &RULES {
            let grave: Vec<Finding> =
                (rule.find)(&sources).into_iter().filter(|finding| !finding.mild).collect();
            assert!(grave.is_empty(), "{}: {grave:#?}\nwhy: {}", rule.name, rule.reason);
        }
    }
}
