//! What must be there before a process is started: waited for by what the kernel
//! tells.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::netlink::{Protocol, Socket};

// linux/rtnetlink.h, linux/if_addr.h, linux/if.h
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const GROUPS: [u32; 3] = [1, 5, 9]; // links, addresses of both families
const TENTATIVE: u8 = 0x40;
const SCOPE_LINK: u8 = 253;
const LOWER_UP: u32 = 0x10000;

/// What of an interface is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Await {
    /// It has an address that is more than link-local, and none is tentative.
    Address,
    /// It has a carrier.
    Carrier,
}

/// Waits for something of the interface of that index, in the namespace that the
/// calling thread is in; false when it did not come in time.
pub(crate) fn wait_for(what: Await, index: u32, patience: Duration) -> io::Result<bool> {
    let end = Instant::now() + patience;
    let mut ears = Socket::open(Protocol::Route)?;
    // A socket that never sent anything has no number, and hears nothing.
    is_there(&mut ears, what, index)?;
    for group in GROUPS {
        ears.join(group)?;
    }
    let mut asks = Socket::open(Protocol::Route)?;
    loop {
        ears.events(|_, _| {})?;
        if is_there(&mut asks, what, index)? {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let fd = ears.as_fd();
        let mut polled = [PollFd::new(&fd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
    }
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
