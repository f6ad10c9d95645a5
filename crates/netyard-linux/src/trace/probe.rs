//! The packet that is really sent, and whoever listens for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netyard_core::explain::{Kind, Packet, Token};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// Header sizes, in bytes: IPv4 and IPv6 without options; UDP and ICMP echo.
const IPV4: u32 = 20;
const IPV6: u32 = 40;
const UDP: u32 = 8;
/// The token and what a traced header shows beside it.
const LEAST: usize = 12;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub kind: Kind,
    pub source: Option<IpAddr>,
    pub source_port: u16,
    pub destination: IpAddr,
    pub destination_port: u16,
    /// The whole IP packet, in bytes.
    pub size: u32,
}

/// A sender, in the namespace of the thread that made it.
pub(super) struct Probe {
    fd: OwnedFd,
    token: Token,
    order: Order,
    /// What it sends.
    pub packet: Packet,
    connected: bool,
}

/// What became of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Answer,
    /// The kernel or an ICMP error says no.
    Refusal(Errno),
}

impl Order {
    /// The size of an ordinary packet of the kind.
    pub fn usual_size(kind: Kind, ipv6: bool) -> u32 {
        let ip = if ipv6 { IPV6 } else { IPV4 };
        match kind {
            Kind::Ping => ip + UDP + 56,
            Kind::Udp => ip + UDP + LEAST as u32,
            // Options of Linux's SYN included.
            Kind::Tcp => ip + 40,
        }
    }

    fn payload(&self) -> usize {
        let ip = if self.destination.is_ipv6() { IPV6 } else { IPV4 };
        (self.size.saturating_sub(ip + UDP) as usize).max(LEAST)
    }
}

