//! One TCP stream through a router that translates addresses: as a yard's
//! uplink, and wired by hand with `ip` and `nft`, in turns on the same machine.

use crate::beside::{Beside, median, sh, succeed};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a yard's router must reach of the hand-made one's throughput.
const TARGET: f64 = 0.95;
/// How long one stream lasts.
const LENGTH: Duration = Duration::from_secs(1);
const PORT: u16 = 5001;
/// In the outer namespace.
const SINK: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Bytes that are written and read at once.
const CHUNK: usize = 128 << 10;

const OUTER: &str = "
    mkdir -p /run/netns; ip link set lo up; ip netns add outer
    ip link add eth0 type veth peer name up0 netns outer
    ip -n outer link set up0 up; ip -n outer addr add 192.0.2.1/24 dev up0
    ip link set eth0 up; ip addr add 192.0.2.10/24 dev eth0
    ip route add default via 192.0.2.1";

const BY_HAND: &str = "
    ip netns add hand; ip link add lan type bridge; ip link set lan up
    ip link add port type veth peer name eth0 netns hand
    ip link set port master lan up; ip addr add 10.77.0.254/24 dev lan
    ip -n hand link set eth0 up; ip -n hand addr add 10.77.0.1/24 dev eth0
    ip -n hand route add default via 10.77.0.254
    echo 1 > /proc/sys/net/ipv4/ip_forward
    nft 'table inet hand { chain out { type nat hook postrouting priority srcnat;
        ip saddr 10.77.0.0/24 oifname != lan masquerade; }; }'";

const BY_HAND_DOWN: &str = "
    nft delete table inet hand; ip link del lan; ip link del port; ip netns del hand
    echo 0 > /proc/sys/net/ipv4/ip_forward";

const YARD: &str = "yard: nat
networks: { lan: { prefix: 10.77.0.0/24, uplink: { masquerade: auto, ipv6: none } } }
nodes: { a: { interfaces: { eth0: { network: lan } } } }
";

/// Measures both.
///
/// # Errors
/// What a program or the kernel said.
pub fn measure(netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    let file = std::env::temp_dir().join("netyard-bench-nat.yaml");
    std::fs::write(&file, YARD)?;
    let yard = |verb: &str| {
        let mut command = Command::new(netyard);
        succeed(command.arg(verb).arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()))
    };
    sh(OUTER)?;
    let (mut hand, mut ours) = (Vec::new(), Vec::new());
    for run in 0..runs {
        // Whoever is first has the warmer or the colder machine: in turns.
        for turn in [run % 2, (run + 1) % 2] {
            let speed = if turn == 0 {
                sh(BY_HAND)?;
                let speed = stream("hand", "outer", SINK);
                sh(BY_HAND_DOWN)?;
                speed
            } else {
                yard("up")?;
                let speed = stream("nat-a", "outer", SINK);
                yard("down")?;
                speed
            };
            if turn == 0 { hand.push(speed?) } else { ours.push(speed?) }
        }
    }
    std::fs::remove_file(&file)?;
    let (hand, ours) = (median(&mut hand), median(&mut ours));
    Ok(vec![Beside {
        what: "one TCP stream through a NAT router".into(),
        unit: "Gbit/s".into(),
        hand,
        ours,
        least: Some(TARGET),
        runs,
        ..Beside::default()
    }])
}

/// Gigabits per second from a namespace to an address in another one.
pub fn stream(from: &str, into: &str, address: Ipv4Addr) -> io::Result<f64> {
    let mut sink = inside(into, &["drain"])?;
    // It says when it listens.
    let mut output = sink.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    output.read_exact(&mut [0])?;
    let poured = inside(from, &["pour", &address.to_string()])?.wait()?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    sink.wait()?;
    if !poured.success() {
        return Err(io::Error::other(format!("no stream from `{from}`")));
    }
    text.trim().parse().map_err(|_| io::Error::other(format!("no number: `{text}`")))
}

fn inside(name: &str, words: &[&str]) -> io::Result<Child> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(std::env::current_exe()?).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// Child mode: takes in one stream and prints how fast it was.
///
/// # Errors
/// What the kernel said.
pub fn drain() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    println!();
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; CHUNK];
    let (mut bytes, begin) = (0, Instant::now());
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            length => bytes += length,
        }
    }
    println!("{}", bytes as f64 * 8.0 / begin.elapsed().as_secs_f64() / 1e9);
    Ok(())
}

/// Child mode: pours out one stream to an address.
///
/// # Errors
/// What the kernel said.
pub fn pour(words: &[String]) -> io::Result<()> {
    let to = words.first().and_then(|word| word.parse::<Ipv4Addr>().ok());
    let to = to.ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect_timeout(&(to, PORT).into(), Duration::from_secs(10))?;
    let buffer = vec![0; CHUNK];
    let begin = Instant::now();
    while begin.elapsed() < LENGTH {
        stream.write_all(&buffer)?;
    }
    Ok(())
}
