//! Listening at targets while a test runs, where nothing else does: so that what
//! is blocked is told from what nobody serves, and policies can be proved
//! without services.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use netyard_core::state::Place;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::Spaces;
use super::socket::{Sort, bare};
use crate::netns::Worker;

/// A port at which netyard is to listen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub place: Place,
    pub address: IpAddr,
    pub port: u16,
    pub udp: bool,
}

/// How listening went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// netyard does.
    Ours,
    /// Something else has the port.
    Taken,
    /// It cannot: why.
    Failed(String),
}

/// Connections that wait to be taken up.
const BACKLOG: i32 = 1024;

/// Listens at these ports while `work` runs, which is told how that went.
pub(super) fn during<R: Send>(
    spaces: &Spaces,
    ports: Vec<Port>,
    work: impl FnOnce(&BTreeMap<Port, Listening>) -> R + Send,
) -> io::Result<R> {
    let (mut open, mut went) = (Vec::new(), BTreeMap::new());
    Worker::run(|worker| {
        for port in ports {
            let listening = match one(worker, spaces, &port) {
                Ok(socket) => {
                    open.push((socket, port.udp));
                    Listening::Ours
                }
                Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => {
                    Listening::Taken
                }
                Err(error) => Listening::Failed(error.to_string()),
            };
            went.insert(port, listening);
        }
    })?;
    if open.is_empty() {
        return Ok(work(&went));
    }
    let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(&open, &stop));
        let done = work(&went);
        rustix::io::write(&stop, &1_u64.to_ne_bytes())?;
        server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(done)
    })
}

fn one(worker: &mut Worker, spaces: &Spaces, port: &Port) -> io::Result<OwnedFd> {
    let space = spaces.get(&port.place).ok_or(io::ErrorKind::NotFound)?;
    worker.enter(space)?;
    let sort = if port.udp { Sort::Udp } else { Sort::Tcp };
    let socket = bare(port.address.is_ipv6(), sort)?;
    if !port.udp {
        // A connection that was there a moment ago is no program that listens.
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(port.address, port.port))?;
    if !port.udp {
        rustix::net::listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// Takes connections up and lets them go; sends datagrams back.
fn serve(sockets: &[(OwnedFd, bool)], stop: &OwnedFd) -> io::Result<()> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let incoming = epoll::EventFlags::IN;
    for (at, (socket, _)) in sockets.iter().enumerate() {
        epoll::add(&set, socket, epoll::EventData::new_u64(at as u64), incoming)?;
    }
    epoll::add(&set, stop, epoll::EventData::new_u64(u64::MAX), incoming)?;
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            match sockets.get(event.data.u64() as usize) {
                None => return Ok(()),
                Some((socket, true)) => echo(socket),
                Some((socket, false)) => take_up(socket),
            }
        }
    }
}

fn take_up(socket: &OwnedFd) {
    // The other end resets them, so that nothing of them lingers here.
    while rustix::net::accept_with(socket, SocketFlags::CLOEXEC).is_ok() {}
}

fn echo(socket: &OwnedFd) {
    let mut datagram = [0; 2048];
    loop {
        match rustix::net::recvfrom(socket, &mut datagram[..], RecvFlags::empty()) {
            Ok((length, _, Some(from))) => {
                // What cannot be sent back is not seen there, which is the test.
                let _ = rustix::net::sendto(socket, &datagram[..length], SendFlags::empty(), &from);
            }
            Ok(_) => {}
            // An error of an earlier echo; its queue is nobody's concern.
            Err(Errno::AGAIN) => return,
            Err(_) => while super::socket::complaint(socket).is_some() {},
        }
    }
}
