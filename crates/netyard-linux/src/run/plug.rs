//! An interface of the host becomes the port of a bridge, and the bridge takes
//! its place: addresses and routes move to it, and back.
//!
//! Whoever works on the machine may do so through this very interface. So first
//! all is prepared that changes nothing yet: the port gets its mark, by which the
//! way back is found with the state directory lost, and the addresses are added
//! where they go, beside where they are; of IPv6 without duplicate detection,
//! since it is the same machine with the same MAC address. Then comes one send,
//! which the kernel works through before it returns, whatever becomes of this
//! process:
//!
//! 1. the port joins its bridge, or leaves it;
//! 2. routes change their interface, those without a gateway first, then neighbours
//!    that somebody wrote down and rules that name it;
//! 3. the old addresses go, the newest first, so that none takes others along.
//!
//! Nothing is noted of what moves: what the bridge has besides what is the
//! yard's is the interface's, as it is on the way back, with the lifetimes that
//! it has then. When a request is refused, all is moved back at once.

use std::collections::BTreeSet;

use netyard_core::interface::{Interface, Kind};
use netyard_core::plan::Op;
use netyard_core::state::Place;
use netyard_core::wire::link::{self, Link};
use netyard_core::wire::{Mark, PROTOCOL, Request, address, neighbour, route, rule};
use rustix::io::Errno;

use super::entourage::{MovingNeighbour, MovingRule};
use super::moving::{Family, MovingAddress, MovingRoute};
use super::send::{refused, refused_by_system};
use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Batch, Failure, Socket};

/// Settings that a bridge takes over from the interface that it stands in for.
const INHERITED: [&str; 14] = [
    "ipv6/conf/{}/disable_ipv6",
    "ipv6/conf/{}/accept_ra",
    "ipv6/conf/{}/accept_ra_defrtr",
    "ipv6/conf/{}/accept_ra_pinfo",
    "ipv6/conf/{}/autoconf",
    "ipv6/conf/{}/use_tempaddr",
    "ipv6/conf/{}/accept_redirects",
    "ipv6/conf/{}/addr_gen_mode",
    "ipv4/conf/{}/forwarding",
    "ipv4/conf/{}/rp_filter",
    "ipv4/conf/{}/accept_redirects",
    "ipv4/conf/{}/send_redirects",
    "ipv4/conf/{}/arp_ignore",
    "ipv4/conf/{}/arp_announce",
];

/// An interface of the host as it is now.
struct Now {
    index: u32,
    name: String,
    master: Option<(u32, String)>,
}

