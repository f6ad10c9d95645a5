//! `netem`: delay, jitter, loss, duplication, reordering, corruption, rate
//! (net/sched/sch_netem.c, tc-netem(8)).
//!
//! * Jitter is uniform, delay - jitter to delay + jitter, and so reorders
//!   packets that are closer together than it; with a rate it does not, as the
//!   kernel then sends in order. The kernel draws it in 32 bits: beyond 2.1 s
//!   it is not what was asked for.
//! * Reordering sends the share of packets at once, past those that wait: it
//!   needs a delay.
//! * Loss and the rest fall on what the interface sends as one: a local TCP
//!   sender's 64 KB segment is one packet here.

use super::{FULL_FRAME, QUEUE_MS, push, saturate};
use crate::state::Impairment;
use crate::wire::{attributes, u32_of, u64_of};

pub(super) const KIND: &str = "netem";

// linux/pkt_sched.h
const TCA_NETEM_REORDER: u16 = 3;
const TCA_NETEM_CORRUPT: u16 = 4;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_RATE64: u16 = 8;
const TCA_NETEM_LATENCY64: u16 = 10;
const TCA_NETEM_JITTER64: u16 = 11;
/// `struct tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter.
const QOPT: usize = 24;
const MILLION: u64 = 1_000_000;
/// What an interface without a rate is taken to send, in packets per second.
const UNLIMITED: u64 = 250_000;
/// A mixture of full frames and acknowledgements, in bytes.
const MIXED_FRAME: u64 = 1000;

/// Packets the queue holds. What is on its way is in the queue too, so where
/// netyard chooses it is what the line sends in delay and jitter, and then,
/// with a rate, [`QUEUE_MS`] of waiting and ten full frames, else a thousand.
pub(super) fn limit(impairment: &Impairment) -> u32 {
    if impairment.limit > 0 {
        return impairment.limit;
    }
    let ns = u128::from(impairment.delay) + u128::from(impairment.jitter);
    let rate = u128::from(impairment.bytes_per_second());
    let packets = if rate > 0 {
        let bytes = rate * (ns + u128::from(QUEUE_MS) * 1_000_000) / 1_000_000_000;
        (bytes + u128::from(10 * FULL_FRAME)).div_ceil(u128::from(MIXED_FRAME))
    } else {
        1000 + ns * u128::from(UNLIMITED) / 1_000_000_000
    };
    u32::try_from(packets).unwrap_or(u32::MAX)
}

/// `TCA_OPTIONS`. Says everything, zeroes too: what is left out of a change
/// stays as it was.
pub(super) fn options(impairment: &Impairment) -> Vec<u8> {
    let rate = impairment.bytes_per_second();
    // Without a gap of 1 the kernel never asks whether to reorder.
    let gap = u32::from(impairment.reorder > 0);
    let qopt = [
        0, // latency, in ticks: the 64-bit attribute says it
        limit(impairment),
        to_fraction(impairment.loss),
        gap,
        to_fraction(impairment.duplicate),
        0, // jitter, likewise
    ];
    let mut options: Vec<u8> = qopt.into_iter().flat_map(u32::to_ne_bytes).collect();
    push(&mut options, TCA_NETEM_LATENCY64, &impairment.delay.to_ne_bytes());
    push(&mut options, TCA_NETEM_JITTER64, &impairment.jitter.to_ne_bytes());
    // Each a probability and a correlation.
    push(&mut options, TCA_NETEM_REORDER, &pair(to_fraction(impairment.reorder), 0));
    push(&mut options, TCA_NETEM_CORRUPT, &pair(to_fraction(impairment.corrupt), 0));
    // Rate, overhead of a packet, size and overhead of a cell.
    let mut cells = pair(saturate(rate), 0).to_vec();
    cells.extend(pair(0, 0));
    push(&mut options, TCA_NETEM_RATE, &cells);
    push(&mut options, TCA_NETEM_RATE64, &rate.to_ne_bytes());
    options
}

/// Reads `TCA_OPTIONS`.
pub(super) fn read(options: &[u8]) -> Option<Impairment> {
    let field = |index: usize| u32_of(options.get(4 * index..QOPT)?);
    let mut impairment = Impairment {
        limit: field(1)?,
        loss: from_fraction(field(2)?),
        duplicate: from_fraction(field(4)?),
        ..Impairment::default()
    };
    let (mut rate, mut rate64) = (0, 0);
    for (kind, value) in attributes(&options[QOPT..]) {
        match kind {
            TCA_NETEM_LATENCY64 => impairment.delay = u64_of(value)?,
            TCA_NETEM_JITTER64 => impairment.jitter = u64_of(value)?,
            TCA_NETEM_REORDER => impairment.reorder = from_fraction(u32_of(value)?),
            TCA_NETEM_CORRUPT => impairment.corrupt = from_fraction(u32_of(value)?),
            TCA_NETEM_RATE => rate = u64::from(u32_of(value)?),
            TCA_NETEM_RATE64 => rate64 = u64_of(value)?,
            _ => {}
        }
    }
    // The larger counts: where 32 bits hold the rate, the other is not told.
    impairment.rate = rate.max(rate64).saturating_mul(8);
    Some(impairment)
}

fn pair(first: u32, second: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    bytes
}

/// Parts per million as a fraction of 2³²-1, to the nearest.
fn to_fraction(ppm: u32) -> u32 {
    let whole = u64::from(u32::MAX);
    saturate((u64::from(ppm).min(MILLION) * whole + MILLION / 2) / MILLION)
}

/// The other way round; gives back what [`to_fraction`] was given.
fn from_fraction(fraction: u32) -> u32 {
    let whole = u64::from(u32::MAX);
    saturate((u64::from(fraction) * MILLION + whole / 2) / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_survives() {
        for ppm in (0..=1_000_000).step_by(7).chain([1, 5000, 999_999, 1_000_000]) {
            assert_eq!(from_fraction(to_fraction(ppm)), ppm);
        }
        assert_eq!(to_fraction(1_000_000), u32::MAX);
        assert_eq!(to_fraction(500_000), 1 << 31);
    }

    #[test]
    fn the_queue_holds_what_is_on_its_way() {
        let ms = 1_000_000;
        let line = |rate, delay| Impairment { rate, delay, ..Impairment::default() };
        // 100 Mbit/s for 100 ms are 1.25 MB: 1250 packets, and as many again.
        assert_eq!(limit(&line(100_000_000, 100 * ms)), 2516);
        assert_eq!(limit(&line(0, 20 * ms)), 6000);
        assert_eq!(limit(&line(0, 0)), 1000);
        assert_eq!(limit(&line(u64::MAX, u64::MAX)), u32::MAX);
        assert_eq!(limit(&Impairment { limit: 5, ..line(8000, 0) }), 5);
    }
}
