//! What must be there before a process is started: waited for by what the kernel
//! tells.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use netyard_core::name::InterfaceName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::netlink::{Protocol, Socket};
use crate::serve::link6::{ALL_NODES, Link};

// linux/rtnetlink.h, linux/if_addr.h, linux/if.h
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const GROUPS: [u32; 3] = [1, 5, 9]; // links, addresses of both families
const TENTATIVE: u8 = 0x40;
const SCOPE_LINK: u8 = 253;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const LOWER_UP: u32 = 0x10000;

/// What of an interface is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Await {
    /// It has an address that is more than link-local, and none is tentative.
    Address,
    /// It has a carrier.
    Carrier,
}

/// The lease that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// The directory that its client writes it to.
    pub data: PathBuf,
    /// It is to have an IPv4 address.
    pub dhcp4: bool,
    /// It is to have an IPv6 address.
    pub dhcp6: bool,
}

/// Waits for something of the interface of that index, in the namespace that the
/// calling thread is in; false when it did not come in time.
pub(crate) fn wait_for(what: Await, index: u32, patience: Duration) -> io::Result<bool> {
    wait_until(None, patience, |socket| is_there(socket, what, index))
}

/// Waits until a client holds a lease, and the interface has its addresses, none of
/// them tentative; likewise.
pub(crate) fn wait_for_lease(lease: &Awaited, index: u32, patience: Duration) -> io::Result<bool> {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    // The client renames what it has written.
    let written = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    add_watch(&written, &lease.data, WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
    wait_until(Some(&written), patience, |socket| {
        let mut told = [0; 4096];
        while rustix::io::read(&written, &mut told).is_ok_and(|length| length > 0) {}
        let held = crate::client::read_lease(&lease.data).unwrap_or_default();
        let held = held.still_good(super::now());
        if lease.dhcp4 && held.v4.is_none() || lease.dhcp6 && held.v6.is_none() {
            return Ok(false);
        }
        let wanted = held.addresses().into_iter().map(|net| net.addr());
        has_all(socket, index, &wanted.collect::<Vec<_>>())
    })
}

/// Waits until somebody answers on the link of an interface, likewise. Nobody tells
/// of a neighbour that says nothing, so all of them are asked, once a second: as an
/// ICMPv6 echo is, on tunnels too.
pub(crate) fn wait_for_neighbour(name: &InterfaceName, patience: Duration) -> io::Result<bool> {
    const ECHO: u8 = 128;
    const REPLY: u8 = 129;
    const EACH: Duration = Duration::from_secs(1);
    let end = Instant::now() + patience;
    let link = Link::find(name)?;
    let socket = link.icmp(&[REPLY])?;
    let [id, more] = (std::process::id() as u16).to_be_bytes();
    let question = [ECHO, 0, 0, 0, id, more, 0, 1];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Without an address of the link yet, or a carrier, nothing can be sent.
        let _ = link.send(&socket, ALL_NODES, 0, &question);
        let timeout = Timespec::try_from(left.min(EACH)).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&socket, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
        let mut answer = [0; 64];
        while let Ok(length) = rustix::io::read(&socket, &mut answer) {
            if length >= question.len() && answer[4..6] == [id, more] {
                return Ok(true);
            }
        }
    }
}

/// Waits until that holds, looking again whenever the kernel tells of links or
/// addresses, or there is something to read of `other`.
fn wait_until(
    other: Option<&OwnedFd>,
    patience: Duration,
    mut holds: impl FnMut(&mut Socket) -> io::Result<bool>,
) -> io::Result<bool> {
    let end = Instant::now() + patience;
    let mut ears = Socket::open(Protocol::Route)?;
    // A socket that never sent anything has no number, and hears nothing.
    holds(&mut ears)?;
    for group in GROUPS {
        ears.join(group)?;
    }
    let mut asks = Socket::open(Protocol::Route)?;
    loop {
        ears.events(|_, _| {})?;
        if holds(&mut asks)? {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let fds = std::iter::once(ears.as_fd()).chain(other.map(AsFd::as_fd));
        let mut polled: Vec<PollFd<'_>> =
            fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
    }
}

/// True when the interface has these addresses, and none of them is tentative.
fn has_all(socket: &mut Socket, index: u32, wanted: &[IpAddr]) -> io::Result<bool> {
    let mut found = BTreeSet::new();
    socket.dump_raw(RTM_GETADDR, &[0; 8], |message| match message {
        None => found.clear(),
        Some(message) => {
            if let [_, _, flags, _, rest @ ..] = message.payload
                && number(rest, 0) == Some(index)
                && flags & TENTATIVE == 0
            {
                found.extend(rest.get(4..).and_then(address));
            }
        }
    })?;
    Ok(wanted.iter().all(|address| found.contains(address)))
}

/// The address in the attributes of an `ifaddrmsg` (linux/if_addr.h): of IPv4 the
/// local one, of IPv6 the only one.
fn address(mut attributes: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    while let [l0, l1, t0, t1, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = attributes.get(4..length)?;
        match (u16::from_ne_bytes([t0, t1]), value.len()) {
            (IFA_LOCAL, 4) => found = Some(<[u8; 4]>::try_from(value).ok()?.into()),
            (IFA_ADDRESS, 16) => found = Some(<[u8; 16]>::try_from(value).ok()?.into()),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn is_there(socket: &mut Socket, what: Await, index: u32) -> io::Result<bool> {
    let (mut usable, mut tentative, mut carrier) = (false, false, false);
    match what {
        Await::Address => socket.dump_raw(RTM_GETADDR, &[0; 8], |message| match message {
            None => (usable, tentative) = (false, false),
            Some(message) => {
                if let [_, _, flags, scope, rest @ ..] = message.payload
                    && number(rest, 0) == Some(index)
                {
                    tentative |= flags & TENTATIVE != 0;
                    usable |= flags & TENTATIVE == 0 && *scope < SCOPE_LINK;
                }
            }
        })?,
        Await::Carrier => socket.dump_raw(RTM_GETLINK, &[0; 16], |message| {
            if let Some(message) = message
                && number(message.payload, 4) == Some(index)
            {
                carrier = number(message.payload, 8).is_some_and(|flags| flags & LOWER_UP != 0);
            }
        })?,
    }
    Ok(usable && !tentative || carrier)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
