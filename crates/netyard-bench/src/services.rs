//! Names and addresses from netyard's server and from dnsmasq, on the same wire
//! in turns: answers a second, handshakes a second, memory.

use crate::beside::{Beside, median, sh};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::floor::space;

/// What netyard must reach of what dnsmasq does.
const TARGET: f64 = 1.0;
/// What a network's services may take, in MiB.
const MEMORY: f64 = 10.0;
/// How long each is measured.
const LENGTH: Duration = Duration::from_secs(2);
/// Questions and clients that are under way at once.
const WINDOW: usize = 64;
/// Names that are asked for.
const NAMES: usize = 100;
/// The client's end of the wire, which is the upstream name server too.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const FILES: &str = "/run/netyard-bench";
/// Networks that one server has at once in the last measurement.
const MANY: usize = 100;

const WIRE: &str = "
    mkdir -p /run/netns /run/netyard-bench; ip link set lo up; ip netns add srv
    ip link add g0 type veth peer name s0 netns srv
    ip link set g0 up; ip addr add 10.99.0.1/16 dev g0
    ip -n srv link set lo up; ip -n srv link set s0 up; ip -n srv addr add 10.99.0.2/16 dev s0";

/// Measures both in turns.
///
/// # Errors
/// What a program or the kernel said.
pub fn measure(netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    sh(WIRE)?;
    let upstream = Upstream::start()?;
    let mut found: [[Vec<f64>; 2]; 4] = Default::default();
    for run in 0..runs {
        // Whoever is first has the warmer or the colder machine: in turns.
        for who in [run % 2, (run + 1) % 2] {
            let server = if who == 0 { Server::dnsmasq()? } else { Server::netyard(netyard, 1)? };
            found[0][who].push(answers("n", "lan.test")?);
            found[1][who].push(answers("n", "example.org")?);
            found[2][who].push(handshakes()?);
            found[3][who].push(server.memory()?);
        }
    }
    drop(upstream);
    let rows = [
        ("DNS answers, names of the network", "1/s", Some(TARGET), None),
        ("DNS answers, from the cache", "1/s", Some(TARGET), None),
        ("DHCPv4 handshakes", "1/s", Some(TARGET), None),
        ("memory after all that (target 10)", "MiB", None, None),
    ];
    let mut all: Vec<Beside> = rows
        .into_iter()
        .zip(&mut found)
        .map(|((what, unit, least, most), [hand, ours])| Beside {
            what: what.into(),
            unit: unit.into(),
            hand: median(hand),
            ours: median(ours),
            least,
            most,
            runs,
            ..Beside::default()
        })
        .collect();
    all.push(memory_beside_limit("memory of one network's services, fresh", netyard, 1)?);
    all.push(memory_beside_limit("memory with 100 networks", netyard, MANY)?);
    Ok(all)
}

/// The limit stands where the other program's number would.
fn memory_beside_limit(what: &str, netyard: &Path, networks: usize) -> io::Result<Beside> {
    let server = Server::netyard(netyard, networks)?;
    let ours = server.memory()?;
    Ok(Beside {
        what: what.into(),
        unit: "MiB, beside the limit".into(),
        hand: MEMORY,
        ours,
        most: (networks == 1).then_some(1.0),
        runs: 1,
        ..Beside::default()
    })
}

