//! Tap and tun interfaces, which are made by ioctl (linux/if_tun.h).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netyard_core::interface::Tap;
use netyard_core::name::InterfaceName;
use netyard_core::plan::Op;
use netyard_core::state::Place;

use super::Run;
use super::physical::first_error;
use super::send::refused_by_system;
use crate::error::Error;
use crate::netlink::Batch;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
const TUNSETOWNER: libc::c_ulong = 0x4004_54cc;
const TUNSETGROUP: libc::c_ulong = 0x4004_54ce;
const TUNSETIFINDEX: libc::c_ulong = 0x4004_54da;

impl Run<'_> {
    /// Makes a persistent tap or tun interface in a place.
    pub(super) fn make_tun(
        &mut self,
        op: &Op,
        place: &Place,
        name: &InterfaceName,
        index: u32,
        tap: bool,
        options: &Tap,
    ) -> Result<(), Error> {
        let failed = |error| refused_by_system(op, error);
        let net = self.site(op, place)?.net.try_clone().map_err(failed)?;
        self.worker.enter(net.as_fd()).map_err(failed)?;
        let device = open(name, index, tap, options).map_err(failed)?;
        // It goes with its descriptor, however we end, until it has the yard's group, by
        // which the next command knows it. Whoever else has the name has another index.
        let mut batch = Batch::default();
        batch.push(crate::netlink::set_group(index, netyard_core::wire::group(self.yard)));
        first_error(self.send(place, batch, &[0], &[op]))?;
        keep(&device, options).map_err(failed)
    }
}

/// An interface that lives as long as its descriptor.
fn open(name: &InterfaceName, index: u32, tap: bool, options: &Tap) -> io::Result<File> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    call(&device, TUNSETIFINDEX, (&raw const index) as libc::c_ulong)?;
    let kind = if tap { libc::IFF_TAP } else { libc::IFF_TUN };
    let queues = if options.multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
    // SAFETY: all zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (kind | libc::IFF_NO_PI | queues) as libc::c_short;
    call(&device, TUNSETIFF, (&raw const request) as libc::c_ulong)?;
    Ok(device)
}

/// Lets it outlive its descriptor.
fn keep(device: &File, options: &Tap) -> io::Result<()> {
    if let Some(owner) = options.owner {
        call(device, TUNSETOWNER, libc::c_ulong::from(owner))?;
    }
    if let Some(group) = options.group {
        call(device, TUNSETGROUP, libc::c_ulong::from(group))?;
    }
    call(device, TUNSETPERSIST, 1)
}

fn call(device: &File, request: libc::c_ulong, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: these requests take a number, or the address of one that outlives the call.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), request, value) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
