//! Disks: the root file system of one, copied out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use netyard_core::image::ext4::{Content, Ext4, Inode, MAGIC, Piece, ROOT, Sort};
use netyard_core::image::kind::Foreign;
use netyard_core::image::partition::{Partition, partitions};
use netyard_core::image::{Fault, Kind, ReadAt, kind};
use rustix::io::Errno;

use super::stream::{broken, cut_off};
use super::tree::{Meta, Tree, inside};
use super::{Missing, Step, Wish};
use crate::error::{Error, ErrorKind};

/// The largest disk that is uncompressed; most of such a one is zeros.
const LARGEST: u64 = 256 << 30;
/// Zeros of this length become a hole.
const HOLE: usize = 4096;

struct Disk<'a>(&'a File);

impl ReadAt for Disk<'_> {
    type Error = io::Error;

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

/// Writes a compressed disk into a file without a name, beside the directory to be.
/// It goes with its last descriptor, even where netyard is killed.
pub fn spill(stream: &mut dyn Read, source: &Path, beside: &Path) -> Result<File, Error> {
    let unwritten = |error: &io::Error| {
        let what = format!("no room to uncompress `{}`", source.display());
        match Errno::from_io_error(error) {
            Some(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                Error::new(ErrorKind::Limit, what).errno(errno).hint(format!(
                    "make room on the file system of `{}`; nothing of it was left there",
                    beside.display()
                ))
            }
            errno => Error::system(
                format!("could not uncompress `{}`", source.display()),
                errno.unwrap_or(Errno::IO),
            ),
        }
    };
    let mut file = tempfile::tempfile_in(beside).map_err(|error| unwritten(&error))?;
    let mut buffer = vec![0; 16 * HOLE];
    let mut at = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match stream.read(&mut buffer[filled..]).map_err(|error| broken(source, &error))? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            break;
        }
        for part in buffer[..filled].chunks(HOLE) {
            if part.iter().any(|byte| *byte != 0) {
                let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(part));
                written.map_err(|error| unwritten(&error))?;
            }
            at += part.len() as u64;
        }
        if at > LARGEST {
            let what = format!("`{}` is a disk of more than 256 GiB", source.display());
            return Err(Error::new(ErrorKind::Limit, what).hint("have the image made smaller"));
        }
    }
    file.set_len(at).map_err(|error| unwritten(&error))?;
    Ok(file)
}

/// Copies the root file system of a disk into the tree; `table` says whether it has
/// partitions.
pub fn copy(
    disk: &File,
    table: bool,
    source: &Path,
    wish: Wish,
    tree: &mut Tree,
    told: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    let length = disk.metadata().map_err(|error| broken(source, &error))?.len();
    let mut fs = match table {
        true => root(disk, length, source, wish)?,
        false => Ext4::open(Disk(disk), 0, length).map_err(|fault| told_of(source, fault))?,
    };
    let mut copy = Copy { source, named: BTreeMap::new(), entered: BTreeSet::new(), done: 0 };
    copy.all(&mut fs, tree, told)
}

fn told_of(source: &Path, fault: Fault<io::Error>) -> Error {
    let name = source.display();
    match fault {
        Fault::Source(error) => broken(source, &error),
        Fault::Damaged(what) if what.contains("cut off") || what.contains("it ends before") => {
            cut_off(&name.to_string()).others(vec![what])
        }
        Fault::Damaged(what) => {
            Error::new(ErrorKind::State, format!("the image `{name}` is damaged: {what}"))
                .hint("get it again, and compare its checksum with the published one")
        }
        Fault::Unsupported(what, hint) => {
            let hint = hint.replace("IMAGE", &name.to_string());
            Error::new(ErrorKind::State, format!("the image `{name}`: {what}")).hint(hint)
        }
    }
}

