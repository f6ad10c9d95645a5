//! Partition tables: MBR with its logical partitions, and GPT.
//!
//! Sources: the UEFI specification 2.10, chapter 5 (GPT); the MBR as DOS left it.

use super::{Fault, Fields, ReadAt};

/// Bytes of a sector, where the table does not say otherwise.
const SECTOR: u64 = 512;
/// The most logical partitions of an MBR that are followed.
const MOST_LOGICAL: u32 = 64;
/// The most entries of a GPT that are read; 128 is usual.
const MOST_ENTRIES: u32 = 1024;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as in `/dev/sda2`.
    pub number: u32,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// The partitions of a disk of `length` bytes, in the order of their numbers.
///
/// # Errors
/// When there is no table, or one that reaches beyond the end of the disk: an
/// image that was cut off.
pub fn partitions<S: ReadAt>(
    source: &mut S,
    length: u64,
) -> Result<Vec<Partition>, Fault<S::Error>> {
    let mut first = [0; SECTOR as usize];
    if length < SECTOR {
        return Err(Fault::Damaged("it is shorter than a partition table".into()));
    }
    source.read_at(0, &mut first)?;
    let entries = mbr_entries(&first);
    if entries.iter().any(|entry| entry.kind == 0xee) {
        for sector in [SECTOR, 4096] {
            if let Some(found) = gpt(source, length, sector)? {
                return within(found, length);
            }
        }
        return Err(Fault::Damaged("its GPT is damaged".into()));
    }
    let mut found = Vec::new();
    let mut logical = 5;
    for (number, entry) in (1..).zip(&entries) {
        match entry.kind {
            0 => {}
            0x05 | 0x0f | 0x85 => follow(source, length, entry.start, &mut logical, &mut found)?,
            _ => found.push(entry.partition(number, 0)),
        }
    }
    found.sort_by_key(|partition| partition.number);
    within(found, length)
}

struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Entry {
    fn partition(&self, number: u32, base: u64) -> Partition {
        Partition {
            number,
            offset: (base + self.start).saturating_mul(SECTOR),
            length: self.sectors.saturating_mul(SECTOR),
        }
    }
}

fn mbr_entries(sector: &[u8]) -> Vec<Entry> {
    let entry = |at: usize| {
        Some(Entry {
            kind: sector.byte(at + 4)?,
            start: sector.le32(at + 8)?.into(),
            sectors: sector.le32(at + 12)?.into(),
        })
    };
    let entries = [446, 462, 478, 494].map(entry).into_iter().flatten();
    entries.filter(|entry| entry.kind != 0 && entry.sectors != 0).collect()
}

