//! The registers of nftables' machine, of which each byte is known or not.

/// Sixteen registers of four bytes; four names are for groups of four of them.
#[derive(Clone, Debug)]
pub(super) struct Registers([Option<u8>; 64]);

/// Bytes of which each is known or not.
pub(super) type Bytes = Vec<Option<u8>>;

impl Default for Registers {
    fn default() -> Self {
        Self([None; 64])
    }
}

impl Registers {
    fn offset(register: u32) -> Option<usize> {
        match register {
            1..=4 => Some((register as usize - 1) * 16),
            8..24 => Some((register as usize - 8) * 4),
            _ => None,
        }
    }

    /// Puts bytes in; the rest of the last four becomes zero, as in the kernel.
    pub fn put(&mut self, register: u32, bytes: &[Option<u8>]) {
        let Some(at) = Self::offset(register) else { return };
        let padded = bytes.len().next_multiple_of(4);
        for index in 0..padded {
            if let Some(slot) = self.0.get_mut(at + index) {
                *slot = bytes.get(index).copied().unwrap_or(Some(0));
            }
        }
    }

    /// Takes so many bytes.
    pub fn get(&self, register: u32, length: usize) -> Bytes {
        let at = Self::offset(register).unwrap_or(64);
        (at..at + length).map(|index| self.0.get(index).copied().flatten()).collect()
    }
}

/// All of them, where all are known.
pub(super) fn known(bytes: &[Option<u8>]) -> Option<Vec<u8>> {
    bytes.iter().copied().collect()
}

/// True, false, or not known: whether the bytes are these.
pub(super) fn equal(bytes: &[Option<u8>], other: &[u8]) -> Option<bool> {
    let pairs = || bytes.iter().zip(other);
    if pairs().any(|(one, other)| one.is_some_and(|one| one != *other)) {
        return Some(false);
    }
    pairs().all(|(one, _)| one.is_some()).then_some(true)
}
