//! Where a container is started, and what it leaves behind when it does not end by
//! itself.
//!
//! systemd-nspawn tidies up after itself, but not when it is killed: then a mount and
//! a directory below `/run/systemd/nspawn` stay, locks, and cgroups where systemd does
//! not run the host. [`sweep`] takes them away; newer ones (from version 256 on) do
//! not even start where the mount is left.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use netyard_core::image::oci::Run;
use netyard_core::name::fnv1a;
use netyard_core::state::{Berth, Bind, Container, Place, Process, Profile, Ready, Root};
use rustix::fs::FlockOperation;
use rustix::mount::UnmountFlags;

use super::launch::{MARK, Unlaunched};
use super::shelf::Shelf;
use crate::state_dir::write_atomically;

const NSPAWN: &str = "/run/systemd/nspawn";
/// Locks on users that are a container's.
const NSPAWN_USERS: &str = "/run/systemd/nspawn-uid";
/// The version that gives a container users of its own and leaves the owners of its files.
const PRIVATE_USERS_SINCE: u32 = 249;

/// What a container is started with.
pub(super) struct Start {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What nspawn itself finds in its environment.
    pub environment: Vec<(&'static str, &'static str)>,
    /// The files by which it is put into its cgroup; none where systemd does that.
    pub cgroups: Vec<OwnedFd>,
}

impl Start {
    /// `net` is its namespace, which stays open while it is started; `etc` has the
    /// node's files for `/etc`; `mark` is what its processes are known by.
    pub fn new(
        shelf: &Shelf,
        process: &Process,
        container: &Container,
        net: BorrowedFd<'_>,
        etc: Option<&Path>,
        mark: &str,
    ) -> io::Result<Self> {
        let dir = shelf.dir(&process.place, &process.name);
        let machine_id = match &container.machine_id {
            Some(id) => id.clone(),
            None => machine_id(mark)?,
        };
        let mut binds = container.networkd_binds(&dir.join("networkd.conf").to_string_lossy());
        if container.profile == Profile::Systemd {
            // Its own files may say what all copies of a template say.
            for (name, text) in [("machine-id", &machine_id), ("hostname", &container.hostname)] {
                let file = dir.join(name);
                write_atomically(&file, format!("{text}\n").as_bytes(), 0o444)?;
                binds.push(read_only(&file, &format!("/etc/{name}")));
            }
        }
        binds.extend(etc.map(files_for_etc).transpose()?.into_iter().flatten());
        let mut environment = process.environment.clone();
        let run = how_it_is_run(shelf, process, container)?;
        let container = &container.run_as(&run, &mut environment);
        environment.insert(MARK.to_owned(), mark.to_owned());
        let registered = has_systemd();
        let berth = Berth {
            netns: format!("/proc/{}/fd/{}", std::process::id(), net.as_raw_fd()),
            root: root(shelf, process, container).to_string_lossy().into_owned(),
            machine_id: Some(machine_id),
            registered,
            binds,
            directory: run.directory().filter(|_| container.as_image_says).map(str::to_owned),
        };
        let cgroups = if registered { Vec::new() } else { cgroups(container)? };
        Ok(Self {
            argv: container.argv(&berth, &environment, process.ready == Ready::Notify),
            environment: container.surroundings(),
            cgroups,
        })
    }
}

/// The directory of a container's files.
pub(crate) fn root(shelf: &Shelf, process: &Process, container: &Container) -> PathBuf {
    root_of(shelf, &process.place, &process.name, &container.root)
}

/// The same, by the container's place and name.
pub(crate) fn root_of(shelf: &Shelf, place: &Place, name: &str, root: &Root) -> PathBuf {
    match root {
        Root::Directory(path) => PathBuf::from(path),
        Root::Image(_) => shelf.data(place, name).join("root"),
    }
}

/// The file in which the first start keeps what an image says of how it is run.
fn run_file(shelf: &Shelf, process: &Process) -> PathBuf {
    shelf.data(&process.place, &process.name).join("run.json")
}

