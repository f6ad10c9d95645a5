//! Ears in many namespaces, through one socket that keeps none of them alive.
//!
//! A socket inside a namespace holds it, and `down` would wait for who only
//! looks. So the ears are in a namespace of their own, in which each of the
//! yard's is given a number; a socket there hears of all that have one
//! (`NETLINK_LISTEN_ALL_NSID`, since Linux 4.1).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::batch::Batch;
use super::socket::{Protocol, Socket};
use crate::netns::Worker;

// linux/net_namespace.h, linux/rtnetlink.h
const RTM_NEWNSID: u16 = 88;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `RTNLGRP_*`: links, qdiscs, addresses, routes and rules of both families,
/// settings of forwarding, namespaces, VLANs of bridges. Not neighbours: they
/// come and go with the traffic.
const GROUPS: [libc::c_int; 12] = [1, 4, 5, 7, 8, 9, 11, 19, 24, 25, 28, 33];

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something changed.
    Change,
    /// Nothing, as long as one was ready to wait.
    Nothing,
    /// Standard input has ended.
    EndOfInput,
}

/// What is listened to, beside standard input.
#[derive(Debug, Default)]
pub struct Ears {
    fds: Vec<OwnedFd>,
}

impl Ears {
    /// Ears in these namespaces.
    pub(crate) fn of(worker: &mut Worker, namespaces: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let own = worker.create(None)?;
        let mut socket = Socket::open(Protocol::Route)?;
        worker.go_home()?;
        let mut batch = Batch::default();
        for namespace in namespaces {
            let mut body = vec![0; 4]; // struct rtgenmsg
            for (kind, value) in [(NETNSA_NSID, -1), (NETNSA_FD, namespace.as_raw_fd())] {
                body.extend(8u16.to_ne_bytes());
                body.extend(kind.to_ne_bytes());
                body.extend(value.to_ne_bytes());
            }
            batch.push_raw(RTM_NEWNSID, 0, &body);
        }
        let outcome = socket.run(batch)?;
        if let Some(failure) = outcome.failures.first() {
            return Err(failure.errno.into());
        }
        option(&socket, libc::NETLINK_LISTEN_ALL_NSID, 1)?;
        for group in GROUPS {
            match option(&socket, libc::NETLINK_ADD_MEMBERSHIP, group) {
                // An older kernel tells less.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                joined => joined?,
            }
        }
        // The socket keeps their own namespace.
        drop(own);
        Ok(Self { fds: vec![socket.into_fd()] })
    }

    /// Hears what becomes of files in these directories, too; of those that are
    /// not there, nothing.
    pub fn and_files<'p>(mut self, directories: impl IntoIterator<Item = &'p Path>) -> Self {
        use inotify::{CreateFlags, WatchFlags};
        let Ok(watch) = inotify::init(CreateFlags::CLOEXEC) else { return self };
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVED_TO;
        for directory in directories {
            let _ = inotify::add_watch(&watch, directory, events);
        }
        self.fds.push(watch);
        self
    }

    /// Hears when something is written in these directories, too.
    pub fn and_logs<'p>(mut self, directories: impl IntoIterator<Item = &'p Path>) -> Self {
        use inotify::{CreateFlags, WatchFlags};
        let Ok(watch) = inotify::init(CreateFlags::CLOEXEC) else { return self };
        for directory in directories {
            let events = WatchFlags::MODIFY | WatchFlags::DELETE | WatchFlags::DELETE_SELF;
            let _ = inotify::add_watch(&watch, directory, events);
        }
        self.fds.push(watch);
        self
    }

    /// Hears when this becomes readable, too.
    pub(crate) fn and(mut self, fd: OwnedFd) -> Self {
        self.fds.push(fd);
        self
    }

    /// Waits for a change, for the end of standard input, or as long as given.
    /// What is typed meanwhile is passed over.
    pub fn wait(&self, longest: Option<Duration>) -> io::Result<Heard> {
        let stdin = rustix::stdio::stdin();
        let longest = longest.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        loop {
            let mut polled: Vec<PollFd<'_>> = std::iter::once(stdin)
                .chain(self.fds.iter().map(AsFd::as_fd))
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            if rustix::io::retry_on_intr(|| poll(&mut polled, longest.as_ref()))? == 0 {
                return Ok(Heard::Nothing);
            }
            if polled[1..].iter().any(|fd| !fd.revents().is_empty()) {
                return Ok(Heard::Change);
            }
            if rustix::io::read(stdin, &mut [0; 256])? == 0 {
                return Ok(Heard::EndOfInput);
            }
        }
    }
}

fn option(socket: &Socket, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value outlives the call and its size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_NETLINK,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
