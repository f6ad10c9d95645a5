//! Sockets of probes: non-blocking, bound as the sender is to be, and with the
//! errors that came from the network.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use netyard_core::expect::{Refusal, Seen};
use netyard_core::name::InterfaceName;
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};

use super::Shot;
use crate::error::errno_text;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Icmp,
    Tcp,
    Udp,
}

/// Opens a socket in the namespace the thread is in, bound to the shot's
/// interface and source address, which tells what the network says of it.
pub(super) fn open(shot: &Shot, sort: Sort) -> io::Result<OwnedFd> {
    let socket = bare(shot.to.is_ipv6(), sort)?;
    if let Some(device) = &shot.device {
        bind_to_device(&socket, device)?;
    }
    if let Some(source) = shot.source.filter(|s| s.is_ipv6() == shot.to.is_ipv6()) {
        rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    }
    Ok(socket)
}

/// A socket that is bound to nothing.
pub(super) fn bare(ipv6: bool, sort: Sort) -> io::Result<OwnedFd> {
    let family = if ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let (ty, protocol): (SocketType, Option<Protocol>) = match (sort, ipv6) {
        (Sort::Icmp, false) => (SocketType::RAW, Some(ipproto::ICMP)),
        (Sort::Icmp, true) => (SocketType::RAW, Some(ipproto::ICMPV6)),
        (Sort::Tcp, _) => (SocketType::STREAM, None),
        (Sort::Udp, _) => (SocketType::DGRAM, None),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, ty, flags, protocol)?;
    match ipv6 {
        false => set(&socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?,
        true => set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?,
    }
    Ok(socket)
}

/// Where a shot goes; to a link-local address, through the sender's interface.
pub(super) fn address(shot: &Shot, socket: &OwnedFd, port: u16) -> io::Result<SocketAddr> {
    match (shot.to, &shot.device) {
        (IpAddr::V6(to), Some(device)) if to.is_unicast_link_local() => {
            let scope = rustix::net::netdevice::name_to_index(socket, device.as_str())?;
            Ok(SocketAddrV6::new(to, port, 0, scope).into())
        }
        (to, _) => Ok(SocketAddr::new(to, port)),
    }
}

/// True where the kernel would send from another address by now than the one that a
/// connected socket has: it chooses once, and addresses come later than probes begin.
pub(super) fn is_stale(shot: &Shot, socket: &OwnedFd) -> io::Result<bool> {
    /// Any port does, to ask for the way (discard, RFC 863).
    const DISCARD: u16 = 9;
    let own = |socket: &OwnedFd| {
        let name = rustix::net::getsockname(socket)?;
        Ok::<_, io::Error>(SocketAddr::try_from(name)?.ip())
    };
    let asked = open(shot, Sort::Udp)?;
    rustix::net::connect(&asked, &address(shot, &asked, DISCARD)?)?;
    Ok(own(&asked)? != own(socket)?)
}

/// Sets an option that is a whole number.
pub(super) fn set(socket: &OwnedFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_bytes(socket, level, name, &value.to_ne_bytes())
}

pub(super) fn set_bytes(socket: &OwnedFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`.
    let done = unsafe {
        let length = value.len() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bind_to_device(socket: &OwnedFd, device: &InterfaceName) -> io::Result<()> {
    set_bytes(socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_str().as_bytes())
}

/// What the network said of what a socket sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// `ee_errno`.
    pub errno: Errno,
    /// It came from the network, in ICMP: its type and code.
    pub icmp: Option<(u8, u8)>,
    /// The MTU, where that is what it is about.
    pub mtu: u32,
    /// Who said so.
    pub by: Option<IpAddr>,
    /// Where what it is about was going.
    pub to: Option<IpAddr>,
}

/// Takes the next complaint off a socket's error queue (`IP_RECVERR`, ip(7)).
pub(super) fn complaint(socket: &OwnedFd) -> Option<Complaint> {
    // Room for one `sock_extended_err` and an address behind it.
    let mut control = [0_u64; 32];
    let mut payload = [0_u8; 64];
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: all zeroes is an empty message.
    let mut message: libc::msghdr = unsafe { zeroed() };
    // SAFETY: all zeroes is no address.
    let mut name: libc::sockaddr_in6 = unsafe { zeroed() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of_val(&name) as _;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: every pointer of the message is to something that lives here.
    if unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) } < 0 {
        return None;
    }
    // SAFETY: the kernel has filled in the control messages, which lie in `control`.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let sort = ((*header).cmsg_level, (*header).cmsg_type);
            if matches!(
                sort,
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
            ) {
                let to = read_address((&raw const name).cast());
                return Some(Complaint { to, ..read_complaint(libc::CMSG_DATA(header)) });
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    None
}

/// # Safety
/// `data` is that of a control message `IP_RECVERR` or `IPV6_RECVERR`.
unsafe fn read_complaint(data: *const u8) -> Complaint {
    // SAFETY: the kernel puts a `sock_extended_err` and a socket address there.
    let (error, offender) = unsafe {
        let error: libc::sock_extended_err =
            data.cast::<libc::sock_extended_err>().read_unaligned();
        (error, data.add(size_of::<libc::sock_extended_err>()))
    };
    let is_icmp = matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
    // SAFETY: as above.
    let by = unsafe { read_address(offender) };
    Complaint {
        errno: Errno::from_raw_os_error(error.ee_errno as i32),
        icmp: is_icmp.then_some((error.ee_type, error.ee_code)),
        mtu: error.ee_info,
        by,
        to: None,
    }
}

/// # Safety
/// `address` is that of a socket address, whatever its family.
unsafe fn read_address(address: *const u8) -> Option<IpAddr> {
    // SAFETY: its family says which sort it is, and so how long.
    unsafe {
        match i32::from(address.cast::<libc::sa_family_t>().read_unaligned()) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// What a complaint means for a probe; none where it means nothing.
pub(super) fn seen(complaint: &Complaint, shot: &Shot, socket: &OwnedFd) -> Option<Seen> {
    let Some((ty, code)) = complaint.icmp else {
        return Some(Seen::NoWay(errno_text(complaint.errno)));
    };
    let (word, is_neighbour, is_port) = word(shot.to.is_ipv6(), ty, code)?;
    let own = rustix::net::getsockname(socket).ok().and_then(|a| SocketAddr::try_from(a).ok());
    let is_own = own.is_some_and(|own| Some(own.ip()) == complaint.by);
    if is_neighbour && is_own {
        return Some(Seen::NoWay("no neighbour answers there".to_owned()));
    }
    let closed_port = is_port && complaint.by == Some(shot.to);
    Some(Seen::Refused(Refusal { by: complaint.by, word, closed_port }))
}

/// The words of an ICMP error (RFC 792, RFC 1812, RFC 4443); whether it is what
/// a router says whose neighbour is silent; whether it is about a port.
fn word(ipv6: bool, ty: u8, code: u8) -> Option<(&'static str, bool, bool)> {
    Some(match (ipv6, ty, code) {
        (false, 3, 0) => ("network unreachable", false, false),
        (false, 3, 1) => ("host unreachable", true, false),
        (false, 3, 2) => ("protocol unreachable", false, false),
        (false, 3, 3) => ("port unreachable", false, true),
        (false, 3, 9) => ("network prohibited", false, false),
        (false, 3, 10) => ("host prohibited", false, false),
        (false, 3, 13) => ("administratively prohibited", false, false),
        (false, 11, _) => ("TTL exceeded, perhaps a routing loop,", false, false),
        (true, 1, 0) => ("no route", false, false),
        (true, 1, 1) => ("administratively prohibited", false, false),
        (true, 1, 3) => ("address unreachable", true, false),
        (true, 1, 4) => ("port unreachable", false, true),
        (true, 1, 5) => ("source address refused", false, false),
        (true, 1, 6) => ("route rejected", false, false),
        (true, 3, _) => ("hop limit exceeded, perhaps a routing loop,", false, false),
        _ => return None,
    })
}

/// What a failed system call means for a probe; none where it means that it is
/// to be tried again.
pub(super) fn failed(error: &io::Error) -> Option<Seen> {
    let errno = Errno::from_io_error(error)?;
    match errno {
        // The own node's firewall drops what is sent: nobody says so on the wire.
        Errno::PERM => None,
        Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::INTR | Errno::INPROGRESS => None,
        // What an IPv4 blackhole route gives (`fib_props`, net/ipv4/fib_semantics.c).
        Errno::INVAL => Some(Seen::NoWay("a blackhole route (EINVAL)".to_owned())),
        Errno::ACCESS => Some(Seen::NoWay("a prohibiting route (EACCES)".to_owned())),
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::HOSTDOWN => {
            Some(Seen::NoWay(errno_text(errno)))
        }
        other => Some(Seen::Unsent(errno_text(other))),
    }
}
