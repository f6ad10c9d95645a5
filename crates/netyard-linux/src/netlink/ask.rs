//! One question of which there is no codec, and what netfilter tells unasked.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::reply::{self, HEADER, Message, NLM_F_REQUEST, NLMSG_ERROR};
use super::socket::{Socket, with_buffer};

impl Socket {
    /// Sends one request and gives the message that answers it. An error is the
    /// kernel's.
    pub(crate) fn ask<R>(
        &mut self,
        ty: u16,
        body: &[u8],
        take: impl Fn(Message<'_>) -> R,
    ) -> io::Result<R> {
        let seq = self.take_seq(1);
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        push(&mut bytes, ty, NLM_F_REQUEST, seq, body);
        self.send(&bytes)?;
        with_buffer(|buffer| {
            loop {
                let length = self.recv(buffer, true)?.unwrap_or(0);
                let mut messages = reply::messages(&buffer[..length]);
                let Some(message) = messages.find(|message| message.seq == seq) else { continue };
                if message.ty != NLMSG_ERROR {
                    return Ok(take(message));
                }
                let errno = reply::verdict(&message).errno;
                return Err(errno.map_or_else(|| io::ErrorKind::NotFound.into(), Into::into));
            }
        })
    }

    /// Makes the socket hear of a group's events. It must have sent something
    /// before: a socket without a port number hears nothing.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        let group = group as libc::c_int;
        // SAFETY: the group outlives the call and its size is given.
        let done = unsafe {
            libc::setsockopt(
                self.as_fd().as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_ADD_MEMBERSHIP,
                (&raw const group).cast(),
                size_of_val(&group) as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Gives all events that wait: type and what follows the netlink header.
    pub(crate) fn events(&self, mut take: impl FnMut(u16, &[u8])) -> io::Result<()> {
        with_buffer(|buffer| {
            loop {
                match self.recv(buffer, false) {
                    Ok(None) => return Ok(()),
                    Ok(Some(length)) => reply::messages(&buffer[..length])
                        .filter(|message| message.seq == 0)
                        .for_each(|message| take(message.ty, message.payload)),
                    // Some were lost; those that are left say enough.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }
}

fn push(bytes: &mut Vec<u8>, ty: u16, flags: u16, seq: u32, body: &[u8]) {
    bytes.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    bytes.extend(ty.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
