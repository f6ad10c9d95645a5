//! Firewalls of files, proved by traffic: a yard is resolved and brought up as
//! the command does it, and programs in its nodes try to reach each other.

mod cone;
mod filter;
mod host;
mod limit;
mod nat;
mod protocol;
mod vm_firewall;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use netyard_core::diag::Source;
use netyard_core::facts::Facts;
use netyard_core::nft::Protocol;
use netyard_core::spec;
use netyard_core::state::{State, lower};
use netyard_core::yard::{self, Yard};

use crate::yard::{alone, down, inside, sh, snapshot, steps_left, up};

/// How long a path may take to become ready.
const READY: Duration = Duration::from_secs(10);
/// How long nothing must come for a packet to count as dropped.
const SILENCE: Duration = Duration::from_millis(400);

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Open,
    Refused,
    Unreachable,
    Silent,
}
use Answer::{Open, Refused, Silent, Unreachable};

fn resolve(text: &str) -> Yard {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "bed", &mut |_, _| Err("no such file".to_owned()));
    let mut facts = Facts { host_reachable: true, ..Facts::default() };
    facts.services.insert("gopher".to_owned(), vec![(Protocol::Tcp, 70)]);
    let spec = parsed.spec.unwrap_or_else(|| panic!("{:#?}", parsed.report));
    let (yard, report) = yard::resolve(&spec, &facts);
    assert!(!parsed.report.has_errors(), "{:#?}", parsed.report);
    yard.unwrap_or_else(|| panic!("{report:#?}"))
}

fn state(text: &str) -> State {
    lower(&resolve(text)).settled()
}

/// Runs a test in a machine of its own on which this yard is up.
fn lab(text: &str, test: impl FnOnce(&mut Lab) + Send) {
    lab_after("", text, test);
}

/// The same on a machine of which this script was made something first.
fn lab_after(script: &str, text: &str, test: impl FnOnce(&mut Lab) + Send) {
    alone(|| {
        sh(script);
        let before = snapshot();
        let state = state(text);
        up(&state).unwrap_or_else(|error| panic!("{error}\n{error:?}"));
        assert_eq!(steps_left(&state), [] as [String; 0]);
        test(&mut Lab);
        down().unwrap();
        assert_eq!(snapshot(), before);
    });
}

/// A yard that is up, its nodes published as `bed-NODE`.
struct Lab;

impl Lab {
    /// Another file in the place of the first.
    fn change(&mut self, text: &str) {
        let state = state(text);
        up(&state).unwrap_or_else(|error| panic!("{error}\n{error:?}"));
        assert_eq!(steps_left(&state), [] as [String; 0]);
    }

    fn inside<R: Send>(&self, node: &str, work: impl FnOnce() -> R + Send) -> R {
        match node {
            "host" => work(),
            node => inside(&format!("bed-{node}"), work),
        }
    }

    /// Listens on every address of a node.
    fn listen(&self, node: &str, port: u16) -> TcpListener {
        let listener = self.inside(node, || TcpListener::bind(("::", port)).unwrap());
        listener.set_nonblocking(true).unwrap();
        listener
    }

    /// Tries until it opens, so that a path may become ready.
    fn opens(&self, from: &str, to: &str) -> TcpStream {
        let begin = Instant::now();
        loop {
            match self.connect(from, to) {
                Ok(stream) => return stream,
                Err(answer) => {
                    assert!(begin.elapsed() < READY, "{from} does not reach {to}: {answer:?}");
                }
            }
        }
    }

    fn connect(&self, from: &str, to: &str) -> Result<TcpStream, Answer> {
        let to: SocketAddr = to.parse().unwrap();
        self.inside(from, || TcpStream::connect_timeout(&to, SILENCE)).map_err(|error| {
            match (error.kind(), error.raw_os_error()) {
                (ErrorKind::ConnectionRefused, _) => Refused,
                (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => Silent,
                (_, Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EACCES)) => Unreachable,
                _ => panic!("{to}: {error}"),
            }
        })
    }

    fn tcp(&self, from: &str, to: &str) -> Answer {
        match self.connect(from, to) {
            Ok(_) => Open,
            Err(answer) => answer,
        }
    }

