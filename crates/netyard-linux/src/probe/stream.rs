//! Lines, measured one way: a stream of numbered datagrams from one place of
//! the yard to another, each with the time it was sent; the kernel notes the
//! time it came (`SO_TIMESTAMPNS`), on the same clock.
//!
//! Delay, jitter and loss are of one stream that is far too slow to fill the
//! line. A rate is of a stream a quarter faster than expected: what arrives is
//! what gets through, counted with its Ethernet headers, as the kernel's
//! shapers count. The first arrivals do not count: a bucket that has been idle
//! is full. A sender that cannot send what the line is to carry says nothing of
//! the line: it stops soon, and what it offered is noted.

use std::collections::BTreeMap;
use std::io;
use std::mem::zeroed;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use netyard_core::expect::{
    Expectation, Host, Measure, Measured, Metric, Probe, Seen, Sighting, judge,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::time::{ClockId, clock_gettime};

use super::socket::{Sort, bare, open, set};
use super::{Shot, Spaces, What};
use crate::error::{Error, errno_text};
use crate::netns::Worker;

/// Streams at once that do not fill their lines.
const ABREAST: usize = 4;
/// How many times a line that is not as expected is measured: the machine may
/// have had other things to do.
const TRIES: u32 = 3;
/// Bytes of a datagram that only counts and times; of its frame, IPv6 at most.
const SMALL: usize = 64;
const OVERHEAD: u64 = 14 + 8;
/// Datagrams for a delay, and for a share that is lost.
const DELAYS: u64 = 500;
const LOSSES: u64 = 5_000;
/// Arrivals of a full line that do not count, and how long the others do.
const WARM: Duration = Duration::from_millis(300);
const FULL: Duration = Duration::from_millis(1_200);

/// What is measured at once, on one line one way.
struct Line<'a> {
    /// All of the same way.
    all: Vec<(usize, &'a Expectation, Measure)>,
}

/// Measures what of `expectations` is to be measured.
pub(super) fn measure(
    spaces: &Spaces,
    expectations: &[&Expectation],
    done: &mut [Option<Sighting>],
    landed: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    let (calm, full) = lines(expectations);
    let failed = |e| Error::system("could not measure a line", e);
    for (lines, abreast) in [(calm, ABREAST), (full, 1)] {
        let share = lines.len().div_ceil(abreast).max(1);
        let measured: Vec<_> = std::thread::scope(|scope| {
            let of = |part| move || all(spaces, part, landed);
            let threads: Vec<_> = lines.chunks(share).map(|part| scope.spawn(of(part))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        for part in measured {
            let part: Vec<(usize, Sighting)> = part.map_err(failed)?;
            part.into_iter().for_each(|(index, sighting)| done[index] = Some(sighting));
        }
    }
    Ok(())
}

/// Streams that measure several things, and those that fill a line.
fn lines<'a>(expectations: &[&'a Expectation]) -> (Vec<Line<'a>>, Vec<Line<'a>>) {
    let mut calm: BTreeMap<_, Line<'a>> = BTreeMap::new();
    let mut full = Vec::new();
    for (index, &expectation) in expectations.iter().enumerate() {
        let Probe::Measure(measure) = expectation.probe else { continue };
        let one = (index, expectation, measure);
        if measure.metric == Metric::Rate {
            full.push(Line { all: vec![one] });
            continue;
        }
        let (from, to) = (&expectation.from, &expectation.to);
        let key = (&from.label, &to.label, expectation.family);
        calm.entry(key).or_insert_with(|| Line { all: Vec::new() }).all.push(one);
    }
    (calm.into_values().collect(), full)
}

/// Measures lines one after another on a thread of its own.
fn all(
    spaces: &Spaces,
    lines: &[Line<'_>],
    landed: &(dyn Fn() + Sync),
) -> io::Result<Vec<(usize, Sighting)>> {
    Worker::run(|worker| {
        let mut done = Vec::new();
        for line in lines {
            done.extend(line.measure(worker, spaces));
            line.all.iter().for_each(|_| landed());
        }
        done
    })
}

impl Line<'_> {
    /// Measures until it is as expected, or often enough.
    fn measure(&self, worker: &mut Worker, spaces: &Spaces) -> Vec<(usize, Sighting)> {
        let began = Instant::now();
        let mut done = Vec::new();
        for tries in 1..=TRIES {
            let seen = match self.stream(worker, spaces) {
                Ok(measured) => Seen::Measured(measured),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(errno) => Seen::Unsent(errno_text(errno)),
                    None => Seen::Unsent(error.to_string()),
                },
            };
            let took = began.elapsed().as_nanos() as u64;
            let sighting = Sighting { seen, address: None, tries, took, listened: true };
            done = self.all.iter().map(|(index, ..)| (*index, sighting.clone())).collect();
            let good = |(_, expectation, _): &(_, &Expectation, _)| {
                !judge(expectation, &sighting).is_failure()
            };
            if self.all.iter().all(good) {
                break;
            }
        }
        done
    }

    fn stream(&self, worker: &mut Worker, spaces: &Spaces) -> io::Result<Measured> {
        let (_, expectation, _) = self.all.first().ok_or(io::ErrorKind::InvalidInput)?;
        let (Host::Address(to), Some(place)) = (&expectation.to.host, &expectation.to.place) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let not_up = |place| io::Error::other(format!("`{place}` is not up"));
        worker.enter(spaces.get(place).ok_or_else(|| not_up(place))?)?;
        let receiver = bare(to.is_ipv6(), Sort::Udp)?;
        rustix::net::bind(&receiver, &SocketAddr::new(*to, 0))?;
        set(&receiver, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        set(&receiver, libc::SOL_SOCKET, libc::SO_RCVBUF, 4 << 20)?;
        let address = SocketAddr::try_from(rustix::net::getsockname(&receiver)?)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        let from = &expectation.from;
        worker.enter(spaces.get(&from.place).ok_or_else(|| not_up(&from.place))?)?;
        let shot = Shot {
            device: from.device.clone(),
            source: from.address,
            ..Shot::new(from.place.clone(), *to, What::Ping)
        };
        let sender = open(&shot, Sort::Udp)?;
        rustix::net::connect(&sender, &address)?;
        worker.go_home()?;
        let schedule = self.schedule(to.is_ipv6());
        let (arrivals, sending) = (Vec::new(), Duration::ZERO);
        Flow { sender, receiver, schedule, arrivals, sent: 0, sending }.run()
    }

    /// How fast, how much and how long.
    fn schedule(&self, ipv6: bool) -> Schedule {
        let header = OVERHEAD + if ipv6 { 40 } else { 20 };
        let value = |metric| {
            let of = self.all.iter().find(|(_, _, measure)| measure.metric == metric);
            of.map(|(_, _, measure)| measure.value)
        };
        let wait = value(Metric::Delay).unwrap_or(0) * 2 + value(Metric::Jitter).unwrap_or(0);
        let wait = Duration::from_nanos(wait) + Duration::from_millis(500);
        if let Some(rate) = value(Metric::Rate).filter(|rate| *rate > 0) {
            let payload = (rate / 8 / 300).clamp(100, 1472 - (header - 42));
            let frame = payload + header;
            // At least a hundred frames count, but nobody waits longer than this.
            let hundred = Duration::from_nanos((frame * 8 * 100_000_000_000).div_ceil(rate));
            let time = (WARM + hundred).max(FULL).min(Duration::from_secs(5));
            let interval = Duration::from_nanos((frame * 8_000_000_000).div_ceil(rate) * 4 / 5);
            let count = (time.as_nanos() / interval.as_nanos().max(1)) as u64;
            return Schedule {
                count,
                most: time * 2,
                interval,
                payload: payload as usize,
                frame,
                wait,
                full: true,
            };
        }
        let lines = self.all.iter().filter_map(|(_, _, measure)| measure.line_rate).min();
        let frame = SMALL as u64 + header;
        let count = if value(Metric::Loss).is_some() { LOSSES } else { DELAYS };
        // A tenth of the line at most, and never so slow that nobody waits for it.
        let line = lines.map_or(0, |rate| frame * 8 * 10 * 1_000_000_000 / rate);
        let usual = if count == LOSSES { 400_000 } else { 2_000_000 };
        let interval = Duration::from_nanos(line.max(usual));
        let most = (Duration::from_secs(3).as_nanos() / interval.as_nanos()) as u64;
        let count = count.min(most.max(100));
        let most = Duration::MAX;
        Schedule { count, interval, most, payload: SMALL, frame, wait, full: false }
    }
}

/// How a stream is sent.
struct Schedule {
    count: u64,
    interval: Duration,
    /// When the sender gives up, because it is slower than the line.
    most: Duration,
    /// Bytes of a datagram.
    payload: usize,
    /// Bytes of its frame.
    frame: u64,
    /// How long the last ones are waited for.
    wait: Duration,
    /// It is to fill the line.
    full: bool,
}

/// A datagram that came.
struct Arrival {
    number: u64,
    /// Nanoseconds of the real-time clock.
    sent: u64,
    came: u64,
}

struct Flow {
    sender: OwnedFd,
    receiver: OwnedFd,
    schedule: Schedule,
    arrivals: Vec<Arrival>,
    sent: u64,
    /// How long it took to send them.
    sending: Duration,
}

impl Flow {
    fn run(mut self) -> io::Result<Measured> {
        let began = Instant::now();
        let mut packet = vec![0; self.schedule.payload];
        let mut slipped = Duration::ZERO;
        while self.sent < self.schedule.count {
            let due = self.schedule.interval * self.sent as u32 + slipped;
            let now = began.elapsed();
            if now > self.schedule.most {
                break;
            }
            if now < due {
                self.wait(due - now)?;
                continue;
            }
            let late = now - due;
            // A stream that only times does not make up for lost time by a burst.
            if !self.schedule.full && late > self.schedule.interval {
                slipped += late;
            }
            self.send(&mut packet)?;
            if self.sent.is_multiple_of(16) {
                self.receive()?;
            }
        }
        self.sending = began.elapsed();
        let end = Instant::now() + self.schedule.wait;
        while (self.arrivals.len() as u64) < self.sent {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wait(left)?;
        }
        Ok(self.measured())
    }

    fn send(&mut self, packet: &mut [u8]) -> io::Result<()> {
        packet[..8].copy_from_slice(&self.sent.to_be_bytes());
        packet[8..16].copy_from_slice(&now().to_be_bytes());
        self.sent += 1;
        match rustix::net::send(&self.sender, packet, SendFlags::DONTWAIT) {
            // A full queue is what a full line has; what the own firewall drops
            // is as lost as what another does.
            Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::PERM) => Ok(()),
            Err(Errno::CONNREFUSED) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for arrivals, and takes them.
    fn wait(&mut self, most: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(most).map_err(io::Error::other)?;
        let mut fds = [PollFd::from_borrowed_fd(self.receiver.as_fd(), PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout)))?;
        self.receive()
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            match receive(&self.receiver)? {
                Some(arrival) => self.arrivals.push(arrival),
                None => return Ok(()),
            }
        }
    }

    fn measured(mut self) -> Measured {
        self.arrivals.sort_by_key(|arrival| arrival.number);
        self.arrivals.dedup_by_key(|arrival| arrival.number);
        let received = self.arrivals.len() as u64;
        let mut delays: Vec<u64> =
            self.arrivals.iter().map(|a| a.came.saturating_sub(a.sent)).collect();
        delays.sort_unstable();
        let at = |share: f64| {
            let last = delays.len().saturating_sub(1);
            delays.get((last as f64 * share).round() as usize).copied().unwrap_or(0)
        };
        let jitter = ((at(0.95) - at(0.05)) as f64 / 2.0 / 0.9) as u64;
        let (rate, offered) = match self.schedule.full {
            true => (self.rate(), self.offered()),
            false => (0, 0),
        };
        Measured { sent: self.sent, received, delay: at(0.5), jitter, rate, offered }
    }

    /// Bits per second that were sent.
    fn offered(&self) -> u64 {
        let time = self.sending.as_nanos().max(1);
        (u128::from(self.sent * self.schedule.frame * 8) * 1_000_000_000 / time) as u64
    }

    /// Bits per second of all arrivals but the first.
    fn rate(&self) -> u64 {
        let times = || self.arrivals.iter().map(|arrival| arrival.came);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return 0 };
        let warm = first + WARM.as_nanos() as u64;
        let Some(begin) = times().filter(|came| *came >= warm).min() else { return 0 };
        let counted = times().filter(|came| *came > begin).count() as u64;
        let time = (last - begin).max(1);
        (u128::from(counted * self.schedule.frame * 8) * 1_000_000_000 / u128::from(time)) as u64
    }
}

/// Nanoseconds of the clock by which the kernel stamps packets.
fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Takes one datagram off the socket, with the time it came.
fn receive(socket: &OwnedFd) -> io::Result<Option<Arrival>> {
    let mut control = [0_u64; 16];
    let mut head = [0_u8; 16];
    let mut part = libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: head.len() };
    // SAFETY: all zeroes is an empty message.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer of the message is to something that lives here.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    }
    if (length as usize) < head.len() {
        return Ok(None); // not one of ours
    }
    let mut came = None;
    // SAFETY: the kernel has filled in the control messages, which lie in `control`.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET
                && (*header).cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
                came = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    let number = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Ok(Some(Arrival { number: number(0), sent: number(8), came: came.unwrap_or_else(now) }))
}