/// A server that answers, in its namespace; it ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn dnsmasq() -> io::Result<Self> {
        let mut text = String::from(
            "user=\ngroup=\npid-file=\nlog-facility=/dev/null\nno-hosts\nno-resolv\n\
             bind-interfaces\nexcept-interface=lo\ninterface=s0\ndomain=lan.test\nlocal=/lan.test/\n\
             cache-size=1000\nserver=10.99.0.1\ndhcp-authoritative\nno-ping\nquiet-dhcp\n\
             dhcp-lease-max=70000\ndhcp-leasefile=/run/netyard-bench/dnsmasq.leases\n\
             dhcp-range=10.99.16.0,10.99.255.250,255.255.0.0,3600\n",
        );
        for (name, address) in names() {
            let _ = writeln!(text, "host-record={name}.lan.test,{address}");
        }
        let _ = std::fs::remove_file(format!("{FILES}/dnsmasq.leases"));
        let path = format!("{FILES}/dnsmasq.conf");
        std::fs::write(&path, text)?;
        let mut command = Command::new("dnsmasq");
        command.arg("--keep-in-foreground").arg(format!("--conf-file={path}"));
        Self::start(command)
    }

    fn netyard(binary: &Path, networks: usize) -> io::Result<Self> {
        let records: Vec<_> = names().map(|(name, address)| (name, [address])).collect();
        let dhcp = |net: usize| {
            serde_json::json!({
                "subnet": format!("10.{}.0.0/16", 99 + net),
                "server": format!("10.{}.0.2", 99 + net),
                "ranges": [[format!("10.{}.16.0", 99 + net), format!("10.{}.255.250", 99 + net)]],
                "lease": 3600,
            })
        };
        let all: Vec<_> = (0..networks)
            .map(|net| {
                serde_json::json!({
                    "network": format!("lan{net}"),
                    "interface": format!("s{net}"),
                    "addresses": [format!("10.{}.0.2/16", 99 + net)],
                    "dhcp4": dhcp(net),
                    "dns": {
                        "domain": "lan.test",
                        "records": records,
                        "forward": { "these": [format!("{CLIENT}:53")] },
                        "cache": 1000,
                    },
                })
            })
            .collect();
        for net in 1..networks {
            // They stay for those that come after.
            let net = net.to_string();
            let script = format!(
                "ip -n srv link show s{net} >/dev/null 2>&1 || {{ ip -n srv link add s{net} type bridge; \
                 ip -n srv addr add 10.{}.0.2/16 dev s{net}; ip -n srv link set s{net} up; }}",
                99 + net.parse::<usize>().unwrap_or(0)
            );
            sh(&script)?;
        }
        let config = format!("{FILES}/services.json");
        let served = serde_json::json!({ "version": 1, "networks": all });
        std::fs::write(&config, served.to_string())?;
        let data = format!("{FILES}/data");
        let _ = std::fs::remove_dir_all(&data);
        let mut command = Command::new(binary);
        command.arg("serve").arg(&config).arg(&data);
        Self::start(command)
    }

    fn start(mut command: Command) -> io::Result<Self> {
        let space = File::open("/run/netns/srv")?;
        // SAFETY: one system call between fork and exec, on a descriptor that lives as
        // long as the command.
        unsafe { command.pre_exec(move || space::enter(space.as_fd())) };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(command.spawn()?);
        let socket = UdpSocket::bind((CLIENT, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            socket.send_to(&query(1, "n0", "lan.test"), (SERVER, 53))?;
            if socket.recv(&mut [0; 512]).is_ok() {
                return Ok(server);
            }
        }
        Err(io::Error::other(format!("no answer from {command:?}")))
    }

    /// Resident memory of its own, in MiB.
    fn memory(&self) -> io::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        number.map(|kib| kib / 1024.0).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

fn names() -> impl Iterator<Item = (String, Ipv4Addr)> {
    (0..NAMES).map(|n| (format!("n{n}"), Ipv4Addr::new(10, 99, 1, n as u8)))
}

fn query(id: u16, name: &str, domain: &str) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in std::iter::once(name).chain(domain.split('.')) {
        packet.push(label.len() as u8);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// Answers a second to questions about names, with a window of them under way.
fn answers(prefix: &str, domain: &str) -> io::Result<f64> {
    let socket = UdpSocket::bind((CLIENT, 0))?;
    socket.connect((SERVER, 53))?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let queries: Vec<Vec<u8>> =
        (0..NAMES).map(|n| query(n as u16, &format!("{prefix}{n}"), domain)).collect();
    let mut buffer = [0; 1500];
    // Once each, so that a cache knows them.
    for query in &queries {
        socket.send(query)?;
        let _ = socket.recv(&mut buffer);
    }
    let mut next = (0..NAMES).cycle();
    let mut send = || next.next().map_or(Ok(0), |n| socket.send(&queries[n]));
    for _ in 0..WINDOW {
        send()?;
    }
    let (begin, mut count) = (Instant::now(), 0_u32);
    while begin.elapsed() < LENGTH {
        match socket.recv(&mut buffer) {
            // An answer, without an error, with a record in it.
            Ok(length) if length > 12 && buffer[3] & 15 == 0 && buffer[7] > 0 => count += 1,
            Ok(_) => return Err(io::Error::other(format!("no answer about {domain}"))),
            // What was lost is made up for.
            Err(_) => {
                for _ in 1..WINDOW {
                    send()?;
                }
            }
        }
        send()?;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// DHCPv4 as a relay agent sends it (RFC 2131): four packets for each client.
fn handshakes() -> io::Result<f64> {
    let socket = UdpSocket::bind((CLIENT, 67))?;
    socket.connect((SERVER, 67))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut next = 0_u32;
    let mut start = || {
        next += 1;
        socket.send(&discover(next)).map(|_| ())
    };
    for _ in 0..WINDOW {
        start()?;
    }
    let (begin, mut count) = (Instant::now(), 0_u32);
    let mut buffer = [0; 1500];
    while begin.elapsed() < LENGTH {
        let Ok(length) = socket.recv(&mut buffer) else {
            start()?;
            continue;
        };
        let packet = &buffer[..length];
        match option(packet, 53) {
            Some([2]) => {
                socket.send(&request(packet))?;
            }
            Some([5]) => {
                count += 1;
                start()?;
            }
            other => return Err(io::Error::other(format!("DHCP said {other:?}"))),
        }
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

fn head(client: u32) -> Vec<u8> {
    let mut packet = vec![0; 236];
    packet[..4].copy_from_slice(&[1, 1, 6, 1]);
    packet[4..8].copy_from_slice(&client.to_be_bytes());
    packet[24..28].copy_from_slice(&CLIENT.octets());
    packet[28..30].copy_from_slice(&[2, 0]);
    packet[30..34].copy_from_slice(&client.to_be_bytes());
    packet.extend([99, 130, 83, 99]);
    packet
}

fn discover(client: u32) -> Vec<u8> {
    let mut packet = head(client);
    packet.extend([53, 1, 1, 255]);
    packet.resize(300, 0);
    packet
}

fn request(offer: &[u8]) -> Vec<u8> {
    let client = u32::from_be_bytes([offer[4], offer[5], offer[6], offer[7]]);
    let mut packet = head(client);
    packet.extend([53, 1, 3, 50, 4]);
    packet.extend(&offer[16..20]);
    packet.extend([54, 4]);
    packet.extend(SERVER.octets());
    packet.push(255);
    packet.resize(300, 0);
    packet
}

/// The data of an option.
fn option(packet: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = packet.get(240..)?;
    while let [code, length, tail @ ..] = rest {
        let (data, next) = tail.split_at_checked(usize::from(*length))?;
        if *code == wanted {
            return Some(data);
        }
        rest = next;
    }
    None
}

/// A name server that knows every name, for an hour.
struct Upstream(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Upstream {
    fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((CLIENT, 53))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !ended.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = know(&socket, &buffer[..length], from);
                }
            }
        });
        Ok(Self(end, Some(thread)))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

/// Answers with the question and one record; the question ends four bytes behind its name.
fn know(socket: &UdpSocket, query: &[u8], to: SocketAddr) -> io::Result<usize> {
    let name = query.get(12..).and_then(|rest| rest.iter().position(|byte| *byte == 0));
    let Some(end) = name.map(|at| 12 + at + 5).filter(|end| *end <= query.len()) else {
        return Ok(0);
    };
    let mut answer = query[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 7]);
    socket.send_to(&answer, to)
}