    /// A socket of a node.
    fn udp(&self, node: &str, address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().unwrap();
        let begin = Instant::now();
        loop {
            // An IPv6 address is not there before it was seen to be nobody else's.
            match self.inside(node, || UdpSocket::bind(address)) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(SILENCE)).unwrap();
                    return socket;
                }
                Err(error) => assert!(begin.elapsed() < READY, "{node} {address}: {error}"),
            }
        }
    }

    /// Waits until two nodes see each other, whatever their firewalls say of TCP
    /// and UDP: by a ping, which the file must let through.
    fn ready(&self, from: &str, to: &str) {
        let begin = Instant::now();
        let family = if to.contains(':') { "-6" } else { "-4" };
        let command = format!("ip netns exec bed-{from} ping {family} -q -c 1 -W 1 {to}");
        loop {
            let mut shell = std::process::Command::new("sh");
            if shell.args(["-c", &command]).output().unwrap().status.success() {
                return;
            }
            assert!(begin.elapsed() < READY, "{from} does not reach {to}");
        }
    }

    /// The packets that a rule counted, by its comment.
    fn counted(&self, node: &str, comment: &str) -> u64 {
        let text = sh(&format!("ip netns exec bed-{node} nft list ruleset"));
        let lines = text.lines().filter(|l| l.contains(&format!("comment \"{comment}\"")));
        let count = |line: &str| {
            let rest = line.split("counter packets ").nth(1)?;
            rest.split(' ').next()?.parse::<u64>().ok()
        };
        let all: Vec<u64> = lines.filter_map(count).collect();
        assert!(!all.is_empty(), "no rule `{comment}` in {text}");
        all.iter().sum()
    }
}

/// Who connected, as the listener sees it.
fn peer(listener: &TcpListener) -> SocketAddr {
    let begin = Instant::now();
    loop {
        match listener.accept() {
            Ok((_, peer)) => return plain(peer),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                assert!(begin.elapsed() < READY, "nobody came");
                std::thread::yield_now();
            }
        }
    }
}

/// An IPv4 address in an IPv6 one is itself.
fn plain(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4),
        four => four,
    };
    SocketAddr::new(ip, address.port())
}

/// Sends and says whom the other side saw, if it saw anybody.
fn send(from: &UdpSocket, to: &UdpSocket) -> Option<SocketAddr> {
    send_to(from, to.local_addr().unwrap(), to)
}

/// The same to an address behind which `to` is thought to be.
fn send_to(from: &UdpSocket, address: SocketAddr, to: &UdpSocket) -> Option<SocketAddr> {
    let token: [u8; 8] = std::array::from_fn(|i| (address.port() as u8).wrapping_add(i as u8 * 31));
    let mine = from.local_addr().unwrap().port().to_be_bytes();
    let words = [&token[..], &mine].concat();
    // What came for an earlier try was an answer to that.
    let _ = from.send_to(&words, address);
    let mut buffer = [0; 32];
    let begin = Instant::now();
    while begin.elapsed() < SILENCE {
        match to.recv_from(&mut buffer) {
            Ok((length, peer)) if buffer[..length] == words[..] => return Some(peer),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Sends again and again until it arrives: for the first packet of a path.
fn reach(from: &UdpSocket, to: &UdpSocket) -> SocketAddr {
    let begin = Instant::now();
    loop {
        if let Some(peer) = send(from, to) {
            return peer;
        }
        assert!(begin.elapsed() < READY, "{from:?} does not reach {to:?}");
    }
}

/// The segment size that a connection agreed on.
fn segment(stream: &TcpStream) -> u32 {
    let (mut size, mut length) = (0_u32, 4_u32);
    // SAFETY: both point to what outlives the call, of the length that is said.
    let done = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MAXSEG,
            (&raw mut size).cast(),
            &raw mut length,
        )
    };
    assert_eq!(done, 0);
    size
}

/// Both a router `gw` and those on its sides: `in` at `inside`, `out` at `outside`.
const SIDES: &str = r#"
yard: bed
nodes:
  gw: { forward: true }
  in: { interfaces: { eth0: { gateway: "gw:inside" } } }
  out: { interfaces: { eth0: { gateway: "gw:outside" } } }
links:
  - { ends: ["in:eth0", "gw:inside"], prefix: [10.0.0.0/24, "fd00:1::/64"] }
  - { ends: ["out:eth0", "gw:outside"], prefix: [192.0.2.0/24, "fd00:2::/64"] }
"#;

/// The same with this firewall of `gw`, indented by four.
fn sides(firewall: &str) -> String {
    format!("{SIDES}firewall:\n  gw:\n{firewall}")
}

const IN: [&str; 2] = ["10.0.0.1", "[fd00:1::1]"];
const GW_IN: [&str; 2] = ["10.0.0.2", "[fd00:1::2]"];
const OUT: [&str; 2] = ["192.0.2.1", "[fd00:2::1]"];
const GW_OUT: [&str; 2] = ["192.0.2.2", "[fd00:2::2]"];

/// An address and a port, of both families.
fn at(addresses: [&str; 2], port: u16) -> [String; 2] {
    addresses.map(|address| format!("{address}:{port}"))
}

/// Without the brackets.
fn bare(address: &str) -> &str {
    address.trim_matches(['[', ']'])
}
