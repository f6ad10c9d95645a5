//! The side of the encrypted packets: UDP sockets of both families; and signals.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::Wish;

/// Bytes of packets that may wait in the kernel.
const BUFFER: usize = 4 << 20;

/// The sockets.
pub(super) struct Outside {
    pub v4: UdpSocket,
    /// None where the kernel has no IPv6.
    pub v6: Option<UdpSocket>,
}

impl Outside {
    /// Opens them on a port, in the namespace of this process.
    pub fn bind(port: u16) -> io::Result<Self> {
        let taken = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                let owner = crate::facts::udp_owner(port);
                let owner = owner.map(|(name, pid)| format!(" by {name} (process {pid})"));
                let owner = owner.unwrap_or_default();
                io::Error::other(format!("UDP port {port} is taken{owner}"))
            }
            _ => error,
        };
        let v4 =
            socket(AddressFamily::INET, (Ipv4Addr::UNSPECIFIED, port).into()).map_err(taken)?;
        let v6 = match socket(AddressFamily::INET6, (Ipv6Addr::UNSPECIFIED, port).into()) {
            Ok(socket) => Some(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(taken(error)),
            Err(_) => None,
        };
        Ok(Self { v4, v6 })
    }

    /// Sends one datagram. One that cannot be sent is lost, as others are on the way.
    pub fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = match (to, &self.v6) {
            (SocketAddr::V4(_), _) => self.v4.send_to(packet, to),
            (SocketAddr::V6(_), Some(v6)) => v6.send_to(packet, to),
            (SocketAddr::V6(_), None) => return,
        };
    }

    /// Sends one datagram soon.
    pub fn queue(&mut self, packet: &[u8], to: SocketAddr) {
        self.send(packet, to);
    }

    /// Sends what waits.
    pub fn flush(&mut self) {}

    /// Takes one datagram, if there is one.
    pub fn receive(&self, v6: bool, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        let socket = if v6 { self.v6.as_ref() } else { Some(&self.v4) };
        let Some(socket) = socket else { return Ok(None) };
        match socket.recv_from(buffer) {
            Ok(found) => Ok(Some(found)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                // What came back of an earlier datagram (ICMP).
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => Ok(None),
                _ => Err(error),
            },
        }
    }
}

fn socket(family: AddressFamily, address: SocketAddr) -> io::Result<UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        // Up to net.core.rmem_max.
        sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
    }
    let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER);
    rustix::net::bind(&socket, &address)?;
    Ok(UdpSocket::from(socket))
}

/// A descriptor that tells of SIGHUP, SIGTERM and SIGINT, which do nothing else
/// from now on.
pub(crate) fn signals() -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid set, which the calls fill; the descriptor is new
    // and owned by nobody else.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGINT] {
            libc::sigaddset(&raw mut set, signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// What the next signal asks for.
pub(crate) fn signal(fd: BorrowedFd<'_>) -> io::Result<Option<Wish>> {
    let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
    // SAFETY: the buffer outlives the call and its size is given.
    let got = unsafe { libc::read(fd.as_raw_fd(), info.as_mut_ptr().cast(), info.len()) };
    if got < 4 {
        return Ok(None);
    }
    let signal = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
    let hup = signal == libc::SIGHUP as u32;
    Ok(Some(if hup { Wish::Reload } else { Wish::End }))
}
