//! The yard's state directory: the lock, the journal, and a record of what the
//! kernel cannot be asked for.
//!
//! As root it is `/run/netyard/YARD`; without root `netyard/YARD` below
//! `$XDG_RUNTIME_DIR`, or below `/tmp/netyard-UID`. All in it is mode 0600, the
//! directories 0700. Losing it loses comfort, never the way back: what `down`
//! needs is marked in the kernel itself.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use netyard_core::name::YardName;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

/// A yard's state directory; it need not exist yet.
#[derive(Clone, Debug)]
pub struct StateDir {
    base: PathBuf,
    path: PathBuf,
}

/// The yard is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// The directory of all yards of this user. `rootless` says whether the caller
/// lacks root; it has to be asked before entering a keeper.
pub fn base(rootless: bool) -> Result<PathBuf, Error> {
    if !rootless {
        return Ok(PathBuf::from("/run/netyard"));
    }
    let uid = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(runtime) = runtime.filter(|path| path.is_absolute() && owned_by(path, uid)) {
        return Ok(runtime.join("netyard"));
    }
    // Who only looks makes nothing.
    let path = PathBuf::from(format!("/tmp/netyard-{uid}"));
    must_be_ours(&path, uid)?;
    Ok(path)
}

/// Anyone can make a directory in /tmp: what is there must be ours, and no link.
fn must_be_ours(path: &Path, uid: u32) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(_) if !owned_by(path, uid) => {
            let what = format!("`{}` is not a directory of this user", path.display());
            Err(Error::new(ErrorKind::Forbidden, what)
                .hint("set XDG_RUNTIME_DIR to a directory of yours, or move it away"))
        }
        _ => Ok(()),
    }
}

fn owned_by(path: &Path, uid: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
}

fn make_dir(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::system(format!("could not create `{}`", path.display()), error))
        }
        // Through a link one would write, and remove, somewhere else.
        Err(_) if !fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) => {
            let what =
                format!("`{}` is no directory, and netyard keeps its state in one", path.display());
            Err(Error::new(ErrorKind::State, what).hint("move it away"))
        }
        _ => Ok(()),
    }
}

/// The names of all yards that have a state directory below `base`, sorted.
pub fn yards(base: &Path) -> Result<Vec<YardName>, Error> {
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Error::system(format!("could not read `{}`", base.display()), error));
        }
    };
    let mut yards: Vec<YardName> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|ty| ty.is_dir()))
        .filter_map(|entry| YardName::new(entry.file_name().to_str()?).ok())
        .collect();
    yards.sort();
    Ok(yards)
}

impl StateDir {
    /// The directory of a yard below `base`.
    pub fn new(base: &Path, yard: &YardName) -> Self {
        Self { base: base.to_owned(), path: base.join(yard.as_str()) }
    }

    /// The directory of all yards of this user.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// True when nothing but that file, and directories, are in it.
    pub fn has_only(&self, name: &str) -> bool {
        let other = |entry: fs::DirEntry| {
            entry.file_name() != name && !entry.file_type().is_ok_and(|ty| ty.is_dir())
        };
        fs::read_dir(&self.path).is_ok_and(|entries| !entries.flatten().any(other))
    }

    /// Makes it.
    pub fn create(&self) -> Result<(), Error> {
        make_dir(&self.base)?;
        must_be_ours(&self.base, rustix::process::geteuid().as_raw())?;
        make_dir(&self.path)
    }

