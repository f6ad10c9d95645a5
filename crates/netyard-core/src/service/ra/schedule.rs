//! When a router speaks (RFC 4861, 6.2).

use super::Ra;

/// When advertisements are due. Times are milliseconds of any clock that does
/// not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    sent: u32,
    last: Option<u64>,
    next: u64,
}

/// `MAX_INITIAL_RTR_ADVERTISEMENTS`, `MAX_INITIAL_RTR_ADVERT_INTERVAL`,
/// `MIN_DELAY_BETWEEN_RAS` and `MAX_RA_DELAY_TIME` (RFC 4861, 10).
const INITIAL: u32 = 3;
const INITIAL_INTERVAL: u64 = 16_000;
const LEAST_APART: u64 = 3_000;
const DELAY: u64 = 500;

impl Schedule {
    /// The first is due at once.
    pub fn new(now: u64) -> Self {
        Self { sent: 0, last: None, next: now }
    }

    /// When the next one to all hosts is due.
    pub fn due(&self) -> u64 {
        self.next
    }

    /// One was sent to all hosts.
    pub fn sent(&mut self, ra: &Ra, now: u64, dice: u32) {
        self.sent = self.sent.saturating_add(1);
        self.last = Some(now);
        let longest = u64::from(ra.interval) * 1000;
        // MinRtrAdvInterval is a third of the longest, RFC 4861, 6.2.1.
        let shortest = longest / 3;
        let next = shortest + u64::from(dice) % (longest - shortest).max(1);
        self.next = now + if self.sent < INITIAL { next.min(INITIAL_INTERVAL) } else { next };
    }

    /// A host asked that cannot be answered alone, since it has no address yet:
    /// all are told, after a moment, and not too often.
    pub fn asked(&mut self, now: u64, dice: u32) {
        let soon = now + u64::from(dice) % DELAY;
        let earliest = self.last.map_or(soon, |last| soon.max(last + LEAST_APART));
        self.next = self.next.min(earliest);
    }

    /// What is said has changed: all are told, from the beginning.
    pub fn changed(&mut self, now: u64) {
        *self = Self { last: self.last, ..Self::new(now) };
    }
}
