//! Making interfaces and changing them in place.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_route::RouteNetlinkMessage;
use netyard_core::interface::{Interface, Kind};
use netyard_core::plan::Op;
use netyard_core::state::{InterfaceId, Object, Place};
use netyard_core::wire::Request;
use netyard_core::wire::link::{Creation, Made, Target};
use rustix::io::Errno;

use super::{Failed, Run, words};
use crate::error::Error;
use crate::netlink::Batch;

/// How often a new interface is tried under another index.
const TRIES: usize = 4;

/// What a new interface still needs: its alias, its master, "up".
#[derive(Debug)]
pub(super) struct Pending {
    pub id: InterfaceId,
    pub index: u32,
    pub requests: Vec<Request>,
    /// Whether its carrier is to be asked for in the same visit.
    pub up: bool,
}

/// The requests to one socket, and of which op each is.
#[derive(Default)]
struct Sending {
    batch: Batch,
    owners: Vec<usize>,
}

impl Sending {
    fn push(&mut self, owner: usize, request: Request) {
        self.batch.push(request);
        self.owners.push(owner);
    }
}

/// An interface that is being made.
struct Making {
    owner: usize,
    id: InterfaceId,
    pending: Pending,
    /// Its carrier comes up only when its peer does, in a later visit.
    first: bool,
}

#[derive(Default)]
struct Work {
    sendings: BTreeMap<Place, Sending>,
    making: Vec<Making>,
    failed: Vec<Failed>,
}

impl<'a> Run<'a> {
    /// Makes and changes interfaces. Within one call no op waits for another in
    /// a different namespace, so each socket gets one send.
    pub(super) fn interfaces(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut todo: Vec<usize> = (0..ops.len()).collect();
        let mut failed = Vec::new();
        for attempt in 1..=TRIES {
            let mut work = Work::default();
            for &owner in &todo {
                if let Err(error) = self.prepare(owner, ops[owner], &mut work) {
                    work.failed.push(Failed { index: owner, error, partly: false });
                }
            }
            for (place, sending) in std::mem::take(&mut work.sendings) {
                let more = self.send(&place, sending.batch, &sending.owners, ops);
                work.failed.extend(more);
            }
            todo = self.settle(work, &mut failed, attempt < TRIES);
            if todo.is_empty() {
                break;
            }
        }
        failed
    }

    /// Keeps what was made, forgets what was not; gives the ops to try again:
    /// somebody else took the index meanwhile (`EBUSY`, `dev_index_reserve`; `EEXIST`,
    /// `__rtnl_newlink`, which finds the other's interface by it), as two yards do that
    /// come up at the same time. Where it is the name that is taken, the last try says so.
    fn settle(&mut self, work: Work, failed: &mut Vec<Failed>, again: bool) -> Vec<usize> {
        let not_made: BTreeSet<usize> =
            work.failed.iter().filter(|f| !f.partly).map(|f| f.index).collect();
        let new: BTreeSet<usize> = work.making.iter().map(|making| making.owner).collect();
        let mut leapt = BTreeSet::new();
        for making in work.making {
            let place = making.id.place.clone();
            if not_made.contains(&making.owner) {
                if let Some(site) = self.sites.get_mut(&place) {
                    site.names.remove(making.pending.index);
                    if leapt.insert(place) {
                        site.leave_indices();
                    }
                }
                continue;
            }
            if making.first && making.pending.up {
                self.flush.entry(place.clone()).or_default().insert(making.pending.index);
            }
            self.pending.entry(place).or_default().push(making.pending);
        }
        let (retry, told): (Vec<Failed>, Vec<Failed>) = work.failed.into_iter().partition(|f| {
            again
                && !f.partly
                && match f.error.get_errno() {
                    Some(Errno::BUSY) => true,
                    Some(Errno::EXIST) => new.contains(&f.index),
                    _ => false,
                }
        });
        failed.extend(told);
        retry.into_iter().map(|f| f.index).collect()
    }

