//! The yard's namespaces while a command works on them: open, with what was
//! learnt about the interfaces in each.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netyard_core::addr::Mac;
use netyard_core::name::{FullName, InterfaceName};
use netyard_core::plan::ShellNames;
use netyard_core::state::{InterfaceId, Place};
use netyard_core::wire::Names;

use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;
use crate::observe::Dump;

/// The index from which netyard numbers interfaces in namespaces with many. The
/// two ends of a veth pair must not have the same one, or the kernel does not
/// hurry with its carrier (`linkwatch_urgent_event`, net/core/link_watch.c).
const FIRST_HUB: u32 = 1 << 16;
const FIRST: u32 = 2;
/// How many indices are left to another yard that comes up at the same time.
const LEFT: u32 = 1 << 12;

/// One network namespace, open.
#[derive(Debug)]
pub(crate) struct Site {
    /// Which it is.
    pub place: Place,
    /// Its name for `ip netns`; empty for the host.
    pub netns: String,
    /// True when that name is bound to a file.
    pub published: bool,
    /// The namespace.
    pub net: OwnedFd,
    /// That of its hostname.
    pub uts: Option<OwnedFd>,
    /// Its interfaces.
    pub names: Names,
    /// MTUs of its interfaces, in bytes.
    pub mtus: BTreeMap<FullName, u32>,
    /// `accept_dad` of its interfaces, where all that try their addresses have the same.
    pub accept_dad: Option<i32>,
    /// Those of the yard's that are bonds, with their addresses.
    pub bonds: BTreeMap<FullName, Option<Mac>>,
    /// Its links as they were when it was found; for the first look only.
    pub links: Option<Dump>,
    socket: Option<Socket>,
    netfilter: Option<Socket>,
    next_index: u32,
}

impl Site {
    /// A namespace that was opened; nothing is known of its interfaces yet.
    pub fn new(place: Place, netns: String, net: OwnedFd, uts: Option<OwnedFd>) -> Self {
        let next_index = if matches!(place, Place::Node(_)) { FIRST } else { FIRST_HUB };
        Self {
            place,
            netns,
            published: true,
            net,
            uts,
            names: Names::default(),
            mtus: BTreeMap::new(),
            accept_dad: None,
            bonds: BTreeMap::new(),
            links: None,
            socket: None,
            netfilter: None,
            next_index,
        }
    }

    /// A netlink socket in it; opened by the worker at the first call.
    pub fn socket(&mut self, worker: &mut Worker) -> io::Result<&mut Socket> {
        if self.socket.is_none() {
            worker.enter(self.net.as_fd())?;
            self.socket = Some(Socket::open(Protocol::Route)?);
        }
        self.socket.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// A socket for nftables in it; opened by the worker at the first call.
    pub fn netfilter(&mut self, worker: &mut Worker) -> io::Result<&mut Socket> {
        if self.netfilter.is_none() {
            worker.enter(self.net.as_fd())?;
            self.netfilter = Some(Socket::open(Protocol::Netfilter)?);
        }
        self.netfilter.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The same, and one for links.
    pub fn netfilter_and_socket(
        &mut self,
        worker: &mut Worker,
    ) -> io::Result<(&mut Socket, &mut Socket)> {
        self.netfilter(worker)?;
        self.socket(worker)?;
        match (&mut self.netfilter, &mut self.socket) {
            (Some(netfilter), Some(socket)) => Ok((netfilter, socket)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Gives the site a socket that was opened in it.
    pub fn with_socket(mut self, socket: Socket) -> Self {
        self.socket = Some(socket);
        self
    }

    /// An interface index that is not taken.
    pub fn take_index(&mut self) -> u32 {
        self.next_index = self.next_index.max(self.names.last_index() + 1);
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    /// Leaves the next indices to somebody who takes them at the same time.
    pub fn leave_indices(&mut self) {
        self.next_index = self.next_index.saturating_add(LEFT);
    }

    /// Notes an interface.
    pub fn note(&mut self, index: u32, full: &FullName, kernel: &InterfaceName, mtu: u32) {
        self.names.insert(index, full.clone(), kernel.clone());
        self.mtus.insert(full.clone(), mtu);
    }

    /// The namespace's descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }
}

/// All open namespaces, the host's among them.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    sites: BTreeMap<Place, Site>,
}

impl Sites {
    /// Adds one, in place of one of the same place.
    pub fn insert(&mut self, site: Site) {
        self.sites.insert(site.place.clone(), site);
    }

    /// Lets go of one.
    pub fn remove(&mut self, place: &Place) -> Option<Site> {
        self.sites.remove(place)
    }

    /// The one of that place.
    pub fn get(&self, place: &Place) -> Option<&Site> {
        self.sites.get(place)
    }

    /// The one of that place.
    pub fn get_mut(&mut self, place: &Place) -> Option<&mut Site> {
        self.sites.get_mut(place)
    }

    /// All of them, by place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        self.sites.values_mut()
    }

    /// What the namespaces and their interfaces are called, beside what `names`
    /// know.
    pub fn tell(&self, names: &mut ShellNames) {
        for site in self.own() {
            names.namespace(&site.place, &site.netns);
        }
        for site in self.sites.values() {
            for (_, full, kernel) in site.names.iter() {
                let id = InterfaceId { place: site.place.clone(), name: full.clone() };
                names.interface(&id, kernel);
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sites.len()
    }

    /// Those that are the yard's own, by place.
    pub fn own(&self) -> impl Iterator<Item = &Site> {
        self.sites.values().filter(|site| site.place != Place::Host)
    }
}
