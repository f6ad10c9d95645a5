//! Tar archives: of old, of POSIX (ustar and pax), of GNU; and layers of OCI
//! images, which are archives that also take away.
//!
//! The crate `tar` reads headers. Long names and pax records are read here, because
//! there they may be as long as memory is.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use netyard_core::image::oci::{Whiteout, whiteout};
use tar::{Archive, EntryType, Header};

use super::stream::{broken, cut_off};
use super::tree::{Meta, Tree, inside};
use crate::error::{Error, ErrorKind};

/// The longest name, or all pax records of an entry.
const LONGEST: u64 = 1 << 20;

/// What stands before an entry and is about it.
#[derive(Debug, Default)]
struct About {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Unpacks an archive, or a layer of an image, into the tree.
pub fn unpack(
    stream: &mut dyn Read,
    source: &Path,
    is_layer: bool,
    tree: &mut Tree,
) -> Result<(), Error> {
    let mut end = End { stream, zeros: false };
    let mut unpacking = Unpacking {
        source,
        tree,
        layer: is_layer.then(BTreeSet::new),
        about: About::default(),
        entries: 0,
    };
    {
        let mut archive = Archive::new(&mut end);
        let entries = archive.entries().map_err(|error| broken(source, &error))?.raw(true);
        for entry in entries {
            let mut entry = entry.map_err(|error| unpacking.unreadable(&error))?;
            let header = entry.header().clone();
            let size = entry.size();
            unpacking.entry(&header, size, &mut entry)?;
        }
    }
    // The last block of an archive is zeros.
    if !end.zeros {
        return Err(cut_off(&source.display().to_string()));
    }
    if unpacking.entries == 0 && !is_layer {
        let what = format!("the archive `{}` is empty", source.display());
        return Err(Error::new(ErrorKind::State, what).hint("get it again"));
    }
    // What follows has a checksum that is worth reading.
    io::copy(stream, &mut io::sink()).map_err(|error| broken(source, &error))?;
    Ok(())
}

/// A stream that remembers whether the last block was zeros.
struct End<'a> {
    stream: &'a mut dyn Read,
    zeros: bool,
}

impl Read for End<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Headers are read by blocks: one comes in one piece.
        let mut filled = 0;
        while filled < into.len().min(512) {
            match self.stream.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled > 0 {
            self.zeros = filled == 512 && into[..512].iter().all(|byte| *byte == 0);
        }
        Ok(filled)
    }
}

struct Unpacking<'a> {
    source: &'a Path,
    tree: &'a mut Tree,
    /// What this layer made, where it is one.
    layer: Option<BTreeSet<PathBuf>>,
    about: About,
    entries: u64,
}