/// The root file system among the partitions: the one that was asked for, the only
/// one there is, or the only one that looks like one.
fn root<'a>(
    disk: &'a File,
    length: u64,
    source: &Path,
    wish: Wish,
) -> Result<Ext4<Disk<'a>>, Error> {
    let all = partitions(&mut Disk(disk), length).map_err(|fault| told_of(source, fault))?;
    let open = |p: &Partition| {
        Ext4::open(Disk(disk), p.offset, p.length).map_err(|fault| told_of(source, fault))
    };
    if let Some(number) = wish.partition {
        let Some(partition) = all.iter().find(|partition| partition.number == number) else {
            return Err(refuse(source, format!("has no partition {number}"), list(disk, &all)));
        };
        return open(partition);
    }
    let found: Vec<&Partition> = all.iter().filter(|p| is_ext4(disk, p)).collect();
    if let [only] = found[..] {
        return open(only);
    }
    let mut roots = Vec::new();
    for partition in &found {
        let mut fs = open(partition)?;
        if looks_like_root(&mut fs) {
            roots.push(fs);
        }
    }
    match (roots.pop(), roots.is_empty(), found.is_empty()) {
        (Some(root), true, _) => Ok(root),
        (_, _, true) => Err(refuse(
            source,
            "has no partition with an ext4 file system".into(),
            list(disk, &all),
        )),
        _ => Err(refuse(
            source,
            format!("has {} partitions that could be its root", found.len()),
            format!("{}; say which by `partition:`", list(disk, &all)),
        )),
    }
}

fn refuse(source: &Path, what: String, hint: String) -> Error {
    Error::new(ErrorKind::State, format!("the disk `{}` {what}", source.display())).hint(hint)
}

fn is_ext4(disk: &File, partition: &Partition) -> bool {
    let mut magic = [0; 2];
    let read = disk.read_exact_at(&mut magic, partition.offset.saturating_add(1080));
    read.is_ok() && u16::from_le_bytes(magic) == MAGIC
}

/// What its partitions hold, for who has to choose.
fn list(disk: &File, all: &[Partition]) -> String {
    let told = |partition: &Partition| {
        let mut head = vec![0; kind::HEAD];
        let read = disk.read_exact_at(&mut head, partition.offset);
        let what = match read.ok().and_then(|()| kind::of(&head)) {
            Some(Kind::Ext4) => "ext4",
            Some(Kind::Foreign(Foreign::Squashfs)) => {
                "squashfs (the same firmware is often offered with ext4, too)"
            }
            _ if head.get(82..87) == Some(b"FAT32") || head.get(54..57) == Some(b"FAT") => "FAT",
            _ => "unknown",
        };
        format!("partition {}: {what}, {} MiB", partition.number, partition.length >> 20)
    };
    match all {
        [] => "it has no partitions".to_owned(),
        all => all.iter().map(told).collect::<Vec<_>>().join("; "),
    }
}

fn looks_like_root(fs: &mut Ext4<Disk<'_>>) -> bool {
    let names = fs.inode(ROOT).and_then(|root| fs.directory(&root)).unwrap_or_default();
    let has = |name: &str| names.iter().any(|entry| entry.name == name.as_bytes());
    has("etc") && (has("bin") || has("sbin") || has("usr"))
}

struct Copy<'a> {
    source: &'a Path,
    /// Files with more than one name, and the first one they had.
    named: BTreeMap<u32, PathBuf>,
    /// Directories that were seen: each has one name.
    entered: BTreeSet<u32>,
    done: u64,
}

type Fs<'a> = Ext4<Disk<'a>>;

