//! How long a process that ended waits before it is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// Who lived as long begins anew.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// How long the next wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The wait after a process that lived as long.
    pub fn after(&mut self, life: Duration) -> Duration {
        if life >= LONG_LIFE {
            *self = Self::default();
        }
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_thirty_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..11).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[9..], [30_000, 30_000]);
        assert_eq!(backoff.after(Duration::from_secs(61)).as_millis(), 100);
        assert_eq!(backoff.after(Duration::ZERO).as_millis(), 200);
    }
}
