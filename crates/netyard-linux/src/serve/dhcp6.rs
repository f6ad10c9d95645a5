//! DHCPv6 on the wire, and the routes to what is delegated.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv6Net};
use netyard_core::name::FullName;
use netyard_core::service::dhcp6::message::LONGEST;
use netyard_core::service::dhcp6::{Note, Pool};
use netyard_core::service::served::{Served, ServedNetwork};
use netyard_core::service::trouble::{Trouble, Wanted};
use netyard_core::wire::leased::{LeasedRoute, read_route};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recvfrom};

use super::Service;
use super::link6::{ALL_SERVERS, Link};
use super::world::{self, World, say};
use crate::netlink::{Batch, Protocol, Socket};

const SERVER: u16 = 547;
/// Packets that are answered together: their leases go to the disk at once.
const BATCH: usize = 64;
/// The same line of the log at most that often.
const QUIET: Duration = Duration::from_secs(60);

struct Dhcp6 {
    network: FullName,
    link: Link,
    socket: OwnedFd,
    pool: Pool,
    /// Routes to delegated prefixes that are in the kernel, and through whom.
    routes: BTreeMap<Ipv6Net, Ipv6Addr>,
    /// When the next delegation ends.
    ends: Option<Instant>,
    notes: Vec<(String, Instant)>,
}

/// Starts it where the network has it; where it had, its routes go.
pub(super) fn open(
    network: &ServedNetwork,
    _: &Served,
    world: &mut World,
) -> io::Result<Option<Box<dyn Service>>> {
    let Some(interface) = &network.interface else { return Ok(None) };
    let Some(config) = &network.dhcp6 else {
        if let Ok(link) = Link::find(interface) {
            change(
                present(&link)?.iter().map(|(net, via)| route(&link, *net, *via).remove()),
                &network.network,
            );
        }
        return Ok(None);
    };
    let link = Link::find(interface)?;
    let socket = link.udp(SERVER, Some(ALL_SERVERS))?;
    world.watch(&socket, 0, EventFlags::IN)?;
    let duid = world.duid(link.mac)?;
    let leases = world.leases.all().cloned();
    let pool = Pool::new(network.network.clone(), config.clone(), duid, leases);
    let routes = present(&link)?;
    let network = network.network.clone();
    let mut service = Dhcp6 { network, link, socket, pool, routes, ends: None, notes: Vec::new() };
    service.route(world);
    Ok(Some(Box::new(service)))
}

