//! Namespaces as files: below `/run/netns` for `ip netns`, and `/run/utsns`.
//!
//! A yard's namespaces are bound to files of a tmpfs of its own,
//! `/run/netyard.ns/YARD`; `/run/netns/NAME` is a symbolic link there, which
//! `ip netns`, `nsenter` and systemd follow. So a thousand names go with one
//! `umount` instead of a thousand, each of which waits for RCU (measured: 7 ms
//! against 200 to 300), and `ip netns add` by somebody else, which binds
//! `/run/netns` recursively onto itself, makes no second mount of ours that
//! nobody could reach.
//!
//! The tmpfs is private: else each name would be copied into the mount
//! namespace of every service. Where one was copied (a mount namespace made
//! later), removing the file takes the copy away (`detach_mounts`, fs/namespace.c,
//! since Linux 3.18).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use netyard_core::name::YardName;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

const BASE: &str = "/run/netyard.ns";

/// Which sort of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A network namespace; `ip netns` knows it.
    Net,
    /// A UTS namespace: a hostname.
    Uts,
}

impl Sort {
    const ALL: [Self; 2] = [Self::Net, Self::Uts];

    fn word(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Uts => "uts",
        }
    }

    /// Where others look for it.
    pub fn public_dir(self) -> &'static str {
        match self {
            Self::Net => "/run/netns",
            Self::Uts => "/run/utsns",
        }
    }
}

/// The published namespaces of a yard.
#[derive(Clone, Debug)]
pub struct Published {
    path: PathBuf,
}

/// The yards that have published namespaces, sorted.
pub fn yards() -> io::Result<Vec<YardName>> {
    Ok(names_in(Path::new(BASE))?.iter().filter_map(|name| YardName::new(name).ok()).collect())
}

/// All names for `ip netns`, sorted, each with the path it links to if it is a
/// link.
pub fn all_netns() -> io::Result<Vec<(String, Option<PathBuf>)>> {
    let directory = Path::new(Sort::Net.public_dir());
    let names = names_in(directory)?;
    Ok(names.into_iter().map(|n| (n.clone(), fs::read_link(directory.join(n)).ok())).collect())
}

impl Published {
    /// Those of that yard.
    pub fn of(yard: &YardName) -> Self {
        Self { path: Path::new(BASE).join(yard.as_str()) }
    }

    /// True where there are, or were about to be, any.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The file a namespace is bound to.
    pub fn file(&self, sort: Sort, name: &str) -> PathBuf {
        self.path.join(sort.word()).join(name)
    }

