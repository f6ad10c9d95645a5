//! What an entry of an image has beside its content: owner, mode, attributes, time.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::{Meta, Spot, Tree};
use crate::error::{Error, errno_text};
use crate::image::Missing;

impl Tree {
    /// Gives an open file or directory its owner, mode, attributes and time, in the
    /// only order in which none takes another away.
    pub(super) fn dress(&mut self, path: &Path, file: &File, meta: &Meta) -> Result<(), Error> {
        let owned = rustix::fs::fchown(file, uid(meta.uid), gid(meta.gid));
        let ours = self.owned(path, meta, owned)?;
        // Programs that take their owner's rights must not take another's.
        let mode = if ours { meta.mode & 0o7777 } else { meta.mode & 0o1777 };
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
            .map_err(|errno| self.failed(path, "set the mode of", errno))?;
        for (name, value) in &meta.attributes {
            let name = self.wanted(path, name)?;
            let Some(name) = name else { continue };
            let set = rustix::fs::fsetxattr(file, &name, value, XattrFlags::empty());
            self.attribute_is(path, name, set)?;
        }
        rustix::fs::futimens(file, &times(meta))
            .map_err(|errno| self.failed(path, "set the time of", errno))
    }

    /// The same for what cannot be opened: links and pipes.
    pub(super) fn dress_spot(
        &mut self,
        path: &Path,
        spot: &Spot,
        meta: &Meta,
    ) -> Result<(), Error> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let owned =
            rustix::fs::chownat(&spot.directory, &spot.name, uid(meta.uid), gid(meta.gid), flags);
        self.owned(path, meta, owned)?;
        if self.kind(spot) == Ok(FileType::Fifo) {
            // It was made by us, a moment ago, in a directory that is ours alone.
            let mode = Mode::from_raw_mode(meta.mode & 0o777);
            rustix::fs::chmodat(&spot.directory, &spot.name, mode, AtFlags::empty())
                .map_err(|errno| self.failed(path, "set the mode of", errno))?;
        }
        for (name, value) in &meta.attributes {
            let Some(name) = self.wanted(path, name)? else { continue };
            let mut place = format!("/proc/self/fd/{}/", spot.directory.as_raw_fd()).into_bytes();
            place.extend(spot.name.as_bytes());
            let set = rustix::fs::lsetxattr(place, &name, value, XattrFlags::empty());
            self.attribute_is(path, name, set)?;
        }
        rustix::fs::utimensat(&spot.directory, &spot.name, &times(meta), flags)
            .map_err(|errno| self.failed(path, "set the time of", errno))
    }

    /// Whether an entry has the owner it should have; noted where it has not.
    fn owned(&mut self, path: &Path, meta: &Meta, set: Result<(), Errno>) -> Result<bool, Error> {
        match set {
            Ok(()) => Ok(true),
            // Not ours to give away, or not in this user namespace.
            Err(Errno::PERM | Errno::INVAL | Errno::OVERFLOW) => {
                let ours = (meta.uid, meta.gid) == self.ids;
                if !ours {
                    self.leave_out(path, Missing::Owner { uid: meta.uid, gid: meta.gid });
                }
                Ok(ours)
            }
            Err(errno) => Err(self.failed(path, "set the owner of", errno)),
        }
    }

    /// The name of an attribute that is set: labels of another machine's policy, and
    /// what overlays note for themselves, are not.
    fn wanted(&mut self, path: &Path, name: &[u8]) -> Result<Option<String>, Error> {
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(self.refuse(
                path,
                "has an attribute whose name is no text",
                "get the image again",
            ));
        };
        let wanted = name.starts_with("user.")
            || name == "security.capability"
            || name.starts_with("system.posix_acl_");
        if !wanted {
            self.leave_out(path, Missing::Attribute(name.to_owned()));
        }
        Ok(wanted.then(|| name.to_owned()))
    }

    fn attribute_is(
        &mut self,
        path: &Path,
        name: String,
        set: Result<(), Errno>,
    ) -> Result<(), Error> {
        match set {
            Ok(()) => Ok(()),
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::INVAL) => {
                self.leave_out(path, Missing::Attribute(name));
                Ok(())
            }
            Err(errno) => {
                let text = errno_text(errno);
                match errno {
                    // Not every file system has room for large ones, however empty it is.
                    Errno::NOSPC | Errno::TOOBIG if !self.is_full() => {
                        self.leave_out(path, Missing::Attribute(name));
                        Ok(())
                    }
                    Errno::NOSPC | Errno::DQUOT => Err(self.no_room(path)),
                    _ => Err(self.refuse(
                        path,
                        &format!("cannot have its attribute `{name}`: {text}"),
                        "unpack it to a file system with extended attributes",
                    )),
                }
            }
        }
    }
}

fn uid(id: u32) -> Option<Uid> {
    // The largest number means "leave it" to the kernel.
    (id != u32::MAX).then(|| Uid::from_raw(id))
}

fn gid(id: u32) -> Option<Gid> {
    (id != u32::MAX).then(|| Gid::from_raw(id))
}

fn times(meta: &Meta) -> Timestamps {
    let (seconds, nanoseconds) = meta.modified;
    let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds.min(999_999_999)) };
    Timestamps { last_access: time, last_modification: time }
}
