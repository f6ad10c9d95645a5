//! Network namespaces of the floor: held by a descriptor, and mounted on request.

use super::check;
use super::wire::Socket;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Where namespaces are mounted when they are.
pub const MOUNTS: &str = "/run/netns";
const SIOCGSKNS: libc::c_ulong = 0x894C;
/// Namespaces after which a procfs instance forgets; see [`Switches`].
const SPACES_PER_PROC: usize = 24;

/// A namespace and a route socket inside it.
pub struct Space {
    pub fd: OwnedFd,
    pub socket: Socket,
}

impl Space {
    /// Makes a namespace and LEAVES THE CALLING THREAD IN IT.
    pub fn enter_new() -> io::Result<Space> {
        // SAFETY: unshare touches this thread's namespace alone.
        unsafe { check(libc::unshare(libc::CLONE_NEWNET))? };
        let socket = Socket::open()?;
        // Cheaper than opening /proc/thread-self/ns/net.
        // SAFETY: the ioctl returns a new descriptor, ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::ioctl(socket.raw(), SIOCGSKNS))?) };
        Ok(Space { fd, socket })
    }

    /// The number a netlink message names this namespace by.
    pub fn number(&self) -> u32 {
        self.fd.as_raw_fd().unsigned_abs()
    }
}

/// The calling thread's network namespace.
pub fn here() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into a network namespace.
pub fn enter(fd: BorrowedFd) -> io::Result<()> {
    // SAFETY: setns touches this thread alone.
    unsafe { check(libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET)).map(drop) }
}

/// Runs `act` inside a namespace and comes back.
pub fn visit<T>(fd: BorrowedFd, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let home = here()?;
    enter(fd)?;
    let result = act();
    enter(home.as_fd())?;
    result
}

/// Makes `count` namespaces in a row; `settle` runs inside each.
pub fn create(
    count: usize,
    mounted: bool,
    mut settle: impl FnMut() -> io::Result<()>,
) -> io::Result<Vec<Space>> {
    let home = here()?;
    if mounted {
        std::fs::create_dir_all(MOUNTS)?;
        mount(c"tmpfs", MOUNTS, c"tmpfs", 0)?;
        mount(c"none", MOUNTS, c"", libc::MS_PRIVATE)?;
    }
    let mut spaces = Vec::with_capacity(count);
    for number in 0..count {
        spaces.push(Space::enter_new()?);
        settle()?;
        if mounted {
            let path = format!("{MOUNTS}/n{number}");
            File::create(&path)?;
            mount(c"/proc/thread-self/ns/net", &path, c"none", libc::MS_BIND)?;
        }
    }
    enter(home.as_fd())?;
    Ok(spaces)
}

/// Unmounts every namespace in one step: one grace period in place of one for each.
pub fn unmount_all() -> io::Result<()> {
    let path = CString::new(MOUNTS)?;
    // SAFETY: the path is a valid C string.
    unsafe { check(libc::umount2(path.as_ptr(), libc::MNT_DETACH)).map(drop) }
}

/// `mount(2)` without data.
pub fn mount(from: &CStr, to: &str, kind: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let to = CString::new(to)?;
    let none = std::ptr::null();
    // SAFETY: all three are valid C strings.
    let result = unsafe { libc::mount(from.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, none) };
    check(result).map(drop)
}

/// Writes sysctls of the current namespace through a procfs of its own.
///
/// A file of /proc/sys/net has one dentry PER NAMESPACE, all with the same parent
/// and name, so all in one hash chain, kept until the namespace dies: each
/// lookup walks the chain of all namespaces (`proc_sys_compare`), which is
/// quadratic and at 1,000 namespaces costs more than creating them. A procfs mount
/// has its own dentries, and to configure it anew drops them (`reconfigure_super`),
/// without the RCU grace period that unmounting takes.
#[derive(Default)]
pub struct Switches {
    proc: Option<OwnedFd>,
    visited: usize,
}

impl Switches {
    /// Turns on IPv4 and IPv6 forwarding in the calling thread's namespace.
    pub fn forward(&mut self) -> io::Result<()> {
        let due = self.visited.is_multiple_of(SPACES_PER_PROC);
        if due && self.proc.as_ref().is_none_or(|proc| forget(proc).is_err()) {
            // Without a pid namespace of one's own the mount is refused: use /proc.
            self.proc = fresh_proc().or_else(|_| File::open("/proc").map(Into::into)).ok();
        }
        self.visited += 1;
        let Some(proc) = &self.proc else { return Err(io::ErrorKind::NotFound.into()) };
        for path in [c"sys/net/ipv4/ip_forward", c"sys/net/ipv6/conf/all/forwarding"] {
            write(proc.as_fd(), path, b"1")?;
        }
        Ok(())
    }
}

/// Frames that bridges of the calling thread's namespace pass on see no packet
/// filter, where the kernel would show them to it (`br_netfilter`).
pub fn bridge_only() -> io::Result<()> {
    let proc: OwnedFd = File::open("/proc")?.into();
    for path in [
        c"sys/net/bridge/bridge-nf-call-iptables",
        c"sys/net/bridge/bridge-nf-call-ip6tables",
        c"sys/net/bridge/bridge-nf-call-arptables",
    ] {
        match write(proc.as_fd(), path, b"0") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            written => written?,
        }
    }
    Ok(())
}

fn write(proc: BorrowedFd, path: &CStr, value: &[u8]) -> io::Result<()> {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string; the descriptor returned is ours alone.
    let file = unsafe {
        let fd = check(libc::openat(proc.as_raw_fd(), path.as_ptr(), flags))?;
        OwnedFd::from_raw_fd(fd)
    };
    io::Write::write_all(&mut File::from(file), value)
}

fn fresh_proc() -> io::Result<OwnedFd> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen,
    };
    let context = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

fn forget(proc: &OwnedFd) -> io::Result<()> {
    use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fspick};
    let context = fspick(proc, c"", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
    Ok(fsconfig_reconfigure(context.as_fd())?)
}
