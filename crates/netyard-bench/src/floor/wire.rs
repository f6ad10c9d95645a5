//! The few rtnetlink messages a floor needs: an encoder of batches and a
//! blocking socket. Names and numbers are those of the kernel's uapi headers.

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u8 = 4;
/// `NLM_F_CREATE | NLM_F_EXCL`.
const CREATE: u16 = 0x600;
pub const IFF_UP: u32 = 1;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
pub const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
pub const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const IFA_F_NODAD: u8 = 2;
const HEADER: usize = 16;

/// One end of a veth pair.
pub struct End<'a> {
    pub name: &'a str,
    pub index: u32,
    /// Namespace to be born in; the socket's own when `None`.
    pub space: Option<u32>,
}

/// Messages laid end to end, numbered from 1.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    nests: Vec<usize>,
}

impl Batch {
    /// Forgets the messages and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    fn begin(&mut self, kind: u16, flags: u16) -> &mut Self {
        self.finish();
        self.starts.push(self.bytes.len());
        let sequence = self.starts.len() as u32;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self
    }

    fn finish(&mut self) {
        if let Some(&start) = self.starts.last() {
            let length = (self.bytes.len() - start) as u32;
            self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }

    fn ifinfo(&mut self, index: u32, flags: u32) -> &mut Self {
        self.bytes.extend_from_slice(&[0; 4]);
        for word in [index, flags, flags] {
            self.bytes.extend_from_slice(&word.to_ne_bytes());
        }
        self
    }

    fn attr(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    fn word(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let terminated: Vec<u8> = value.bytes().chain([0]).collect();
        self.attr(kind, &terminated)
    }

    fn nest(&mut self, kind: u16) -> &mut Self {
        self.nests.push(self.bytes.len());
        self.attr(kind, &[])
    }

    fn unnest(&mut self) -> &mut Self {
        if let Some(start) = self.nests.pop() {
            let length = (self.bytes.len() - start) as u16;
            self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        }
        self
    }

    /// `ip link add NAME up address MAC type bridge`.
    pub fn bridge(&mut self, name: &str, index: u32, mac: [u8; 6]) -> &mut Self {
        self.begin(RTM_NEWLINK, CREATE).ifinfo(index, IFF_UP).text(IFLA_IFNAME, name);
        self.word(IFLA_GROUP, super::GROUP).attr(IFLA_ADDRESS, &mac);
        self.nest(IFLA_LINKINFO).attr(1, b"bridge").unnest()
    }

    /// `ip link add A up [master M] type veth peer B`, both ends where they belong.
    pub fn veth(&mut self, a: &End, master: Option<u32>, b: &End) -> &mut Self {
        self.begin(RTM_NEWLINK, CREATE).ifinfo(a.index, IFF_UP).text(IFLA_IFNAME, a.name);
        self.word(IFLA_GROUP, super::GROUP).one_queue();
        if let Some(fd) = a.space {
            self.word(IFLA_NET_NS_FD, fd);
        }
        if let Some(master) = master {
            self.word(IFLA_MASTER, master);
        }
        // The peer cannot be born up: veth_open fails with ENOTCONN.
        self.nest(IFLA_LINKINFO).attr(1, b"veth").nest(2).nest(1);
        self.ifinfo(b.index, 0).text(IFLA_IFNAME, b.name);
        self.word(IFLA_GROUP, super::GROUP).one_queue();
        if let Some(fd) = b.space {
            self.word(IFLA_NET_NS_FD, fd);
        }
        self.unnest().unnest().unnest()
    }

    /// The default allocates (and registers in sysfs) a queue per processor and uses one.
    fn one_queue(&mut self) -> &mut Self {
        self.word(IFLA_NUM_TX_QUEUES, 1).word(IFLA_NUM_RX_QUEUES, 1)
    }

    /// `ip link set INDEX up`.
    pub fn up(&mut self, index: u32) -> &mut Self {
        self.begin(RTM_NEWLINK, 0).ifinfo(index, IFF_UP)
    }

    /// `ip link set INDEX up master MASTER`.
    pub fn enslave(&mut self, index: u32, master: u32) -> &mut Self {
        self.up(index).word(IFLA_MASTER, master)
    }

    /// `ip link show INDEX`: makes the kernel finish a pending carrier event now.
    pub fn settle(&mut self, index: u32) -> &mut Self {
        self.begin(RTM_GETLINK, 0).ifinfo(index, 0).word(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    }

    /// `ip address add A/PREFIX dev INDEX`.
    pub fn address4(&mut self, index: u32, address: u32, prefix: u8) -> &mut Self {
        self.begin(RTM_NEWADDR, CREATE);
        self.bytes.extend_from_slice(&[libc::AF_INET as u8, prefix, 0, 0]);
        self.bytes.extend_from_slice(&index.to_ne_bytes());
        self.attr(2, &address.to_be_bytes()).attr(1, &address.to_be_bytes())
    }

    /// `ip address add A/PREFIX dev INDEX nodad`.
    pub fn address6(&mut self, index: u32, address: u128, prefix: u8) -> &mut Self {
        self.begin(RTM_NEWADDR, CREATE);
        self.bytes.extend_from_slice(&[libc::AF_INET6 as u8, prefix, IFA_F_NODAD, 0]);
        self.bytes.extend_from_slice(&index.to_ne_bytes());
        self.attr(1, &address.to_be_bytes())
    }

    /// `ip link delete group N`.
    pub fn delete_group(&mut self) -> &mut Self {
        self.begin(RTM_DELLINK, 0).ifinfo(0, 0).word(IFLA_GROUP, super::GROUP)
    }
}

/// A blocking `NETLINK_ROUTE` socket of the namespace it was opened in.
pub struct Socket(OwnedFd);

impl Socket {
    /// Opens and binds a socket in the calling thread's namespace.
    pub fn open() -> io::Result<Socket> {
        // SAFETY: a plain socket call; the descriptor is ours alone.
        let fd = unsafe {
            let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            OwnedFd::from_raw_fd(super::check(fd)?)
        };
        let socket = Socket(fd);
        for option in [libc::SO_SNDBUFFORCE, libc::SO_RCVBUFFORCE] {
            // Refused without privilege over the machine; chunks are small enough then.
            let _ = socket.option(libc::SOL_SOCKET, option, 8 << 20);
        }
        // An unbound socket has port 0, and the kernel's broadcasts skip port 0.
        // SAFETY: sockaddr_nl is plain data, valid when zeroed.
        unsafe {
            let mut here: libc::sockaddr_nl = std::mem::zeroed();
            here.nl_family = libc::AF_NETLINK as u16;
            let length = size_of_val(&here) as u32;
            super::check(libc::bind(socket.raw(), (&raw const here).cast(), length))?;
        }
        for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK, libc::NETLINK_GET_STRICT_CHK] {
            socket.option(libc::SOL_NETLINK, option, 1)?;
        }
        Ok(socket)
    }

    fn option(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        // SAFETY: `value` lives through the call and its size is given.
        let result =
            unsafe { libc::setsockopt(self.raw(), level, name, (&raw const value).cast(), 4) };
        super::check(result).map(drop)
    }

    /// Hears about every change of a link (`RTNLGRP_LINK`).
    pub fn listen(&self) -> io::Result<()> {
        self.option(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, 1)
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Sends the batch, `chunk` messages at a time with one ack each.
    ///
    /// # Errors
    /// The first error among the replies, with the kernel's own text.
    pub fn run(&self, batch: &mut Batch, chunk: usize) -> io::Result<()> {
        batch.finish();
        let mut first = 0;
        while first < batch.starts.len() {
            let last = (first + chunk).min(batch.starts.len());
            let end = batch.starts.get(last).copied().unwrap_or(batch.bytes.len());
            batch.bytes[batch.starts[last - 1] + 6] |= NLM_F_ACK;
            let bytes = &batch.bytes[batch.starts[first]..end];
            // SAFETY: the slice outlives the call.
            let sent = unsafe { libc::send(self.raw(), bytes.as_ptr().cast(), bytes.len(), 0) };
            if sent < 0 {
                return Err(io::Error::last_os_error());
            }
            self.await_ack(last as u32)?;
            first = last;
        }
        Ok(())
    }

    fn await_ack(&self, wanted: u32) -> io::Result<()> {
        let mut failure = None;
        self.receive(|message| {
            if word16(message, 4) != NLMSG_ERROR {
                return None;
            }
            let (sequence, code) = (word32(message, 8), word32(message, HEADER).cast_signed());
            if code != 0 && failure.is_none() {
                failure = Some(refusal(sequence, -code, message));
            }
            (sequence == wanted).then(|| failure.take().map_or(Ok(()), Err))
        })?
    }

    /// Waits until link `index` of this namespace is gone; needs [`Socket::listen`] before.
    pub fn await_deleted(&self, index: u32) -> io::Result<()> {
        self.receive(|message| {
            let deleted = word16(message, 4) == RTM_DELLINK && message[HEADER] == 0;
            (deleted && word32(message, HEADER + 4) == index).then_some(())
        })
    }

    fn receive<T>(&self, mut take: impl FnMut(&[u8]) -> Option<T>) -> io::Result<T> {
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            // SAFETY: the buffer outlives the call and its size is given.
            let got =
                unsafe { libc::recv(self.raw(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
            let mut rest = &buffer[..got];
            while rest.len() >= HEADER + 8 {
                let length = (word32(rest, 0) as usize).clamp(HEADER, rest.len());
                if let Some(found) = take(&rest[..length]) {
                    return Ok(found);
                }
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            }
        }
    }
}

fn refusal(sequence: u32, code: i32, message: &[u8]) -> io::Error {
    let cause = io::Error::from_raw_os_error(code);
    let visible = |byte: &&u8| byte.is_ascii_graphic() || **byte == b' ';
    let text: String =
        message[HEADER + 4..].iter().filter(visible).map(|&b| char::from(b)).collect();
    io::Error::new(cause.kind(), format!("message {sequence}: {cause} {text}"))
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
