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
/// How often something is measured before the guest's lateness is no excuse.
const TRIES: usize = 8;

/// How long each packet took that arrived.
struct Arrivals {
    sent: usize,
    times: Vec<Duration>,
}

impl Arrivals {
    fn share(&self) -> f64 {
        self.times.len() as f64 / self.sent as f64
    }

    fn quickest(&self) -> Duration {
        *self.times.iter().min().unwrap()
    }

    fn mean(&self) -> Duration {
        self.times.iter().sum::<Duration>() / self.times.len() as u32
    }

    /// The share of packets that took less than that.
    fn below(&self, time: Duration) -> f64 {
        self.times.iter().filter(|t| **t < time).count() as f64 / self.times.len() as f64
    }
}

/// Sends so many packets of so many bytes in bursts, and hears what arrives
/// within `wait` of the last.
fn send(
    bed: &mut Bed<'_>,
    from: (&Place, &str),
    to: (&Place, &str),
    (count, bytes): (usize, usize),
    wait: Duration,
) -> Arrivals {
    // Neighbours know each other, and no packet waits for that.
    bed.talks(from, to);
    let sender = bed.socket(from.0, from.1);
    let receiver = bed.socket(to.0, to.1);
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut sent_at = Vec::with_capacity(count);
    let mut times = Vec::new();
    let mut packet = vec![0; bytes];
    while sent_at.len() < count {
        for _ in 0..BURST {
            packet[..4].copy_from_slice(&(sent_at.len() as u32).to_ne_bytes());
            sent_at.push(Instant::now());
            sender.send(&packet).unwrap();
        }
        hear(&receiver, &sent_at, &mut times, ms(5));
    }
    hear(&receiver, &sent_at, &mut times, wait);
    Arrivals { sent: sent_at.len(), times }
}

fn hear(receiver: &UdpSocket, sent_at: &[Instant], times: &mut Vec<Duration>, time: Duration) {
    let end = Instant::now() + time;
    let mut packet = [0; 2000];
    while Instant::now() < end {
        if receiver.recv(&mut packet).is_ok() {
            let number = u32::from_ne_bytes(packet[..4].try_into().unwrap()) as usize;
            times.push(sent_at[number].elapsed());
        }
    }
}

/// Proves a delay: no packet is earlier, and in one of several tries one is in time.
fn takes(bed: &mut Bed<'_>, from: (&Place, &str), to: (&Place, &str), asked: Duration) {
    let mut measured = Vec::new();
    for _ in 0..TRIES {
        let quickest = send(bed, from, to, (BURST, 100), asked + ms(50)).quickest();
        measured.push(quickest);
        assert!(quickest >= asked, "asked {asked:?}, measured {measured:?}");
        if quickest < asked + ms(5) {
            println!("asked {asked:?}, measured {quickest:?}");
            return;
        }
    }
    panic!("asked {asked:?}, measured {measured:?}");
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
            takes(bed, (&a, A), (&b, B), ms(forward));
            takes(bed, (&b, B), (&a, A), ms(backward));
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn jitter_spreads_evenly_around_the_delay() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let wild = Impairment { delay: 200 * MS, jitter: 100 * MS, ..NONE };
        bed.become_state(&impaired(wild, NONE));
        let even = |_| {
            let arrivals = send(bed, (&a, A), (&b, B), (400, 100), ms(400));
            assert_eq!(arrivals.times.len(), arrivals.sent);
            assert!(arrivals.quickest() >= ms(100));
            let quarters = [150, 200, 250].map(|time| arrivals.below(ms(time)));
            println!("mean {:?}, below 150, 200, 250 ms: {quarters:?}", arrivals.mean());
            let near = |(share, expected): (&f64, f64)| (share - expected).abs() < 0.1;
            quarters.iter().zip([0.25, 0.5, 0.75]).all(near)
        };
        assert!((0..TRIES).any(even));
        takes(bed, (&b, B), (&a, A), ms(0));
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
            let arrivals = send(bed, (&a, A), (&b, B), (6000, 1400), ms(300));
            chance(&arrivals, arrivals.share(), expected, p);
            let back = send(bed, (&b, B), (&a, A), (200, 100), ms(300));
            assert_eq!(back.times.len(), back.sent);
        }
        // A change leaves nothing of what was.
        bed.become_state(&impaired(Impairment { delay: MS, ..NONE }, NONE));
        let arrivals = send(bed, (&a, A), (&b, B), (500, 100), ms(300));
        assert_eq!(arrivals.times.len(), arrivals.sent);
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn reordered_packets_overtake_those_that_wait() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let impairment = Impairment { delay: 500 * MS, reorder: 250_000, ..NONE };
        bed.become_state(&impaired(impairment, NONE));
        let arrivals = send(bed, (&a, A), (&b, B), (1000, 100), ms(1000));
        assert_eq!(arrivals.times.len(), arrivals.sent);
        chance(&arrivals, arrivals.below(ms(500)), 0.25, 0.25);
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn a_rate_with_a_delay_is_both_in_each_direction() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let line = |bits, delay| Impairment { delay: delay * MS, ..rate(bits) };
        bed.become_state(&impaired(line(2_000_000, 20), line(500_000, 60)));
        for (from, to, (bits, delay)) in
            [((&a, A), (&b, B), (2_000_000, 20)), ((&b, B), (&a, A), (500_000, 60))]
        {
            keeps_rate(bed, from, to, bits, 5);
            // The queue runs empty first. A packet of 142 bytes takes the line 0.6 and 2.3 ms.
            let arrivals = send(bed, from, to, (BURST, 100), ms(1500));
            assert!(arrivals.quickest() >= ms(delay));
            takes(bed, from, to, ms(delay));
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
                takes(bed, (&a, A), (&b, B), ms(20));
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
