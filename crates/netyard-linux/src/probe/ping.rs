//! ICMP echo: one connected raw socket, a request for each try.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use netyard_core::expect::Seen;

use super::Shot;
use super::echo;
use super::engine::{Driver, Step, Watch};
use super::socket::{address, complaint, is_stale, open, seen};

/// Bytes of a request's message: 84 with the IPv4 header, as `ping` has it.
const LENGTH: usize = 64;

/// An echo that is waited for.
#[derive(Default)]
pub(super) struct Ping {
    socket: Option<OwnedFd>,
    id: u16,
    /// By sequence number.
    sent: Vec<Instant>,
}

impl Driver for Ping {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        let ipv6 = shot.to.is_ipv6();
        if let Some(socket) = &self.socket
            && is_stale(shot, socket)?
        {
            self.socket = None;
        }
        if self.socket.is_none() {
            let socket = open(shot, echo::SORT)?;
            echo::only_replies(&socket, ipv6)?;
            // Connected, it receives from there alone, and what is said of it.
            rustix::net::connect(&socket, &address(shot, &socket, 0)?)?;
            watch.add(&socket, 0, false)?;
            self.id = echo::fresh_id();
            self.socket = Some(socket);
        }
        let Some(socket) = &self.socket else { return Ok(Step::Wait) };
        let packet = echo::request(ipv6, self.id, self.sent.len() as u16, LENGTH);
        self.sent.push(Instant::now());
        rustix::net::send(socket, &packet, rustix::net::SendFlags::empty())?;
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, _: usize, _: &mut Watch<'_>) -> Step {
        let Some(socket) = &self.socket else { return Step::Wait };
        let mut said = Step::Wait;
        while let Some(complaint) = complaint(socket) {
            if let Some(seen) = seen(&complaint, shot, socket) {
                said = Step::Seen(seen);
            }
        }
        let mut packet = [0; 256];
        loop {
            match rustix::net::recv(socket, &mut packet[..], rustix::net::RecvFlags::empty()) {
                Ok((length, _)) => match echo::reply(shot.to.is_ipv6(), &packet[..length]) {
                    Some((id, sequence, _)) if id == self.id => {
                        let Some(sent) = self.sent.get(usize::from(sequence)) else { continue };
                        return Step::Done(Seen::Reply(sent.elapsed().as_nanos() as u64));
                    }
                    _ => {}
                },
                Err(rustix::io::Errno::AGAIN) => return said,
                // A pending error, of which the queue has told.
                Err(_) => {}
            }
        }
    }
}
