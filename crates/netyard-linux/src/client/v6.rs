//! DHCPv6 on the wire, for a client.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use netyard_core::service::client::v6::{Act, Client, Event, Lease6};
use netyard_core::service::dhcp6::message::LONGEST;
use rustix::net::{RecvFlags, recv};

use super::lease::until;
use super::{World, delegated, seed, today};
use crate::serve::link6::ALL_SERVERS;
use crate::serve::world::say;

const SERVER: u16 = 547;
const CLIENT: u16 = 546;
/// How soon to look again for a link-local address, should no event tell, in
/// milliseconds.
const AGAIN: u64 = 1_000;

pub(super) struct Dhcp6 {
    /// For an address, for a prefix, or both: each with transactions of its own.
    clients: Vec<Client>,
    socket: OwnedFd,
    /// Until then there is no link-local address to send from.
    waits: Option<u64>,
}

impl Dhcp6 {
    pub fn open(world: &World) -> io::Result<Self> {
        let no_mac = || io::Error::other("an interface without a hardware address has no DHCPv6");
        let mac = world.link.mac.ok_or_else(no_mac)?;
        let hostname = world.config.hostname.clone();
        let mut clients = Vec::new();
        let lease = |held: &Option<(Lease6, u64)>| held.as_ref().map(|(lease, _)| lease.clone());
        if world.config.dhcp6 {
            let before = lease(&world.held.v6);
            clients.push(Client::new(mac, hostname, before, seed(&world.link), world.now()));
        }
        if let Some(delegated) = &world.config.delegated {
            let (before, seed) = (lease(&world.held.prefix), !seed(&world.link));
            let client = Client::new(mac, None, before, seed, world.now());
            clients.push(client.of_prefix(delegated.length));
        }
        let socket = world.link.udp(CLIENT, None).map_err(|error| {
            let taken = error.kind() == io::ErrorKind::AddrInUse;
            let text = "another DHCPv6 client has port 546 here: end it, or let it ask";
            if taken { io::Error::new(error.kind(), text) } else { error }
        })?;
        Ok(Self { clients, socket, waits: None })
    }

    pub fn due(&self) -> u64 {
        let due = self.clients.iter().map(Client::due).min().unwrap_or(u64::MAX);
        self.waits.map_or(due, |until| until.max(due))
    }

    pub fn fds(&self) -> [BorrowedFd<'_>; 1] {
        [self.socket.as_fd()]
    }

    pub fn tick(&mut self, world: &mut World) {
        if self.clients.iter().all(|client| client.due() > world.now()) {
            return;
        }
        // The kernel tells when duplicate address detection is done, and this is
        // called for every event.
        self.waits = match world.link.link_local() {
            Some(_) => None,
            None => Some(world.now() + AGAIN),
        };
        if self.waits.is_none() {
            self.step(Event::Tick, world);
        }
    }

    pub fn link_up(&mut self, world: &mut World) {
        self.step(Event::LinkUp, world);
    }

    pub fn duplicate(&mut self, address: Ipv6Addr, world: &mut World) {
        for index in 0..self.clients.len() {
            let lease = self.clients[index].lease();
            if lease.is_some_and(|lease| lease.net() == address.into()) {
                self.step_one(index, Event::Conflict, world);
            }
        }
    }

    pub fn receive(&mut self, world: &mut World) {
        let mut packet = [0; LONGEST];
        while let Ok((length, _)) = recv(&self.socket, &mut packet[..], RecvFlags::empty()) {
            // Whose it is, its transaction says.
            self.step(Event::Packet(&packet[..length]), world);
        }
    }

    pub fn stop(&mut self, world: &mut World) {
        for index in 0..self.clients.len() {
            let acts = self.clients[index].stop(world.now());
            acts.into_iter().for_each(|act| self.act(index, act, world));
        }
    }

    fn step(&mut self, event: Event<'_>, world: &mut World) {
        for index in 0..self.clients.len() {
            self.step_one(index, event, world);
        }
    }

    fn step_one(&mut self, index: usize, event: Event<'_>, world: &mut World) {
        let acts = self.clients[index].step(event, world.now());
        acts.into_iter().for_each(|act| self.act(index, act, world));
    }

    fn act(&mut self, index: usize, act: Act, world: &mut World) {
        let of_prefix = self.clients[index].is_of_prefix();
        let done = match act {
            Act::Send(bytes) => world.link.send(&self.socket, ALL_SERVERS, SERVER, &bytes),
            Act::Bind(lease) if of_prefix => delegated::bind(&lease, world),
            Act::Bind(lease) => bind(&lease, world),
            Act::Drop if of_prefix => delegated::drop(world),
            Act::Drop => drop(world),
            Act::Say(text) => {
                say(&format!("{}: {text}", world.config.interface));
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            // The link is down, or has lost its address: it is tried again.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NetworkDown
                        | io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::AddrNotAvailable
                ) => {}
            Err(error) => say(&format!("{}: {error}", world.config.interface)),
        }
    }
}

fn bind(lease: &Lease6, world: &mut World) -> io::Result<()> {
    // What is on the link is for advertisements to say (RFC 8415, 18.2.10.1).
    let net = IpNet::from(IpAddr::V6(lease.address));
    let is_new = world.held.v6.as_ref().is_none_or(|(before, _)| before.address != lease.address);
    world.kernel.forget(true, &[net], &[])?;
    let address = world.kernel.address(net, lease.preferred, lease.valid);
    world.kernel.run([address.set()])?;
    world.held.v6 = Some((lease.clone(), until(today(), lease.valid)));
    world.settle();
    if is_new {
        say(&format!("{}: {} for {} s", world.config.interface, lease.address, lease.valid));
    }
    Ok(())
}

fn drop(world: &mut World) -> io::Result<()> {
    if let Some((lease, _)) = world.held.v6.take() {
        say(&format!("{}: {} is given up", world.config.interface, lease.address));
    }
    world.settle();
    world.kernel.forget(true, &[], &[])
}
