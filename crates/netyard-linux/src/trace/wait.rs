//! How far a packet is, and waiting until there is more to hear of it.

use std::io;
use std::time::Duration;

use netyard_core::explain::Direction;
use netyard_core::wire::trace::{Decision, Said};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Rig;
use super::probe::{Probe, StandIn};
use super::tap::Tap;

/// On how many of its two ways a namespace has seen it.
pub(super) fn reaches(tap: &Tap) -> usize {
    let seen = |direction: &Direction| tap.of(*direction).next().is_some();
    [Direction::There, Direction::Back].iter().filter(|direction| seen(direction)).count()
}

/// True where a chain dropped it.
pub(super) fn ended(tap: &Tap) -> bool {
    [Direction::There, Direction::Back].into_iter().any(|direction| {
        tap.verdicts(direction).any(|event| {
            matches!(
                event.said,
                Said::Policy(Decision::Drop) | Said::Rule { verdict: Decision::Drop, .. }
            )
        })
    })
}

/// Waits until something can be heard, or for that long.
pub(super) fn wait(rig: &Rig, probe: &Probe, time: Duration) -> io::Result<()> {
    // Ends of drops are heard with the next look; no need to hurry.
    let time = time.min(Duration::from_millis(20));
    let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
    let mut polled = vec![PollFd::from_borrowed_fd(probe.fd(), PollFlags::IN)];
    let udp = rig.stand_ins.iter().filter(|one| matches!(one, StandIn::Udp(_)));
    polled.extend(udp.map(|one| PollFd::from_borrowed_fd(one.fd(), PollFlags::IN)));
    rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
    Ok(())
}