impl Unpacking<'_> {
    fn unreadable(&self, error: &io::Error) -> Error {
        // The crate has words of its own for an end that came early.
        if error.kind() == io::ErrorKind::Other && error.to_string().contains("unexpected EOF") {
            return cut_off(&self.source.display().to_string());
        }
        broken(self.source, error)
    }

    fn refuse(&self, name: &[u8], why: &str) -> Error {
        self.tree.refuse(
            OsStr::from_bytes(name),
            why,
            "an honest archive has no such entry; have it made again by whoever made it",
        )
    }

    fn entry(&mut self, header: &Header, size: u64, content: &mut dyn Read) -> Result<(), Error> {
        let kind = header.entry_type();
        match kind {
            EntryType::GNULongName => self.about.name = Some(self.long(size, content)?),
            EntryType::GNULongLink => self.about.link = Some(self.long(size, content)?),
            EntryType::XHeader => {
                let text = self.long(size, content)?;
                match records(&text) {
                    Some(records) => self.about.records = records,
                    None => {
                        return Err(self.refuse(&header.path_bytes(), "has damaged pax records"));
                    }
                }
            }
            // Remarks about the whole archive: a revision, its name.
            EntryType::XGlobalHeader => {}
            kind if kind.as_byte() == b'V' => {}
            _ => {
                let about = std::mem::take(&mut self.about);
                self.named(header, about, size, content)?;
                self.entries += 1;
            }
        }
        Ok(())
    }

    fn long(&self, size: u64, content: &mut dyn Read) -> Result<Vec<u8>, Error> {
        if size > LONGEST {
            return Err(self.refuse(b"", "has a name that is longer than a path can be"));
        }
        let mut text = Vec::new();
        content.take(LONGEST).read_to_end(&mut text).map_err(|error| self.unreadable(&error))?;
        if (text.len() as u64) < size {
            return Err(cut_off(&self.source.display().to_string()));
        }
        Ok(text)
    }

    fn named(
        &mut self,
        header: &Header,
        about: About,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let record = |key: &str| about.records.iter().rev().find(|(k, _)| k == key.as_bytes());
        let value = |key: &str| record(key).map(|(_, value)| value.clone());
        let name = value("path").or(about.name.map(without_zero));
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let path = inside(&name).map_err(|why| self.refuse(&name, why))?;
        if about.records.iter().any(|(key, _)| key.starts_with(b"GNU.sparse")) {
            return Err(self.sparse(&name));
        }
        if let Some(said) = number(value("size"))
            && said != size
        {
            return Err(self.refuse(&name, "is of more than 8 GiB, which is not read here"));
        }
        let link = value("linkpath").or(about.link.map(without_zero));
        let link = link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let mut meta = meta(header)
            .map_err(|error| self.refuse(&name, &format!("has a damaged header ({error})")))?;
        meta.uid = number(value("uid")).map_or(meta.uid, fits);
        meta.gid = number(value("gid")).map_or(meta.gid, fits);
        if let Some(time) = value("mtime").as_deref().and_then(time) {
            meta.modified = time;
        }
        meta.attributes = about.records.into_iter().filter_map(attribute).collect();
        if self.is_whiteout(&path)? {
            return Ok(());
        }
        self.make(header, &name, path, &meta, link.unwrap_or_default(), (size, content))
    }

    fn make(
        &mut self,
        header: &Header,
        name: &[u8],
        path: PathBuf,
        meta: &Meta,
        link: Vec<u8>,
        (size, content): (u64, &mut dyn Read),
    ) -> Result<(), Error> {
        if let Some(made) = &mut self.layer {
            made.insert(path.clone());
        }
        let kind = header.entry_type();
        // Before POSIX a directory was a file with this name.
        let kind = match kind {
            EntryType::Regular if name.ends_with(b"/") => EntryType::Directory,
            kind => kind,
        };
        if path.as_os_str().is_empty() && kind != EntryType::Directory {
            return Err(self.refuse(name, "is the root itself, and no directory"));
        }
        match kind {
            EntryType::Directory => self.tree.directory(&path, meta.clone()),
            EntryType::Regular | EntryType::Continuous => self.file(&path, meta, size, content),
            EntryType::Symlink if link.is_empty() || link.contains(&0) => {
                Err(self.refuse(name, "is a symbolic link that leads nowhere"))
            }
            EntryType::Symlink => self.tree.symlink(&path, &link, meta),
            EntryType::Link => {
                let of = inside(&link).map_err(|why| {
                    let of = String::from_utf8_lossy(&link).into_owned();
                    self.refuse(name, &format!("is a hard link to `{of}`, which {why}"))
                })?;
                self.tree.hard_link(&path, &of)
            }
            EntryType::Fifo => self.tree.fifo(&path, meta),
            EntryType::Char | EntryType::Block => {
                let number = |read: io::Result<Option<u32>>| read.ok().flatten();
                let numbers = (number(header.device_major()), number(header.device_minor()));
                let (Some(major), Some(minor)) = numbers else {
                    return Err(self.refuse(name, "is a device without a number"));
                };
                self.tree.device(&path, kind == EntryType::Char, (major, minor))
            }
            EntryType::GNUSparse => Err(self.sparse(name)),
            kind => {
                let kind = char::from(kind.as_byte()).escape_default().to_string();
                Err(self.refuse(name, &format!("is of a sort that tar has no word for (`{kind}`)")))
            }
        }
    }

    fn file(
        &mut self,
        path: &Path,
        meta: &Meta,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let mut poured = Ok(true);
        self.tree.file(path, meta, &mut |tree, file| {
            poured = tree.pour(path, file, size, content)?;
            Ok(())
        })?;
        match poured {
            Ok(true) => Ok(()),
            Ok(false) => Err(cut_off(&self.source.display().to_string())),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    fn sparse(&self, name: &[u8]) -> Error {
        self.tree.refuse(
            OsStr::from_bytes(name),
            "is a sparse file of tar, which is not read here",
            "have the archive made without `--sparse`",
        )
    }

    /// Takes away what a whiteout of a layer names: of the layers below, never of
    /// this one.
    fn is_whiteout(&mut self, path: &Path) -> Result<bool, Error> {
        let Some(made) = &self.layer else { return Ok(false) };
        let name = path.file_name().unwrap_or_default();
        let directory = path.parent().unwrap_or(Path::new(""));
        let below: Vec<PathBuf> = match whiteout(name.as_bytes()) {
            None => return Ok(false),
            Some(Whiteout::Name(name)) => match inside(name) {
                Ok(plain) if plain.components().count() == 1 => vec![directory.join(plain)],
                _ => return Err(self.refuse(path.as_os_str().as_bytes(), "takes nothing away")),
            },
            Some(Whiteout::All) => {
                let names = self.tree.names(directory)?;
                names.into_iter().map(|name| directory.join(name)).collect()
            }
        };
        let of_this =
            |path: &Path| made.range(path.to_owned()..).next().is_some_and(|m| m.starts_with(path));
        let gone: Vec<PathBuf> = below.into_iter().filter(|path| !of_this(path)).collect();
        for path in gone {
            self.tree.remove(&path)?;
        }
        Ok(true)
    }
}

fn meta(header: &Header) -> io::Result<Meta> {
    let modified = i64::try_from(header.mtime()?).unwrap_or(i64::MAX >> 8);
    Ok(Meta {
        mode: header.mode()? & 0o7777,
        uid: fits(header.uid()?),
        gid: fits(header.gid()?),
        modified: (modified, 0),
        attributes: Vec::new(),
    })
}

/// An id that the kernel has; what is larger cannot be anybody's.
fn fits(id: u64) -> u32 {
    u32::try_from(id).unwrap_or(u32::MAX)
}

fn without_zero(mut text: Vec<u8>) -> Vec<u8> {
    while text.last() == Some(&0) {
        text.pop();
    }
    text
}

fn number(text: Option<Vec<u8>>) -> Option<u64> {
    std::str::from_utf8(&text?).ok()?.parse().ok()
}

/// `1700000000.25`
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

/// An extended attribute, as `tar --xattrs` keeps it.
fn attribute((key, value): (Vec<u8>, Vec<u8>)) -> Option<(Vec<u8>, Vec<u8>)> {
    Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value))
}

/// Pax records: `LENGTH KEY=VALUE\n`; none where they are damaged.
fn records(mut text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut records = Vec::new();
    while !text.is_empty() && text[0] != 0 {
        let space = text.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
        let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        text = &text[length..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records_are_read_or_refused() {
        let read = records(b"11 path=abc\n12 uid=12345\n").unwrap_or_default();
        assert_eq!(read.len(), 0, "the first length is wrong");
        let read = records(b"12 path=abc\n13 uid=12345\n").unwrap();
        assert_eq!(read[1], (b"uid".to_vec(), b"12345".to_vec()));
        for bad in [&b"99 path=a\n"[..], b"x", b"3 =", b"0 a=b\n", b"99999999999999999999999 a=b\n"]
        {
            assert_eq!(records(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_time_has_parts_of_a_second() {
        assert_eq!(time(b"1700000000.25"), Some((1_700_000_000, 250_000_000)));
        assert_eq!(time(b"-5"), Some((-5, 0)));
        assert_eq!(time(b"soon"), None);
    }
}
