//! Interfaces of the host that are lent to a node, and given back as they were.

use netyard_core::interface::{Interface, Kind};
use netyard_core::name::FullName;
use netyard_core::plan::Op;
use netyard_core::state::{Object, Place};
use netyard_core::wire::link::{self, Link, Target};
use netyard_core::wire::{address, route};

use super::send::{refused, refused_by_system};
use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Batch, Socket, attributes};
use crate::record::Lent;

// linux/rtnetlink.h
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTA_OIF: u16 = 4;
const RTPROT_KERNEL: u8 = 2;
const RTN_UNICAST: u8 = 1;
const IFA_F_PERMANENT: u8 = 0x80;
const NLM_F_CREATE: u16 = 0x400;
/// `struct ifaddrmsg` has its index, `struct rtmsg` its attributes, there.
const ADDRESS_INDEX: std::ops::Range<usize> = 4..8;
const ROUTE_HEADER: usize = 12;

impl<'a> Run<'a> {
    /// Notes an interface of the host before it is lent. True when the record
    /// changed.
    pub(super) fn note_lent(&mut self, op: &Op) -> Result<bool, Error> {
        let Op::Add { object: Object::Interface(interface) } = op else { return Ok(false) };
        let Kind::Physical(physical) = &interface.kind else { return Ok(false) };
        let name = physical.host_name.as_str();
        if self.record.lent.iter().any(|l| l.host_name == name) {
            return Ok(false);
        }
        let failed = |e| refused_by_system(op, e);
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else { return Ok(false) };
        let socket = site.socket(worker).map_err(failed)?;
        let Some(lent) = look(socket, name).map_err(failed)? else {
            let what = format!("{}: there is no `{name}` on the host", words::could_not(op));
            return Err(Error::new(ErrorKind::Refused, what));
        };
        let mut lent = lent;
        if interface.id.place == Place::Host {
            // What moves to the bridge is not noted: it comes back as it is then.
            (lent.addresses, lent.routes) = (Vec::new(), Vec::new());
            lent.stays = true;
        }
        self.record.lent.push(lent);
        Ok(true)
    }

    /// Moves an interface of the host into its place; gives the index it has
    /// there.
    pub(super) fn lend(
        &mut self,
        op: &Op,
        interface: &Interface,
        target: &Target<'a>,
    ) -> Result<u32, Error> {
        let Kind::Physical(physical) = &interface.kind else {
            return Err(words::lost(op, "it is not the host's"));
        };
        if Self::stays_as_port(interface)
            && let Some(bridge) = target.master
        {
            return self.plug(op, interface, bridge);
        }
        let failed = |e| refused_by_system(op, e);
        self.note_lent_in_kernel(interface, physical.host_name.as_str()).map_err(failed)?;
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else {
            return Err(words::lost(op, "there is no host"));
        };
        let socket = site.socket(worker).map_err(failed)?;
        let Some((now, _, _)) = find(socket, physical.host_name.as_str()).map_err(failed)? else {
            let what = format!("{}: it is not on the host", words::could_not(op));
            return Err(Error::new(ErrorKind::Refused, what));
        };
        let stays = interface.id.place == Place::Host;
        if stays && interface.kernel_name == physical.host_name {
            return Ok(now);
        }
        if !stays && let Some(index) = self.lend_radio(op, interface, now, target)? {
            return Ok(index);
        }
        let mut batch = Batch::default();
        let target = if stays { Target { index: 0, netns: None, ..*target } } else { *target };
        batch.push(interface.moving(now, &target));
        let failed = self.send(&Place::Host, batch, &[0], &[op]);
        first_error(failed)?;
        Ok(if stays { now } else { target.index })
    }

    /// Notes on the `lo` of where an interface is lent to what it was, before it
    /// goes there. One that stays on the host comes home as it is then.
    fn note_lent_in_kernel(&mut self, interface: &Interface, name: &str) -> std::io::Result<()> {
        let place = &interface.id.place;
        let lent = self.record.lent.iter().find(|lent| lent.host_name == name);
        match lent.filter(|_| *place != Place::Host).map(Lent::altnames) {
            Some(altnames) => self.note_on_lo(place, &altnames, true),
            None => Ok(()),
        }
    }

    /// Gives a lent interface back to the host, as it was; `lo` goes down.
    pub(super) fn give_back(&mut self, op: &Op, interface: &Interface) -> Result<(), Error> {
        use std::os::fd::AsRawFd;
        if Self::stays_as_port(interface) {
            self.unplug(op, interface, false)?;
            return self.as_it_was(op, interface.kernel_name.as_str());
        }
        let place = interface.id.place.clone();
        let home = self.site(op, &Place::Host)?.net.as_raw_fd();
        let index = match self.index_of(op, &interface.id) {
            Ok(index) => index,
            Err(error) => match self.unnamed(op, interface)? {
                Some(index) => index,
                None if self.lenient => return Ok(()),
                None => return Err(error),
            },
        };
        if !self.give_radio_back(op, interface, index)? {
            let mut batch = Batch::default();
            let home = (place != Place::Host).then_some(home);
            batch.extend(interface.removal(index, home));
            let owners = vec![0; batch.len()];
            first_error(self.send(&place, batch, &owners, &[op]))?;
        }
        if let Some(site) = self.sites.get_mut(&place)
            && interface.kind != Kind::Loopback
        {
            site.names.remove(index);
        }
        match &interface.kind {
            Kind::Physical(physical) => {
                let name = physical.host_name.as_str();
                let lent = self.record.lent.iter().find(|lent| lent.host_name == name);
                let altnames = lent.map(Lent::altnames).unwrap_or_default();
                self.as_it_was(op, name)?;
                self.note_on_lo(&place, &altnames, false).map_err(|e| refused_by_system(op, e))
            }
            _ => Ok(()),
        }
    }

