//! UDP echo: one connected socket, a datagram for each try, which is to come
//! back as it was.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use netyard_core::expect::Seen;
use rustix::net::{RecvFlags, SendFlags};

use super::Shot;
use super::echo::fresh_id;
use super::engine::{Driver, Step, Watch};
use super::socket::{Sort, address, complaint, is_stale, open, seen};

/// What a probe's datagram begins with.
const WORD: &[u8; 12] = b"netyard echo";

/// A datagram that is waited for.
pub(super) struct Echo {
    port: u16,
    socket: Option<OwnedFd>,
    id: u16,
    sent: Vec<Instant>,
}

impl Echo {
    /// To that port.
    pub fn new(port: u16) -> Self {
        Self { port, socket: None, id: fresh_id(), sent: Vec::new() }
    }

    fn datagram(&self, number: u16) -> Vec<u8> {
        [&WORD[..], &self.id.to_be_bytes(), &number.to_be_bytes()].concat()
    }

    /// Which datagram this is the echo of.
    fn number(&self, datagram: &[u8]) -> Option<u16> {
        let number = u16::from_be_bytes(datagram.last_chunk().copied()?);
        (datagram == self.datagram(number)).then_some(number)
    }
}

/// A UDP socket to that port, of which the network's word is heard.
pub(super) fn connected(shot: &Shot, port: u16) -> io::Result<OwnedFd> {
    let socket = open(shot, Sort::Udp)?;
    rustix::net::connect(&socket, &address(shot, &socket, port)?)?;
    Ok(socket)
}

/// What the network said of what a socket sent.
pub(super) fn said(shot: &Shot, socket: &OwnedFd) -> Step {
    let mut said = Step::Wait;
    while let Some(complaint) = complaint(socket) {
        if let Some(seen) = seen(&complaint, shot, socket) {
            said = Step::Seen(seen);
        }
    }
    said
}

impl Driver for Echo {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        if let Some(socket) = &self.socket
            && is_stale(shot, socket)?
        {
            self.socket = None;
        }
        if self.socket.is_none() {
            let socket = connected(shot, self.port)?;
            watch.add(&socket, 0, false)?;
            self.socket = Some(socket);
        }
        let datagram = self.datagram(self.sent.len() as u16);
        let Some(socket) = &self.socket else { return Ok(Step::Wait) };
        self.sent.push(Instant::now());
        rustix::net::send(socket, &datagram, SendFlags::empty())?;
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, _: usize, _: &mut Watch<'_>) -> Step {
        let Some(socket) = &self.socket else { return Step::Wait };
        let said = said(shot, socket);
        let mut datagram = [0; 256];
        loop {
            match rustix::net::recv(socket, &mut datagram[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    if let Some(number) = self.number(&datagram[..length])
                        && let Some(sent) = self.sent.get(usize::from(number))
                    {
                        return Step::Done(Seen::Reply(sent.elapsed().as_nanos() as u64));
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return said,
                Err(_) => {}
            }
        }
    }
}
