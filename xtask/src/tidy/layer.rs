//! Who may see whom, inside the core.

use super::Finding;
use super::source::{Source, line_of, words};

const CORE: &str = "crates/netyard-core/src/";

/// Module of the core, what it must not name, and why.
const BLIND: [(&str, &[&str], &str); 9] = [
    (
        "plan",
        &["spec", "yard", "graph", "check", "render", "import"],
        "plan orders States and knows nothing of what a user wrote",
    ),
    (
        "render",
        &["spec", "plan"],
        "render writes files from the resolved yard, whatever the kernel holds",
    ),
    ("spec", &["yard", "plan"], "spec is text as written; meaning comes later"),
    ("yard", &["plan", "render"], "a yard is what was meant, before any step is planned"),
    ("interface", &["spec", "yard", "plan", "render"], "a kind serves every step and knows none"),
    ("service", &["yard", "plan", "render"], "a service serves every step and knows none"),
    ("firewall", &["plan", "render"], "rules are data; the steps come to them"),
    ("nft", &["spec", "yard", "plan", "render"], "a ruleset is data; it knows no step"),
    ("state", &["plan", "graph", "check", "render", "import"], "state is below the plan"),
];

/// Directories of the core where each file is one of a kind.
const KINDS: [&str; 4] = ["interface", "service", "check", "import"];

/// Files in those directories that are no kind but what all kinds are made of.
const SHARED: [&str; 6] = ["attribute", "kind", "lease", "served", "shape", "table"];

/// Modules that name a module they must not see.
pub fn crossed(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust_in(&[CORE])) {
        let module = module_of(source);
        let code = source.code();
        for (_, unseen, why) in BLIND.iter().filter(|(name, ..)| *name == module) {
            for (offset, name) in named_after(&code, "crate::") {
                if unseen.contains(&name.as_str()) {
                    let what = format!("`{module}` names `crate::{name}`: {why}");
                    findings.push(Finding::new(source, line_of(&code, offset), what));
                }
            }
        }
    }
    findings
}

/// Kinds that name another kind of the same directory.
pub fn acquainted(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for directory in KINDS {
        let place = format!("{CORE}{directory}/");
        let kinds: Vec<&Source> = sources
            .iter()
            .filter(|source| source.is_rust_in(&[&place]) && !source.path.ends_with("/mod.rs"))
            .filter(|source| !source.path[place.len()..].contains('/'))
            .filter(|source| !SHARED.contains(&source.stem()))
            .collect();
        for source in &kinds {
            let code = source.code();
            let path = format!("{directory}::");
            let named = named_after(&code, "super::").into_iter().chain(named_after(&code, &path));
            for (offset, name) in named {
                if name != source.stem() && kinds.iter().any(|kind| kind.stem() == name) {
                    let what = format!("the kind `{}` names the kind `{name}`", source.stem());
                    findings.push(Finding::new(source, line_of(&code, offset), what));
                }
            }
        }
    }
    findings
}

/// The top-level module of the core that a file belongs to.
fn module_of(source: &Source) -> &str {
    let path = source.path.strip_prefix(CORE).unwrap_or(&source.path);
    path.split(['/', '.']).next().unwrap_or(path)
}

/// The names that follow `path` in code: `crate::plan`, and each of `crate::{plan::Op, state}`.
fn named_after(code: &str, path: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for offset in words(code, path) {
        let after = code[offset + path.len()..].trim_start();
        let Some(group) = after.strip_prefix('{') else {
            named.push((offset, first_name(after)));
            continue;
        };
        let mut depth = 0;
        let members = group.split(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth < 0 || (depth == 0 && c == ',')
        });
        // What follows the closing brace is split off as well; a `;` ends the statement.
        for member in members {
            if member.contains(';') {
                break;
            }
            named.push((offset, first_name(member.trim_start())));
        }
    }
    named
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::source;
    use super::*;

    fn core(path: &str, text: &str) -> Source {
        source(&format!("{CORE}{path}"), text)
    }

    #[test]
    fn plan_must_not_name_spec() {
        let bad = [
            core("plan/order.rs", "use crate::spec::Spec;\n"),
            core("plan/mod.rs", "\nuse crate::{\n    name::X,\n    spec::{Spec, Path},\n};\n"),
            core("plan.rs", "fn f(x: &crate::spec::Spec) {}\n"),
        ];
        let findings = crossed(&bad);
        assert_eq!(findings.len(), 3, "{findings:#?}");
        assert_eq!(findings[1].line, 2);
        let good = [
            core(
                "plan/order.rs",
                "// not crate::spec\nuse crate::{state::{Object, spec}, name};\n",
            ),
            core("yard/mod.rs", "use crate::spec::Spec;\n"),
        ];
        assert_eq!(crossed(&good), []);
    }

    #[test]
    fn kinds_must_not_name_each_other() {
        let veth = core("interface/veth.rs", "pub struct Veth;\n");
        let shared = core("interface/kind.rs", "pub trait Kind {}\n");
        let table = core("interface/mod.rs", "mod veth; mod vlan; use self::veth::Veth;\n");
        let good = core("interface/vlan.rs", "use super::{Interface, kind::Kind};\n");
        assert_eq!(acquainted(&[veth, shared, table, good]), []);

        for text in
            ["use super::veth::Veth;", "use super::{Kind, veth};", "crate::interface::veth::X"]
        {
            let veth = core("interface/veth.rs", "pub struct Veth;\n");
            let findings = acquainted(&[veth, core("interface/vlan.rs", text)]);
            assert_eq!(findings.len(), 1, "{text}");
        }
    }
}