    /// Removes it and, where it was the last, the directory of all yards.
    pub fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::system(
                    format!("could not remove `{}`", self.path.display()),
                    error,
                ));
            }
            _ => {}
        }
        // Not empty while other yards are up.
        let _ = fs::remove_dir(&self.base);
        Ok(())
    }

    /// Takes the yard for this command. Where another has it, `wait` is called
    /// with its process number and command line; `false` from it is an error
    /// that says so, `true` waits.
    pub fn lock(&self, wait: &mut dyn FnMut(&str) -> bool) -> Result<Lock, Error> {
        let what = || format!("could not lock `{}`", self.path.display());
        loop {
            self.create()?;
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(self.file("lock"))
                .map_err(|e| Error::system(what(), e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = holder.trim().to_owned();
                    if !wait(&holder) {
                        return Err(held_by(&holder));
                    }
                    file.lock().map_err(|e| Error::system(what(), e))?;
                }
                Err(TryLockError::Error(error)) => return Err(Error::system(what(), error)),
            }
            // A `down` that we waited for has removed the file: begin again.
            if self.is_current(&file) {
                // On a full disk nobody learns who has it, and all goes on.
                let _ = write_holder(&mut file);
                return Ok(Lock { file });
            }
        }
    }

    fn is_current(&self, file: &File) -> bool {
        let there = fs::metadata(self.file("lock"));
        match (there, file.metadata()) {
            (Ok(a), Ok(b)) => a.ino() == b.ino() && a.dev() == b.dev(),
            _ => false,
        }
    }

    /// Reads a JSON file in it; none where there is none.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.file(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::system(format!("could not read `{}`", path.display()), error));
            }
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let what = format!("could not understand `{}`: {error}", path.display());
            Error::new(ErrorKind::State, what).hint(
                "another version of netyard may have written it; `netyard down` works without it",
            )
        })
    }

    /// Removes a file; not an error where there is none.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::system(format!("could not remove `{}`", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a JSON file in it, whole or not at all.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = self.file(name);
        let what = || format!("could not write `{}`", path.display());
        let text = serde_json::to_vec(value)
            .map_err(|e| Error::new(ErrorKind::Bug, format!("{}: {e}", what())))?;
        write_atomically(&path, &text, 0o600).map_err(|e| Error::system(what(), e))
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".netyard-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let command: Vec<String> = std::env::args().collect();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{} (`{}`)", std::process::id(), command.join(" "))
}

fn held_by(holder: &str) -> Error {
    let who =
        if holder.is_empty() { "another command".to_owned() } else { format!("process {holder}") };
    Error::new(ErrorKind::Busy, format!("{who} is at work on this yard"))
        .hint("wait until it is done, or end it")
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, StateDir) {
        let base = tempfile::tempdir().unwrap();
        let state = StateDir::new(&base.path().join("all"), &YardName::new("home").unwrap());
        (base, state)
    }

    #[test]
    fn a_second_command_learns_who_is_at_work() {
        let (_base, state) = place();
        let lock = state.lock(&mut |_| false).unwrap();
        let error = state.lock(&mut |_| false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        state.lock(&mut |_| false).unwrap();
    }

    #[test]
    fn somebody_elses_directory_is_refused_and_none_is_fine() {
        let base = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        must_be_ours(base.path(), uid).unwrap();
        must_be_ours(&base.path().join("none"), uid).unwrap();
        let theirs = must_be_ours(base.path(), uid + 1).unwrap_err();
        assert_eq!(theirs.kind(), ErrorKind::Forbidden);
        std::os::unix::fs::symlink(base.path(), base.path().join("link")).unwrap();
        assert!(must_be_ours(&base.path().join("link"), uid).is_err());
    }

    #[test]
    fn removing_the_last_yard_leaves_nothing() {
        let (base, state) = place();
        let lock = state.lock(&mut |_| false).unwrap();
        state.write("record", &vec![1, 2]).unwrap();
        assert_eq!(state.read::<Vec<u8>>("record").unwrap(), Some(vec![1, 2]));
        state.remove().unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        assert_eq!(state.read::<Vec<u8>>("record").unwrap(), None);
    }

    #[test]
    fn who_waited_for_a_down_begins_in_a_fresh_directory() {
        let (_base, state) = place();
        let lock = state.lock(&mut |_| false).unwrap();
        let other = state.clone();
        std::thread::scope(|scope| {
            let (told, waiting) = std::sync::mpsc::channel();
            let second = scope.spawn(move || {
                other.lock(&mut |_| {
                    told.send(()).unwrap();
                    true
                })
            });
            waiting.recv().unwrap();
            state.remove().unwrap();
            drop(lock);
            second.join().unwrap().unwrap();
        });
        assert!(state.file("lock").exists());
    }
}
