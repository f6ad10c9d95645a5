//! DHCPv4 on the wire.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netyard_core::addr::Mac;
use netyard_core::name::{FullName, InterfaceName};
use netyard_core::service::dhcp4::{Note, Pool, Reply, To, relay_of};
use netyard_core::service::served::{Dhcp4 as Config, Served, ServedNetwork};
use netyard_core::service::trouble::{Trouble, Wanted};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, sendto};

use super::packet::FrameSocket;
use super::world::{self, World, say};
use super::{Service, socket};

const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// Packets that are answered together: their leases go to the disk at once.
const BATCH: usize = 256;
/// How often it looks whether its interface was made anew: sockets are tied to the old one.
const LOOK: Duration = Duration::from_secs(2);
/// The same line of the log at most that often.
const QUIET: Duration = Duration::from_secs(60);

/// One network's.
pub(super) struct Dhcp4 {
    network: FullName,
    interface: InterfaceName,
    socket: OwnedFd,
    frames: FrameSocket,
    notes: Vec<(String, Instant)>,
    /// When it looks whether its interface is another one.
    look: Instant,
}

/// Starts it where the network has it.
pub(super) fn open(
    network: &ServedNetwork,
    served: &Served,
    world: &mut World,
) -> io::Result<Option<Box<dyn Service>>> {
    let (Some(_), Some(interface)) = (&network.dhcp4, &network.interface) else {
        return Ok(None);
    };
    let (socket, frames) = sockets(interface, world)?;
    let all = served.networks.iter();
    if world.pools.is_empty() {
        world.pools = all.filter_map(|n| Some(pool(n, n.dhcp4.as_ref()?, world))).collect();
    }
    let look = world.now() + LOOK;
    let (network, interface) = (network.network.clone(), interface.clone());
    Ok(Some(Box::new(Dhcp4 { network, interface, socket, frames, notes: Vec::new(), look })))
}

fn sockets(interface: &InterfaceName, world: &World) -> io::Result<(OwnedFd, FrameSocket)> {
    let socket = socket::udp4_on(Some(interface), SERVER)?;
    let frames = FrameSocket::open(interface)?;
    world.watch(&socket, 0, EventFlags::IN)?;
    Ok((socket, frames))
}

fn pool(network: &ServedNetwork, config: &Config, world: &World) -> Pool {
    Pool::new(network.network.clone(), config.clone(), world.leases.all().cloned())
}

impl Service for Dhcp4 {
    fn ready(&mut self, _: u32, _: EventFlags, world: &mut World) {
        let mut replies: Vec<(Ipv4Addr, Reply)> = Vec::new();
        let mut packet = [0; 1500];
        let now = world.today();
        for _ in 0..BATCH {
            let length = match recv(&self.socket, &mut packet[..], RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => break,
                // What an earlier answer met: it is that client's trouble.
                Err(_) => continue,
            };
            let Some(index) = self.pool_for(&packet[..length], &world.pools) else { continue };
            let pool = &mut world.pools[index];
            let answer = pool.receive(&packet[..length], now);
            let own = pool.config().server;
            answer.changes.into_iter().for_each(|lease| world.leases.put(lease));
            replies.extend(answer.reply.map(|reply| (own, reply)));
            if let Some(note) = answer.note {
                self.note(&note, world);
            }
        }
        // Nobody hears of a lease that a crash would forget.
        if world.leases.store() {
            for (own, reply) in replies {
                self.send(own, &reply);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.look)
    }

    fn due(&mut self, world: &mut World) {
        self.look = world.now() + LOOK;
        if !self.frames.is_of(&self.interface)
            && let Ok((socket, frames)) = sockets(&self.interface, world)
        {
            (self.socket, self.frames) = (socket, frames);
        }
    }
}

impl Dhcp4 {
    fn pool_for(&self, packet: &[u8], pools: &[Pool]) -> Option<usize> {
        let relay = relay_of(packet);
        pools.iter().position(|pool| match relay {
            None => *pool.network() == self.network,
            Some(relay) => pool.config().subnet.contains(&relay),
        })
    }

    fn send(&self, own: Ipv4Addr, reply: &Reply) {
        let own = (own, SERVER);
        let sent = match reply.to {
            To::Relay(relay) => self.send_to(relay, SERVER, &reply.bytes),
            To::Client(client) => self.send_to(client, CLIENT, &reply.bytes),
            To::Hardware(mac, address) => {
                self.frames.send(mac, own, (address, CLIENT), &reply.bytes)
            }
            // By the frame socket too: its source is the server's own address, and no
            // route is asked.
            To::Broadcast => {
                let all = (Ipv4Addr::BROADCAST, CLIENT);
                self.frames.send(Mac([0xff; 6]), own, all, &reply.bytes)
            }
        };
        if let Err(error) = sent {
            say(&format!("{}: could not answer {:?}: {error}", self.network, reply.to));
        }
    }

    fn send_to(&self, to: Ipv4Addr, port: u16, bytes: &[u8]) -> io::Result<()> {
        sendto(&self.socket, bytes, SendFlags::empty(), &SocketAddrV4::new(to, port))?;
        Ok(())
    }

    fn note(&mut self, note: &Note, world: &mut World) {
        let now = world.now();
        let text = match note {
            // One line for all who come away empty-handed.
            Note::Exhausted(_) => "exhausted".to_owned(),
            other => other.to_string(),
        };
        self.notes.retain(|(_, said)| now.duration_since(*said) < QUIET);
        if self.notes.len() < 32 && !self.notes.iter().any(|(known, _)| *known == text) {
            say(&format!("{}: {note}", self.network));
            self.notes.push((text, now));
            if let Some(trouble) = trouble(note) {
                world::notify(&format!("STATUS={}: {note}", self.network));
                world.met(&self.network, trouble);
            }
        }
    }
}

/// What of it somebody else must put right.
fn trouble(note: &Note) -> Option<Trouble> {
    Some(match note {
        Note::Exhausted(mac) => Trouble::Exhausted { what: Wanted::Ipv4, client: mac.to_string() },
        Note::OtherServer(server, client) => {
            Trouble::OtherServer { server: *server, client: *client }
        }
        Note::InUse(address, mac) => {
            Trouble::InUse { address: (*address).into(), client: mac.to_string() }
        }
        Note::SameIdentifier(..) | Note::OtherName(..) | Note::ReservedHeld(..) => return None,
    })
}
