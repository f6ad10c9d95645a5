//! Who may touch the world: print, change namespace, write files.

use super::Finding;
use super::source::{Source, line_of, words};

const CORE: &str = "crates/netyard-core/src/";
const LINUX: &str = "crates/netyard-linux/src/";
const COMMAND: &str = "crates/netyard/src/";

/// Who in `netyard-linux` writes files, and which. A name more is a decision: what is written must
/// be found again by `down`, and after a power cut.
const WRITERS: [(&str, &str); 12] = [
    ("boot", "the unit that brings a yard up at boot"),
    ("client", "the lease it holds, and the name servers it is told"),
    ("files", "files that appear whole or not at all"),
    ("image", "a root file system, in a directory of its own that becomes whole by a rename"),
    ("journal", "appends, and waits for the disk: that is its point"),
    ("netns", "where a namespace is pinned, and the tables of a user namespace"),
    ("process", "the output of a node's commands"),
    ("run", "the directory of those outputs, and the device that makes taps"),
    ("serve", "the lease file, in the directory that its process has for data"),
    ("state_dir", "the yard's own directory and its lock"),
    ("supervise", "the directories of processes, and what is written down of each"),
    (
        "wireguard",
        "keys, each whole or not at all, and the socket a tunnel's process tells of itself on",
    ),
];

/// Who in `netyard-linux` uses a standard stream, and for what; never to speak to a person.
const SPEAKERS: [(&str, &str); 4] = [
    ("keeper", "one line to the process that started it, over the pipe it made for that"),
    ("serve", "the log of a process that runs by itself, which its supervisor writes to a file"),
    ("supervise", "one line to the command that started it, over the pipe it made for that"),
    ("wireguard", "the log of a tunnel's process, which its supervisor writes to a file"),
];

/// The remark at `use std::collections::HashMap` that its order is seen by nobody.
const LOOKED_UP: &str = "never iterated";

/// IO, clock, environment, process or randomness in the core, and collections without an order
/// of their own unless it is said that nobody sees the order.
pub fn in_core(sources: &[Source]) -> Vec<Finding> {
    const IMPURE: [&str; 11] = [
        "std::fs",
        "std::io",
        "std::env",
        "std::process",
        "std::thread",
        "std::time",
        "std::os::unix",
        "std::net::TcpStream",
        "std::net::UdpSocket",
        "SystemTime",
        "Instant",
    ];
    let mut findings = find(sources, &[CORE], |_| false, &IMPURE, "the core names");
    let remarked = |source: &Source| {
        source.text.lines().any(|line| line.starts_with("use ") && line.contains(LOOKED_UP))
    };
    let what = format!("without the remark `{LOOKED_UP}` at its `use`, the core names");
    let mut unordered = find(sources, &[CORE], remarked, &["HashMap", "HashSet"], &what);
    unordered.dedup_by(|later, earlier| later.path == earlier.path);
    findings.extend(unordered);
    findings
}

/// Printing outside of the command.
pub fn printing(sources: &[Source]) -> Vec<Finding> {
    const PRINTS: [&str; 7] =
        ["println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"];
    let allowed = |source: &Source| SPEAKERS.iter().any(|(module, _)| belongs_to(source, module));
    find(sources, &[CORE, LINUX], allowed, &PRINTS, "only the crate `netyard` may use")
}

/// Changing namespace outside of `netns`.
pub fn changing_namespace(sources: &[Source]) -> Vec<Finding> {
    const CHANGES: [&str; 6] = [
        "setns",
        "unshare",
        "unshare_unsafe",
        "move_into_link_name_space",
        "move_into_thread_name_spaces",
        "clone3",
    ];
    let allowed = |source: &Source| belongs_to(source, "netns");
    find(sources, &[CORE, LINUX, COMMAND], allowed, &CHANGES, "only `netns` may call")
}