    fn prepare(&mut self, owner: usize, op: &Op, work: &mut Work) -> Result<(), Error> {
        match op {
            Op::AddPair { first, second } => self.prepare_pair(owner, op, (first, second), work),
            Op::Add { object: Object::Interface(interface) } => {
                self.prepare_one(owner, op, interface, work)
            }
            Op::Set { from: Object::Interface(from), to: Object::Interface(to) } => {
                for request in self.change(op, from, to)? {
                    work.sendings.entry(to.id.place.clone()).or_default().push(owner, request);
                }
                Ok(())
            }
            _ => Err(words::lost(op, "it is no interface")),
        }
    }

    fn prepare_pair(
        &mut self,
        owner: usize,
        op: &Op,
        (first, second): (&Interface, &Interface),
        work: &mut Work,
    ) -> Result<(), Error> {
        // Only the first gets its master in the same message.
        let swap = first.master.is_none() && second.master.is_some();
        let (first, second) = if swap { (second, first) } else { (first, second) };
        let (at, netns) = self.site_of_new(op, first, None)?;
        let (peer_at, peer_netns) = self.site_of_new(op, second, Some(at.index))?;
        let request = Interface::pair_creation(
            first,
            &Target { netns, ..at },
            second,
            &Target { netns: peer_netns, ..peer_at },
        );
        work.sendings.entry(Place::Host).or_default().push(owner, request);
        self.note(owner, first, at, Made::Whole, work);
        self.note(owner, second, peer_at, Made::AsPeer, work);
        Ok(())
    }

    fn prepare_one(
        &mut self,
        owner: usize,
        op: &Op,
        interface: &Interface,
        work: &mut Work,
    ) -> Result<(), Error> {
        let (mut at, netns) = self.site_of_new(op, interface, None)?;
        let sender = interface.birthplace().unwrap_or(&Place::Host).clone();
        let parent = match &interface.parent {
            Some(parent) => Some(self.index_of(op, parent)?),
            None => None,
        };
        let netns = netns.filter(|_| sender != interface.id.place);
        // Back home the host's descriptor has to be said.
        let netns = match interface.id.place {
            Place::Host if sender != Place::Host => {
                use std::os::fd::AsRawFd;
                Some(self.site(op, &Place::Host)?.net.as_raw_fd())
            }
            _ => netns,
        };
        let target = Target { netns, parent, ..at };
        let made = match interface.creation(&target) {
            Creation::Link(request) => {
                work.sendings.entry(sender).or_default().push(owner, request);
                Made::Whole
            }
            Creation::Tun { name, index, tap, options } => {
                self.make_tun(op, &interface.id.place, &name, index, tap, &options)?;
                Made::Bare
            }
            Creation::Wlan(wlan) => {
                let site = self.site(op, &interface.id.place)?;
                site.names.remove(at.index);
                at.index = self.make_wlan(op, interface, &wlan)?;
                let site = self.site(op, &interface.id.place)?;
                let mtu = interface.mtu.unwrap_or(1500);
                site.note(at.index, &interface.id.name, &interface.kernel_name, mtu);
                Made::Bare
            }
            Creation::Physical => {
                at.index = self.lend(op, interface, &target)?;
                let site = self.site(op, &interface.id.place)?;
                let mtu = interface.mtu.unwrap_or(1500);
                site.note(at.index, &interface.id.name, &interface.kernel_name, mtu);
                Made::Bare
            }
            Creation::Pair | Creation::Existing => {
                return Err(words::lost(op, "it cannot be made alone"));
            }
        };
        self.note(owner, interface, at, made, work);
        Ok(())
    }

