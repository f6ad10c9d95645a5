//! A directory as a template: copied with all that belongs to its files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::tree::{Attributes, Meta, Tree};
use super::{Missing, Step};
use crate::error::Error;

struct Copy<'a> {
    source: &'a Path,
    tree: &'a mut Tree,
    told: &'a mut dyn FnMut(Step),
    /// Where the template's file system is; what is mounted in it stays out.
    device: u64,
    /// Files with more than one name, and the first one they had.
    named: BTreeMap<u64, PathBuf>,
    done: u64,
}

/// Copies the directory `from` into the tree.
pub fn copy(
    from: &File,
    source: &Path,
    tree: &mut Tree,
    told: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    let unreadable = |errno| Error::system(format!("could not read `{}`", source.display()), errno);
    let stat = rustix::fs::fstat(from).map_err(unreadable)?;
    let from = rustix::io::dup(from).map_err(unreadable)?;
    let mut copy =
        Copy { source, tree, told, device: stat.st_dev, named: BTreeMap::new(), done: 0 };
    copy.directory(&from, Path::new(""), &stat)
}

impl Copy<'_> {
    fn failed(&self, path: &Path, errno: Errno) -> Error {
        let what = format!("could not read `{}`", self.source.join(path).display());
        let error = Error::system(what, errno);
        match errno {
            Errno::ACCESS | Errno::PERM => error.hint("unpack it as who may read all of it"),
            _ => error,
        }
    }

    fn directory(&mut self, from: &OwnedFd, path: &Path, stat: &Stat) -> Result<(), Error> {
        let meta = self.meta(from, stat, path)?;
        self.tree.directory(path, meta)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(from).map_err(|errno| self.failed(path, errno))? {
            let entry = entry.map_err(|errno| self.failed(path, errno))?;
            names.push(entry.file_name().to_owned());
        }
        names.sort();
        for name in names {
            let name = name.to_bytes();
            if name != b"." && name != b".." {
                let name = OsStr::from_bytes(name);
                self.entry(from, name, &path.join(name))?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Error> {
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failed(path, errno))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_dev != self.device {
            return self.mount(path, kind, &stat);
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.named.get(&stat.st_ino) {
                let first = first.clone();
                return self.tree.hard_link(path, &first);
            }
            self.named.insert(stat.st_ino, path.to_owned());
        }
        let open = |flags: OFlags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(directory, name, flags, Mode::empty())
        };
        match kind {
            FileType::Directory => {
                let from = open(OFlags::RDONLY | OFlags::DIRECTORY);
                let from = from.map_err(|errno| self.failed(path, errno))?;
                self.directory(&from, path, &stat)
            }
            FileType::RegularFile => {
                let from = open(OFlags::RDONLY | OFlags::NONBLOCK);
                let from = from.map_err(|errno| self.failed(path, errno))?;
                self.file(from, path, &stat)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name, Vec::new())
                    .map_err(|errno| self.failed(path, errno))?;
                self.tree.symlink(path, target.to_bytes(), &plain(&stat))
            }
            FileType::Fifo => self.tree.fifo(path, &plain(&stat)),
            FileType::Socket => {
                self.tree.leave_out(path, Missing::Socket);
                Ok(())
            }
            kind => {
                let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                self.tree.device(path, kind == FileType::CharacterDevice, number)
            }
        }
    }

    /// What is mounted in a template is not the template's: the place it is mounted
    /// on is, and nothing of it.
    fn mount(&mut self, path: &Path, kind: FileType, stat: &Stat) -> Result<(), Error> {
        self.tree.leave_out(path, Missing::Mount);
        match kind {
            FileType::Directory => self.tree.directory(path, Meta { mode: 0o755, ..plain(stat) }),
            _ => Ok(()),
        }
    }

    fn file(&mut self, from: OwnedFd, path: &Path, stat: &Stat) -> Result<(), Error> {
        let meta = self.meta(&from, stat, path)?;
        let mut from = File::from(from);
        let length = stat.st_size.cast_unsigned();
        let mut unread = None;
        self.tree.file(path, &meta, &mut |tree, file| {
            // The same blocks for both, where the file system can share them.
            if rustix::fs::ioctl_ficlone(&*file, &from).is_ok() {
                return Ok(());
            }
            from.rewind().map_err(|error| Error::system("could not read a template", error))?;
            match tree.pour(path, file, length, &mut from)? {
                Ok(true) => {}
                Ok(false) => unread = Some(Errno::NODATA),
                Err(error) => unread = Some(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            }
            Ok(())
        })?;
        match unread {
            Some(Errno::NODATA) => {
                let why = "became shorter while it was copied";
                return Err(self.tree.refuse(path, why, "stop what writes to the template"));
            }
            Some(errno) => return Err(self.failed(path, errno)),
            None => {}
        }
        self.done += length;
        (self.told)(Step { what: "copying", done: self.done, of: None });
        Ok(())
    }

    fn meta(&self, file: impl AsFd, stat: &Stat, path: &Path) -> Result<Meta, Error> {
        let file = file.as_fd();
        let attributes = attributes(file).map_err(|errno| self.failed(path, errno))?;
        Ok(Meta { attributes, ..plain(stat) })
    }
}

fn plain(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default()),
        attributes: Vec::new(),
    }
}

/// The extended attributes of an open file; none where its file system has none.
fn attributes(file: BorrowedFd) -> Result<Attributes, Errno> {
    // `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`.
    let mut list = vec![0_u8; 65536];
    let length = match rustix::fs::flistxattr(file, &mut list) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        length => length?,
    };
    let mut all = Vec::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 65536];
        match rustix::fs::fgetxattr(file, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                all.push((name.to_vec(), value));
            }
            // Gone meanwhile, or not for us to see.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(all)
}
