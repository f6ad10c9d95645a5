//! The blocking netlink socket.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// Buffer size asked for on either side, in bytes.
const BUFFER: usize = 8 << 20;
/// Size of every read, in bytes. The kernel caps a dump's chunk at 32 KiB.
pub(super) const READ: usize = 64 << 10;
/// What one queued error or ack costs of the receive buffer at most, in bytes.
const REPLY_COST: usize = 1280;

/// Which part of the kernel a socket speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, rules, neighbours, qdiscs.
    Route,
    /// Sockets of programs (`NETLINK_SOCK_DIAG`).
    SocketDiag,
    /// nftables and connection tracking (`NETLINK_NETFILTER`).
    Netfilter,
    /// Drivers with a language of their own, WireGuard's among them.
    Generic,
}

impl Protocol {
    /// linux/netlink.h.
    fn number(self) -> Option<rustix::net::Protocol> {
        let number = match self {
            Self::Route => return None,
            Self::SocketDiag => libc::NETLINK_SOCK_DIAG,
            Self::Netfilter => libc::NETLINK_NETFILTER,
            Self::Generic => libc::NETLINK_GENERIC,
        };
        rustix::net::RawProtocol::new(number as u32).map(rustix::net::Protocol::from_raw)
    }
}

/// A netlink socket. It belongs to the network namespace its thread was in when
/// it was opened, and stays there.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    seq: u32,
    /// Bytes that may be sent at once.
    pub(super) send_room: usize,
    /// Messages whose failures surely fit the receive buffer.
    pub(super) reply_room: usize,
    /// Bytes of requested replies that surely fit the receive buffer.
    pub(super) answer_room: usize,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// Without `CAP_NET_ADMIN` on the host the buffers stay at the system's
    /// default, and batches are cut smaller.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        let mut socket = Self::reader(protocol)?;
        socket.prepare()?;
        Ok(socket)
    }

    /// Opens one that so far only reads: seven calls fewer, which count where there
    /// are a thousand namespaces. The first batch prepares it.
    pub(crate) fn reader(protocol: Protocol) -> io::Result<Self> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol.number(),
        )?;
        set_netlink_option(fd.as_fd(), NETLINK_GET_STRICT_CHK)?;
        Ok(Self { fd, seq: 0, send_room: 0, reply_room: 0, answer_room: 0 })
    }

    /// Makes room for batches, and asks for the kernel's own words where it refuses.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if self.send_room > 0 {
            return Ok(());
        }
        let fd = self.fd.as_fd();
        let forced = sockopt::set_socket_send_buffer_size_force(fd, BUFFER).is_ok()
            && sockopt::set_socket_recv_buffer_size_force(fd, BUFFER).is_ok();
        if !forced {
            // Up to net.core.wmem_max and rmem_max; more is not refused but cut.
            sockopt::set_socket_send_buffer_size(fd, BUFFER)?;
            sockopt::set_socket_recv_buffer_size(fd, BUFFER)?;
        }
        for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK] {
            set_netlink_option(fd, option)?;
        }
        // The kernel reports twice the room it was asked for, and counts its own
        // bookkeeping in it; half is what one can rely on.
        let send_room = sockopt::socket_send_buffer_size(fd)? / 2;
        let recv_room = sockopt::socket_recv_buffer_size(fd)? / 2;
        self.send_room = send_room.min(4 << 20);
        self.reply_room = (recv_room / REPLY_COST).max(16);
        self.answer_room = recv_room / 2;
        Ok(())
    }

    /// Its descriptor alone.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The next `count` sequence numbers; gives the first.
    pub(super) fn take_seq(&mut self, count: u32) -> u32 {
        // Zero means "unsolicited" to some; never use it.
        if self.seq.checked_add(count).is_none_or(|end| end == u32::MAX) {
            self.seq = 0;
        }
        let first = self.seq + 1;
        self.seq += count;
        first
    }

    /// Sends one buffer of whole messages.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent =
            rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, bytes, SendFlags::empty()))?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Reads one datagram into `buffer`; `None` when there is none and `wait` is false.
    pub(super) fn recv(&self, buffer: &mut Vec<u8>, wait: bool) -> io::Result<Option<usize>> {
        buffer.resize(READ, 0);
        let mut flags = RecvFlags::TRUNC;
        if !wait {
            flags |= RecvFlags::DONTWAIT;
        }
        let got = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.fd, &mut buffer[..], flags).map(|(_, length)| length)
        });
        match got {
            // With MSG_TRUNC the length is the datagram's, not what fitted.
            Ok(length) if length > READ => {
                Err(io::Error::other(format!("a netlink message of {length} bytes was cut off")))
            }
            Ok(length) => Ok(Some(length)),
            Err(rustix::io::Errno::AGAIN) if !wait => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

thread_local! {
    static READ_INTO: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Gives the thread's read buffer to `read`: one for all sockets, as a fresh one
/// for each would be cleared each time.
pub(super) fn with_buffer<R>(read: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = READ_INTO.take();
    let result = read(&mut buffer);
    READ_INTO.set(buffer);
    result
}

/// linux/netlink.h; not in every libc release.
const NETLINK_GET_STRICT_CHK: libc::c_int = 12;

fn set_netlink_option(fd: BorrowedFd<'_>, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` outlives the call and its size is given.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
