//! `tbf`: a rate alone (net/sched/sch_tbf.c, tc-tbf(8)).

use super::{FULL_FRAME, QUEUE_MS, push, saturate};
use crate::state::Impairment;
use crate::wire::{attributes, u8_of, u32_of, u64_of};

pub(super) const KIND: &str = "tbf";

// linux/pkt_sched.h
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// The kernel computes a packet's time itself and wants no table.
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// `struct tc_tbf_qopt`: rate and peak rate of 12 bytes each, limit, buffer, mtu.
const LIMIT: usize = 24;
/// The largest frame in use, in bytes.
const JUMBO_FRAME: u64 = 9216 + 14;

/// Bytes the queue holds: so many full frames, or [`QUEUE_MS`] and at least ten
/// frames where netyard chooses.
pub(super) fn limit(impairment: &Impairment) -> u32 {
    if impairment.limit > 0 {
        return saturate(u64::from(impairment.limit) * FULL_FRAME);
    }
    let bytes = impairment.bytes_per_second().saturating_mul(QUEUE_MS) / 1000;
    saturate(bytes.max(10 * FULL_FRAME))
}

/// The depth of the bucket in bytes: how much goes out at once after silence,
/// and the largest packet that gets through at all.
///
/// * What the rate sends in 4 ms, the timer tick of a kernel of 250 Hz, so that
///   a late timer costs no throughput (tc-tbf(8) asks for as much).
/// * Two packets of the interface's MTU: with one, the time in which a timer is
///   late would be lost each time.
/// * Two jumbo frames, unless that were more than 50 ms, so that a larger MTU
///   set later does not stop all traffic on an ordinary line.
pub(super) fn burst(rate: u64, mtu: u32) -> u32 {
    let packets = 2 * (u64::from(mtu) + 40);
    let jumbo = (2 * JUMBO_FRAME).min(rate / 20);
    saturate((rate / 250).max(packets).max(jumbo))
}

/// `TCA_OPTIONS`.
pub(super) fn options(impairment: &Impairment, mtu: u32) -> Vec<u8> {
    let rate = impairment.bytes_per_second();
    let mut ratespec = [0; 12]; // struct tc_ratespec
    ratespec[1] = TC_LINKLAYER_ETHERNET;
    ratespec[8..].copy_from_slice(&saturate(rate).to_ne_bytes());
    let mut qopt = ratespec.to_vec();
    qopt.extend([0; 12]); // no peak rate
    qopt.extend(limit(impairment).to_ne_bytes());
    qopt.extend([0; 8]); // buffer in ticks, given in bytes below; mtu of the peak rate
    let mut options = Vec::new();
    push(&mut options, TCA_TBF_PARMS, &qopt);
    push(&mut options, TCA_TBF_BURST, &burst(rate, mtu).to_ne_bytes());
    if rate >= 1 << 32 {
        push(&mut options, TCA_TBF_RATE64, &rate.to_ne_bytes());
    }
    options
}

/// Reads `TCA_OPTIONS`; none for a bucket of a shape that netyard does not make.
pub(super) fn read(options: &[u8]) -> Option<Impairment> {
    let (mut rate, mut bytes) = (0, 0);
    for (kind, value) in attributes(options) {
        match kind {
            TCA_TBF_PARMS => {
                if u8_of(value.get(1..)?)? & 0xf != TC_LINKLAYER_ETHERNET {
                    return None;
                }
                rate = rate.max(u64::from(u32_of(value.get(8..)?)?));
                bytes = u32_of(value.get(LIMIT..)?)?;
            }
            TCA_TBF_RATE64 => rate = u64_of(value)?,
            _ => {}
        }
    }
    let open = Impairment { rate: rate.saturating_mul(8), ..Impairment::default() };
    if bytes == limit(&open) {
        return Some(open);
    }
    let packets = (u64::from(bytes) + FULL_FRAME / 2) / FULL_FRAME;
    Some(Impairment { limit: saturate(packets), ..open })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_packet_and_four_milliseconds() {
        let mbit = 1_000_000 / 8;
        assert_eq!(burst(1000 * mbit, 1500), 500_000);
        assert_eq!(burst(10 * mbit, 1500), 2 * 9230);
        assert_eq!(burst(mbit, 1500), 6250);
        assert_eq!(burst(8000, 1500), 3080);
        assert_eq!(burst(8000, 9000), 18080);
        assert_eq!(burst(u64::MAX, 1500), u32::MAX);
    }

    #[test]
    fn the_queue_is_a_tenth_of_a_second() {
        let line = |rate| Impairment { rate, ..Impairment::default() };
        assert_eq!(limit(&line(100_000_000)), 1_250_000);
        assert_eq!(limit(&line(64_000)), 15_140);
        assert_eq!(limit(&Impairment { limit: 100, ..line(64_000) }), 151_400);
    }
}
