//! Images of root file systems, as bytes: what kind one is, its partitions, the
//! file system of the ext family in it, the manifests of an OCI layout.
//!
//! What is read comes from strangers: every offset is checked, every loop has an
//! end, and nothing is believed that the rest of the image contradicts.

pub mod ext4;
pub mod kind;
pub mod oci;
pub mod partition;

pub use kind::Kind;

/// Where an image's bytes come from.
pub trait ReadAt {
    /// Why they cannot be read.
    type Error;
    /// Fills `into` from the byte `offset` on; fails where the image ends before.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

/// What stands in the way of reading an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<E> {
    /// Its bytes cannot be read.
    Source(E),
    /// It contradicts itself, or ends too early; a lower-case phrase.
    Damaged(String),
    /// It is fine, but not read here; a lower-case phrase, and what to do.
    Unsupported(String, String),
}

impl<E> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Self::Source(error)
    }
}

/// Numbers in a piece of an image, little endian; none beyond its end.
pub(crate) trait Fields {
    /// The byte at `at`.
    fn byte(&self, at: usize) -> Option<u8>;
    /// Two bytes.
    fn le16(&self, at: usize) -> Option<u16>;
    /// Four bytes.
    fn le32(&self, at: usize) -> Option<u32>;
    /// Eight bytes.
    fn le64(&self, at: usize) -> Option<u64>;
}

impl Fields for [u8] {
    fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }

    fn le16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.get(at..at.checked_add(2)?)?.try_into().ok()?))
    }

    fn le32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.get(at..at.checked_add(4)?)?.try_into().ok()?))
    }

    fn le64(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.get(at..at.checked_add(8)?)?.try_into().ok()?))
    }
}

/// An image that is all in memory, for tests.
#[cfg(test)]
impl ReadAt for &[u8] {
    type Error = &'static str;

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        let start = usize::try_from(offset).map_err(|_| "far beyond the end")?;
        let end = start.checked_add(into.len()).ok_or("far beyond the end")?;
        into.copy_from_slice(self.get(start..end).ok_or("beyond the end")?);
        Ok(())
    }
}
