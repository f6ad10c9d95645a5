//! Without root: a user namespace in which the caller is root.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::{
    CapabilitySet, LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags, capabilities,
    move_into_link_name_space, move_into_thread_name_spaces,
};

use crate::error::{Error, ErrorKind};

/// True when the process may change network namespaces and mounts where it is:
/// what counts is capabilities, not the user number.
pub fn has_root() -> bool {
    let needed = CapabilitySet::NET_ADMIN | CapabilitySet::SYS_ADMIN;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Fails where `/proc` is not what the kernel has there: by it namespaces are
/// entered and settings written.
pub fn has_proc() -> Result<(), Error> {
    // linux/magic.h: PROC_SUPER_MAGIC
    match rustix::fs::statfs("/proc") {
        Ok(system) if system.f_type == 0x9fa0 => Ok(()),
        _ => Err(Error::new(ErrorKind::State, "`/proc` is not mounted, and netyard works by it")
            .hint("`mount -t proc proc /proc`")),
    }
}

/// Moves the calling process, which must have one thread, into a new user,
/// mount and network namespace where the caller is root and `/run/netns` is
/// its own to write. `scratch` is a directory of the caller's. Children are in a
/// new process namespace, too, where the system grants one.
pub fn become_rootless(scratch: &Path) -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    // The UTS namespace, too: to come back to one from a node's with a hostname
    // of its own takes rights over it.
    let flags =
        UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWUTS;
    // SAFETY: no file descriptors are unshared.
    let unshare = |flags| unsafe { rustix::thread::unshare_unsafe(flags) };
    // Without one (`user.max_pid_namespaces`) there is no procfs of our own, and
    // large yards are slower.
    unshare(flags | UnshareFlags::NEWPID).or_else(|_| unshare(flags))?;
    // Without CAP_SETGID outside, a group map needs setgroups off first.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave)?;
    own_run(scratch)?;
    // `ip` and friends look at the interfaces of the namespace sysfs belongs to.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let _ = rustix::mount::mount("sysfs", "/sys", "sysfs", flags, None);
    Ok(())
}

/// Puts a writable `/run` in place of the system's, with all that was in it.
fn own_run(scratch: &Path) -> io::Result<()> {
    let new = scratch.join("run");
    fs::create_dir_all(&new)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("netyard-run", &new, "tmpfs", flags, Some(c"mode=755"))?;
    for entry in fs::read_dir("/run")? {
        let entry = entry?;
        let (from, to) = (entry.path(), new.join(entry.file_name()));
        if entry.file_name() == "netns" || entry.file_name() == "utsns" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            rustix::mount::mount_bind_recursive(&from, &to)?;
        } else {
            fs::write(&to, "")?;
            rustix::mount::mount_bind(&from, &to)?;
        }
    }
    rustix::mount::mount_move(&new, "/run")?;
    // Where `scratch` is below `/run`, binding that took the new one along, and
    // `down` could not remove a directory on which something is mounted.
    let _ = rustix::mount::unmount(&new, UnmountFlags::DETACH);
    Ok(())
}

/// Does something in a user and network namespace that go with it, without rights:
/// in a child of the calling process, which must have one thread. Gives what it says.
pub fn apart(work: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    let (mut hears, tells) = io::pipe()?;
    // SAFETY: of a process of one thread the child is a whole copy; it leaves without
    // running what the parent will run at its end.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            let told = speak(work, tells);
            // SAFETY: it ends here.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        child => rustix::process::Pid::from_raw(child),
    };
    drop(tells);
    let mut told = String::new();
    let heard = hears.read_to_string(&mut told);
    let ended = rustix::process::waitpid(child, rustix::process::WaitOptions::empty())?;
    heard?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(told),
        _ => Err(io::ErrorKind::Other.into()),
    }
}

fn speak(work: impl FnOnce() -> io::Result<String>, mut tells: io::PipeWriter) -> io::Result<()> {
    // SAFETY: no file descriptors are unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)? };
    tells.write_all(work()?.as_bytes())
}

/// Moves the calling process, which must have one thread, into a keeper's user,
/// mount and network namespaces, given by the keeper's pidfd.
pub fn enter_keeper(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    let directory = std::env::current_dir();
    let all = ThreadNameSpaceType::USER
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME;
    move_into_thread_name_spaces(pidfd, all)?;
    // A new mount namespace begins at its root.
    if let Ok(directory) = directory {
        let _ = std::env::set_current_dir(directory);
    }
    Ok(())
}

/// Moves the calling thread into a network namespace for good; for test
/// programs and children that do one thing there.
pub fn stay_in(net: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(net.as_fd(), Some(LinkNameSpaceType::Network))?)
}
