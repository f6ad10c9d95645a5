//! Impairments, measured on packets, each direction for itself.
//!
//! Both ends of a cable are in this process, so one clock measures the time that
//! one direction takes. The guest is emulated and busy: it may be late, never
//! early.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use netyard_core::state::{Impairment, Place};

use crate::bed::{Bed, isolated, node};
use crate::rate::{impaired, keeps_rate, rate};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const MS: u64 = 1_000_000;
const NONE: Impairment = Impairment {
    delay: 0,
    jitter: 0,
    loss: 0,
    duplicate: 0,
    reorder: 0,
    corrupt: 0,
    rate: 0,
    limit: 0,
};
/// Packets of a burst of them; few enough for any receive buffer.
const BURST: usize = 20;

/// What came of packets that were sent: for each that arrived, which one it was
/// and how long it took.
struct Arrivals {
    sent: usize,
    took: Vec<(usize, Duration)>,
}

impl Arrivals {
    fn share(&self) -> f64 {
        self.took.len() as f64 / self.sent as f64
    }

    fn times(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.took.iter().map(|(_, time)| *time).collect();
        times.sort();
        times
    }

    fn quickest(&self) -> Duration {
        self.times()[0]
    }
}

/// Sends so many packets in bursts, and hears what arrives within `wait` of the last.
fn send(
    bed: &mut Bed<'_>,
    from: (&Place, &str),
    to: (&Place, &str),
    count: usize,
    wait: Duration,
) -> Arrivals {
    // Neighbours know each other, and no packet waits for that.
    bed.talks(from, to);
    let sender = bed.socket(from.0, from.1);
    let receiver = bed.socket(to.0, to.1);
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut sent_at = Vec::with_capacity(count);
    let mut took = Vec::new();
    let mut packet = [0; 1400];
    while sent_at.len() < count {
        for _ in 0..BURST {
            packet[..4].copy_from_slice(&(sent_at.len() as u32).to_ne_bytes());
            sent_at.push(Instant::now());
            sender.send(&packet).unwrap();
        }
        hear(&receiver, &sent_at, &mut took, Duration::from_millis(5));
    }
    hear(&receiver, &sent_at, &mut took, wait);
    Arrivals { sent: sent_at.len(), took }
}

