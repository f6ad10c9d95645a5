//! Directories and symbolic links.

use super::inode::{EXTENTS, INLINE};
use super::{Ext4, Fields, Inode, ReadAt, Result, damaged};

/// More bytes are no directory of a root file system: a million names of sixty.
const LARGEST: u64 = 64 << 20;
/// `PATH_MAX`.
const LONGEST_LINK: u64 = 4096;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without `/` and never `.` or `..`.
    pub name: Vec<u8>,
    /// What it leads to.
    pub inode: u32,
}

impl<S: ReadAt> Ext4<S> {
    /// The names in a directory, in its own order.
    ///
    /// # Errors
    /// When it is damaged, or has a name that no directory has.
    pub fn directory(&mut self, inode: &Inode) -> Result<Vec<Entry>, S> {
        let bytes = self.small(inode, LARGEST)?;
        let mut entries = Vec::new();
        if inode.flags & INLINE != 0 {
            // The number of the parent, the rest of the sixty bytes, and what the
            // attribute has: two runs of entries.
            let (first, second) = bytes.split_at(bytes.len().min(60));
            read(first.get(4..).unwrap_or_default(), inode, &mut entries)?;
            read(second, inode, &mut entries)?;
        } else {
            for block in bytes.chunks(self.block as usize) {
                read(block, inode, &mut entries)?;
            }
        }
        Ok(entries)
    }

    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// When it leads nowhere that can be.
    pub fn link(&mut self, inode: &Inode) -> Result<Vec<u8>, S> {
        let fast = inode.size < 60 && inode.flags & (EXTENTS | INLINE) == 0;
        let target = match fast {
            true => inode.map()[..inode.size as usize].to_vec(),
            false => self.small(inode, LONGEST_LINK)?,
        };
        if target.is_empty() || target.contains(&0) {
            return damaged(format!("the symbolic link of inode {} leads nowhere", inode.number));
        }
        Ok(target)
    }
}

/// Reads a run of entries. Blocks of a directory's index look like one entry
/// without an inode.
fn read<E>(
    block: &[u8],
    inode: &Inode,
    into: &mut Vec<Entry>,
) -> std::result::Result<(), super::Fault<E>> {
    let mut at = 0;
    while at + 8 <= block.len() {
        let (Some(number), Some(length), Some(name)) =
            (block.le32(at), block.le16(at + 4), block.byte(at + 6))
        else {
            break;
        };
        // In blocks of 64 KiB the length of one that fills it does not fit.
        let length = if length == 0xffff { 0x1_0000 } else { usize::from(length) };
        let name = block.get(at + 8..at + 8 + usize::from(name));
        let (true, Some(name)) = (length >= 8 && length % 4 == 0, name) else {
            return damaged(format!("the directory of inode {} is damaged", inode.number));
        };
        if number != 0 && name != b"." && name != b".." {
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return damaged(format!(
                    "the directory of inode {} has the name `{}`, which no directory has",
                    inode.number,
                    name.escape_ascii()
                ));
            }
            into.push(Entry { name: name.to_vec(), inode: number });
        }
        at += length;
    }
    Ok(())
}
