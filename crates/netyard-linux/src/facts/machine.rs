//! Traces of the machine's managers of networks and firewalls, in files; and
//! the files that will set something at the next boot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::facts::{Machine, Manager, ManagerName, SettingLine};

use crate::netns;
use crate::sysctl::Proc;

/// Where sysctl.d files are, the first wins over one of the same name in a
/// later one (sysctl.d(5)).
const SYSCTL_DIRS: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// Files larger than this are none of those looked for.
const LARGEST: u64 = 1 << 20;

type Paths = &'static [&'static str];

/// What shows that a manager is there, what shows that it runs, and the files
/// whose settings matter.
type Trace = (ManagerName, Paths, Paths, Paths);

const TRACES: [Trace; 7] = [
    (
        ManagerName::Networkd,
        &["/usr/lib/systemd/systemd-networkd", "/etc/systemd/networkd.conf", "/run/systemd/netif"],
        &["/run/systemd/netif/state", "/run/systemd/netif/links"],
        &[
            "/usr/lib/systemd/networkd.conf",
            "/etc/systemd/networkd.conf",
            "/usr/lib/systemd/networkd.conf.d/",
            "/run/systemd/networkd.conf.d/",
            "/etc/systemd/networkd.conf.d/",
        ],
    ),
    (
        ManagerName::NetworkManager,
        // One that is only installed claims nothing.
        &[
            "/run/NetworkManager",
            "/etc/systemd/system/multi-user.target.wants/NetworkManager.service",
        ],
        &["/run/NetworkManager"],
        &[],
    ),
    (
        ManagerName::Firewalld,
        &["/usr/sbin/firewalld", "/etc/firewalld/firewalld.conf", "/run/firewalld"],
        &["/run/firewalld.pid", "/run/firewalld"],
        &["/etc/firewalld/firewalld.conf"],
    ),
    (
        ManagerName::Ufw,
        &["/usr/sbin/ufw", "/etc/ufw/ufw.conf"],
        &[],
        &["/etc/ufw/ufw.conf", "/etc/default/ufw"],
    ),
    (ManagerName::Docker, &["/usr/bin/dockerd", "/run/docker.sock"], &["/run/docker.sock"], &[]),
    (
        ManagerName::Libvirt,
        &["/usr/sbin/libvirtd", "/usr/sbin/virtnetworkd", "/run/libvirt"],
        &["/run/libvirt/network"],
        &[],
    ),
    (ManagerName::Nftables, &["/etc/nftables.conf"], &[], &[]),
];

/// Looks for all of it, in the kernel's log only where `thorough`. What cannot be
/// read is not there.
pub(super) fn read(proc: &Proc, thorough: bool) -> Machine {
    Machine {
        sysctl_lines: sysctl_lines(),
        managers: TRACES.iter().filter_map(manager).collect(),
        networks: super::claims::networks(),
        unmanaged: super::claims::unmanaged(),
        dead_netns: dead_netns(),
        session_netns: session_netns(),
        networkd_links: networkd_links(),
        proc_sys_read_only: proc_sys_read_only(),
        neighbours: super::counters::neighbours(proc).unwrap_or_default(),
        kernel_log: if thorough { super::log::read() } else { Vec::new() },
    }
}

fn manager((name, traces, running, settings): &Trace) -> Option<Manager> {
    let trace = traces.iter().find(|path| Path::new(path).exists())?;
    let mut found = Vec::new();
    for file in settings.iter().flat_map(|path| files_of(path)) {
        let text = text(&file).unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some((key, value)) = line.split_once('=') {
                let value = value.trim().trim_matches('"').to_owned();
                found.push((key.trim().to_owned(), value, file.display().to_string()));
            }
        }
    }
    // nftables has no settings but what its file does first.
    if *name == ManagerName::Nftables {
        let file = Path::new(trace);
        let flushes = text(file)
            .is_some_and(|text| text.lines().any(|line| line.trim().starts_with("flush ruleset")));
        found.push(("flush ruleset".to_owned(), flushes.to_string(), file.display().to_string()));
    }
    Some(Manager {
        name: *name,
        trace: (*trace).to_owned(),
        running: running.iter().any(|path| Path::new(path).exists()),
        settings: found,
    })
}

