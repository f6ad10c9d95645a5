//! What a lease brings into the kernel, and what the kernel tells.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd};

use ipnet::{IpNet, Ipv6Net};
use netyard_core::wire::leased::{
    LeasedAddress, LeasedRoute, ToldAddress, read_address, read_route,
};
use netyard_core::wire::{self, Request};
use rustix::io::Errno;

use super::lease::Held;
use crate::netlink::{Batch, Protocol, Socket};

// linux/rtnetlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
/// `IFF_LOWER_UP` (linux/if.h): the carrier is there.
const IFF_LOWER_UP: u32 = 1 << 16;
const IFF_UP: u32 = 1;

/// What happened to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is no more.
    Gone,
    /// It has a carrier again.
    LinkUp,
    /// Somebody else has an address that it was given.
    Duplicate(Ipv6Addr),
    /// Another interface is up, perhaps one that was not there.
    Other,
}

pub(super) struct Kernel {
    index: u32,
    socket: Socket,
    events: Socket,
    /// It had a carrier when it was heard of last.
    carrier: bool,
}

impl Kernel {
    pub fn open(index: u32) -> io::Result<Self> {
        let socket = Socket::open(Protocol::Route)?;
        let mut events = Socket::open(Protocol::Route)?;
        let mut carrier = false;
        // A socket that has sent nothing has no number, and hears nothing.
        events.dump(&wire::link::links(), |message| {
            if let Some((at, flags)) = message.and_then(|message| link(message.payload)) {
                carrier |= at == index && is_up(flags);
            }
        })?;
        events.join(RTNLGRP_LINK)?;
        events.join(RTNLGRP_IPV6_IFADDR)?;
        Ok(Self { index, socket, events, carrier })
    }

    pub fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// What has happened since it was asked last.
    pub fn changes(&mut self) -> io::Result<Vec<Change>> {
        let (index, mut carrier, mut changes) = (self.index, self.carrier, Vec::new());
        self.events.events(|ty, message| match ty {
            RTM_DELLINK if link(message).is_some_and(|(at, _)| at == index) => {
                changes.push(Change::Gone)
            }
            RTM_NEWLINK => match link(message) {
                Some((at, flags)) if at == index => {
                    if is_up(flags) && !carrier {
                        changes.push(Change::LinkUp);
                    }
                    carrier = is_up(flags);
                }
                Some((_, flags)) if flags & IFF_UP != 0 && !changes.contains(&Change::Other) => {
                    changes.push(Change::Other);
                }
                _ => {}
            },
            // One that ends is taken away at once where somebody else has it
            // (`addrconf_dad_stop`, net/ipv6/addrconf.c).
            RTM_NEWADDR | RTM_DELADDR => match read_address(message) {
                Some(ToldAddress {
                    index: at,
                    net: IpNet::V6(net),
                    leased: true,
                    duplicate: true,
                    ..
                }) if at == index => {
                    changes.push(Change::Duplicate(net.addr()));
                }
                _ => {}
            },
            _ => {}
        })?;
        self.carrier = carrier;
        Ok(changes)
    }

    pub fn address(&self, net: IpNet, preferred: u32, valid: u32) -> LeasedAddress {
        LeasedAddress { index: self.index, net, preferred, valid }
    }

    pub fn route(&self, destination: IpNet, gateway: Option<IpAddr>) -> LeasedRoute {
        LeasedRoute { index: self.index, destination, gateway }
    }

    /// Takes away what earlier leases brought of a family, but for these.
    pub fn forget(
        &mut self,
        v6: bool,
        addresses: &[IpNet],
        routes: &[LeasedRoute],
    ) -> io::Result<()> {
        let (index, mut requests) = (self.index, Vec::new());
        let of_family = |net: &IpNet| net.addr().is_ipv6() == v6;
        for dump in wire::route::dump_all() {
            self.socket.dump(&dump, |message| {
                let route = message.and_then(|message| read_route(message.payload));
                let gone = route.filter(|r| {
                    r.index == index && of_family(&r.destination) && !routes.contains(r)
                });
                requests.extend(gone.map(|route| route.remove()));
            })?;
        }
        self.socket.dump(&wire::address::dump(), |message| {
            let told = message.and_then(|message| read_address(message.payload));
            let gone = told.filter(|t| {
                t.leased && t.index == index && of_family(&t.net) && !addresses.contains(&t.net)
            });
            let gone =
                gone.map(|told| LeasedAddress { index, net: told.net, preferred: 0, valid: 0 });
            requests.extend(gone.map(|address| address.remove()));
        })?;
        self.run(requests)
    }

    /// The addresses of IPv6 that leases brought to an interface.
    pub fn leased_on(&mut self, index: u32) -> io::Result<Vec<Ipv6Net>> {
        let mut all = Vec::new();
        self.socket.dump(&wire::address::dump(), |message| {
            let told = message.and_then(|message| read_address(message.payload));
            let told = told.filter(|told| told.leased && told.index == index);
            if let Some(IpNet::V6(net)) = told.map(|told| told.net) {
                all.push(net);
            }
        })?;
        Ok(all)
    }

    /// Takes away what is not of this lease.
    pub fn forget_all_but(&mut self, held: &Held) -> io::Result<()> {
        for v6 in [false, true] {
            let addresses = held.addresses();
            let routes: Vec<LeasedRoute> =
                held.routes().into_iter().map(|(net, via)| self.route(net, via)).collect();
            self.forget(v6, &addresses, &routes)?;
        }
        Ok(())
    }

    /// Asks the kernel; what is gone already need not be taken away.
    pub fn run(&mut self, requests: impl IntoIterator<Item = Request>) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.extend(requests);
        if batch.is_empty() {
            return Ok(());
        }
        let outcome = self.socket.run(batch)?;
        let gone =
            |errno: &Errno| matches!(*errno, Errno::SRCH | Errno::ADDRNOTAVAIL | Errno::NODEV);
        match outcome.failures.into_iter().find(|failure| !gone(&failure.errno)) {
            Some(failure) => {
                let errno = io::Error::from(failure.errno);
                let text = failure.text.map(|text| format!(" ({text})")).unwrap_or_default();
                Err(io::Error::new(errno.kind(), format!("{errno}{text}")))
            }
            None => Ok(()),
        }
    }
}

/// Number and flags of an interface (`struct ifinfomsg`).
fn link(message: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    Some((number(4)?, number(8)?))
}

fn is_up(flags: u32) -> bool {
    flags & IFF_UP != 0 && flags & IFF_LOWER_UP != 0
}
