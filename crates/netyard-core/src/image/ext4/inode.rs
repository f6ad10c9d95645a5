//! Inodes: what a file is, whose it is, where its content begins.

use super::{Ext4, Fields, ReadAt, Result, damaged};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device of characters, with its numbers.
    Character(u32, u32),
    /// A device of blocks, with its numbers.
    Block(u32, u32),
}

/// An inode.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number; the same number is the same file.
    pub number: u32,
    /// What it is.
    pub sort: Sort,
    /// Permissions, the upper three bits among them.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Bytes of its content.
    pub size: u64,
    /// How many names it has.
    pub links: u16,
    /// When its content changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
    pub(super) flags: u32,
    /// The block of its attributes, or 0.
    pub(super) attributes: u64,
    pub(super) raw: Vec<u8>,
}

pub(super) const EXTENTS: u32 = 0x8_0000;
pub(super) const INLINE: u32 = 0x1000_0000;
const ENCRYPTED: u32 = 0x800;

impl Inode {
    /// The sixty bytes that say where the content is, or are it.
    pub(super) fn map(&self) -> &[u8] {
        &self.raw[40..100]
    }
}

impl<S: ReadAt> Ext4<S> {
    /// The inode with this number.
    ///
    /// # Errors
    /// When there is none, or it makes no sense.
    pub fn inode(&mut self, number: u32) -> Result<Inode, S> {
        if number == 0 || number > self.inodes {
            return damaged(format!("there is no inode {number}"));
        }
        let (group, index) =
            ((number - 1) / self.inodes_per_group, (number - 1) % self.inodes_per_group);
        let mut descriptor = [0; 64];
        let size = if self.wide { self.descriptor_size.min(64) as usize } else { 32 };
        let at = self.descriptors + u64::from(group) * u64::from(self.descriptor_size);
        self.read(at, &mut descriptor[..size])?;
        let high = descriptor.le32(0x28).unwrap_or_default();
        let table = u64::from(high) << 32 | u64::from(descriptor.le32(8).unwrap_or_default());
        let mut raw = vec![0; self.inode_size as usize];
        self.read_block(table, u64::from(index) * u64::from(self.inode_size), &mut raw)?;
        match decode(number, raw) {
            Some(inode) if inode.flags & ENCRYPTED != 0 => {
                damaged(format!("inode {number} is encrypted"))
            }
            Some(inode) => Ok(inode),
            None => damaged(format!("inode {number} is of no known sort")),
        }
    }
}

fn decode(number: u32, raw: Vec<u8>) -> Option<Inode> {
    let mode = raw.le16(0)?;
    let sort = match mode & 0xf000 {
        0x1000 => Sort::Fifo,
        0x2000 => device(&raw, Sort::Character)?,
        0x4000 => Sort::Directory,
        0x6000 => device(&raw, Sort::Block)?,
        0x8000 => Sort::File,
        0xa000 => Sort::Symlink,
        0xc000 => Sort::Socket,
        _ => return None,
    };
    let joined = |low: u16, high: u16| u32::from(high) << 16 | u32::from(low);
    Some(Inode {
        number,
        sort,
        mode: u32::from(mode & 0o7777),
        uid: joined(raw.le16(2)?, raw.le16(120)?),
        gid: joined(raw.le16(24)?, raw.le16(122)?),
        size: u64::from(raw.le32(108)?) << 32 | u64::from(raw.le32(4)?),
        links: raw.le16(26)?,
        modified: modified(&raw)?,
        flags: raw.le32(32)?,
        attributes: u64::from(raw.le16(118)?) << 32 | u64::from(raw.le32(104)?),
        raw,
    })
}

/// Two ways of writing a device's numbers, by which of the two fields is used.
fn device(raw: &[u8], sort: fn(u32, u32) -> Sort) -> Option<Sort> {
    let (old, new) = (raw.le32(40)?, raw.le32(44)?);
    Some(match old {
        0 => sort((new & 0xfff00) >> 8, (new & 0xff) | ((new >> 12) & 0xfff00)),
        old => sort((old >> 8) & 0xff, old & 0xff),
    })
}

/// Seconds of 34 bits and nanoseconds, where the inode has room for them.
fn modified(raw: &[u8]) -> Option<(i64, u32)> {
    let seconds = i64::from(raw.le32(16)?.cast_signed());
    let extra = match raw.le16(128) {
        Some(room) if room >= 12 => raw.le32(136).unwrap_or_default(),
        _ => 0,
    };
    Some((seconds + (i64::from(extra & 3) << 32), (extra >> 2).min(999_999_999)))
}