impl Probe {
    /// Makes the sender; nothing is sent yet. Where there is no way to the
    /// destination that is told by [`Self::send`].
    pub fn open(order: Order, token: Token) -> io::Result<Self> {
        let ipv6 = order.destination.is_ipv6();
        let family = if ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let (ty, protocol) = match order.kind {
            Kind::Ping => (SocketType::RAW, order.kind.number(ipv6)),
            Kind::Udp => (SocketType::DGRAM, 0),
            Kind::Tcp => (SocketType::STREAM, 0),
        };
        let protocol = rustix::net::RawProtocol::new(protocol.into());
        let fd = rustix::net::socket_with(
            family,
            ty,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            protocol.map(rustix::net::Protocol::from_raw),
        )?;
        let any = if ipv6 {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        let mut from = SocketAddr::new(order.source.unwrap_or(any), 0);
        if order.kind != Kind::Ping {
            from.set_port(order.source_port);
            sockopt::set_socket_reuseaddr(&fd, true)?;
            rustix::net::bind(&fd, &from)?;
        } else if order.source.is_some() {
            rustix::net::bind(&fd, &from)?;
        }
        do_not_fragment(fd.as_fd(), ipv6)?;
        let source_port = match order.kind {
            Kind::Ping if order.source_port != 0 => order.source_port,
            Kind::Ping => (token.0 >> 8) as u16 | 1,
            _ => local(&fd)?.port(),
        };
        if order.kind == Kind::Tcp {
            // The end of the connection is a reset: nothing of it stays anywhere.
            sockopt::set_socket_linger(&fd, Some(std::time::Duration::ZERO))?;
            begin_with(fd.as_fd(), token)?;
        }
        let source = order.source.unwrap_or_else(|| source_of(&order).unwrap_or(any));
        let packet = Packet {
            kind: order.kind,
            source,
            destination: order.destination,
            source_port,
            destination_port: order.destination_port,
            size: order.size,
        };
        Ok(Self { fd, token, order, packet, connected: false })
    }

    /// Sends it; a TCP connection is only begun once, the kernel repeats.
    pub fn send(&mut self) -> io::Result<()> {
        let to = SocketAddr::new(
            self.order.destination,
            match self.order.kind {
                Kind::Ping => 0,
                _ => self.order.destination_port,
            },
        );
        if !self.connected {
            match rustix::net::connect(&self.fd, &to) {
                Ok(()) | Err(Errno::INPROGRESS) => self.connected = true,
                Err(errno) => return Err(errno.into()),
            }
        } else if self.order.kind == Kind::Tcp {
            return Ok(());
        }
        let mut bytes = match self.order.kind {
            Kind::Tcp => return Ok(()),
            Kind::Udp => Vec::new(),
            Kind::Ping => {
                let ty = if self.order.destination.is_ipv6() { 128 } else { 8 };
                let mut header = vec![ty, 0, 0, 0];
                header.extend(self.packet.source_port.to_be_bytes());
                header.extend([0, 1]);
                header
            }
        };
        bytes.extend(self.token.bytes());
        let header = bytes.len() - 4;
        bytes.resize(header + self.order.payload(), 0);
        if self.order.kind == Kind::Ping && !self.order.destination.is_ipv6() {
            let sum = checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        rustix::net::send(&self.fd, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// What has come back meanwhile.
    pub fn hear(&mut self) -> io::Result<Heard> {
        if self.order.kind == Kind::Tcp {
            return self.hear_connection();
        }
        let mut buffer = [0; 2048];
        loop {
            let got = rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT);
            match got {
                Ok((_, length)) => {
                    if self.order.kind == Kind::Udp || self.is_answer(&buffer[..length]) {
                        return Ok(Heard::Answer);
                    }
                }
                Err(Errno::AGAIN) => return Ok(Heard::Nothing),
                Err(Errno::INTR) => {}
                Err(errno) => return Ok(Heard::Refusal(errno)),
            }
        }
    }

    fn hear_connection(&self) -> io::Result<Heard> {
        if !self.connected {
            return Ok(Heard::Nothing);
        }
        if let Err(errno) = sockopt::socket_error(&self.fd)? {
            return Ok(Heard::Refusal(errno));
        }
        // Where nobody is at the other end there is none.
        match rustix::net::getpeername(&self.fd) {
            Ok(_) => Ok(Heard::Answer),
            Err(_) => Ok(Heard::Nothing),
        }
    }

    fn is_answer(&self, packet: &[u8]) -> bool {
        // A raw socket of IPv4 gives the IP header, too; one of IPv6 does not.
        let (ty, icmp) = match self.order.destination {
            IpAddr::V4(_) => {
                let length = usize::from(packet.first().copied().unwrap_or(0) & 15) * 4;
                (0, packet.get(length..).unwrap_or_default())
            }
            IpAddr::V6(_) => (129, packet),
        };
        icmp.first() == Some(&ty) && icmp.get(8..12) == Some(&self.token.bytes())
    }

    /// Ready when there is something to hear.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The source address the kernel would choose.
fn source_of(order: &Order) -> Option<IpAddr> {
    let any: IpAddr = match order.destination {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((order.destination, order.destination_port.max(1))).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn local(fd: &OwnedFd) -> io::Result<SocketAddr> {
    let address = rustix::net::getsockname(fd)?;
    SocketAddr::try_from(address).map_err(|errno| errno.into())
}

fn set(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its size is given.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The don't-fragment bit, whatever the kernel remembers of the path.
fn do_not_fragment(fd: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    const PROBE: libc::c_int = 3; // IP_PMTUDISC_PROBE, linux/in.h
    const IPV6_DONTFRAG: libc::c_int = 62; // linux/in6.h
    if ipv6 {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, PROBE)?;
        return set(fd, libc::IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    }
    set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, PROBE)
}

/// Makes the token the first sequence number of the connection
/// (`TCP_REPAIR`, tcp(7); a socket that is not connected has no queue yet, so
/// only the number is set).
fn begin_with(fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
    const TCP_REPAIR: libc::c_int = 19; // linux/tcp.h
    const TCP_REPAIR_QUEUE: libc::c_int = 20;
    const TCP_QUEUE_SEQ: libc::c_int = 21;
    const SEND_QUEUE: libc::c_int = 2;
    const OFF_WITHOUT_PROBE: libc::c_int = -1;
    set(fd, libc::IPPROTO_TCP, TCP_REPAIR, 1)?;
    set(fd, libc::IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)?;
    set(fd, libc::IPPROTO_TCP, TCP_QUEUE_SEQ, token.0 as libc::c_int)?;
    set(fd, libc::IPPROTO_TCP, TCP_REPAIR, OFF_WITHOUT_PROBE)
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Somebody who listens where nobody else does, and answers.
pub(super) enum StandIn {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl StandIn {
    /// Listens in the calling thread's namespace; none where somebody does, or
    /// where the address is not.
    pub fn open(kind: Kind, address: IpAddr, port: u16) -> Option<Self> {
        match kind {
            Kind::Ping => None,
            Kind::Tcp => Some(Self::Tcp(TcpListener::bind((address, port)).ok()?)),
            Kind::Udp => {
                let socket = UdpSocket::bind((address, port)).ok()?;
                socket.set_nonblocking(true).ok()?;
                Some(Self::Udp(socket))
            }
        }
    }

    /// Answers what has come.
    pub fn answer(&self, token: Token) {
        let Self::Udp(socket) = self else { return };
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if buffer.get(..4) == Some(&token.bytes()) && length >= LEAST {
                buffer[..4].copy_from_slice(&token.answer().bytes());
                // If it cannot be sent, the walk back shows why.
                let _ = socket.send_to(&buffer[..LEAST], from);
            }
        }
    }

    /// Ready when there is something to answer; a TCP connection the kernel answers.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_up_to_nothing() {
        let mut bytes = vec![8, 0, 0, 0, 1, 2, 3, 4, 5];
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&bytes), 0);
    }
}