/// Keeps what an image says of how it is run.
pub(crate) fn keep_run(shelf: &Shelf, process: &Process, run: &Run) -> io::Result<()> {
    write_atomically(&run_file(shelf, process), &serde_json::to_vec(run)?, 0o600)
}

/// What the image said; nothing where it is asked for nothing, or is no OCI image.
fn how_it_is_run(shelf: &Shelf, process: &Process, container: &Container) -> io::Result<Run> {
    if !container.as_image_says {
        return Ok(Run::default());
    }
    match fs::read(run_file(shelf, process)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Run::default()),
        Err(error) => Err(error),
    }
}

/// Fails where a container could not be started, as far as can be told before.
pub(super) fn check(
    shelf: &Shelf,
    process: &Process,
    container: &Container,
) -> Result<(), Unlaunched> {
    let refused = |why: String, hint: &str| {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        Err(Unlaunched::Refused { why, hint })
    };
    let root = root(shelf, process, container);
    if let Root::Image(image) = &container.root
        && !root.is_dir()
    {
        return match Path::new(image).exists() {
            // Made when it is started; then all else is looked at.
            true => Ok(()),
            false => refused(format!("there is no image `{image}`"), ""),
        };
    }
    if !root.is_dir() {
        let hint = "its files must be there before: unpack them, or write `image`";
        return refused(format!("there is no directory `{}`", root.display()), hint);
    }
    let boots = container.boots() && how_it_is_run(shelf, process, container)?.argv().is_empty();
    let says_what_it_is = ["etc/os-release", "usr/lib/os-release"];
    if boots && !says_what_it_is.iter().any(|file| is_there(&root.join(file))) {
        let why = format!("`{}` has no os-release: it is no system that boots", root.display());
        return refused(why, "write `command`, or make /etc/os-release in it");
    }
    if !container.limits.properties().is_empty() && !has_systemd() {
        let why = "limits of containers need systemd, which does not run this host".to_owned();
        return refused(why, "leave `limits` out");
    }
    if container.private_users {
        let version = version()?;
        if version < PRIVATE_USERS_SINCE {
            let why = format!(
                "systemd-nspawn {version} changes the owners of all files for private users; \
                 {PRIVATE_USERS_SINCE} does not"
            );
            return refused(why, "leave `private-users` out: its root is the host's");
        }
    }
    Ok(())
}

/// A link may lead to where it is right only inside.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The version of systemd-nspawn.
fn version() -> io::Result<u32> {
    let output = std::process::Command::new("systemd-nspawn").arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().nth(1).and_then(|word| {
        let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    number.ok_or_else(|| io::Error::other("systemd-nspawn does not say its version"))
}

/// True where systemd runs the host, and so makes a scope for a container.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir() && Path::new("/run/dbus/system_bus_socket").exists()
}

/// A machine-id of this host's for what has that mark. Two hosts with the same yard
/// must not make the same: leases are given by it.
fn machine_id(mark: &str) -> io::Result<String> {
    let host = fs::read("/etc/machine-id").unwrap_or_default();
    // The mark begins with the number of a namespace, which is another after a reboot.
    let name = mark.split_once(':').map_or(mark, |(_, name)| name);
    let part = |salt: &[u8]| fnv1a(&[salt, host.as_slice(), name.as_bytes()]);
    // As a UUID of version 4 (RFC 9562), which some tell it to be.
    let (high, low) = (part(b"1"), part(b"2"));
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | (0b10 << 62);
    Ok(format!("{high:016x}{low:016x}"))
}

fn read_only(from: &Path, to: &str) -> Bind {
    Bind { from: from.to_string_lossy().into_owned(), to: to.to_owned(), read_only: true }
}

fn files_for_etc(etc: &Path) -> io::Result<Vec<Bind>> {
    let entries = match fs::read_dir(etc) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let bind = |entry: fs::DirEntry| {
        read_only(&entry.path(), &format!("/etc/{}", entry.file_name().to_string_lossy()))
    };
    let mut binds: Vec<Bind> = entries.into_iter().map(bind).collect();
    binds.sort();
    Ok(binds)
}

/// Where the hierarchies are in which nspawn makes cgroups: systemd's own and the
/// unified one (proc_pid_mountinfo(5)).
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let hierarchy = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split_whitespace().next()?;
        let own = kind == "cgroup2" || kind == "cgroup" && after.contains("name=systemd");
        own.then(|| before.split_whitespace().nth(4).map(PathBuf::from))?
    };
    mounts.lines().filter_map(hierarchy).collect()
}

