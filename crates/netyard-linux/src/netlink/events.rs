//! Waiting for what the kernel tells of its own accord.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netyard_core::wire::link::Link;

use super::reply;
use super::socket::Socket;

const RTM_DELLINK: u16 = 17;
/// linux/rtnetlink.h, `RTNLGRP_LINK`.
static GROUP_LINK: libc::c_int = 1;

impl Socket {
    /// Makes the socket hear of links. It must have sent something before: a
    /// socket without a port number hears nothing.
    pub(crate) fn join_link_events(&self) -> io::Result<()> {
        // SAFETY: the group outlives the call and its size is given.
        let done = unsafe {
            libc::setsockopt(
                self.as_fd().as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_ADD_MEMBERSHIP,
                (&raw const GROUP_LINK).cast(),
                size_of_val(&GROUP_LINK) as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until the link of that name is gone.
    pub(crate) fn wait_link_gone(&self, name: &str) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let length = self.recv(&mut buffer, true)?.unwrap_or(0);
            let gone = reply::messages(&buffer[..length]).any(|message| {
                message.ty == RTM_DELLINK
                    && Link::parse(message.payload).is_some_and(|link| link.name == name)
            });
            if gone {
                return Ok(());
            }
        }
    }
}
