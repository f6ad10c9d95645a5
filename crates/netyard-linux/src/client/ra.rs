//! Name servers that routers advertise (RFC 8106): the kernel takes addresses and
//! routes from advertisements, and leaves these to programs.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use netyard_core::service::ra::{Ra, solicitation};

use super::World;
use crate::serve::link6::{ALL_ROUTERS, receive};

/// What an advertisement is called on the wire (RFC 4861).
const ADVERTISEMENT: u8 = 134;

/// What a router said of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Name servers.
    pub servers: Vec<Ipv6Addr>,
    /// Domains that are tried after a short name.
    pub search: Vec<String>,
    /// Until when, in milliseconds of the process's clock.
    until: u64,
}

/// What each router of the link said.
pub type Names = BTreeMap<Ipv6Addr, Told>;

pub(super) struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Begins to listen, and asks who is there.
    pub fn open(world: &World) -> io::Result<Self> {
        let listener = Self { socket: world.link.icmp(&[ADVERTISEMENT])? };
        listener.ask(world);
        Ok(listener)
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Asks all routers. One that does not hear it says it by itself before long.
    pub fn ask(&self, world: &World) {
        let _ = world.link.send(&self.socket, ALL_ROUTERS, 0, &solicitation(world.link.mac));
    }

    /// When what was said ends.
    pub fn due(&self, world: &World) -> u64 {
        world.held.names.values().map(|told| told.until).min().unwrap_or(u64::MAX)
    }

    /// What has ended goes.
    pub fn tick(&self, world: &mut World) {
        let (now, before) = (world.now(), world.held.names.len());
        world.held.names.retain(|_, told| told.until > now);
        if world.held.names.len() != before {
            world.settle();
        }
    }

    /// Takes in what routers say.
    pub fn receive(&self, world: &mut World) {
        let mut packet = [0; 9000];
        let before = world.held.names.clone();
        while let Ok((length, from)) = receive(&self.socket, &mut packet) {
            // From further away than the link it is nobody's router.
            let Some(from) = from.filter(Ipv6Addr::is_unicast_link_local) else { continue };
            let Some(ra) = packet.get(..length).and_then(Ra::read) else { continue };
            let now = world.now();
            hear(&mut world.held.names, from, &ra, now);
        }
        let same = |a: &Told, b: &Told| (&a.servers, &a.search) == (&b.servers, &b.search);
        let names = &world.held.names;
        let changed = names.len() != before.len()
            || names.iter().zip(&before).any(|((a, told), (b, old))| a != b || !same(told, old));
        if changed {
            world.settle();
        }
    }

    /// Nothing that was said counts any more.
    pub fn stop(&self, world: &mut World) {
        world.held.names.clear();
        world.settle();
    }
}

fn hear(names: &mut Names, from: Ipv6Addr, ra: &Ra, now: u64) {
    if ra.rdnss.is_empty() && ra.dnssl.is_empty() || ra.dns_lifetime == 0 {
        names.remove(&from);
        return;
    }
    let until = match ra.dns_lifetime {
        u32::MAX => u64::MAX,
        seconds => now.saturating_add(u64::from(seconds) * 1000),
    };
    let scoped = |server: &Ipv6Addr| !server.is_unicast_link_local();
    let servers = ra.rdnss.iter().copied().filter(scoped).collect();
    names.insert(from, Told { servers, search: ra.dnssl.clone(), until });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_router_takes_back_is_forgotten() {
        let from: Ipv6Addr = "fe80::1".parse().unwrap();
        let mut names = Names::new();
        let rdnss = vec!["fd00::1".parse().unwrap(), "fe80::2".parse().unwrap()];
        let ra = Ra { rdnss, dns_lifetime: 10, ..Ra::default() };
        hear(&mut names, from, &ra, 1000);
        assert_eq!((names[&from].until, names[&from].servers.len()), (11_000, 1));
        hear(&mut names, from, &ra.farewell(), 2000);
        assert!(names.is_empty());
    }
}
