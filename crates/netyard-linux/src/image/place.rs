//! The sibling in which a directory is made, until it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// What follows the name of the directory to be.
const SUFFIX: &str = ".netyard-part";

/// What is in that sibling: the directory to be.
const ROOT: &str = "root";
/// A layout whose root file system is being made.
const LAYOUT: &str = "layout";

/// A directory that is being made. Dropped before it is whole, it goes.
///
/// The name of the place follows from that of the directory to be, and who makes
/// it holds a lock on it: so what a killed process left is found and taken away by
/// the next.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    into: PathBuf,
    root: File,
    /// The lock is held as long as this is open.
    _lock: File,
}

impl Place {
    /// Begins to make `into`, which must not be there.
    pub fn take(into: &Path) -> Result<Self, Error> {
        let (Some(name), Some(parent)) = (into.file_name(), parent(into)) else {
            let what = format!("`{}` is no name for a directory", into.display());
            return Err(Error::new(ErrorKind::State, what).hint("name one that is not there yet"));
        };
        if fs::symlink_metadata(into).is_ok() {
            return Err(is_there(into));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(SUFFIX);
        let path = parent.join(hidden);
        let what = || format!("could not make `{}`", path.display());
        // A second round where somebody else's was taken away meanwhile.
        for _ in 0..3 {
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::system(what(), error));
                }
                _ => {}
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = match rustix::fs::open(&path, flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                opened => File::from(opened.map_err(|errno| Error::system(what(), errno))?),
            };
            match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Err(busy(into)),
                locked => locked.map_err(|errno| Error::system(what(), errno))?,
            }
            if !is_at(&directory, &path) {
                continue;
            }
            clear(&path)?;
            let root = fresh(&path.join(ROOT))?;
            return Ok(Self { path, into: into.to_owned(), root, _lock: directory });
        }
        Err(busy(into))
    }

    /// The directory that is being made.
    pub fn directory(&self) -> &File {
        &self.root
    }

    /// What it is to be.
    pub fn name(&self) -> &Path {
        &self.into
    }

    /// The directory it is in.
    pub fn beside(&self) -> &Path {
        parent(&self.into).unwrap_or(Path::new("."))
    }

    /// True where it is somewhere below `directory`.
    pub fn is_within(&self, directory: &File) -> bool {
        let Ok(top) = directory.metadata() else { return false };
        let Ok(path) = fs::canonicalize(&self.path) else { return false };
        let is_top = |at: &Path| {
            fs::metadata(at).is_ok_and(|meta| (meta.dev(), meta.ino()) == (top.dev(), top.ino()))
        };
        path.ancestors().any(is_top)
    }

    /// Moves what was made aside, and begins with an empty directory; gives what
    /// was moved.
    pub fn begin_again(&mut self) -> Result<File, Error> {
        let (root, aside) = (self.path.join(ROOT), self.path.join(LAYOUT));
        let what = || format!("could not move `{}`", root.display());
        fs::rename(&root, aside).map_err(|error| Error::system(what(), error))?;
        Ok(std::mem::replace(&mut self.root, fresh(&root)?))
    }

    /// Gives it its name, when all of it is on the disk.
    pub fn become_whole(self) -> Result<(), Error> {
        let what = || format!("could not make `{}`", self.into.display());
        let root = self.path.join(ROOT);
        rustix::fs::syncfs(&self.root).map_err(|errno| Error::system(what(), errno))?;
        let renamed =
            rustix::fs::renameat_with(CWD, &root, CWD, &self.into, RenameFlags::NOREPLACE);
        match renamed {
            // Not every file system can say "only where nothing is".
            Err(Errno::INVAL) => {
                rustix::fs::rename(&root, &self.into)
                    .map_err(|errno| Error::system(what(), errno))?;
            }
            Err(Errno::EXIST) => return Err(is_there(&self.into)),
            renamed => renamed.map_err(|errno| Error::system(what(), errno))?,
        }
        if let Some(parent) = parent(&self.into)
            && let Ok(parent) = File::open(parent)
        {
            // A name that is lost to a power cut is made again.
            let _ = parent.sync_all();
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody to tell; the next one finds it, and tells.
        let _ = remove(&self.path);
    }
}

/// Takes away what a killed process left.
fn clear(path: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::system(format!("could not take away what is left in `{}`", path.display()), error)
    };
    for entry in fs::read_dir(path).map_err(failed)? {
        remove(&entry.map_err(failed)?.path()).map_err(failed)?;
    }
    Ok(())
}

/// A new directory, for nobody else to look into yet.
fn fresh(path: &Path) -> Result<File, Error> {
    let made = fs::DirBuilder::new().mode(0o700).create(path).and_then(|()| File::open(path));
    made.map_err(|error| Error::system(format!("could not make `{}`", path.display()), error))
}

/// Removes all there is at `path`, through directories that nobody may enter.
fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    // It follows no symbolic link: all that is changed is below, and ours.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(path)
}

fn parent(path: &Path) -> Option<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
        parent => parent,
    }
}

fn is_at(directory: &File, path: &Path) -> bool {
    match (directory.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn is_there(into: &Path) -> Error {
    let what = format!("`{}` is there already", into.display());
    Error::new(ErrorKind::State, what)
        .hint("remove it to have it made from its image again; all that was changed in it goes")
}

fn busy(into: &Path) -> Error {
    let what = format!("another process is making `{}`", into.display());
    Error::new(ErrorKind::Busy, what).hint("wait until it is done, or end it")
}
