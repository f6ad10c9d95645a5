//! An interface as IPv6 protocols of the link see it: its number, its hardware
//! and link-local address, its multicast groups.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use netyard_core::addr::Mac;
use netyard_core::name::InterfaceName;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with, sockopt};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// All hosts and all routers of a link (RFC 4291, 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All DHCPv6 servers and relay agents of a link (RFC 8415, 7.1).
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

// linux/in6.h, linux/icmpv6.h
const ICMPV6_FILTER: libc::c_int = 1;
/// What neighbours' messages have, and no router passes on (RFC 4861, 6.1).
const HOPS: u8 = 255;

/// An interface.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: InterfaceName,
    /// The kernel's number.
    pub index: u32,
    /// Its hardware address; none for what has no Ethernet.
    pub mac: Option<Mac>,
}

impl Link {
    /// The interface of that name, in the namespace of the caller.
    pub fn find(name: &InterfaceName) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, FLAGS, None)?;
        let index = netdevice::name_to_index(&socket, name.as_str())?;
        Ok(Self { name: name.clone(), index, mac: mac_of(&socket, name) })
    }

    /// The address that its messages to the link bear; none while the kernel has
    /// not made one, or still asks whether anybody else has it.
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, FLAGS, None).ok()?;
        let all = SocketAddrV6::new(ALL_NODES, 9, 0, self.index);
        rustix::net::connect(&socket, &all).ok()?;
        let own = SocketAddrV6::try_from(rustix::net::getsockname(&socket).ok()?).ok()?;
        Some(*own.ip()).filter(Ipv6Addr::is_unicast_link_local)
    }

    /// A UDP socket for what comes in on it for a port, or for a group of it.
    pub fn udp(&self, port: u16, group: Option<Ipv6Addr>) -> io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::INET6, SocketType::DGRAM, FLAGS, None)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
        super::socket::bind_to(&socket, &self.name)?;
        super::socket::bind6(&socket, port)?;
        if let Some(group) = group {
            sockopt::set_ipv6_add_membership(&socket, &group, self.index)?;
        }
        Ok(socket)
    }

    /// A socket for ICMPv6 messages of these types; the kernel reckons the
    /// checksums.
    pub fn icmp(&self, types: &[u8]) -> io::Result<OwnedFd> {
        let protocol = Some(rustix::net::ipproto::ICMPV6);
        let socket = socket_with(AddressFamily::INET6, SocketType::RAW, FLAGS, protocol)?;
        super::socket::bind_to(&socket, &self.name)?;
        // A bit for each type: what is set is blocked.
        let mut filter = [u32::MAX; 8];
        for ty in types {
            filter[usize::from(*ty) / 32] &= !(1 << (ty % 32));
        }
        option(&socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &filter)?;
        for hops in [libc::IPV6_MULTICAST_HOPS, libc::IPV6_UNICAST_HOPS] {
            option(&socket, libc::IPPROTO_IPV6, hops, &libc::c_int::from(HOPS))?;
        }
        option(&socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &(self.index as libc::c_int))?;
        option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &(1 as libc::c_int))?;
        sockopt::set_ipv6_multicast_loop(&socket, false)?;
        sockopt::set_ipv6_add_membership(&socket, &ALL_ROUTERS, self.index)?;
        Ok(socket)
    }

    /// Sends a message to an address of the link.
    pub fn send(&self, socket: &OwnedFd, to: Ipv6Addr, port: u16, bytes: &[u8]) -> io::Result<()> {
        let to = SocketAddrV6::new(to, port, 0, self.index);
        rustix::net::sendto(socket, bytes, rustix::net::SendFlags::empty(), &to)?;
        Ok(())
    }
}

/// Who sent a message that no router passed on, and its length; of one that came
/// from further, no address.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Ipv6Addr>)> {
    // SAFETY: all zeroes are valid values of these; the pointers outlive the call,
    // and the control buffer is aligned as `cmsghdr` wants it.
    unsafe {
        let mut from: libc::sockaddr_in6 = zeroed();
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut control = [0_u64; 8];
        let mut message: libc::msghdr = zeroed();
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let length = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT);
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut hops = 0;
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(one) = header.as_ref() {
            if (one.cmsg_level, one.cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) {
                hops = libc::CMSG_DATA(header).cast::<libc::c_int>().read_unaligned();
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        let address = Ipv6Addr::from(from.sin6_addr.s6_addr);
        Ok((length as usize, (hops == libc::c_int::from(HOPS)).then_some(address)))
    }
}

fn option<T>(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value outlives the call and its size is given.
    let done = unsafe {
        let value: *const T = value;
        let length = size_of::<T>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), length)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `SIOCGIFHWADDR` (netdevice(7)): below `/sys` is what is of another namespace.
fn mac_of(socket: &OwnedFd, name: &InterfaceName) -> Option<Mac> {
    // SAFETY: all zeroes is a valid `ifreq`, in which the name ends with a zero; the
    // call fills in the address.
    unsafe {
        let mut request: libc::ifreq = zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()).take(15) {
            *to = from as libc::c_char;
        }
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFHWADDR as _, &raw mut request) != 0 {
            return None;
        }
        let address = request.ifr_ifru.ifru_hwaddr;
        let octets = std::array::from_fn(|at| address.sa_data[at] as u8);
        (address.sa_family == libc::ARPHRD_ETHER).then_some(Mac(octets))
    }
}
