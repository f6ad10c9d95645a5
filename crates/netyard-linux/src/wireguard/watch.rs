//! The process that looks after endpoints with names, where the kernel does the
//! rest: it knows addresses alone.

use std::io;
use std::net::ToSocketAddrs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use netyard_core::state::{TunnelFile, TunnelPeer};
use netyard_core::wire::link;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::device;
use super::engine::{Wish, log, namespace, read, signal, signals};
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;

/// How often it looks, in seconds.
const EVERY: i64 = 15;
/// How long a peer may be silent before its name is looked up again, in seconds.
const SILENT: u64 = 135;

/// Runs until it is told to end, given the path of a [`TunnelFile`].
pub fn watch(path: &Path) -> ExitCode {
    match run(path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("ended: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(path: &Path) -> io::Result<()> {
    let signals = signals()?;
    let mut file = read(path)?;
    loop {
        if let Err(error) = look_after(&file) {
            log(&format!("could not look after the endpoints: {error}"));
        }
        let every = Timespec { tv_sec: EVERY, tv_nsec: 0 };
        let mut polled = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&every)))?;
        match signal(signals.as_fd())? {
            Some(Wish::End) => return Ok(()),
            Some(Wish::Reload) => file = read(path)?,
            None => {}
        }
    }
}

fn look_after(file: &TunnelFile) -> io::Result<()> {
    let net = match &file.netns {
        Some(name) => Some(namespace(&file.yard, name)?),
        None => None,
    };
    let (mut socket, index) = Worker::run(|worker| {
        if let Some(net) = &net {
            worker.enter(net.as_fd())?;
        }
        let mut links = Socket::open(Protocol::Route)?;
        let mut index = None;
        links.dump(&link::links(), |message| {
            let found = message.and_then(|message| link::Link::parse(message.payload));
            if let Some(found) = found.filter(|found| found.name == file.device.as_str()) {
                index = Some(found.index);
            }
        })?;
        let index = index.ok_or_else(|| io::Error::other("the interface is not there"))?;
        Ok::<_, io::Error>((Socket::open(Protocol::Generic)?, index))
    })??;
    let pulse = device::pulse(&mut socket, index)?;
    for peer in file.tunnel.peers.iter().filter(|peer| has_name(peer)) {
        let now = pulse.peers.iter().find(|now| now.public_key == peer.public_key);
        let Some(now) = now else { continue };
        if now.endpoint.is_some() && now.age.is_some_and(|age| age <= SILENT) {
            continue;
        }
        let name = peer.endpoint.as_deref().unwrap_or_default();
        match name.to_socket_addrs().map(|mut all| all.next()) {
            Ok(Some(found)) if Some(found) != now.endpoint => {
                device::move_peer(&mut socket, index, peer, found)?;
                log(&format!("`{name}` leads to {found} now"));
            }
            Ok(_) => {}
            Err(error) => log(&format!("could not resolve `{name}`: {error}")),
        }
    }
    Ok(())
}

fn has_name(peer: &TunnelPeer) -> bool {
    let said = peer.endpoint.as_deref();
    said.is_some_and(|said| said.parse::<std::net::SocketAddr>().is_err())
}