    /// Makes ready for [`Self::publish`].
    pub fn prepare(&self) -> io::Result<()> {
        make_dir(Path::new(BASE))?;
        make_dir(&self.path)?;
        if !self.path.join(Sort::Net.word()).exists() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            rustix::mount::mount("netyard", &self.path, "tmpfs", flags, Some(c"mode=755"))?;
            rustix::mount::mount_change(&self.path, MountPropagationFlags::PRIVATE)?;
            for sort in Sort::ALL {
                make_dir(&self.path.join(sort.word()))?;
            }
        }
        for sort in Sort::ALL {
            if make_dir(Path::new(sort.public_dir()))? {
                // So that the last `down` knows to remove the directory.
                fs::write(made_mark(sort), "")?;
            }
        }
        Ok(())
    }

    /// Binds a namespace to a file of that name and links it from where others
    /// look. The name must be free (`EEXIST`).
    pub fn publish(&self, sort: Sort, name: &str, ns: BorrowedFd<'_>) -> io::Result<()> {
        let path = self.file(sort, name);
        // A file that is no namespace is what a crash left.
        let fresh = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path);
        match fresh {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if self.open(sort, name)?.is_some() {
                    return Err(error);
                }
            }
            fresh => drop(fresh?),
        }
        let source = format!("/proc/thread-self/fd/{}", ns.as_raw_fd());
        rustix::mount::mount_bind(source, &path)?;
        let link = Path::new(sort.public_dir()).join(name);
        match symlink(&path, &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_link(&link).is_ok_and(|to| to == path) {
                    return Ok(());
                }
                let _ = rustix::mount::unmount(&path, UnmountFlags::DETACH);
                let _ = fs::remove_file(&path);
                Err(error)
            }
            done => done,
        }
    }

    /// Binds a namespace that somebody else published to a file of the yard's, and makes
    /// a link of the name that is there. It is the same namespace all the time.
    pub fn take_over(&self, sort: Sort, name: &str, ns: BorrowedFd<'_>) -> io::Result<()> {
        let (path, link) = (self.file(sort, name), Path::new(sort.public_dir()).join(name));
        if fs::read_link(&link).is_ok_and(|to| to == path) {
            return Ok(());
        }
        drop(OpenOptions::new().write(true).create(true).truncate(false).mode(0o444).open(&path)?);
        let source = format!("/proc/thread-self/fd/{}", ns.as_raw_fd());
        rustix::mount::mount_bind(source, &path)?;
        // The link first under another name, so that the name is never missing for long.
        let fresh = Path::new(sort.public_dir()).join(format!(".{name}"));
        gone(fs::remove_file(&fresh))?;
        symlink(&path, &fresh)?;
        match rustix::mount::unmount(&link, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        fs::rename(&fresh, &link)
    }

    /// Gives a namespace that was taken over back: its name is a file of its own again. What
    /// was not taken over stays as it is.
    pub fn give_back(&self, sort: Sort, name: &str) -> io::Result<()> {
        let (path, link) = (self.file(sort, name), Path::new(sort.public_dir()).join(name));
        let fresh = Path::new(sort.public_dir()).join(format!(".{name}"));
        gone(fs::remove_file(&fresh))?;
        if fs::read_link(&link).is_ok_and(|to| to == path) {
            fs::remove_file(&link)?;
        }
        if !link.exists() && path.exists() {
            drop(OpenOptions::new().write(true).create(true).truncate(false).open(&link)?);
            rustix::mount::mount_bind(&path, &link)?;
        }
        match rustix::mount::unmount(&path, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        gone(fs::remove_file(&path))
    }

    /// Takes a published name away; the namespace lives on while anything else
    /// holds it. Not an error when it is gone already.
    pub fn unpublish(&self, sort: Sort, name: &str) -> io::Result<()> {
        let path = self.file(sort, name);
        match rustix::mount::unmount(&path, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.unlink(sort, name)?;
        gone(fs::remove_file(&path))
    }

    /// Removes the link of that name, if it is ours.
    fn unlink(&self, sort: Sort, name: &str) -> io::Result<()> {
        let link = Path::new(sort.public_dir()).join(name);
        match fs::read_link(&link) {
            Ok(to) if to == self.file(sort, name) => gone(fs::remove_file(&link)),
            _ => Ok(()),
        }
    }

    /// Takes all published names of the yard away at once.
    pub fn unpublish_all(&self) -> io::Result<()> {
        if !self.exists() {
            return Ok(());
        }
        for sort in Sort::ALL {
            for name in self.names(sort)? {
                self.unlink(sort, &name)?;
            }
        }
        let inside = rustix::fs::open(
            &self.path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let names: Vec<(Sort, Vec<String>)> = Sort::ALL
            .into_iter()
            .map(|sort| Ok((sort, self.names(sort)?)))
            .collect::<io::Result<_>>()?;
        match rustix::mount::unmount(&self.path, UnmountFlags::DETACH) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
        for (sort, names) in names {
            for name in names {
                let path = format!("{}/{name}", sort.word());
                let _ = rustix::fs::unlinkat(&inside, path, AtFlags::empty());
            }
        }
        gone(fs::remove_dir(&self.path))?;
        // Each stays while others use it.
        for sort in Sort::ALL.into_iter().filter(|sort| made_mark(*sort).exists()) {
            if fs::remove_dir(sort.public_dir()).is_ok() {
                gone(fs::remove_file(made_mark(sort)))?;
            }
        }
        let _ = fs::remove_dir(BASE);
        Ok(())
    }

    /// Opens a published namespace; none where there is no such file, or it is
    /// no namespace.
    pub fn open(&self, sort: Sort, name: &str) -> io::Result<Option<OwnedFd>> {
        match fs::File::open(self.file(sort, name)) {
            Ok(file) => Ok(super::is_namespace(file.as_fd()).then(|| file.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All published names of a sort, sorted.
    pub fn names(&self, sort: Sort) -> io::Result<Vec<String>> {
        names_in(&self.path.join(sort.word()))
    }
}

/// A file that says that netyard made the directory where others look; no yard
/// has a name like this.
fn made_mark(sort: Sort) -> PathBuf {
    Path::new(BASE).join(format!("made:{}", sort.word()))
}

/// Makes a directory that all may read; true when it was not there.
fn make_dir(path: &Path) -> io::Result<bool> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no text is no name of ours.
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