impl Service for Dhcp6 {
    fn ready(&mut self, _: u32, _: EventFlags, world: &mut World) {
        let mut replies: Vec<(Ipv6Addr, Vec<u8>)> = Vec::new();
        let mut packet = [0; LONGEST];
        let (now, mut changed) = (world.today(), false);
        for _ in 0..BATCH {
            let (length, from) = match recvfrom(&self.socket, &mut packet[..], RecvFlags::empty()) {
                Ok((length, _, from)) => (length, from),
                Err(Errno::AGAIN) => break,
                // What an earlier answer met: it is that client's trouble.
                Err(_) => continue,
            };
            let from = from.and_then(|from| SocketAddrV6::try_from(from).ok());
            // Clients ask from their link-local address (RFC 8415, 18.2.1).
            let Some(from) = from.map(|from| *from.ip()).filter(Ipv6Addr::is_unicast_link_local)
            else {
                continue;
            };
            let answer = self.pool.receive(&packet[..length], from, now);
            changed |= !answer.changes.is_empty();
            answer.changes.into_iter().for_each(|lease| world.leases.put(lease));
            replies.extend(answer.reply.map(|reply| (from, reply)));
            answer.notes.iter().for_each(|note| self.note(note, world));
        }
        // Nobody hears of a lease that a crash would forget.
        if !world.leases.store() {
            return;
        }
        if changed {
            self.route(world);
        }
        for (to, reply) in replies {
            const CLIENT: u16 = 546;
            if let Err(error) = self.link.send(&self.socket, to, CLIENT, &reply) {
                say(&format!("{}: could not answer {to}: {error}", self.network));
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.ends
    }

    fn due(&mut self, world: &mut World) {
        self.route(world);
    }

    fn end(&mut self, _: &mut World) {
        let gone = self.routes.iter().map(|(net, via)| route(&self.link, *net, *via).remove());
        change(gone, &self.network);
    }
}

impl Dhcp6 {
    /// Makes the routes as the leases are.
    fn route(&mut self, world: &World) {
        let now = world.today();
        let wanted: BTreeMap<Ipv6Net, Ipv6Addr> = self.pool.delegated(now).collect();
        let more = wanted.iter().filter(|(net, via)| self.routes.get(net) != Some(via));
        let less = self.routes.iter().filter(|(net, _)| !wanted.contains_key(net));
        let requests = less
            .map(|(net, via)| route(&self.link, *net, *via).remove())
            .chain(more.map(|(net, via)| route(&self.link, *net, *via).set()));
        change(requests, &self.network);
        self.routes = wanted;
        let next = self.pool.next_return(now);
        self.ends = next.map(|at| world.now() + Duration::from_secs(at.saturating_sub(now)));
    }

    fn note(&mut self, note: &Note, world: &mut World) {
        let now = world.now();
        let text = match note {
            // One line for all who come away empty-handed.
            Note::NoAddress(_) => "no address".to_owned(),
            Note::NoPrefix(_) => "no prefix".to_owned(),
            other => other.to_string(),
        };
        self.notes.retain(|(_, said)| now.duration_since(*said) < QUIET);
        if self.notes.len() < 32 && !self.notes.iter().any(|(known, _)| *known == text) {
            say(&format!("{}: {note}", self.network));
            self.notes.push((text, now));
            let trouble = match note {
                Note::NoAddress(from) => {
                    Trouble::Exhausted { what: Wanted::Ipv6, client: from.to_string() }
                }
                Note::NoPrefix(from) => {
                    Trouble::Exhausted { what: Wanted::Prefix, client: from.to_string() }
                }
                Note::InUse(address, from) => {
                    Trouble::InUse { address: (*address).into(), client: from.to_string() }
                }
            };
            world::notify(&format!("STATUS={}: {note}", self.network));
            world.met(&self.network, trouble);
        }
    }
}

fn route(link: &Link, net: Ipv6Net, via: Ipv6Addr) -> LeasedRoute {
    LeasedRoute { index: link.index, destination: IpNet::V6(net), gateway: Some(via.into()) }
}

/// The routes that a server before made through the interface.
fn present(link: &Link) -> io::Result<BTreeMap<Ipv6Net, Ipv6Addr>> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut found = BTreeMap::new();
    for request in netyard_core::wire::route::dump_all() {
        socket.dump(&request, |message| {
            let route = message.and_then(|message| read_route(message.payload));
            if let Some(LeasedRoute {
                index,
                destination: IpNet::V6(net),
                gateway: Some(std::net::IpAddr::V6(via)),
            }) = route
                && index == link.index
                && net.prefix_len() > 0
            {
                found.insert(net, via);
            }
        })?;
    }
    Ok(found)
}

/// Asks the kernel; what it refuses is said, and does not stop the service.
fn change(requests: impl Iterator<Item = netyard_core::wire::Request>, network: &FullName) {
    let mut batch = Batch::default();
    batch.extend(requests);
    if batch.is_empty() {
        return;
    }
    let outcome = Socket::open(Protocol::Route).and_then(|mut socket| socket.run(batch));
    // A route that is gone already went with its interface or the router's address.
    let trouble = match outcome {
        Ok(outcome) => outcome
            .failures
            .into_iter()
            .map(|f| f.errno)
            .find(|e| *e != Errno::SRCH)
            .map(io::Error::from),
        Err(error) => Some(error),
    };
    if let Some(error) = trouble {
        say(&format!(
            "{network}: the routes to delegated prefixes are not as they should be: {error}"
        ));
    }
}