/// The chain of logical partitions in an extended one, which begins at `start`.
fn follow<S: ReadAt>(
    source: &mut S,
    length: u64,
    start: u64,
    number: &mut u32,
    found: &mut Vec<Partition>,
) -> Result<(), Fault<S::Error>> {
    let mut at = start;
    for _ in 0..MOST_LOGICAL {
        let offset = at.saturating_mul(SECTOR);
        if offset.saturating_add(SECTOR) > length {
            return Err(beyond(*number));
        }
        let mut sector = [0; SECTOR as usize];
        source.read_at(offset, &mut sector)?;
        if sector.le16(510) != Some(0xaa55) {
            return Ok(());
        }
        let mut next = None;
        for entry in mbr_entries(&sector) {
            if matches!(entry.kind, 0x05 | 0x0f | 0x85) {
                next = Some(start + entry.start);
            } else {
                found.push(entry.partition(*number, at));
                *number += 1;
            }
        }
        match next {
            Some(next) if next > at => at = next,
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// The partitions of a GPT; none where there is no whole one with these sectors.
fn gpt<S: ReadAt>(
    source: &mut S,
    length: u64,
    sector: u64,
) -> Result<Option<Vec<Partition>>, Fault<S::Error>> {
    let mut header = [0; 92];
    if sector + 92 > length {
        return Ok(None);
    }
    source.read_at(sector, &mut header)?;
    let size = header.le32(12).unwrap_or_default();
    if !header.starts_with(b"EFI PART") || !(92..=512).contains(&size) {
        return Ok(None);
    }
    let mut whole = vec![0; size as usize];
    if sector + u64::from(size) > length {
        return Ok(None);
    }
    source.read_at(sector, &mut whole)?;
    whole[16..20].fill(0);
    let (table, entries, entry_size) = (header.le64(72), header.le32(80), header.le32(84));
    let (Some(table), Some(entries), Some(entry_size)) = (table, entries, entry_size) else {
        return Ok(None);
    };
    if header.le32(16) != Some(crc32(&whole))
        || !(128..=4096).contains(&entry_size)
        || entries > MOST_ENTRIES
    {
        return Ok(None);
    }
    let start = table.saturating_mul(sector);
    let bytes = u64::from(entries) * u64::from(entry_size);
    if start.saturating_add(bytes) > length {
        return Ok(None);
    }
    let mut raw = vec![0; bytes as usize];
    source.read_at(start, &mut raw)?;
    if header.le32(88) != Some(crc32(&raw)) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(raw.chunks_exact(entry_size as usize)) {
        let used = entry[..16].iter().any(|byte| *byte != 0);
        let (Some(first), Some(last)) = (entry.le64(32), entry.le64(40)) else { continue };
        if used && last >= first {
            let sectors = (last - first).saturating_add(1);
            found.push(Partition {
                number,
                offset: first.saturating_mul(sector),
                length: sectors.saturating_mul(sector),
            });
        }
    }
    Ok(Some(found))
}

fn within<E>(found: Vec<Partition>, length: u64) -> Result<Vec<Partition>, Fault<E>> {
    let beyond_end = |p: &&Partition| p.offset.saturating_add(p.length) > length;
    match found.iter().find(beyond_end) {
        Some(partition) => Err(beyond(partition.number)),
        None => Ok(found),
    }
}

fn beyond<E>(number: u32) -> Fault<E> {
    Fault::Damaged(format!("it ends before its partition {number} does"))
}

/// The checksum of a GPT (CRC-32 as in IEEE 802.3); a few kilobytes of it.
fn crc32(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(!0, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbr(entries: &[(u8, u32, u32)]) -> Vec<u8> {
        let mut disk = vec![0; 64 * 512];
        for (at, (kind, start, sectors)) in [446, 462, 478, 494].into_iter().zip(entries) {
            disk[at + 4] = *kind;
            disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            disk[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
        }
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    #[test]
    fn a_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_mbr_has_the_partitions_that_it_says() {
        let disk = mbr(&[(0x83, 2, 8), (0x83, 16, 40)]);
        let found = partitions(&mut disk.as_slice(), disk.len() as u64).unwrap();
        assert_eq!(found[1], Partition { number: 2, offset: 16 * 512, length: 40 * 512 });
    }

    #[test]
    fn a_disk_that_was_cut_off_is_told_by_its_table() {
        let disk = mbr(&[(0x83, 2, 8), (0x83, 16, 4000)]);
        let fault = partitions(&mut disk.as_slice(), disk.len() as u64).unwrap_err();
        assert_eq!(fault, Fault::Damaged("it ends before its partition 2 does".into()));
    }

    #[test]
    fn a_chain_that_bites_its_tail_ends() {
        let mut disk = mbr(&[(0x05, 8, 40)]);
        let inner = mbr(&[(0x83, 1, 2), (0x05, 0, 8)]);
        disk[8 * 512..9 * 512].copy_from_slice(&inner[..512]);
        let found = partitions(&mut disk.as_slice(), disk.len() as u64).unwrap();
        assert_eq!(found, [Partition { number: 5, offset: 9 * 512, length: 1024 }]);
    }
}