/// From where to where things move.
struct Shift<'s> {
    from: (u32, &'s str),
    to: (u32, &'s str),
    port: u32,
    /// The port's new master; none: it leaves the one it has.
    joins: Option<u32>,
    /// The port's new mark.
    alias: Option<String>,
}

impl Run<'_> {
    /// True for an interface of the host that stays there as a port.
    pub(super) fn stays_as_port(interface: &Interface) -> bool {
        interface.id.place == Place::Host && matches!(interface.kind, Kind::Physical(_))
    }

    /// Lets an interface of the host be the port of the bridge with that index.
    pub(super) fn plug(
        &mut self,
        op: &Op,
        interface: &Interface,
        bridge: u32,
    ) -> Result<u32, Error> {
        let now = self.find_port(op, interface)?;
        if now.master.as_ref().is_some_and(|(master, _)| *master == bridge) {
            return Ok(now.index);
        }
        if let Some((_, master)) = &now.master {
            let what = format!("{}: it belongs to `{master}` already", words::could_not(op));
            return Err(Error::new(ErrorKind::Refused, what));
        }
        let failed = |e| refused_by_system(op, e);
        let name = self.host_name_of(bridge).map_err(failed)?;
        self.inherit(&now.name, &name).map_err(failed)?;
        let alias = Mark::of(self.yard, interface).alias();
        self.shift(
            op,
            &Shift {
                from: (now.index, &now.name),
                to: (bridge, &name),
                port: now.index,
                joins: Some(bridge),
                alias: Some(alias),
            },
        )?;
        Ok(now.index)
    }

    /// Takes a port out of its bridge: it is the host's way out again, as it
    /// was. With `mark` it stays the yard's, for the next bridge.
    pub(super) fn unplug(
        &mut self,
        op: &Op,
        interface: &Interface,
        mark: bool,
    ) -> Result<(), Error> {
        let now = match self.find_port(op, interface) {
            Err(_) if self.lenient => return Ok(()),
            now => now?,
        };
        let alias = mark.then(|| Mark::of(self.yard, interface).alias());
        let from = match &now.master {
            Some((master, name)) => (*master, name.as_str()),
            // The bridge is gone, and with it what was on it.
            None => (now.index, now.name.as_str()),
        };
        self.shift(
            op,
            &Shift {
                from,
                to: (now.index, &now.name),
                port: now.index,
                joins: None,
                alias: Some(alias.unwrap_or_default()),
            },
        )?;
        if mark {
            return Ok(());
        }
        self.restore_port(&now.name).map_err(|e| refused_by_system(op, e))
    }

    /// The port's settings of IPv6 become what they were while it is up: what
    /// makes a link-local address does so on one that is down, too, where it
    /// would stay tentative (`addrconf_init_auto_addrs`, net/ipv6/addrconf.c).
    fn restore_port(&mut self, name: &str) -> std::io::Result<()> {
        self.worker.go_home()?;
        self.proc.visit(self.worker.home());
        let folder = format!("sys/net/ipv6/conf/{name}/");
        for (path, value) in &self.record.originals {
            if path.starts_with(&folder) && self.proc.read(path)?.is_some_and(|now| now != *value) {
                self.proc.write(path, value)?;
            }
        }
        Ok(())
    }

    /// Moves what is the host's; what fails is moved back.
    fn shift(&mut self, op: &Op, shift: &Shift<'_>) -> Result<(), Error> {
        let failed = |e| refused_by_system(op, e);
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else {
            return Err(words::lost(op, "there is no host"));
        };
        let socket = site.socket(worker).map_err(failed)?;
        let freight = Freight::of(socket, shift).map_err(failed)?;
        let unprepared = freight.prepare(socket, shift, false).map_err(failed)?;
        let begun = unprepared.is_none();
        let wrong = match unprepared {
            None => freight.shift(socket, shift).map_err(failed)?,
            wrong => wrong,
        };
        let Some(wrong) = wrong else { return Ok(()) };
        let back = Shift {
            from: shift.to,
            to: shift.from,
            port: shift.port,
            joins: if shift.joins.is_some() { None } else { Some(shift.from.0) },
            alias: shift.joins.map(|_| String::new()),
        };
        // What it leaves undone, observing will show.
        if shift.from.0 != shift.to.0 {
            let _ = freight.prepare(socket, &back, begun);
            let _ = freight.shift(socket, &back);
        }
        Err(refused(op, wrong))
    }

    /// The interface under its name on the host.
    fn find_port(&mut self, op: &Op, interface: &Interface) -> Result<Now, Error> {
        let failed = |e| refused_by_system(op, e);
        let name = interface.kernel_name.as_str().to_owned();
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else {
            return Err(words::lost(op, "there is no host"));
        };
        let links = links(site.socket(worker).map_err(failed)?).map_err(failed)?;
        let found = links.iter().find(|link| link.name == name).ok_or_else(|| {
            let what = format!("{}: there is no `{name}` on the host", words::could_not(op));
            Error::new(ErrorKind::Refused, what)
        })?;
        let master = found.master.and_then(|master| {
            let link = links.iter().find(|link| link.index == master)?;
            Some((master, link.name.clone()))
        });
        Ok(Now { index: found.index, name, master })
    }

    fn host_name_of(&mut self, index: u32) -> std::io::Result<String> {
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let links = links(site.socket(worker)?)?;
        let found = links.into_iter().find(|link| link.index == index);
        found.map(|link| link.name).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    /// The bridge behaves toward the outside as the interface did.
    fn inherit(&mut self, port: &str, bridge: &str) -> std::io::Result<()> {
        self.worker.go_home()?;
        self.proc.visit(self.worker.home());
        for key in INHERITED {
            let path = |name: &str| format!("sys/net/{}", key.replace("{}", name));
            let original = self.record.originals.get(&path(port)).cloned();
            let Some(value) = original.or(self.proc.read(&path(port))?) else { continue };
            if self.proc.read(&path(bridge))?.is_some_and(|now| now != value) {
                self.proc.write(&path(bridge), &value)?;
            }
        }
        Ok(())
    }
}

/// A link, as far as it matters here.
struct Found {
    index: u32,
    name: String,
    master: Option<u32>,
}

fn links(socket: &mut Socket) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    socket.dump(&link::links(), |message| match message {
        None => found.clear(),
        Some(message) => found.extend(Link::parse(message.payload).map(|link| Found {
            index: link.index,
            name: link.name.to_owned(),
            master: link.master,
        })),
    })?;
    Ok(found)
}

/// What moves.
#[derive(Default)]
struct Freight {
    addresses: Vec<MovingAddress>,
    /// Link-local addresses of the kernel's own, which do not move.
    made_anew: Vec<MovingAddress>,
    routes: Vec<MovingRoute>,
    neighbours: Vec<MovingNeighbour>,
    rules: Vec<MovingRule>,
}

