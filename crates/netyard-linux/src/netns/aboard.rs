//! Programs inside a container: in all namespaces of its first process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What `/proc/PID/ns` calls the namespace of users.
const USER: &str = "user";
/// The other namespaces, as `/proc/PID/ns` calls them, in the order in which they are
/// entered: that of mounts last, after which `/proc` is another.
const KINDS: [(&str, LinkNameSpaceType); 6] = [
    ("cgroup", LinkNameSpaceType::ControlGroup),
    ("ipc", LinkNameSpaceType::InterProcessCommunication),
    ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
    ("net", LinkNameSpaceType::Network),
    ("pid", LinkNameSpaceType::ProcessID),
    ("mnt", LinkNameSpaceType::Mount),
];

/// What a program inside a container sees.
#[derive(Debug)]
pub struct Aboard {
    namespaces: Vec<(OwnedFd, LinkNameSpaceType)>,
    root: OwnedFd,
    /// It has users of its own.
    other_users: bool,
}

impl Aboard {
    /// The namespaces of a process that differ from the caller's, and its root.
    pub fn of(pid: u32) -> io::Result<Self> {
        // One's own user namespace cannot be entered (setns(2)).
        let users = foreign(pid, USER)?;
        let own = std::fs::metadata(format!("/proc/self/ns/{USER}"))?.ino();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (name, kind) in KINDS {
            let Some(theirs) = foreign(pid, name)? else { continue };
            // Each is entered with the rights of the users that it belongs to: a network
            // may be the caller's, while all else is the container's.
            match users.is_none() || owner(&theirs)? == own {
                true => before.push((theirs, kind)),
                false => after.push((theirs, kind)),
            }
        }
        let other_users = users.is_some();
        before.extend(users.map(|users| (users, LinkNameSpaceType::User)));
        before.append(&mut after);
        let root = File::open(format!("/proc/{pid}/root"))?.into();
        Ok(Self { namespaces: before, root, other_users })
    }

    /// Makes `command` run inside.
    pub fn dress(self, command: &mut Command) {
        // SAFETY: between fork and exec only system calls are made, on memory that
        // was allocated before.
        unsafe { command.pre_exec(move || self.enter()) };
    }

    fn enter(&self) -> io::Result<()> {
        for (fd, kind) in &self.namespaces {
            move_into_link_name_space(fd.as_fd(), Some(*kind))?;
        }
        if self.other_users {
            become_root()?;
        }
        rustix::process::fchdir(&self.root)?;
        rustix::process::chroot(c".")?;
        rustix::process::chdir(c"/")?;
        // Into a namespace of processes one is born.
        // SAFETY: this process was just forked, and has one thread.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: a system call with numbers: who waits outside is all that
            // would end it.
            0 => match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            },
            child => stand_in(child),
        }
    }
}

/// The namespace of a process, where it is not the caller's, too.
fn foreign(pid: u32, name: &str) -> io::Result<Option<OwnedFd>> {
    let theirs = File::open(format!("/proc/{pid}/ns/{name}"))?;
    let own = std::fs::metadata(format!("/proc/self/ns/{name}"))?;
    Ok((theirs.metadata()?.ino() != own.ino()).then(|| theirs.into()))
}

/// The inode number of the user namespace that a namespace belongs to (ioctl_ns(2)).
fn owner(namespace: &OwnedFd) -> io::Result<u64> {
    // linux/nsfs.h: _IO(0xb7, 0x1)
    const NS_GET_USERNS: libc::Ioctl = 0xb701;
    // SAFETY: a question about a descriptor that is open; the answer is a new one.
    match unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the call has just opened it, for the caller alone.
        fd => super::identity(unsafe { OwnedFd::from_raw_fd(fd) }.as_fd()),
    }
}

/// Becomes root among other users, where it would be nobody else. In a process that was
/// just forked.
fn become_root() -> io::Result<()> {
    // SAFETY: system calls with numbers, and a list that has no members.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(0, 0, 0) == 0
            && libc::setresuid(0, 0, 0) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits outside for the program inside, and ends as it does.
fn stand_in(child: libc::pid_t) -> ! {
    // SAFETY: system calls with numbers and a number's place. What is open here is
    // the program's: who reads it must see its end.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32);
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) == -1 {
            if *libc::__errno_location() != libc::EINTR {
                libc::_exit(125);
            }
        }
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            libc::_exit(128 + signal);
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
