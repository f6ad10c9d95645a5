//! Many datagrams with one system call (recvmmsg(2), sendmmsg(2)).

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

/// Datagrams taken at once.
const SLOTS: usize = 32;
/// Longer queries are no queries: what does not fit is cut, and refused as malformed.
const ROOM: usize = 2048;

/// Room for what comes in, and what goes out in answer.
#[derive(Default)]
pub(super) struct Batch {
    buffers: Vec<[u8; ROOM]>,
    names: Vec<libc::sockaddr_in6>,
    lengths: Vec<usize>,
    answers: Vec<(SocketAddr, Vec<u8>)>,
}

impl Batch {
    /// Takes what is there; gives how many.
    pub fn receive(&mut self, socket: &OwnedFd) -> usize {
        self.buffers.resize(SLOTS, [0; ROOM]);
        // SAFETY: all zeroes is no address.
        self.names.resize(SLOTS, unsafe { zeroed() });
        self.lengths.clear();
        let mut parts: Vec<libc::iovec> = (self.buffers.iter_mut())
            .map(|b| libc::iovec { iov_base: b.as_mut_ptr().cast(), iov_len: ROOM })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(&mut self.names)
            .map(|(part, name)| header(part, (name as *mut libc::sockaddr_in6).cast(), NAME))
            .collect();
        // SAFETY: every pointer of the messages is to something that lives here.
        let count = unsafe {
            let flags = libc::MSG_DONTWAIT;
            let (first, null) = (messages.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(socket.as_raw_fd(), first, SLOTS as libc::c_uint, flags, null)
        };
        let count = usize::try_from(count).unwrap_or(0);
        self.lengths.extend(messages[..count].iter().map(|m| m.msg_len as usize));
        count
    }

    /// True when there may be more.
    pub fn is_full(&self, count: usize) -> bool {
        count == SLOTS
    }

    /// A datagram that was received, and where from.
    pub fn query(&self, slot: usize) -> Option<(&[u8], SocketAddr)> {
        let length = *self.lengths.get(slot)?;
        Some((&self.buffers[slot][..length], read(&self.names[slot])?))
    }

    /// Keeps an answer to be sent.
    pub fn answer(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.answers.push((to, bytes));
    }

    /// Sends what was kept. What the kernel does not take is lost, as on the wire.
    pub fn send(&mut self, socket: &OwnedFd) {
        let mut names: Vec<_> = self.answers.iter().map(|(to, _)| write(to)).collect();
        let mut parts: Vec<libc::iovec> = self
            .answers
            .iter_mut()
            .map(|(_, b)| libc::iovec { iov_base: b.as_mut_ptr().cast(), iov_len: b.len() })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(&mut names)
            .map(|(part, (name, length))| header(part, (&raw mut *name).cast(), *length))
            .collect();
        let mut rest = &mut messages[..];
        while !rest.is_empty() {
            // SAFETY: every pointer of the messages is to something that lives here.
            let sent = unsafe {
                let count = rest.len() as libc::c_uint;
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_DONTWAIT)
            };
            // The first of the rest is what failed: it is passed over.
            let done = usize::try_from(sent).unwrap_or(1).clamp(1, rest.len());
            rest = &mut rest[done..];
        }
        self.answers.clear();
    }
}

const NAME: libc::socklen_t = size_of::<libc::sockaddr_in6>() as libc::socklen_t;

fn header(
    part: &mut libc::iovec,
    name: *mut libc::c_void,
    length: libc::socklen_t,
) -> libc::mmsghdr {
    // SAFETY: all zeroes is an empty message.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    message.msg_hdr.msg_name = name;
    message.msg_hdr.msg_namelen = length;
    message.msg_hdr.msg_iov = part;
    message.msg_hdr.msg_iovlen = 1;
    message
}

fn read(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(address, port, name.sin6_flowinfo, name.sin6_scope_id).into())
        }
        libc::AF_INET => {
            // SAFETY: the family says that it is one, which is shorter.
            let four = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(four.sin_port)).into())
        }
        _ => None,
    }
}

fn write(address: &SocketAddr) -> (libc::sockaddr_in6, libc::socklen_t) {
    // SAFETY: all zeroes is no address.
    let mut name: libc::sockaddr_in6 = unsafe { zeroed() };
    match address {
        SocketAddr::V6(six) => {
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = six.port().to_be();
            name.sin6_flowinfo = six.flowinfo();
            name.sin6_scope_id = six.scope_id();
            name.sin6_addr.s6_addr = six.ip().octets();
            (name, NAME)
        }
        SocketAddr::V4(four) => {
            // SAFETY: it is shorter, and of the same alignment.
            let short = unsafe { &mut *(&raw mut name).cast::<libc::sockaddr_in>() };
            short.sin_family = libc::AF_INET as libc::sa_family_t;
            short.sin_port = four.port().to_be();
            short.sin_addr.s_addr = u32::from(*four.ip()).to_be();
            (name, size_of::<libc::sockaddr_in>() as libc::socklen_t)
        }
    }
}
