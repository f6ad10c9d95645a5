//! The side of the plain packets: the tun, which is there already.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use netyard_core::name::YardName;
use netyard_core::state::TunnelFile;
use rustix::fs::{Mode, OFlags};

use crate::keeper::Keeper;
use crate::netns::{Published, Sort, Worker};

const TUNSETIFF: libc::c_ulong = 0x4004_54ca; // linux/if_tun.h

/// Opens the tun of a tunnel; its namespace may be another one than this process's.
pub(super) fn attach(file: &TunnelFile) -> io::Result<OwnedFd> {
    let Some(name) = &file.netns else { return open(file.device.as_str()) };
    let net = namespace(&file.yard, name)?;
    Worker::run(|worker| {
        worker.enter(net.as_fd())?;
        open(file.device.as_str())
    })?
}

pub(in crate::wireguard) fn namespace(yard: &YardName, name: &str) -> io::Result<OwnedFd> {
    if let Some(net) = Published::of(yard).open(Sort::Net, name)? {
        return Ok(net);
    }
    // One of very many is held by the keeper.
    let keeper = Keeper::find(yard).map_err(io::Error::other)?;
    let held = keeper.map(|keeper| keeper.get()).transpose().map_err(io::Error::other)?;
    let wanted = format!("net:{name}");
    let mut held = held.into_iter().flatten();
    let found = held.find(|(name, _)| *name == wanted).map(|(_, net)| net);
    found.ok_or_else(|| io::Error::other(format!("the namespace `{name}` is not there")))
}

fn open(name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let tun = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    // SAFETY: all zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call.
    let done = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &raw const request) };
    if done < 0 {
        let error = io::Error::last_os_error();
        return Err(io::Error::other(format!("could not open the tun `{name}`: {error}")));
    }
    Ok(tun)
}
