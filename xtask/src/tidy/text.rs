//! What no text of the project may say.

use super::Finding;
use super::source::{Source, line_of};

/// Paths that exist on somebody's machine only. In two parts, so that this file keeps its rule.
const MACHINE: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tmp/", "h-")];

/// Hosts that serve packages: a mirror takes their place on many machines.
const REGISTRIES: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("deb.deb", "ian.org"),
    concat!("security.deb", "ian.org"),
    concat!("archive.ubun", "tu.com"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".org"),
    concat!("docker", ".io"),
    concat!("proxy.gol", "ang.org"),
];

/// Cargo writes it, and it names the registry of every crate.
const LOCK: &str = "Cargo.lock";

/// Paths of a machine and hosts of registries.
pub fn machine_and_registry(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path != LOCK) {
        for path in MACHINE {
            for (offset, _) in source.text.match_indices(path) {
                if is_start_of_path(&source.text, offset) {
                    let what = format!("`{path}` is a path of one machine");
                    findings.push(Finding::new(source, line_of(&source.text, offset), what));
                }
            }
        }
        for host in REGISTRIES {
            for (offset, _) in source.text.match_indices(host) {
                let what = format!("`{host}` is the host of a registry");
                findings.push(Finding::new(source, line_of(&source.text, offset), what));
            }
        }
    }
    findings
}

/// After a letter or a variable the same letters are part of another path.
fn is_start_of_path(text: &str, offset: usize) -> bool {
    !text[..offset].ends_with(|c: char| c.is_alphanumeric() || "_-.}>/".contains(c))
}

#[cfg(test)]
mod tests {
    use super::super::source::source;
    use super::*;

    #[test]
    fn a_path_of_a_machine_is_refused() {
        let path = MACHINE[1];
        let bad = source("README.md", &format!("first\nsee `{path}main`\n"));
        let findings = machine_and_registry(&[bad]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
        let good = source("README.md", &format!("$OUT{path}main and target{path}x\n"));
        assert_eq!(machine_and_registry(&[good]), []);
    }

    #[test]
    fn the_host_of_a_registry_is_refused() {
        for host in REGISTRIES {
            let bad = source("vm/x.sh", &format!("deb https://{host}/debian\n"));
            assert!(!machine_and_registry(&[bad]).is_empty(), "{host}");
        }
        assert_eq!(machine_and_registry(&[source(LOCK, REGISTRIES[0])]), []);
    }
}
