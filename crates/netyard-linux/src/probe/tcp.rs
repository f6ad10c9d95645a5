//! A TCP connection: a socket for each try, in which the kernel repeats what is
//! lost.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use netyard_core::expect::{Refusal, Seen};
use rustix::io::Errno;

use super::Shot;
use super::engine::{Driver, Step, Watch};
use super::socket::{Sort, address, complaint, failed, open, seen, set_bytes};

/// Connections that are begun.
pub(super) struct Connect {
    port: u16,
    tries: Vec<Option<(OwnedFd, Instant)>>,
}

impl Connect {
    /// To that port.
    pub fn new(port: u16) -> Self {
        Self { port, tries: Vec::new() }
    }
}

/// Begins to connect a socket; an error that came at once.
pub(super) fn begin(shot: &Shot, port: u16) -> io::Result<OwnedFd> {
    let socket = open(shot, Sort::Tcp)?;
    // It ends without a trace: no TIME_WAIT that would keep the port.
    let linger = [1_i32.to_ne_bytes(), 0_i32.to_ne_bytes()].concat();
    set_bytes(&socket, libc::SOL_SOCKET, libc::SO_LINGER, &linger)?;
    match rustix::net::connect(&socket, &address(shot, &socket, port)?) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// What became of a socket that was connecting, once it can be written to: none
/// when it is connected.
pub(super) fn outcome(shot: &Shot, socket: &OwnedFd) -> Option<Step> {
    let error = rustix::net::sockopt::socket_error(socket);
    let mut said = None;
    while let Some(complaint) = complaint(socket) {
        said = seen(&complaint, shot, socket).or(said);
    }
    let errno = match error {
        // A server that is done at once: to be reset, it must have been connected.
        Ok(Err(Errno::CONNRESET) | Ok(())) if said.is_none() => return None,
        Ok(Err(errno)) | Err(errno) => errno,
        _ => Errno::HOSTUNREACH,
    };
    if let Some(said) = said {
        return Some(Step::Seen(said));
    }
    if errno == Errno::CONNREFUSED {
        let refusal = Refusal { by: Some(shot.to), word: "TCP reset", closed_port: true };
        return Some(Step::Seen(Seen::Refused(refusal)));
    }
    if errno == Errno::TIMEDOUT {
        return Some(Step::Wait);
    }
    Some(failed(&errno.into()).map_or(Step::Wait, Step::Seen))
}

impl Driver for Connect {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        let sent = Instant::now();
        let socket = begin(shot, self.port)?;
        watch.add(&socket, self.tries.len(), true)?;
        self.tries.push(Some((socket, sent)));
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, at: usize, watch: &mut Watch<'_>) -> Step {
        let Some(Some((socket, sent))) = self.tries.get(at) else { return Step::Wait };
        match outcome(shot, socket) {
            None => Step::Done(Seen::Reply(sent.elapsed().as_nanos() as u64)),
            Some(step) => {
                watch.remove(socket);
                self.tries[at] = None;
                step
            }
        }
    }
}
