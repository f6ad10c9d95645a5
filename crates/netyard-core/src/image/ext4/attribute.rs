//! Extended attributes: in what is left of the inode, in a block of their own, and
//! large ones in an inode of their own.

use super::{Ext4, Fields, Inode, ReadAt, Result, damaged};

const MAGIC: u32 = 0xea02_0000;
/// `XATTR_SIZE_MAX`.
const LARGEST: u32 = 65536;

/// The beginnings of names, by their number (`EXT4_XATTR_INDEX_…`).
const PREFIXES: &[(u8, &str)] = &[
    (0, ""),
    (1, "user."),
    (2, "system.posix_acl_access"),
    (3, "system.posix_acl_default"),
    (4, "trusted."),
    (6, "security."),
    (7, "system."),
    (8, "system.richacl"),
];

/// An extended attribute, as the kernel gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name: `security.capability`.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

impl Attribute {
    /// Content of the file that did not fit elsewhere.
    pub(super) fn is_inline_data(&self) -> bool {
        self.name == b"system.data"
    }
}

impl<S: ReadAt> Ext4<S> {
    /// The attributes of an inode, sorted by name.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn attributes(&mut self, inode: &Inode) -> Result<Vec<Attribute>, S> {
        let mut all = self.raw_attributes(inode)?;
        all.retain(|attribute| !attribute.is_inline_data());
        for attribute in &mut all {
            if attribute.name.starts_with(b"system.posix_acl_") {
                let Some(value) = access_list(&attribute.value) else {
                    return damaged(format!(
                        "the access list of inode {} is damaged",
                        inode.number
                    ));
                };
                attribute.value = value;
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The attributes as they are stored.
    pub(super) fn raw_attributes(&mut self, inode: &Inode) -> Result<Vec<Attribute>, S> {
        let mut all = Vec::new();
        let extra = inode.raw.le16(128).unwrap_or_default();
        let begin = 128 + usize::from(extra);
        if inode.raw.le32(begin) == Some(MAGIC) {
            let area = inode.raw[begin + 4..].to_vec();
            self.entries(inode, &area, 0, &mut all)?;
        }
        if inode.attributes != 0 {
            let block = self.whole_block(inode.attributes)?;
            if block.le32(0) != Some(MAGIC) {
                return damaged(format!("the attributes of inode {} are damaged", inode.number));
            }
            self.entries(inode, &block, 32, &mut all)?;
        }
        Ok(all)
    }

    /// Reads entries from `at` on; values are at offsets into `area`.
    fn entries(
        &mut self,
        inode: &Inode,
        area: &[u8],
        mut at: usize,
        into: &mut Vec<Attribute>,
    ) -> Result<(), S> {
        while area.le32(at).is_some_and(|word| word != 0) {
            let Some((attribute, next)) = self.entry(area, at)? else {
                return damaged(format!("the attributes of inode {} are damaged", inode.number));
            };
            into.push(attribute);
            at = next;
        }
        Ok(())
    }

    /// An entry, and where the next one begins; none where it makes no sense.
    fn entry(&mut self, area: &[u8], at: usize) -> Result<Option<(Attribute, usize)>, S> {
        let head = (area.byte(at), area.byte(at + 1), area.le16(at + 2), area.le32(at + 4));
        let ((Some(length), Some(index), Some(offset), Some(number)), Some(size)) =
            (head, area.le32(at + 8))
        else {
            return Ok(None);
        };
        let end = at + 16 + usize::from(length);
        let prefix = PREFIXES.iter().find(|(known, _)| *known == index);
        let (Some((_, prefix)), Some(name)) = (prefix, area.get(at + 16..end)) else {
            return Ok(None);
        };
        if size > LARGEST {
            return Ok(None);
        }
        let value = match number {
            0 => area
                .get(usize::from(offset)..usize::from(offset) + size as usize)
                .map(<[u8]>::to_vec),
            number => {
                let inode = self.inode(number)?;
                // What it holds may not hold attributes itself.
                if inode.size == u64::from(size) {
                    Some(self.small(&inode, LARGEST.into())?)
                } else {
                    None
                }
            }
        };
        let name = [prefix.as_bytes(), name].concat();
        Ok(value.map(|value| (Attribute { name, value }, end.next_multiple_of(4))))
    }
}

/// An access list as system calls have it, out of the shorter form on disk.
fn access_list(stored: &[u8]) -> Option<Vec<u8>> {
    const NAMED: [u16; 2] = [0x02, 0x08];
    if stored.le32(0)? != 1 {
        return None;
    }
    let mut list = 2_u32.to_le_bytes().to_vec();
    let mut at = 4;
    while at < stored.len() {
        let (tag, permissions) = (stored.le16(at)?, stored.le16(at + 2)?);
        at += 4;
        let mut id = u32::MAX;
        if NAMED.contains(&tag) {
            id = stored.le32(at)?;
            at += 4;
        }
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    Some(list)
}