/// A file, or the `.conf` files of a directory by name.
fn files_of(path: &str) -> Vec<PathBuf> {
    if path.ends_with('/') { names(Path::new(path), ".conf") } else { vec![path.into()] }
}

/// The files of a directory with that ending, by name.
pub(super) fn names(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// The files of several directories with that ending, sorted by their names; one
/// hides another of the same name in a later directory, and a link to
/// `/dev/null` hides it altogether.
pub(super) fn merged(directories: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut files: BTreeMap<_, PathBuf> = BTreeMap::new();
    for directory in directories {
        for path in names(Path::new(directory), ending) {
            let Some(name) = path.file_name().map(|name| name.to_owned()) else { continue };
            files.entry(name).or_insert(path);
        }
    }
    files.into_values().collect()
}

/// The text of a file of a sane size.
pub(super) fn text(file: &Path) -> Option<String> {
    let length = fs::metadata(file).ok()?;
    if !length.is_file() || length.len() > LARGEST {
        return None;
    }
    fs::read(file).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines of all sysctl.d files, in the order in which systemd-sysctl applies
/// them; `/etc/sysctl.conf` is one of them by a link in `/etc/sysctl.d`, or comes
/// last where procps reads it.
fn sysctl_lines() -> Vec<SettingLine> {
    let mut files = merged(&SYSCTL_DIRS, ".conf");
    let conf = Path::new("/etc/sysctl.conf");
    let linked = files.iter().any(|file| fs::canonicalize(file).is_ok_and(|target| target == conf));
    if !linked && conf.exists() {
        files.push(conf.to_owned());
    }
    let mut lines = Vec::new();
    for file in files {
        let text = text(&file).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let Some((key, value)) = line.split_once('=') else { continue };
            if line.starts_with(['#', ';']) {
                continue;
            }
            let key = key.trim().trim_start_matches('-');
            lines.push(SettingLine {
                file: file.display().to_string(),
                line: number + 1,
                key: with_slashes(key),
                value: value.trim().to_owned(),
            });
        }
    }
    lines
}

/// The first separator says which it is (sysctl.d(5)): after a dot, slashes
/// stand for dots in names.
fn with_slashes(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key[at..].starts_with('.') => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// Names below `/run/netns` that are no namespaces.
fn dead_netns() -> Vec<String> {
    let directory = Path::new(netns::Sort::Net.public_dir());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut dead: Vec<String> = entries
        .filter(|entry| match fs::File::open(entry.path()) {
            Ok(file) => !netns::is_namespace(std::os::fd::AsFd::as_fd(&file)),
            // Whom it belongs to may not let everyone look.
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    dead.sort();
    dead
}

/// Names below `/run/netns` that lead below `/run/user`.
fn session_netns() -> Vec<(String, String)> {
    let directory = Path::new(netns::Sort::Net.public_dir());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let to = fs::read_link(entry.path()).ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            to.starts_with("/run/user").then(|| (name, to.display().to_string()))
        })
        .collect();
    found.sort();
    found
}

/// What systemd-networkd says of interfaces (`ADMIN_STATE=` of the files that
/// sd-network reads).
fn networkd_links() -> BTreeMap<u32, String> {
    let entries = fs::read_dir("/run/systemd/netif/links").into_iter().flatten().flatten();
    let state = |entry: fs::DirEntry| {
        let index = entry.file_name().to_str()?.parse().ok()?;
        let text = text(&entry.path())?;
        let state = text.lines().find_map(|line| line.strip_prefix("ADMIN_STATE="))?;
        Some((index, state.trim().to_owned()))
    };
    entries.filter_map(state).collect()
}

/// True where `/proc/sys` is mounted so that nobody writes to it.
fn proc_sys_read_only() -> bool {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The last mount at a place hides those before.
    let options = |place: &str| {
        let of = |line: &str| {
            let mut words = line.split(' ').skip(4);
            (words.next() == Some(place)).then(|| words.next().unwrap_or_default().to_owned())
        };
        text.lines().rev().find_map(of)
    };
    let options = options("/proc/sys").or_else(|| options("/proc")).unwrap_or_default();
    options.split(',').any(|option| option == "ro")
}
