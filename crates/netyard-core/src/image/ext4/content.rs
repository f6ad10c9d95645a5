//! Where a file's content is: extents, blocks pointed to by blocks, or the inode.

use super::inode::{EXTENTS, INLINE};
use super::{Ext4, Fields, Inode, ReadAt, Result, Sort, damaged};

/// The depth of a tree of extents in the kernel (`EXT4_MAX_EXTENT_DEPTH`).
const DEEPEST: u16 = 5;
/// The most pieces of one file: four gigabytes in single blocks.
const MOST_PIECES: usize = 1 << 20;
/// The most blocks that are read to find them.
const MOST_NODES: u32 = 1 << 16;

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It stands in the inode.
    Inline(Vec<u8>),
    /// It is in blocks; what no piece covers is zeros.
    Pieces(Vec<Piece>),
}

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The block of the file that it begins with.
    pub logical: u64,
    /// The block of the file system.
    pub physical: u64,
    /// How many blocks.
    pub count: u64,
}

/// What was found of a file's content so far.
#[derive(Debug, Default)]
struct Map {
    pieces: Vec<Piece>,
    nodes: u32,
}

impl<S: ReadAt> Ext4<S> {
    /// Where the content of an inode is.
    ///
    /// # Errors
    /// When it is nowhere that can be.
    pub fn content(&mut self, inode: &Inode) -> Result<Content, S> {
        if inode.flags & INLINE != 0 {
            return self.inline(inode).map(Content::Inline);
        }
        let mut map = Map::default();
        if inode.flags & EXTENTS != 0 {
            self.extents(inode.map(), None, &mut map)?;
        } else {
            self.pointers(inode, &mut map)?;
        }
        let mut pieces = map.pieces;
        pieces.sort_by_key(|piece| piece.logical);
        let end = inode.size.div_ceil(self.block.into());
        let mut before = 0;
        for piece in &pieces {
            if piece.logical < before {
                return damaged(format!("inode {} has a block twice", inode.number));
            }
            before = piece.logical + piece.count;
        }
        // Blocks kept in reserve behind the end are nobody's content.
        pieces.retain(|piece| piece.logical < end);
        if let Some(last) = pieces.last_mut() {
            last.count = last.count.min(end - last.logical);
        }
        Ok(Content::Pieces(pieces))
    }

    /// The whole content of a small file: a directory, a link.
    pub(super) fn small(&mut self, inode: &Inode, most: u64) -> Result<Vec<u8>, S> {
        if inode.size > most || inode.size > self.length() {
            return damaged(format!(
                "inode {} is of {} bytes, which cannot be",
                inode.number, inode.size
            ));
        }
        let size = usize::try_from(inode.size).unwrap_or(usize::MAX);
        match self.content(inode)? {
            Content::Inline(mut bytes) => {
                bytes.resize(size, 0);
                Ok(bytes)
            }
            Content::Pieces(pieces) => {
                let block = u64::from(self.block);
                let mut bytes = vec![0; size];
                for piece in pieces {
                    let start = usize::try_from(piece.logical * block).unwrap_or(usize::MAX);
                    let end = size.min(start.saturating_add((piece.count * block) as usize));
                    if let Some(part) = bytes.get_mut(start..end) {
                        self.read_block(piece.physical, 0, part)?;
                    }
                }
                Ok(bytes)
            }
        }
    }

    fn inline(&mut self, inode: &Inode) -> Result<Vec<u8>, S> {
        let mut bytes = inode.map().to_vec();
        if inode.size > bytes.len() as u64 {
            let rest = self.raw_attributes(inode)?.into_iter();
            let rest = rest.filter(|attribute| attribute.is_inline_data());
            bytes.extend(rest.flat_map(|attribute| attribute.value));
        }
        if inode.sort != Sort::Directory {
            bytes.truncate(usize::try_from(inode.size).unwrap_or(usize::MAX));
        }
        Ok(bytes)
    }

    /// Reads a node of a tree of extents; `above` is the depth of the one that led here.
    fn extents(&mut self, node: &[u8], above: Option<u16>, into: &mut Map) -> Result<(), S> {
        let (Some(0xf30a), Some(entries), Some(depth)) = (node.le16(0), node.le16(2), node.le16(6))
        else {
            return damaged("a tree of extents is damaged");
        };
        if depth > DEEPEST || above.is_some_and(|above| depth + 1 != above) {
            return damaged("a tree of extents has no end");
        }
        for number in 0..usize::from(entries) {
            let at = 12 + number * 12;
            let (Some(first), Some(middle), Some(last)) =
                (node.le32(at), node.le32(at + 4), node.le32(at + 8))
            else {
                return damaged("a tree of extents is cut off");
            };
            if depth > 0 {
                let child = u64::from(last & 0xffff) << 32 | u64::from(middle);
                let child = self.node(child, into)?;
                self.extents(&child, Some(depth), into)?;
                continue;
            }
            let length = middle & 0xffff;
            // Longer ones have room but no content yet.
            let written = length <= 32768;
            if written && length > 0 {
                let physical = u64::from(middle >> 16) << 32 | u64::from(last);
                self.keep(Piece { logical: first.into(), physical, count: length.into() }, into)?;
            }
        }
        Ok(())
    }

    /// Reads the block pointers of ext2 and ext3: twelve, and three trees.
    fn pointers(&mut self, inode: &Inode, into: &mut Map) -> Result<(), S> {
        let end = inode.size.div_ceil(self.block.into());
        let mut logical = 0;
        for slot in 0..15_usize {
            let level = slot.saturating_sub(11) as u32;
            let pointer = inode.map().le32(slot * 4).unwrap_or_default();
            self.pointer(pointer, level, &mut logical, end, into)?;
        }
        Ok(())
    }

    fn pointer(
        &mut self,
        pointer: u32,
        level: u32,
        logical: &mut u64,
        end: u64,
        into: &mut Map,
    ) -> Result<(), S> {
        if *logical >= end {
            return Ok(());
        }
        if pointer == 0 {
            *logical = logical.saturating_add(u64::from(self.block / 4).saturating_pow(level));
            return Ok(());
        }
        if level == 0 {
            self.keep(Piece { logical: *logical, physical: pointer.into(), count: 1 }, into)?;
            *logical += 1;
            return Ok(());
        }
        let block = self.node(pointer.into(), into)?;
        for slot in 0..block.len() / 4 {
            let pointer = block.le32(slot * 4).unwrap_or_default();
            self.pointer(pointer, level - 1, logical, end, into)?;
        }
        Ok(())
    }

    /// A block that says where others are.
    fn node(&mut self, block: u64, into: &mut Map) -> Result<Vec<u8>, S> {
        into.nodes += 1;
        if into.nodes > MOST_NODES {
            return damaged("a file is in more pieces than can be");
        }
        self.whole_block(block)
    }

    fn keep(&self, piece: Piece, into: &mut Map) -> Result<(), S> {
        if piece.physical == 0 || piece.physical.saturating_add(piece.count) > self.blocks {
            return damaged("it points beyond its own end");
        }
        if let Some(last) = into.pieces.last_mut()
            && last.logical + last.count == piece.logical
            && last.physical + last.count == piece.physical
        {
            last.count += piece.count;
            return Ok(());
        }
        if into.pieces.len() >= MOST_PIECES {
            return damaged("a file has more pieces than can be");
        }
        into.pieces.push(piece);
        Ok(())
    }
}