impl Freight {
    fn of(socket: &mut Socket, shift: &Shift<'_>) -> std::io::Result<Self> {
        let (index, name) = shift.from;
        if index == shift.to.0 {
            return Ok(Self::default());
        }
        let all = addresses_of(socket, index)?;
        let routes = routes_of(socket, index, &all)?;
        let (made_anew, addresses) = all.into_iter().partition(MovingAddress::is_made_anew);
        let neighbours =
            read_all(socket, &neighbour::dump(), |body| MovingNeighbour::read(body, index))?;
        let rules = read_all(socket, &rule::dump(), |body| MovingRule::read(body, name))?;
        Ok(Self { addresses, made_anew, routes, neighbours, rules })
    }

    /// Adds what is needed where it goes; gives what was refused. With `anew`
    /// some of it may be there, and the order of IPv4 addresses counts.
    fn prepare(
        &self,
        socket: &mut Socket,
        shift: &Shift<'_>,
        anew: bool,
    ) -> std::io::Result<Option<Failure>> {
        let mut batch = Batch::default();
        if let Some(alias) = shift.alias.as_ref().filter(|_| shift.joins.is_some()) {
            batch.push(crate::netlink::set_alias_or_none(shift.port, alias));
        }
        let first = batch.len();
        for address in self.addresses.iter().rev().filter(|a| anew && a.is_ipv4()) {
            address.remove(&mut batch, shift.to.0);
        }
        let gone = first..batch.len();
        // The kernel lists those of IPv4 as they came, of IPv6 the newest first,
        // and prefers the first as source.
        let (v4, v6): (Vec<_>, Vec<_>) = self.addresses.iter().partition(|a| a.is_ipv4());
        for address in v4.into_iter().chain(v6.into_iter().rev()) {
            address.add(&mut batch, shift.to);
        }
        let mut failures = socket.run(batch)?.failures.into_iter();
        Ok(failures.find(|f| f.errno != Errno::EXIST && !gone.contains(&f.index)))
    }

    /// Makes the change; gives what was refused.
    fn shift(&self, socket: &mut Socket, shift: &Shift<'_>) -> std::io::Result<Option<Failure>> {
        let mut batch = Batch::default();
        let mut adds = BTreeSet::new();
        adds.insert(batch.push(crate::netlink::set_master(shift.port, shift.joins.unwrap_or(0))));
        for route in &self.routes {
            adds.insert(route.shift(&mut batch, shift.from.0, shift.to.0));
        }
        adds.extend(self.neighbours.iter().map(|n| n.shift(&mut batch, shift.from.0, shift.to.0)));
        adds.extend(self.rules.iter().map(|r| r.shift(&mut batch, shift.from.1, shift.to.1)));
        for address in self.addresses.iter().rev() {
            address.remove(&mut batch, shift.from.0);
        }
        // A port has no address of its own; a bridge that loses its place keeps
        // what the kernel gave it.
        for address in self.made_anew.iter().filter(|_| shift.joins.is_some()) {
            address.remove(&mut batch, shift.from.0);
        }
        if let Some(alias) = shift.alias.as_ref().filter(|_| shift.joins.is_none()) {
            adds.insert(batch.push(crate::netlink::set_alias_or_none(shift.port, alias)));
        }
        let failures = socket.run(batch)?.failures;
        Ok(failures.into_iter().find(|failure| match failure.errno {
            Errno::EXIST => false,
            // What is to go is gone.
            Errno::ADDRNOTAVAIL | Errno::SRCH | Errno::NOENT => adds.contains(&failure.index),
            _ => true,
        }))
    }
}

/// Addresses of an interface that are not the yard's, in order.
fn addresses_of(socket: &mut Socket, index: u32) -> std::io::Result<Vec<MovingAddress>> {
    read_all(socket, &[address::dump()], |body| {
        MovingAddress::read(body).filter(|a| a.index == index && a.protocol != PROTOCOL)
    })
}

/// What is wanted of the answers to dumps.
fn read_all<T>(
    socket: &mut Socket,
    requests: &[Request],
    read: impl Fn(&[u8]) -> Option<T>,
) -> std::io::Result<Vec<T>> {
    let mut found: Vec<T> = Vec::new();
    for request in requests {
        let begun = found.len();
        socket.dump(request, |message| match message {
            None => found.truncate(begun),
            Some(message) => found.extend(read(message.payload)),
        })?;
    }
    Ok(found)
}

/// Routes through an interface that are neither the yard's nor the kernel's to
/// make, those without a gateway first.
fn routes_of(
    socket: &mut Socket,
    index: u32,
    addresses: &[MovingAddress],
) -> std::io::Result<Vec<MovingRoute>> {
    let mut found = read_all(socket, &route::dump_all(), |body| {
        let route = MovingRoute::read(body, index);
        route.filter(|r| r.protocol != PROTOCOL && !r.is_made_by(addresses))
    })?;
    found.sort_by_key(|route| (route.has_gateway, route.family == Family::V6));
    Ok(found)
}