fn cgroup_of(hierarchy: &Path, machine: &str) -> PathBuf {
    hierarchy.join(format!("netyard-{machine}"))
}

/// Makes a cgroup for a container in each hierarchy, where that is allowed.
fn cgroups(container: &Container) -> io::Result<Vec<OwnedFd>> {
    let make = |hierarchy: PathBuf| {
        let dir = cgroup_of(&hierarchy, &container.machine);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            _ => {}
        }
        let file = fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs")).ok()?;
        Some(OwnedFd::from(file))
    };
    Ok(hierarchies().into_iter().filter_map(make).collect())
}

/// Takes away what a container left that nobody runs any more.
pub(crate) fn sweep(container: &Container, root: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let export = Path::new(NSPAWN).join("unix-export").join(&container.machine);
    if export.is_dir() {
        // Not a mount is as good.
        let _ = rustix::mount::unmount(&export, UnmountFlags::DETACH);
        gone(fs::remove_dir(&export))?;
    }
    let propagate = Path::new(NSPAWN).join("propagate").join(&container.machine);
    gone(fs::remove_dir_all(propagate))?;
    for lock in locks(root) {
        remove_lock(&lock)?;
    }
    if container.private_users {
        for lock in fs::read_dir(NSPAWN_USERS).into_iter().flatten().flatten() {
            // Of users that no container has any more.
            remove_lock(&lock.path())?;
        }
    }
    for hierarchy in hierarchies() {
        remove_cgroups(&cgroup_of(&hierarchy, &container.machine));
    }
    Ok(())
}

/// The locks that nspawn takes on a tree: beside it, and by its number.
fn locks(root: &Path) -> Vec<PathBuf> {
    let beside = root.file_name().map(|name| {
        let lock = [b".#", name.as_bytes(), b".lck"].concat();
        root.with_file_name(std::ffi::OsStr::from_bytes(&lock))
    });
    let by_number = fs::metadata(root).ok().map(|meta| {
        let name = format!("inode-{}:{}", meta.dev(), meta.ino());
        Path::new(NSPAWN).join("locks").join(name)
    });
    beside.into_iter().chain(by_number).collect()
}

/// Removes a lock that nobody holds.
fn remove_lock(path: &Path) -> io::Result<()> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => fs::remove_file(path),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a cgroup and those in it, as far as nothing is in them.
fn remove_cgroups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroups(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_id_is_the_nodes_and_outlives_a_reboot() {
        let id = |mark: &str| machine_id(mark).unwrap();
        assert_eq!(id("4026531840:y:gw:container"), id("4026539999:y:gw:container"));
        assert_ne!(id("1:y:gw:container"), id("1:y:gx:container"));
        assert_eq!(id("1:y:gw:container").len(), 32);
    }

    #[test]
    fn a_lock_goes_that_nobody_holds() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        fs::create_dir(&root).unwrap();
        let lock = locks(&root).remove(0);
        assert_eq!(lock, dir.path().join(".#tree.lck"));
        let held = fs::File::create(&lock).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        remove_lock(&lock).unwrap();
        assert!(lock.exists());
        drop(held);
        remove_lock(&lock).unwrap();
        assert!(!lock.exists());
    }
}
