//! First ping: how long a node waits for an answer from its neighbour.

use crate::floor::check;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A first ping must be answered in this time.
pub const DEADLINE: Duration = Duration::from_millis(50);
/// When to stop trying.
const PATIENCE: Duration = Duration::from_secs(5);
const RESEND: Duration = Duration::from_millis(10);
const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// Pings all `targets` from the calling thread's namespace until one answers.
///
/// # Errors
/// When the socket fails or nobody answers in five seconds.
pub fn first_answer(targets: &[Ipv4Addr]) -> io::Result<Duration> {
    // SAFETY: a plain socket call; the descriptor is ours alone.
    let socket = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        OwnedFd::from_raw_fd(check(libc::socket(libc::AF_INET, kind, libc::IPPROTO_ICMP))?)
    };
    let start = Instant::now();
    let mut next = Duration::ZERO;
    while start.elapsed() < PATIENCE {
        if start.elapsed() >= next {
            next = start.elapsed() + RESEND;
            for target in targets {
                send(&socket, *target)?;
            }
        }
        let wait = next.saturating_sub(start.elapsed());
        if answered(&socket, wait, targets)? {
            return Ok(start.elapsed());
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {targets:?}")))
}

fn send(socket: &OwnedFd, target: Ipv4Addr) -> io::Result<()> {
    // Echo request, id 1, sequence 1, with its checksum.
    let packet = [ECHO, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    // SAFETY: sockaddr_in is plain data; both buffers outlive the call.
    unsafe {
        let mut to: libc::sockaddr_in = std::mem::zeroed();
        to.sin_family = libc::AF_INET as u16;
        to.sin_addr.s_addr = u32::from_ne_bytes(target.octets());
        let length = size_of_val(&to) as u32;
        let bytes = packet.as_ptr().cast();
        let sent = libc::sendto(
            socket.as_raw_fd(),
            bytes,
            packet.len(),
            0,
            (&raw const to).cast(),
            length,
        );
        check(sent as i32).map(drop)
    }
}

fn answered(socket: &OwnedFd, wait: Duration, targets: &[Ipv4Addr]) -> io::Result<bool> {
    let milliseconds = wait.as_millis().max(1) as i32;
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    if unsafe { check(libc::poll(&raw mut poll, 1, milliseconds))? } == 0 {
        return Ok(false);
    }
    let mut packet = [0u8; 256];
    // SAFETY: the buffer outlives the call and its size is given.
    let got =
        unsafe { libc::recv(socket.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) };
    let from = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
    Ok(got >= 28 && packet[20] == ECHO_REPLY && targets.contains(&from))
}

/// Where the nodes of a yard with allotted addresses have their neighbours:
/// the other end of a /31 or /30, else the addresses beside this one.
///
/// # Errors
/// When this namespace has no address besides loopback.
pub fn neighbours() -> io::Result<Vec<Ipv4Addr>> {
    let mut own = Vec::new();
    // A connected socket names the address the kernel would send from.
    for line in fs::read_to_string("/proc/thread-self/net/route")?.lines().skip(1) {
        let mut words = line.split_ascii_whitespace();
        let (Some(_), Some(network)) = (words.next(), words.next()) else { continue };
        let (Some("00000000"), Some(mask)) = (words.next(), words.nth(4)) else { continue };
        let (Ok(network), Ok(mask)) =
            (u32::from_str_radix(network, 16), u32::from_str_radix(mask, 16))
        else {
            continue;
        };
        if mask != 0 {
            own.push((source_towards(Ipv4Addr::from(network.to_be() | 1))?, mask.to_be()));
        }
    }
    let beside = |(address, mask): &(Ipv4Addr, u32)| {
        let bits = address.to_bits();
        match mask.count_ones() {
            31 => vec![bits ^ 1],
            30 => vec![bits ^ 3],
            _ => vec![bits.wrapping_add(1), bits.wrapping_sub(1)],
        }
    };
    let found: Vec<_> = own.iter().flat_map(beside).map(Ipv4Addr::from_bits).collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "this node has no network"));
    }
    Ok(found)
}

fn source_towards(target: Ipv4Addr) -> io::Result<Ipv4Addr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((target, 9))?;
    match socket.local_addr()?.ip() {
        std::net::IpAddr::V4(address) => Ok(address),
        std::net::IpAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