impl Copy<'_> {
    fn all(
        &mut self,
        fs: &mut Fs<'_>,
        tree: &mut Tree,
        told: &mut dyn FnMut(Step),
    ) -> Result<(), Error> {
        let mut waiting = vec![(ROOT, PathBuf::new())];
        while let Some((number, path)) = waiting.pop() {
            let inode = self.read(&path, fs.inode(number))?;
            if inode.sort != Sort::Directory {
                self.entry(fs, tree, &inode, &path)?;
                told(Step { what: "copying", done: self.done, of: None });
                continue;
            }
            if !self.entered.insert(number) {
                return Err(self.damaged(&path, "is a directory that has a name already"));
            }
            let names = self.read(&path, fs.directory(&inode))?;
            // What e2fsck puts there is nobody's; it is made anew where it is needed.
            if path.as_os_str() == "lost+found" && names.is_empty() {
                continue;
            }
            let meta = self.meta(fs, &inode, &path)?;
            tree.directory(&path, meta)?;
            for entry in names.into_iter().rev() {
                let child = path.join(OsStr::from_bytes(&entry.name));
                if let Err(why) = inside(child.as_os_str().as_bytes()) {
                    return Err(self.damaged(&child, why));
                }
                waiting.push((entry.inode, child));
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        fs: &mut Fs<'_>,
        tree: &mut Tree,
        inode: &Inode,
        path: &Path,
    ) -> Result<(), Error> {
        if path.as_os_str().is_empty() {
            return Err(self.damaged(path, "is the root, and no directory"));
        }
        if inode.links > 1 {
            if let Some(first) = self.named.get(&inode.number) {
                return tree.hard_link(path, &first.clone());
            }
            self.named.insert(inode.number, path.to_owned());
        }
        let meta = self.meta(fs, inode, path)?;
        match inode.sort {
            Sort::File => self.file(fs, tree, inode, path, &meta),
            Sort::Symlink => {
                let target = self.read(path, fs.link(inode))?;
                tree.symlink(path, &target, &meta)
            }
            Sort::Fifo => tree.fifo(path, &meta),
            Sort::Socket => {
                tree.leave_out(path, Missing::Socket);
                Ok(())
            }
            Sort::Character(major, minor) => tree.device(path, true, (major, minor)),
            Sort::Block(major, minor) => tree.device(path, false, (major, minor)),
            Sort::Directory => Ok(()),
        }
    }

    fn file(
        &mut self,
        fs: &mut Fs<'_>,
        tree: &mut Tree,
        inode: &Inode,
        path: &Path,
        meta: &Meta,
    ) -> Result<(), Error> {
        let content = self.read(path, fs.content(inode))?;
        let mut buffer = vec![0; 1 << 18];
        let source = self.source;
        tree.file(path, meta, &mut |tree, file| {
            match &content {
                Content::Inline(bytes) => tree.write(path, file, 0, bytes)?,
                Content::Pieces(pieces) => {
                    for piece in pieces {
                        copy_piece(fs, tree, inode, *piece, path, file, &mut buffer).map_err(
                            |fault| fault.unwrap_or_else(|fault| in_entry(source, path, fault)),
                        )?;
                    }
                }
            }
            tree.length(path, file, inode.size)
        })?;
        self.done += inode.size;
        Ok(())
    }

    fn meta(&self, fs: &mut Fs<'_>, inode: &Inode, path: &Path) -> Result<Meta, Error> {
        let attributes = self.read(path, fs.attributes(inode))?;
        Ok(Meta {
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            modified: inode.modified,
            attributes: attributes.into_iter().map(|a| (a.name, a.value)).collect(),
        })
    }

    fn read<T>(&self, path: &Path, read: Result<T, Fault<io::Error>>) -> Result<T, Error> {
        read.map_err(|fault| in_entry(self.source, path, fault))
    }

    fn damaged(&self, path: &Path, what: &str) -> Error {
        in_entry(self.source, path, Fault::Damaged(what.to_owned()))
    }
}

/// What is wrong with an entry of a disk.
fn in_entry(source: &Path, path: &Path, fault: Fault<io::Error>) -> Error {
    match fault {
        Fault::Damaged(what) => {
            told_of(source, Fault::Damaged(format!("`/{}`: {what}", path.display())))
        }
        fault => told_of(source, fault),
    }
}

/// Copies a run of blocks; what went wrong is either the disk or the tree.
fn copy_piece(
    fs: &mut Fs<'_>,
    tree: &mut Tree,
    inode: &Inode,
    piece: Piece,
    path: &Path,
    file: &mut File,
    buffer: &mut [u8],
) -> Result<(), Result<Error, Fault<io::Error>>> {
    let block = u64::from(fs.block_size());
    let start = piece.logical.saturating_mul(block);
    let end = piece.logical.saturating_add(piece.count).saturating_mul(block).min(inode.size);
    let mut at = start;
    while at < end {
        let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let part = &mut buffer[..most];
        fs.read_block(piece.physical, at - start, part).map_err(Err)?;
        tree.write(path, file, at, part).map_err(Ok)?;
        at += most as u64;
    }
    Ok(())
}