fn hear(
    receiver: &UdpSocket,
    sent_at: &[Instant],
    took: &mut Vec<(usize, Duration)>,
    time: Duration,
) {
    let end = Instant::now() + time;
    let mut packet = [0; 1400];
    while Instant::now() < end {
        if receiver.recv(&mut packet).is_ok() {
            let number = u32::from_ne_bytes(packet[..4].try_into().unwrap()) as usize;
            took.push((number, sent_at[number].elapsed()));
        }
    }
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Asserts a share of packets within five standard deviations of chance.
fn chance(arrivals: &Arrivals, share: f64, expected: f64, probability: f64) {
    let sigma = (probability * (1.0 - probability) / arrivals.sent as f64).sqrt();
    println!("expected {expected:.3}, got {share:.3}, sigma {sigma:.4}");
    assert!((share - expected).abs() < 5.0 * sigma, "expected {expected}, got {share}");
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn a_delay_is_that_long_in_each_direction() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        for (forward, backward) in [(100, 0), (7, 40), (0, 1000)] {
            let delay = |delay| Impairment { delay: delay * MS, ..NONE };
            bed.become_state(&impaired(delay(forward), delay(backward)));
            for (from, to, asked) in [((&a, A), (&b, B), forward), ((&b, B), (&a, A), backward)] {
                let quickest = send(bed, from, to, 40, ms(asked + 100)).quickest();
                println!("asked {asked} ms, measured {quickest:?}");
                assert!(quickest >= ms(asked) && quickest < ms(asked + 8), "{quickest:?}");
            }
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn jitter_spreads_evenly_around_the_delay() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let wild = Impairment { delay: 100 * MS, jitter: 50 * MS, ..NONE };
        bed.become_state(&impaired(wild, NONE));
        let arrivals = send(bed, (&a, A), (&b, B), 400, ms(300));
        assert_eq!(arrivals.took.len(), arrivals.sent);
        let times = arrivals.times();
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        println!("{:?} to {:?}, mean {mean:?}", times[0], times[times.len() - 1]);
        assert!(times[0] >= ms(50) && times[0] < ms(65), "{:?}", times[0]);
        assert!(times[times.len() * 9 / 10] > ms(130), "{times:?}");
        assert!(mean > ms(92) && mean < ms(115), "{mean:?}");
        // The other direction has none.
        assert!(send(bed, (&b, B), (&a, A), 40, ms(50)).quickest() < ms(8));
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn packets_are_lost_doubled_and_broken_as_often_as_asked() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let ppm = 200_000;
        let p = 0.2;
        for (impairment, expected) in [
            (Impairment { loss: ppm, ..NONE }, 1.0 - p),
            (Impairment { duplicate: ppm, ..NONE }, 1.0 + p),
            // A broken packet fails its checksum and is not delivered.
            (Impairment { corrupt: ppm, ..NONE }, 1.0 - p),
        ] {
            bed.become_state(&impaired(impairment, NONE));
            let arrivals = send(bed, (&a, A), (&b, B), 1500, ms(300));
            chance(&arrivals, arrivals.share(), expected, p);
            let back = send(bed, (&b, B), (&a, A), 200, ms(300));
            assert_eq!(back.took.len(), back.sent);
        }
        // A change leaves nothing of what was.
        bed.become_state(&impaired(Impairment { delay: MS, ..NONE }, NONE));
        let arrivals = send(bed, (&a, A), (&b, B), 500, ms(300));
        assert_eq!(arrivals.took.len(), arrivals.sent);
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn reordered_packets_overtake_those_that_wait() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let impairment = Impairment { delay: 200 * MS, reorder: 250_000, ..NONE };
        bed.become_state(&impaired(impairment, NONE));
        let arrivals = send(bed, (&a, A), (&b, B), 1000, ms(500));
        assert_eq!(arrivals.took.len(), arrivals.sent);
        let early = arrivals.times().iter().filter(|time| **time < ms(150)).count();
        chance(&arrivals, early as f64 / arrivals.sent as f64, 0.25, 0.25);
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn a_rate_with_a_delay_is_both_in_each_direction() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let line = |bits, delay| Impairment { delay: delay * MS, ..rate(bits) };
        for (forward, backward) in [((2_000_000, 20), (500_000, 60)), ((20_000_000, 5), (0, 0))] {
            bed.become_state(&impaired(line(forward.0, forward.1), line(backward.0, backward.1)));
            for (from, to, (bits, delay)) in
                [((&a, A), (&b, B), forward), ((&b, B), (&a, A), backward)]
            {
                if bits == 0 {
                    continue;
                }
                keeps_rate(bed, from, to, bits, 5);
                // The queue runs empty first.
                let quiet = send(bed, from, to, BURST, ms(1500)).quickest();
                assert!(quiet >= ms(delay), "{quiet:?}");
            }
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn one_kind_of_qdisc_takes_the_others_place() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let delay = Impairment { delay: 20 * MS, ..NONE };
        for impairment in [rate(2_000_000), delay, rate(4_000_000), Impairment { loss: 1, ..delay }]
        {
            bed.become_state(&impaired(impairment, NONE));
            if impairment.rate > 0 {
                keeps_rate(bed, (&a, A), (&b, B), impairment.rate, 5);
            } else {
                let quickest = send(bed, (&a, A), (&b, B), 40, ms(200)).quickest();
                assert!(quickest >= ms(20) && quickest < ms(28), "{quickest:?}");
            }
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn every_attribute_of_an_impairment_is_kept_and_changes() {
    isolated(|bed| {
        let all = Impairment {
            delay: 20 * MS + 123,
            jitter: 2 * MS + 7,
            loss: 5_000,
            duplicate: 1,
            reorder: 10_000,
            corrupt: 999_999,
            rate: 100_000_000,
            limit: 0,
        };
        for impairment in [
            all,
            Impairment { limit: 77, ..all },
            Impairment { rate: 80_000_000_000, ..all },
            Impairment { rate: 0, reorder: 0, ..all },
            Impairment { delay: 3_600_000 * MS, ..NONE },
            all,
            Impairment { rate: 9, ..all },
        ] {
            bed.become_state(&impaired(impairment, NONE));
        }
        bed.clear();
    });
}
