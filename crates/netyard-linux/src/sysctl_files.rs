//! The host's files of settings, as systemd-sysctl reads them at boot
//! (sysctl.d(5)): `*.conf` in four directories, of two with one name that of the
//! earlier directory, in the order of their names; then `/etc/sysctl.conf`, which
//! procps reads last.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::facts::SysctlLine;

const DIRECTORIES: [&str; 4] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
const LAST: &str = "/etc/sysctl.conf";

/// All lines below `net/`, in the order in which they are read. What cannot be
/// read says nothing.
pub(crate) fn read_all() -> Vec<SysctlLine> {
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                files.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    let last = Path::new(LAST);
    let is_last = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|to| to == last);
    let linked = files.values().any(is_last);
    let paths = files.values().map(PathBuf::as_path).chain((!linked).then_some(last));
    let read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        lines(&path.display().to_string(), &text)
    };
    paths.flat_map(read).collect()
}

/// The lines of one file.
fn lines(file: &str, text: &str) -> Vec<SysctlLine> {
    let numbered = text.lines().zip(1_u32..);
    numbered
        .filter_map(|(text, line)| {
            let text = text.trim();
            if text.starts_with(['#', ';']) {
                return None;
            }
            let (key, value) = text.split_once('=')?;
            // A leading `-`: whether it fails does not matter.
            let key = slashed(key.trim().trim_start_matches('-').trim());
            let is_net = key.starts_with("net/");
            let value = value.split_whitespace().collect::<Vec<_>>().join("\t");
            is_net.then(|| SysctlLine { file: file.to_owned(), line, key, value })
        })
        .collect()
}

/// With slashes. The first separator decides: after a dot, a slash stands for a
/// dot in a name.
fn slashed(key: &str) -> String {
    let dotted = key.find(['.', '/']).is_some_and(|at| key.as_bytes()[at] == b'.');
    if !dotted {
        return key.to_owned();
    }
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    key.chars().map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_systemd_sysctl_does() {
        let text = "# net.ipv4.ip_forward = 0\n\n-net.ipv4.ip_forward = 1\nkernel.panic=1\n\
                    net/ipv4/conf/eth0.12/rp_filter=2\nnet.ipv4.conf.eth0/12.forwarding = 1\n\
                    net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n";
        let found: Vec<(u32, String, String)> =
            lines("f", text).into_iter().map(|l| (l.line, l.key, l.value)).collect();
        let line = |n, key: &str, value: &str| (n, key.to_owned(), value.to_owned());
        assert_eq!(
            found,
            [
                line(3, "net/ipv4/ip_forward", "1"),
                line(5, "net/ipv4/conf/eth0.12/rp_filter", "2"),
                line(6, "net/ipv4/conf/eth0.12/forwarding", "1"),
                line(7, "net/ipv4/conf/*/rp_filter", "2"),
            ]
        );
    }
}