    /// The index of a radio's interface that was moved and has not its name there yet.
    fn unnamed(&mut self, op: &Op, interface: &Interface) -> Result<Option<u32>, Error> {
        let (place, Kind::Physical(physical)) = (&interface.id.place, &interface.kind) else {
            return Ok(None);
        };
        let Some(site) = self.sites.get_mut(place).filter(|_| *place != Place::Host) else {
            return Ok(None);
        };
        let name = FullName::new(physical.host_name.as_str()).ok();
        let Some(index) = name.and_then(|name| site.names.index(&name).ok()) else {
            return Ok(None);
        };
        Ok(self.radio_of(op, place, index)?.map(|_| index))
    }

    fn as_it_was(&mut self, op: &Op, name: &str) -> Result<(), Error> {
        let Some(at) = self.record.lent.iter().position(|lent| lent.host_name == name) else {
            return Ok(());
        };
        let lent = self.record.lent.remove(at);
        let failed = |e| refused_by_system(op, e);
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else { return Ok(()) };
        let socket = site.socket(worker).map_err(failed)?;
        let Some((index, _, _)) = find(socket, name).map_err(failed)? else {
            return Err(words::lost(op, "it did not come home"));
        };
        let mut batch = Batch::default();
        batch.push(crate::netlink::set_up(index, lent.up, lent.mtu));
        for address in &lent.addresses {
            let mut address = address.clone();
            address[ADDRESS_INDEX].copy_from_slice(&index.to_ne_bytes());
            batch.push_raw(RTM_NEWADDR, NLM_F_CREATE, &address);
        }
        for route in &lent.routes {
            batch.push_raw(RTM_NEWROUTE, NLM_F_CREATE, &with_interface(route, index));
        }
        let outcome = socket.run(batch).map_err(failed)?;
        let wrong = outcome.failures.into_iter().find(|f| f.errno != rustix::io::Errno::EXIST);
        match wrong {
            Some(failure) => Err(refused(op, failure)),
            None => self.record.write(self.dir),
        }
    }
}

pub(super) fn first_error(failed: Vec<Failed>) -> Result<(), Error> {
    failed.into_iter().next().map_or(Ok(()), |failed| Err(failed.error))
}

/// The index, "up" and MTU of the interface of that name in the socket's namespace.
fn find(socket: &mut Socket, name: &str) -> std::io::Result<Option<(u32, bool, u32)>> {
    let mut found = None;
    socket.dump(&link::links(), |message| {
        let link = message.and_then(|message| Link::parse(message.payload));
        if let Some(link) = link.filter(|link| link.name == name) {
            found = Some((link.index, link.up(), link.mtu));
        }
    })?;
    Ok(found)
}

fn look(socket: &mut Socket, name: &str) -> std::io::Result<Option<Lent>> {
    let Some((index, up, mtu)) = find(socket, name)? else { return Ok(None) };
    let host_name = FullName::new(name).map_or_else(|_| name.to_owned(), |n| n.to_string());
    let (addresses, routes) = (Vec::new(), Vec::new());
    let mut lent = Lent { host_name, up, mtu, stays: false, addresses, routes };
    socket.dump(&address::dump(), |message| match message {
        None => lent.addresses.clear(),
        Some(message) => {
            let body = message.payload;
            // What is not permanent comes from a program or the kernel, which
            // will give it again.
            let ours = body.get(ADDRESS_INDEX) == Some(&index.to_ne_bytes()[..]);
            let link_local = body.first() == Some(&10) && body.get(3) == Some(&253);
            if ours && !link_local && body[2] & IFA_F_PERMANENT != 0 {
                lent.addresses.push(body.to_vec());
            }
        }
    })?;
    for request in route::dump_all() {
        socket.dump(&request, |message| {
            let Some(message) = message else { return };
            let body = message.payload;
            let through = body.get(ROUTE_HEADER..).is_some_and(|rest| {
                attributes(rest).any(|(ty, value)| ty == RTA_OIF && value == index.to_ne_bytes())
            });
            if through && body[5] != RTPROT_KERNEL && body[7] == RTN_UNICAST {
                lent.routes.push(body.to_vec());
            }
        })?;
    }
    lent.routes.dedup();
    Ok(Some(lent))
}

/// A route's message with another interface.
fn with_interface(route: &[u8], index: u32) -> Vec<u8> {
    let mut out = route[..ROUTE_HEADER].to_vec();
    for (ty, value) in attributes(&route[ROUTE_HEADER..]) {
        let index = index.to_ne_bytes();
        let value = if ty == RTA_OIF { &index[..] } else { value };
        out.extend((4 + value.len() as u16).to_ne_bytes());
        out.extend(ty.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}
