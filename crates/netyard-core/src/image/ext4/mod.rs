//! File systems of the ext family (ext2, ext3, ext4), read without the kernel.
//!
//! Read is what a root file system is made of: directories, files, links, owners,
//! modes, times, devices and extended attributes. Checksums of metadata are not
//! looked at. A journal that was not written back is refused rather than left out.
//!
//! Source: the kernel's `Documentation/filesystems/ext4` and `fs/ext4/{ext4,xattr}.h`.

mod attribute;
mod content;
mod directory;
mod inode;

use super::{Fault, Fields, ReadAt};

pub use attribute::Attribute;
pub use content::Content;
pub use content::Piece;
pub use directory::Entry;
pub use inode::{Inode, Sort};

/// `EXT4_SUPER_MAGIC`, at byte 56 of the superblock.
pub const MAGIC: u16 = 0xef53;
/// The inode of `/`.
pub const ROOT: u32 = 2;

const SUPERBLOCK: u64 = 1024;
const RECOVER: u32 = 0x4;
const WIDE: u32 = 0x80;

/// Features that change the layout, with names as `tune2fs` has them, and whether
/// they are understood here.
const FEATURES: &[(u32, &str, bool)] = &[
    (0x1, "compression", false),
    (0x2, "filetype", true),
    (RECOVER, "needs_recovery", false),
    (0x8, "journal_dev", false),
    (0x10, "meta_bg", false),
    (0x40, "extent", true),
    (WIDE, "64bit", true),
    (0x100, "mmp", true),
    (0x200, "flex_bg", true),
    (0x400, "ea_inode", true),
    (0x1000, "dirdata", false),
    (0x2000, "metadata_csum_seed", true),
    (0x4000, "large_dir", true),
    (0x8000, "inline_data", true),
    (0x1_0000, "encrypt", false),
    (0x2_0000, "casefold", true),
];

/// A file system in an image.
#[derive(Debug)]
pub struct Ext4<S> {
    source: S,
    /// Where it begins in the image.
    base: u64,
    block: u32,
    blocks: u64,
    inodes: u32,
    inodes_per_group: u32,
    inode_size: u32,
    descriptors: u64,
    descriptor_size: u32,
    wide: bool,
}

/// What goes wrong while one is read.
pub type Result<T, S> = std::result::Result<T, Fault<<S as ReadAt>::Error>>;

fn damaged<T, E>(what: impl Into<String>) -> std::result::Result<T, Fault<E>> {
    Err(Fault::Damaged(what.into()))
}

/// The superblock, its fields checked for being there.
fn superblock(raw: &[u8], at: usize) -> u32 {
    raw.le32(at).unwrap_or_default()
}

impl<S: ReadAt> Ext4<S> {
    /// Opens the one that begins at byte `base` of the image and has `length` bytes
    /// for itself.
    ///
    /// # Errors
    /// When there is none, it is longer than its place, or uses what is not
    /// understood here.
    pub fn open(mut source: S, base: u64, length: u64) -> Result<Self, S> {
        let mut raw = [0; 1024];
        if length < SUPERBLOCK + 1024 {
            return damaged("the file system has no room for a superblock");
        }
        source.read_at(base + SUPERBLOCK, &mut raw)?;
        if raw.le16(56) != Some(MAGIC) {
            return damaged("there is no ext4 file system");
        }
        let incompatible = superblock(&raw, 96);
        refuse_features(incompatible, base)?;
        let wide = incompatible & WIDE != 0;
        let high = if wide { superblock(&raw, 0x150) } else { 0 };
        let shift = superblock(&raw, 24);
        if shift > 6 {
            return damaged(format!("blocks of 2^{} bytes cannot be", 10 + u64::from(shift)));
        }
        let dynamic = superblock(&raw, 76) >= 1;
        let block = 1024 << shift;
        let descriptor_size = match raw.le16(254) {
            Some(size) if wide && size != 0 => u32::from(size),
            _ => 32,
        };
        let fs = Self {
            source,
            base,
            block,
            blocks: u64::from(high) << 32 | u64::from(superblock(&raw, 4)),
            inodes: superblock(&raw, 0),
            inodes_per_group: superblock(&raw, 40),
            inode_size: if dynamic { raw.le16(88).unwrap_or(128).into() } else { 128 },
            // In the block after the superblock's, which is the first or the second.
            descriptors: u64::from(block) * if block == 1024 { 2 } else { 1 },
            descriptor_size,
            wide,
        };
        fs.must_make_sense(length)?;
        Ok(fs)
    }

    fn must_make_sense(&self, length: u64) -> Result<(), S> {
        let bytes = self.blocks.checked_mul(self.block.into());
        match bytes {
            Some(0) | None => return damaged("its superblock says that it has no blocks"),
            Some(bytes) if bytes > length => {
                return damaged(format!(
                    "its file system has {bytes} bytes, and there are {length}: it was cut off"
                ));
            }
            Some(_) => {}
        }
        let inode_fits = self.inode_size >= 128
            && self.inode_size <= self.block
            && self.inode_size.is_power_of_two();
        let descriptor_fits = (32..=1024).contains(&self.descriptor_size);
        if !inode_fits || !descriptor_fits || self.inodes_per_group == 0 {
            return damaged("its superblock contradicts itself");
        }
        Ok(())
    }

    /// Bytes of a block.
    pub fn block_size(&self) -> u32 {
        self.block
    }

    /// Bytes of all its blocks.
    pub fn length(&self) -> u64 {
        self.blocks * u64::from(self.block)
    }

    /// Reads bytes of the file system.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), S> {
        let end = offset.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return damaged("it points beyond its own end");
        }
        Ok(self.source.read_at(self.base + offset, into)?)
    }

    /// Reads from a block on; `into` may be part of one, or several.
    pub fn read_block(&mut self, block: u64, within: u64, into: &mut [u8]) -> Result<(), S> {
        let Some(offset) = block.checked_mul(self.block.into()) else {
            return damaged("it points beyond its own end");
        };
        self.read(offset.saturating_add(within), into)
    }

    fn whole_block(&mut self, block: u64) -> Result<Vec<u8>, S> {
        let mut raw = vec![0; self.block as usize];
        self.read_block(block, 0, &mut raw)?;
        Ok(raw)
    }
}

fn refuse_features<E>(bits: u32, base: u64) -> std::result::Result<(), Fault<E>> {
    if bits & RECOVER != 0 {
        return Err(Fault::Unsupported(
            "its file system was not closed: changes are in its journal only".into(),
            format!("`e2fsck -fy 'IMAGE?offset={base}'` brings the uncompressed image in order"),
        ));
    }
    let known = FEATURES.iter().fold(0, |all, (bit, _, _)| all | bit);
    let refused = FEATURES.iter().filter(|(bit, _, fine)| bits & bit != 0 && !fine);
    let mut names: Vec<String> = refused.map(|(_, name, _)| format!("`{name}`")).collect();
    if bits & !known != 0 {
        names.push(format!("{:#x}", bits & !known));
    }
    if names.is_empty() {
        return Ok(());
    }
    Err(Fault::Unsupported(
        format!("its file system has features that are not read here: {}", names.join(", ")),
        "mount it, and name the directory instead".into(),
    ))
}
