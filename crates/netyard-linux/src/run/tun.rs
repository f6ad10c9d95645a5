//! Tap and tun interfaces, which are made by ioctl (linux/if_tun.h).

use std::io;
use std::os::fd::AsRawFd;

use netyard_core::interface::Tap;
use netyard_core::name::InterfaceName;
use netyard_core::plan::Op;
use netyard_core::state::Place;

use super::Run;
use super::send::refused_by_system;
use crate::error::Error;

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
        let fd = self.site(op, place)?.net.try_clone();
        let made = fd.and_then(|net| {
            use std::os::fd::AsFd;
            self.worker.enter(net.as_fd())?;
            make(name, index, tap, options)
        });
        made.map_err(|error| refused_by_system(op, error))
    }
}

fn make(name: &InterfaceName, index: u32, tap: bool, options: &Tap) -> io::Result<()> {
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    let call = |request: libc::c_ulong, value: libc::c_ulong| {
        // SAFETY: these requests take a number, or the address of one that
        // outlives the call.
        let done = unsafe { libc::ioctl(device.as_raw_fd(), request, value) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    if index != 0 {
        call(TUNSETIFINDEX, (&raw const index) as libc::c_ulong)?;
    }
    let kind = if tap { libc::IFF_TAP } else { libc::IFF_TUN };
    let queues = if options.multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
    // SAFETY: all zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (kind | libc::IFF_NO_PI | queues) as libc::c_short;
    call(TUNSETIFF, (&raw const request) as libc::c_ulong)?;
    if let Some(owner) = options.owner {
        call(TUNSETOWNER, libc::c_ulong::from(owner))?;
    }
    if let Some(group) = options.group {
        call(TUNSETGROUP, libc::c_ulong::from(group))?;
    }
    call(TUNSETPERSIST, 1)
}
