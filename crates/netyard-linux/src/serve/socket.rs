//! Sockets of the server: bound to an interface, quick to be taken over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use netyard_core::name::InterfaceName;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::facts::listeners;

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A UDP socket for all that comes in on an interface for a port, broadcasts
/// among it; without an interface, for what comes in on those that have none.
pub(super) fn udp4_on(interface: Option<&InterfaceName>, port: u16) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, FLAGS, None)?;
    // Not to be shared: of two servers on one network each would hear every client.
    sockopt::set_socket_broadcast(&socket, true)?;
    if let Some(interface) = interface {
        bind_to(&socket, interface)?;
    }
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    bind(&socket, &address).map_err(|error| taken(error.into(), "udp", address))?;
    Ok(socket)
}

/// A UDP socket at an address of the server's.
pub(super) fn udp(address: SocketAddr) -> io::Result<OwnedFd> {
    at(address, SocketType::DGRAM, "udp")
}

/// A TCP socket that listens at an address of the server's.
pub(super) fn tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = at(address, SocketType::STREAM, "tcp")?;
    rustix::net::listen(&socket, 64).map_err(|error| taken(error.into(), "tcp", address))?;
    Ok(socket)
}

fn at(address: SocketAddr, ty: SocketType, protocol: &'static str) -> io::Result<OwnedFd> {
    let socket = socket_with(family(address.ip()), ty, FLAGS, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if ty == SocketType::STREAM {
        // Connections of the server before may linger.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address).map_err(|error| taken(error.into(), protocol, address))?;
    Ok(socket)
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET }
}

/// Says whose a port is that is taken.
fn taken(error: io::Error, protocol: &str, address: SocketAddr) -> io::Error {
    if error.kind() != io::ErrorKind::AddrInUse {
        return io::Error::new(error.kind(), format!("{protocol} {address}: {error}"));
    }
    let owner = listeners::read().into_iter().flatten().find_map(|listener| {
        let overlaps = listener.address == address.ip()
            || listener.address.is_unspecified()
            || address.ip().is_unspecified();
        let same = listener.protocol == protocol && listener.port == address.port() && overlaps;
        same.then_some(listener.owner).flatten()
    });
    let owner = match owner {
        Some((name, pid)) => format!("`{name}` (process {pid})"),
        None => "a program of another user".to_owned(),
    };
    let text =
        format!("{protocol} port {} at {} is taken by {owner}", address.port(), address.ip());
    io::Error::new(io::ErrorKind::AddrInUse, text)
}

/// Ties a socket to an interface (`SO_BINDTODEVICE`, socket(7)).
pub(crate) fn bind_to(socket: &OwnedFd, interface: &InterfaceName) -> io::Result<()> {
    let name = interface.as_str().as_bytes();
    // SAFETY: the pointer and the length are those of `name`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            name.len() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor that these signals come by, instead of interrupting.
pub(crate) fn signals(which: &[libc::c_int]) -> io::Result<OwnedFd> {
    // SAFETY: the set is made before it is read, and lives as long as the calls.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in which {
            libc::sigaddset(&mut set, *signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// The next signal that came.
pub(crate) fn signal(signals: &OwnedFd) -> io::Result<Option<libc::c_int>> {
    let mut buffer = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(signals, &mut buffer[..]) {
        // `ssi_signo` is the first of its fields.
        Ok(length) if length >= 4 => {
            Ok(Some(i32::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]])))
        }
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Binds an IPv6 UDP socket to a port of all addresses.
pub(super) fn bind6(socket: &OwnedFd, port: u16) -> io::Result<()> {
    let address = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
    bind(socket, &address).map_err(|error| taken(error.into(), "udp", address))
}
