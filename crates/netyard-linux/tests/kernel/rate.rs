//! A rate is measured, not read back: what arrives at the other end of a cable
//! in a second of full load.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netyard_core::state::{Impairment, Object, Place, Qdisc, State};

use crate::bed::{Bed, id, isolated, node};
use crate::kinds::two_nodes;

/// UDP payload of a full frame; Ethernet, IPv4 and UDP headers are 42 bytes,
/// and the kernel counts them all (`qdisc_pkt_len`).
const PAYLOAD: usize = 1472;
const FRAME: u64 = PAYLOAD as u64 + 42;

/// Two nodes, what each sends impaired so.
pub fn impaired(forward: Impairment, backward: Impairment) -> State {
    let sides = [(node("a"), forward), (node("b"), backward)];
    let qdiscs = sides.into_iter().filter(|(_, impairment)| *impairment != Impairment::default());
    let qdiscs = qdiscs.map(|(place, impairment)| {
        Object::Qdisc(Qdisc { interface: id(&place, "eth0"), impairment })
    });
    two_nodes().into_iter().chain(qdiscs).collect()
}

pub fn rate(rate: u64) -> Impairment {
    Impairment { rate, ..Impairment::default() }
}

/// The bits per second that arrive, once what a bucket lets through at first is
/// over, measured for `time`.
pub fn measure(bed: &mut Bed<'_>, from: (&Place, &str), to: (&Place, &str), time: Duration) -> u64 {
    let sender = bed.socket(from.0, from.1);
    let receiver = bed.socket(to.0, to.1);
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| flood(&sender, &stop));
        let warm = Instant::now() + Duration::from_millis(300);
        while Instant::now() < warm {
            receive(&receiver);
        }
        let (begin, mut last, mut frames) = (Instant::now(), Instant::now(), 0_u64);
        while begin.elapsed() < time {
            let got = receive(&receiver);
            if got > 0 {
                (last, frames) = (Instant::now(), frames + got);
            }
        }
        stop.store(true, Ordering::Relaxed);
        (frames as f64 * FRAME as f64 * 8.0 / (last - begin).as_secs_f64()) as u64
    })
}

/// Sends as fast as the socket's buffer empties. A queue that is full drops, and
/// the kernel then says so or not; either way the next one is sent.
fn flood(sender: &UdpSocket, stop: &AtomicBool) {
    let packet = [7; PAYLOAD];
    while !stop.load(Ordering::Relaxed) {
        let _ = sender.send(&packet);
    }
}

fn receive(receiver: &UdpSocket) -> u64 {
    let mut buffer = [0; PAYLOAD];
    u64::from(receiver.recv(&mut buffer).is_ok())
}

/// Proves that a rate is kept within that many percent. A machine that is busy
/// with other things may not fill the line for a while, or read at once what had
/// come before: of twelve tries one counts. A wrong rate is wrong in all of them.
pub fn keeps_rate(
    bed: &mut Bed<'_>,
    from: (&Place, &str),
    to: (&Place, &str),
    rate: u64,
    percent: u64,
) {
    let mut measured = Vec::new();
    for _ in 0..12 {
        let now = measure(bed, from, to, Duration::from_millis(1000));
        println!(
            "asked {rate}, measured {now} ({:+.2} %)",
            (now as f64 / rate as f64 - 1.0) * 100.0
        );
        measured.push(now);
        if now.abs_diff(rate) <= rate * percent / 100 {
            return;
        }
    }
    panic!("asked {rate}, measured {measured:?}");
}

#[test]
fn a_rate_alone_is_kept_in_each_direction() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        for (forward, backward) in [(1_000_000, 8_000_000), (16_000_000, 2_000_000)] {
            bed.become_state(&impaired(rate(forward), rate(backward)));
            keeps_rate(bed, (&a, "10.0.0.1"), (&b, "10.0.0.2"), forward, 3);
            keeps_rate(bed, (&b, "10.0.0.2"), (&a, "10.0.0.1"), backward, 3);
        }
        bed.clear();
    });
}

#[test]
fn a_limit_is_kept_and_a_rate_goes() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let none = Impairment::default();
        bed.become_state(&impaired(Impairment { limit: 30, ..rate(1_000_000) }, none));
        bed.become_state(&impaired(rate(80_000_000_000), none));
        bed.become_state(&impaired(none, none));
        let second = Duration::from_secs(1);
        let free = measure(bed, (&a, "10.0.0.1"), (&b, "10.0.0.2"), second);
        assert!(free > 5_000_000, "{free}");
        bed.clear();
    });
}

#[test]
fn large_packets_get_through_a_slow_bucket() {
    isolated(|bed| {
        let (a, b) = (node("a"), node("b"));
        let state: State = impaired(rate(8_000_000), Impairment::default())
            .objects()
            .cloned()
            .map(|object| match object {
                Object::Interface(mut o) if o.id.name.as_str() == "eth0" => {
                    o.mtu = Some(9000);
                    Object::Interface(o)
                }
                other => other,
            })
            .collect();
        // Made while the MTU was 1500, then raised.
        bed.become_state(&impaired(rate(8_000_000), Impairment::default()));
        bed.become_state(&state);
        let sender = bed.socket(&a, "10.0.0.1");
        let receiver = bed.socket(&b, "10.0.0.2");
        receiver.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        sender.send_to(&[7; 8900], receiver.local_addr().unwrap()).unwrap();
        assert_eq!(receiver.recv(&mut [0; 9000]).unwrap(), 8900);
        bed.clear();
    });
}