    /// Chooses the index of a new interface; gives the descriptor of its
    /// namespace, unless that is the host's. `not` is the index of its peer.
    fn site_of_new(
        &mut self,
        op: &Op,
        interface: &Interface,
        not: Option<u32>,
    ) -> Result<(Target<'a>, Option<i32>), Error> {
        use std::os::fd::AsRawFd;
        let master = self.master_of(op, interface)?;
        let bonded = self.is_bonded(interface);
        let index = self.free_index(op, interface, not)?;
        let site = self.site(op, &interface.id.place)?;
        let full = interface.id.name.clone();
        site.note(index, &full, &interface.kernel_name, interface.mtu.unwrap_or(1500));
        let netns = (interface.id.place != Place::Host).then(|| site.net.as_raw_fd());
        Ok((Target { master, bonded, ..self.target(index) }, netns))
    }

    /// An index that is free where the interface will be and, as kernels before
    /// 6.15 look there (see [`Target::index`]), where it is made from.
    fn free_index(
        &mut self,
        op: &Op,
        interface: &Interface,
        not: Option<u32>,
    ) -> Result<u32, Error> {
        let sender = interface.birthplace().unwrap_or(&Place::Host).clone();
        loop {
            let index = self.site(op, &interface.id.place)?.take_index();
            let taken = self.site(op, &sender)?.names.full(index).is_some();
            if !taken && not != Some(index) {
                return Ok(index);
            }
        }
    }

    /// Notes what is being made, and what it will still need.
    fn note(
        &mut self,
        owner: usize,
        interface: &Interface,
        at: Target<'a>,
        made: Made,
        work: &mut Work,
    ) {
        let pending = Pending {
            id: interface.id.clone(),
            index: at.index,
            requests: interface.configuration(&at, made),
            up: interface.up,
        };
        let first = made == Made::Whole && matches!(interface.kind, Kind::Veth(_));
        work.making.push(Making { owner, id: interface.id.clone(), pending, first });
    }

    /// The requests that change an interface in place.
    pub(super) fn change(
        &mut self,
        op: &Op,
        from: &Interface,
        to: &Interface,
    ) -> Result<Vec<Request>, Error> {
        let master = self.master_of(op, to)?;
        // The host's own way out goes along.
        let replugged;
        let mut from = from;
        if Self::stays_as_port(to) && from.master != to.master {
            if from.master.is_some() {
                self.unplug(op, from, true)?;
            }
            if let Some(bridge) = master {
                self.plug(op, to, bridge)?;
            }
            replugged = Interface { master: to.master.clone(), up: to.up, ..from.clone() };
            from = &replugged;
        }
        let bonded = self.is_bonded(to);
        let parent = match &to.parent {
            Some(parent) if parent.place == to.id.place => Some(self.index_of(op, parent)?),
            _ => None,
        };
        let index = self.index_of(op, &to.id)?;
        let target = Target { master, bonded, parent, ..self.target(index) };
        let mut requests = to.settings(from, &target);
        // A name that is given up as an alternative one can be the new one.
        let gives_up =
            |request: &Request| matches!(request.message, RouteNetlinkMessage::DelLinkProp(_));
        requests.sort_by_key(|request| !gives_up(request));
        let site = self.site(op, &to.id.place)?;
        let mtu = to.mtu.or(site.mtus.get(&to.id.name).copied()).unwrap_or(1500);
        site.note(index, &to.id.name, &to.kernel_name, mtu);
        if to.up && !from.up {
            self.flush.entry(to.id.place.clone()).or_default().insert(index);
        }
        Ok(requests)
    }

    /// The index of an interface that is there.
    pub(super) fn index_of(&mut self, op: &Op, id: &InterfaceId) -> Result<u32, Error> {
        let names = &self.site(op, &id.place)?.names;
        names.index(&id.name).map_err(|unknown| words::lost(op, unknown))
    }

    fn master_of(&mut self, op: &Op, interface: &Interface) -> Result<Option<u32>, Error> {
        let Some(master) = &interface.master else { return Ok(None) };
        let id = InterfaceId { place: interface.id.place.clone(), name: master.clone() };
        self.index_of(op, &id).map(Some)
    }
}
