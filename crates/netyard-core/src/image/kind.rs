//! What an image is, told by its first bytes; a file's name tells nothing.

use super::Fields;

/// As many bytes of a file's beginning as [`of`] wants to see.
pub const HEAD: usize = 2048;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tar archive.
    Tar,
    /// A disk with a partition table.
    Disk,
    /// A file system of the ext family, without a table around it.
    Ext4,
    /// Compressed by gzip.
    Gzip,
    /// Compressed by xz.
    Xz,
    /// Compressed by zstd.
    Zstd,
    /// Something known that is not read here.
    Foreign(Foreign),
}

/// What is known and not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A squashfs.
    Squashfs,
    /// QEMU's format of disks.
    Qcow2,
    /// Compressed by bzip2.
    Bzip2,
    /// A zip archive.
    Zip,
    /// A cpio archive.
    Cpio,
    /// An ISO 9660 image would be a disk by its first sectors alone; this is one
    /// that has none.
    Iso,
}

impl Foreign {
    /// What it is, and the way to make something of it that is read.
    pub fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Squashfs => (
                "a squashfs",
                "`unsquashfs -d DIRECTORY` makes a directory of it, which can be used",
            ),
            Self::Qcow2 => ("a qcow2 disk", "`qemu-img convert -O raw` makes a raw disk of it"),
            Self::Bzip2 => ("compressed by bzip2", "uncompress it with `bunzip2`"),
            Self::Zip => ("a zip archive", "`unzip -d DIRECTORY` makes a directory of it"),
            Self::Cpio => ("a cpio archive", "`cpio -id` makes a directory of it"),
            Self::Iso => ("an ISO 9660 image", "its root file system is usually a squashfs in it"),
        }
    }
}

const BEGINNINGS: &[(usize, &[u8], Kind)] = &[
    (0, b"\x1f\x8b\x08", Kind::Gzip),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (0, b"hsqs", Kind::Foreign(Foreign::Squashfs)),
    (0, b"QFI\xfb", Kind::Foreign(Foreign::Qcow2)),
    (0, b"BZh", Kind::Foreign(Foreign::Bzip2)),
    (0, b"PK\x03\x04", Kind::Foreign(Foreign::Zip)),
    (0, b"070701", Kind::Foreign(Foreign::Cpio)),
    (0, b"070702", Kind::Foreign(Foreign::Cpio)),
    (257, b"ustar", Kind::Tar),
];

/// What a file with this beginning is; none where it is nothing that is known.
/// `head` may be shorter than [`HEAD`] where the file is.
pub fn of(head: &[u8]) -> Option<Kind> {
    let begins = |(at, mark, _): &&(usize, &[u8], Kind)| {
        head.get(*at..).is_some_and(|h| h.starts_with(mark))
    };
    if let Some((_, _, kind)) = BEGINNINGS.iter().find(begins) {
        return Some(*kind);
    }
    if head.le16(1024 + 56) == Some(super::ext4::MAGIC) {
        return Some(Kind::Ext4);
    }
    if head.le16(510) == Some(0xaa55) || head.get(512..).is_some_and(|h| h.starts_with(b"EFI PART"))
    {
        return Some(Kind::Disk);
    }
    // Archives from before POSIX have a checksum and no name.
    is_old_tar(head).then_some(Kind::Tar)
}

fn is_old_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..512) else { return false };
    let text = header[148..156].trim_ascii();
    let digits = text.split(|b| *b == 0 || *b == b' ').next().unwrap_or_default();
    let said = std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 8).ok());
    let sum: u32 = header[..148].iter().chain(&header[156..]).map(|b| u32::from(*b)).sum();
    header[0] != 0 && said == Some(sum + 8 * 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_content() {
        let mut head = vec![0; HEAD];
        assert_eq!(of(&head), None);
        head[257..262].copy_from_slice(b"ustar");
        assert_eq!(of(&head), Some(Kind::Tar));
        let mut head = vec![0; HEAD];
        head[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(of(&head), Some(Kind::Disk));
        // A file system may have a boot sector in front.
        head[1080..1082].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(of(&head), Some(Kind::Ext4));
        assert_eq!(of(b"\x1f\x8b\x08rest"), Some(Kind::Gzip));
        assert_eq!(of(b"hsqs"), Some(Kind::Foreign(Foreign::Squashfs)));
        assert_eq!(of(b""), None);
        assert_eq!(of(b"yard: home\n"), None);
    }

    #[test]
    fn an_archive_of_old_has_a_checksum_only() {
        let mut head = vec![0; 512];
        head[..4].copy_from_slice(b"file");
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum::<u32>() + 8 * 32;
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(of(&head), Some(Kind::Tar));
        head[0] = b'g';
        assert_eq!(of(&head), None);
    }
}