/// Writing files outside of [`WRITERS`].
pub fn writing_files(sources: &[Source]) -> Vec<Finding> {
    const WRITES: [&str; 14] = [
        "fs::write",
        "fs::rename",
        "fs::remove_file",
        "fs::remove_dir",
        "fs::remove_dir_all",
        "fs::create_dir",
        "fs::create_dir_all",
        "fs::copy",
        "fs::set_permissions",
        "File::create",
        "File::create_new",
        "File::options",
        "OpenOptions",
        "symlink",
    ];
    let allowed = |source: &Source| WRITERS.iter().any(|(module, _)| belongs_to(source, module));
    find(sources, &[CORE, LINUX], allowed, &WRITES, "only the writers of files may use")
}

/// `files.rs`, or a file in the folder `files`, of the crate that touches the world.
fn belongs_to(source: &Source, module: &str) -> bool {
    let path = source.path.strip_prefix(LINUX).unwrap_or_default();
    path.split(['/', '.']).next() == Some(module)
}

fn find(
    sources: &[Source],
    places: &[&str],
    allowed: impl Fn(&Source) -> bool,
    forbidden: &[&str],
    what: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust_in(places) && !allowed(source)) {
        let code = source.code();
        for word in forbidden {
            for offset in words(&code, word) {
                let what = format!("{what} `{word}`");
                findings.push(Finding::new(source, line_of(&code, offset), what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::source::source;
    use super::*;

    fn count(rule: fn(&[Source]) -> Vec<Finding>, path: &str, text: &str) -> usize {
        rule(&[source(path, text)]).len()
    }

    #[test]
    fn core_must_stay_pure() {
        let path = "crates/netyard-core/src/yard/mod.rs";
        assert_eq!(count(in_core, path, "use std::collections::HashMap;"), 1);
        let remarked = "use std::collections::HashMap; // looked up, never iterated\n";
        assert_eq!(count(in_core, path, remarked), 0);
        assert_eq!(count(in_core, path, "fn f() { std::fs::read(p); std::env::var(v); }"), 2);
        assert_eq!(
            count(in_core, path, "use std::collections::BTreeMap; use std::net::IpAddr;"),
            0
        );
        assert_eq!(count(in_core, "crates/netyard-linux/src/run.rs", "std::fs::read(p)"), 0);
    }

    #[test]
    fn only_the_command_prints() {
        for text in ["println!(\"a\");", "eprint!(\"a\")", "io::stdout().lock()"] {
            assert_eq!(count(printing, "crates/netyard-linux/src/run.rs", text), 1, "{text}");
            assert_eq!(count(printing, "crates/netyard/src/ui.rs", text), 0, "{text}");
        }
        assert_eq!(
            count(printing, "crates/netyard-core/src/diag.rs", "// println!()\nwriteln!(f)"),
            0
        );
    }

    #[test]
    fn only_netns_changes_namespace() {
        for text in ["libc::setns(fd, 0)", "rustix::thread::unshare_unsafe(flags)"] {
            assert_eq!(count(changing_namespace, "crates/netyard-linux/src/run.rs", text), 1);
            assert_eq!(count(changing_namespace, "crates/netyard/src/main.rs", text), 1);
            assert_eq!(count(changing_namespace, "crates/netyard-linux/src/netns.rs", text), 0);
            assert_eq!(
                count(changing_namespace, "crates/netyard-linux/src/netns/enter.rs", text),
                0
            );
        }
    }

    #[test]
    fn only_the_writers_write_files() {
        for text in ["fs::write(p, b)", "std::fs::File::create(p)", "OpenOptions::new()"] {
            assert_eq!(
                count(writing_files, "crates/netyard-linux/src/sysctl.rs", text),
                1,
                "{text}"
            );
            assert_eq!(
                count(writing_files, "crates/netyard-linux/src/files.rs", text),
                0,
                "{text}"
            );
        }
        assert_eq!(count(writing_files, "crates/netyard-linux/src/observe.rs", "fs::read(p)"), 0);
    }
}
