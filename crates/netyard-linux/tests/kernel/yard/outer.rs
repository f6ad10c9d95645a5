//! A machine with a way out: an outer namespace that stands for the rest of the
//! world, joined to the host by `eth0`, which stands for hardware; and yards
//! from files, as the command line brings them up.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use netyard_core::diag::{Report, Source};
use netyard_core::spec;
use netyard_core::state::{State, lower};
use netyard_core::yard::{self, Yard};
use netyard_linux::Error;

use super::{inside, open, sh, snapshot, up};

/// An outer namespace with `up0` 192.0.2.1 and 2001:db8::1, and behind it
/// 198.51.100.1 and 2001:db8:f::1; the host's `eth0` has .10 and ::10, and its
/// default routes lead there.
pub const OUTER: &str = "
    mkdir -p /run/netns; ip link set lo up
    ip netns add outer
    ip link add eth0 address 02:00:00:00:00:10 type veth peer name up0 netns outer
    ip -n outer link set lo up; ip -n outer link set up0 up; ip link set eth0 up
    ip netns exec outer sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    ip netns exec outer sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
    ip -n outer addr add 192.0.2.1/24 dev up0
    ip -n outer addr add 2001:db8::1/64 dev up0 nodad
    ip -n outer addr add 198.51.100.1/32 dev lo
    ip -n outer addr add 2001:db8:f::1/128 dev lo
    ip addr add 192.0.2.10/24 dev eth0
    ip addr add 2001:db8::10/64 dev eth0 nodad
    ip route add default via 192.0.2.1 dev eth0
    ip -6 route add default via 2001:db8::1 dev eth0
";

/// The yard of a file, as this host is now.
pub fn resolve(text: &str) -> (Option<Yard>, Report) {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "bed", &mut |_, _| Err("no such file".to_owned()));
    let spec = parsed.spec.unwrap_or_else(|| panic!("{:#?}", parsed.report));
    assert!(!parsed.report.has_errors(), "{:#?}", parsed.report);
    let facts = open().facts(&BTreeSet::new()).unwrap();
    yard::resolve(&spec, &facts)
}

/// What a file asks for, as this host is now.
pub fn desired(text: &str) -> State {
    let (yard, report) = resolve(text);
    lower(&yard.unwrap_or_else(|| panic!("{report:#?}"))).settled()
}

/// `netyard up` of a file.
pub fn up_file(text: &str) -> Result<usize, Error> {
    up(&desired(text))
}

/// The codes of what is said of a file.
pub fn codes(text: &str) -> Vec<&'static str> {
    resolve(text).1.0.iter().map(|diagnostic| diagnostic.code).collect()
}

/// All of the machine, settings included, when nothing is tentative any more and
/// times are left out.
pub fn whole() -> String {
    settle();
    let settings = sh("cd /proc/sys/net && grep -rs . ipv4/ip_forward ipv4/conf ipv6/conf | \
        grep -v -e stable_secret -e mtu | sort");
    // So is what it sends by, until it is up for the first time.
    let snapshot = snapshot().replace("qdisc noop ", "qdisc noqueue ");
    let text = snapshot + &sh("bridge link; ip maddress show dev eth0") + &settings;
    let seconds = |word: &str| {
        let number = word.strip_suffix("sec").is_some_and(|n| n.parse::<u32>().is_ok());
        if number { "SEC".to_owned() } else { word.to_owned() }
    };
    // An interface that was in another namespace has another number.
    let line = |line: &str| {
        let unnumbered = line.split_once(": ").filter(|(n, _)| n.parse::<u32>().is_ok());
        let line = unnumbered.map_or(line, |(_, rest)| rest);
        line.split(' ').map(seconds).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Waits for duplicate address detection on the host.
pub fn settle() {
    let begin = Instant::now();
    while !sh("ip -6 -o addr show tentative").is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "still tentative");
        std::thread::yield_now();
    }
}

/// A TCP connection on which a question is asked again and again.
pub struct Stream {
    ended: Arc<AtomicBool>,
    rounds: Arc<AtomicU32>,
    worst: JoinHandle<Duration>,
}

/// How long an answer may take at most.
const PATIENCE: Duration = Duration::from_secs(10);

impl Stream {
    /// From the host to an address in the outer namespace.
    pub fn open(to: &str) -> Self {
        Self::between(None, to)
    }

    /// From a published namespace, or the host.
    pub fn between(from: Option<&str>, to: &str) -> Self {
        let address: IpAddr = to.parse().unwrap();
        let listener = inside("outer", || TcpListener::bind((address, 0)).unwrap());
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
        });
        let connect =
            move || TcpStream::connect_timeout(&SocketAddr::new(to.ip(), to.port()), PATIENCE);
        let stream = match from {
            Some(name) => inside(name, connect),
            None => connect(),
        };
        let mut stream = stream.unwrap_or_else(|error| panic!("{to}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (ended, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (end, count) = (ended.clone(), rounds.clone());
        let worst = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            let mut byte = [7];
            while !end.load(Ordering::Relaxed) {
                let begin = Instant::now();
                stream.write_all(&byte).expect("the connection is broken");
                stream.read_exact(&mut byte).expect("no answer in time");
                worst = worst.max(begin.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
            }
            worst
        });
        let stream = Self { ended, rounds, worst };
        stream.goes_on();
        stream
    }

    /// Waits for some more answers.
    pub fn goes_on(&self) {
        let begun = self.rounds.load(Ordering::Relaxed);
        while self.rounds.load(Ordering::Relaxed) < begun + 10 {
            assert!(!self.worst.is_finished(), "the connection is broken");
            std::thread::yield_now();
        }
    }

    /// The longest that an answer took.
    pub fn close(self) -> Duration {
        self.ended.store(true, Ordering::Relaxed);
        self.worst.join().expect("the connection is broken")
    }
}

/// A packet and its answer between the host and an address in the outer namespace.
pub fn host_reaches(to: &str) -> bool {
    Stream::open(to).close() < PATIENCE
}
