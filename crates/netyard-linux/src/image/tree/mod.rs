//! A root file system as it grows, entry by entry, inside one directory.
//!
//! Every name is resolved by the kernel, from the directory's descriptor, with
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV`: whatever an image
//! says, nothing is made or changed elsewhere. Directories get their modes and
//! times last, because making something in them needs the one and changes the other.

mod dress;

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{LeftOut, Missing, Unpacked};
use crate::error::{Error, ErrorKind};

/// The most names of one image.
const MOST_ENTRIES: u64 = 4_000_000;
/// The most bytes of content of one image: 64 GiB.
const MOST_BYTES: u64 = 64 << 30;
/// What is left free on a file system, where it is not a small one.
const RESERVE: u64 = 64 << 20;
/// Zeros of this length become a hole.
const HOLE: usize = 4096;
/// `PATH_MAX`, without its zero.
const LONGEST_PATH: usize = 4095;

const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Extended attributes: names and values.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What an image says of an entry beside its content.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Permissions, the upper three bits among them.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content changed: seconds since 1970, nanoseconds.
    pub modified: (i64, u32),
    /// Extended attributes.
    pub attributes: Attributes,
}

/// A root file system as it grows.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    /// The image, for messages.
    source: PathBuf,
    directories: BTreeMap<PathBuf, Meta>,
    /// The directory that was last made something in.
    near: Option<(PathBuf, OwnedFd)>,
    /// Who we are.
    ids: (u32, u32),
    room: u64,
    done: Unpacked,
}

/// A place in the tree: the directory, and the name in it.
struct Spot {
    directory: OwnedFd,
    name: CString,
}

/// The path of an entry of an image, relative to its root; empty for the root.
///
/// # Errors
/// A phrase, when it would be elsewhere.
pub fn inside(raw: &[u8]) -> Result<PathBuf, &'static str> {
    if raw.contains(&0) {
        return Err("has a zero byte in its name");
    }
    if raw.len() > LONGEST_PATH {
        return Err("has a name that is longer than a path can be");
    }
    let mut path = PathBuf::new();
    for part in Path::new(OsStr::from_bytes(raw)).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out by `..`"),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path"),
        }
    }
    Ok(path)
}

impl Tree {
    /// One in an empty directory, out of the image `source`.
    pub fn new(directory: impl AsFd, source: &Path) -> Result<Self, Error> {
        let what = || format!("could not unpack `{}`", source.display());
        let root = rustix::io::dup(directory).map_err(|errno| Error::system(what(), errno))?;
        let space = rustix::fs::fstatvfs(&root).map_err(|errno| Error::system(what(), errno))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let directories = BTreeMap::from([(
            PathBuf::new(),
            Meta { mode: 0o755, uid: ids.0, gid: ids.1, ..Meta::default() },
        )]);
        Ok(Self {
            root,
            source: source.to_owned(),
            directories,
            near: None,
            ids,
            room: free - RESERVE.min(free / 16),
            done: Unpacked::default(),
        })
    }

    /// An error about an entry, with what to do.
    pub fn refuse(&self, path: impl AsRef<Path>, why: &str, hint: &str) -> Error {
        let (source, path) = (self.source.display(), path.as_ref().display());
        Error::new(ErrorKind::State, format!("`{source}`: `{path}` {why}")).hint(hint)
    }

    fn failed(&self, path: &Path, what: &str, errno: Errno) -> Error {
        match errno {
            Errno::NOSPC | Errno::DQUOT => self.no_room(path),
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV => self.refuse(
                path,
                "leads through a symbolic link or a file",
                "an honest image has no such entry; have it made again by whoever made it",
            ),
            errno => {
                let source = self.source.display();
                let what = format!("could not {what} `{}` of `{source}`", path.display());
                let error = Error::system(what, errno);
                match errno {
                    Errno::PERM | Errno::ACCESS => {
                        error.hint("unpack it as root, or to a directory of yours")
                    }
                    Errno::ROFS => error.hint("unpack it to a file system that can be written to"),
                    Errno::NAMETOOLONG => {
                        error.hint("the file system there has no names of this length")
                    }
                    _ => error,
                }
            }
        }
    }

    /// There is no room for this entry.
    pub fn no_room(&self, path: &Path) -> Error {
        let source = self.source.display();
        let what = format!("no room for `{}` of `{source}`", path.display());
        Error::new(ErrorKind::Limit, what).errno(Errno::NOSPC).hint(
            "make room on the file system that it is unpacked to; nothing of it was left there",
        )
    }

    /// Notes what the image has and the directory will not have.
    pub fn leave_out(&mut self, path: &Path, what: Missing) {
        self.done.left_out.push(LeftOut { path: path.to_owned(), what });
    }

    /// Makes a directory, or gives one that is there its owner and the like.
    pub fn directory(&mut self, path: &Path, meta: Meta) -> Result<(), Error> {
        self.count(path)?;
        if !path.as_os_str().is_empty() {
            let spot = self.spot(path)?;
            self.clear_unless(path, &spot, Some(FileType::Directory))?;
            match rustix::fs::mkdirat(&spot.directory, &spot.name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.failed(path, "make", errno)),
            }
        }
        self.directories.insert(path.to_owned(), meta);
        Ok(())
    }

    /// Makes a file; `fill` writes its content. In place of what has that name.
    pub fn file(
        &mut self,
        path: &Path,
        meta: &Meta,
        fill: &mut dyn FnMut(&mut Self, &mut File) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.count(path)?;
        let spot = self.spot(path)?;
        self.clear_unless(path, &spot, None)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened =
            rustix::fs::openat(&spot.directory, &spot.name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(|errno| self.failed(path, "make", errno))?);
        fill(self, &mut file)?;
        self.dress(path, &file, meta)
    }

    /// Makes a symbolic link. Where it leads is the image's own business: nothing
    /// is ever made through it.
    pub fn symlink(&mut self, path: &Path, target: &[u8], meta: &Meta) -> Result<(), Error> {
        self.count(path)?;
        let spot = self.spot(path)?;
        self.clear_unless(path, &spot, None)?;
        rustix::fs::symlinkat(target, &spot.directory, &spot.name)
            .map_err(|errno| self.failed(path, "make", errno))?;
        self.dress_spot(path, &spot, meta)
    }

    /// Gives the file at `of` another name.
    pub fn hard_link(&mut self, path: &Path, of: &Path) -> Result<(), Error> {
        self.count(path)?;
        if path == of {
            return Ok(());
        }
        let (spot, target) = (self.spot(path)?, self.spot(of)?);
        let kind = self.kind(&target).map_err(|errno| match errno {
            Errno::NOENT => self.refuse(
                path,
                &format!("is a hard link to `{}`, which is not there", of.display()),
                "the image is damaged; get it again",
            ),
            errno => self.failed(of, "look at", errno),
        })?;
        if kind == FileType::Directory {
            let why = format!("is a hard link to the directory `{}`", of.display());
            return Err(self.refuse(
                path,
                &why,
                "no file system has such links; get the image again",
            ));
        }
        self.clear_unless(path, &spot, None)?;
        rustix::fs::linkat(
            &target.directory,
            &target.name,
            &spot.directory,
            &spot.name,
            AtFlags::empty(),
        )
        .map_err(|errno| self.failed(path, "make", errno))
    }

    /// Makes a named pipe.
    pub fn fifo(&mut self, path: &Path, meta: &Meta) -> Result<(), Error> {
        self.count(path)?;
        let spot = self.spot(path)?;
        self.clear_unless(path, &spot, None)?;
        rustix::fs::mknodat(
            &spot.directory,
            &spot.name,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .map_err(|errno| self.failed(path, "make", errno))?;
        self.dress_spot(path, &spot, meta)
    }

    /// A device: those that every container has anyway are left out; one that would
    /// open a disk or the memory of this machine is refused.
    pub fn device(
        &mut self,
        path: &Path,
        character: bool,
        number: (u32, u32),
    ) -> Result<(), Error> {
        // null zero full random urandom, tty console ptmx, ttyN and consoles of the
        // machine, loop-control is none of them.
        let harmless = matches!(number, (1, 3 | 5 | 7 | 8 | 9 | 11) | (5, _) | (4, _));
        if character && harmless {
            self.leave_out(path, Missing::Device);
            return Ok(());
        }
        let (sort, (major, minor)) = (if character { 'c' } else { 'b' }, number);
        Err(self.refuse(
            path,
            &format!("is a device of this machine ({sort} {major}:{minor})"),
            "take it out of the image: a container has a `/dev` of its own",
        ))
    }

    /// Takes a name away, with all below it; true when it was there.
    pub fn remove(&mut self, path: &Path) -> Result<bool, Error> {
        let spot = self.spot(path)?;
        let kind = match self.kind(&spot) {
            Ok(kind) => kind,
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.failed(path, "look at", errno)),
        };
        if kind == FileType::Directory {
            self.near = None;
            for name in self.names(path)? {
                self.remove(&path.join(name))?;
            }
            self.directories.remove(path);
            self.near = None;
        }
        let flags = if kind == FileType::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        rustix::fs::unlinkat(&spot.directory, &spot.name, flags)
            .map_err(|errno| self.failed(path, "remove", errno))?;
        Ok(true)
    }

    /// The names in a directory of the tree; none where it is none.
    pub fn names(&self, path: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match self.open(path, flags) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(self.failed(path, "read", errno)),
        };
        let entries = rustix::fs::Dir::read_from(&directory)
            .map_err(|errno| self.failed(path, "read", errno))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|errno| self.failed(path, "read", errno))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Gives directories their modes and times; what became of the image.
    pub fn finish(mut self) -> Result<Unpacked, Error> {
        let directories = std::mem::take(&mut self.directories);
        // The deepest first: below one that may not be entered nothing can be set.
        for (path, meta) in directories.iter().rev() {
            let opened = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC);
            let directory = opened.map_err(|errno| self.failed(path, "open", errno))?;
            self.dress(path, &File::from(directory), meta)?;
        }
        self.done.left_out.sort();
        Ok(self.done)
    }

    fn count(&mut self, path: &Path) -> Result<(), Error> {
        self.done.entries += 1;
        if self.done.entries <= MOST_ENTRIES {
            return Ok(());
        }
        let why = format!("is one name too many: more than {MOST_ENTRIES} are no root file system");
        Err(self.refuse(path, &why, "have the image made smaller"))
    }

    /// Counts bytes that are about to be written for an entry.
    fn spend(&mut self, path: &Path, bytes: u64) -> Result<(), Error> {
        self.done.bytes += bytes;
        if self.done.bytes > MOST_BYTES {
            let why = "is too much: more than 64 GiB are no root file system";
            return Err(self.refuse(path, why, "have the image made smaller"));
        }
        if self.done.bytes > self.room {
            return Err(self.no_room(path));
        }
        Ok(())
    }

    /// Writes bytes at an offset of a file; zeros become holes.
    pub fn write(
        &mut self,
        path: &Path,
        file: &mut File,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let mut at = at;
        for part in bytes.chunks(HOLE) {
            if part.iter().any(|byte| *byte != 0) {
                self.spend(path, part.len() as u64)?;
                let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(part));
                written.map_err(|error| self.unwritten(path, &error))?;
            }
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Copies `length` bytes from a stream into a file. `Ok(false)` when the stream
    /// ended before; its own errors come back as they are.
    pub fn pour(
        &mut self,
        path: &Path,
        file: &mut File,
        length: u64,
        from: &mut dyn Read,
    ) -> Result<std::io::Result<bool>, Error> {
        let mut buffer = vec![0; 16 * HOLE];
        let mut at = 0;
        while at < length {
            let most = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
            let mut filled = 0;
            while filled < most {
                match from.read(&mut buffer[filled..most]) {
                    Ok(0) => return Ok(Ok(false)),
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Ok(Err(error)),
                }
            }
            self.write(path, file, at, &buffer[..filled])?;
            at += filled as u64;
        }
        self.length(path, file, length)?;
        Ok(Ok(true))
    }

    /// Gives a file its length; what was not written of it is zeros.
    pub fn length(&self, path: &Path, file: &File, length: u64) -> Result<(), Error> {
        file.set_len(length).map_err(|error| self.unwritten(path, &error))
    }

    fn unwritten(&self, path: &Path, error: &std::io::Error) -> Error {
        self.failed(path, "write", Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        rustix::fs::openat2(&self.root, path, flags, Mode::empty(), INSIDE)
    }

    /// Where an entry is to be; directories that the image does not mention are made.
    fn spot(&mut self, path: &Path) -> Result<Spot, Error> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(self.refuse(
                path,
                "is the root itself, and no directory",
                "get the image again",
            ));
        };
        let name =
            CString::new(name.as_bytes()).map_err(|_| self.failed(path, "make", Errno::INVAL))?;
        if let Some((near, directory)) = &self.near
            && near == parent
        {
            let directory =
                rustix::io::dup(directory).map_err(|errno| self.failed(path, "make", errno))?;
            return Ok(Spot { directory, name });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match self.open(parent, flags) {
            Err(Errno::NOENT) => {
                let (uid, gid) = self.ids;
                self.directory(parent, Meta { mode: 0o755, uid, gid, ..Meta::default() })?;
                self.open(parent, flags)
            }
            opened => opened,
        };
        let directory = opened.map_err(|errno| self.failed(path, "make", errno))?;
        let again =
            rustix::io::dup(&directory).map_err(|errno| self.failed(path, "make", errno))?;
        self.near = Some((parent.to_owned(), again));
        Ok(Spot { directory, name })
    }

    fn kind(&self, spot: &Spot) -> Result<FileType, Errno> {
        let stat = rustix::fs::statat(&spot.directory, &spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    /// Takes away what has a name already, unless it is of that kind. Where an
    /// image has a name twice, the later one counts, as `tar` would have it.
    fn clear_unless(
        &mut self,
        path: &Path,
        spot: &Spot,
        kind: Option<FileType>,
    ) -> Result<(), Error> {
        match self.kind(spot) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed(path, "look at", errno)),
            Ok(there) if Some(there) == kind => Ok(()),
            Ok(FileType::Directory) => {
                self.near = None;
                self.directories.remove(path);
                let removed = rustix::fs::unlinkat(&spot.directory, &spot.name, AtFlags::REMOVEDIR);
                removed.map_err(|errno| match errno {
                    Errno::NOTEMPTY | Errno::EXIST => self.refuse(
                        path,
                        "is a directory with something in it, and then something else",
                        "an honest image has no such entries; get it again",
                    ),
                    errno => self.failed(path, "remove", errno),
                })
            }
            Ok(_) => rustix::fs::unlinkat(&spot.directory, &spot.name, AtFlags::empty())
                .map_err(|errno| self.failed(path, "remove", errno)),
        }
    }

    /// True when not even a few blocks are free.
    fn is_full(&self) -> bool {
        rustix::fs::fstatvfs(&self.root).is_ok_and(|space| space.f_bavail < 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_an_image_stays_inside_or_is_refused() {
        assert_eq!(inside(b"./etc//passwd").unwrap(), Path::new("etc/passwd"));
        assert_eq!(inside(b"./").unwrap(), Path::new(""));
        assert_eq!(inside(b"a/b/.").unwrap(), Path::new("a/b"));
        for bad in [&b"/etc/passwd"[..], b"../x", b"a/../../x", b"a/..", b"a\0b", &[b'a'; 5000]] {
            assert!(inside(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
