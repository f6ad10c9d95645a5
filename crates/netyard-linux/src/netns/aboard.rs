//! Programs inside a container: in all namespaces of its first process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespaces, as `/proc/PID/ns` calls them, in the order in which they are
/// entered: that of users first, which gives the right to the others, and that of
/// mounts last, after which `/proc` is another.
const KINDS: [(&str, LinkNameSpaceType); 7] = [
    ("user", LinkNameSpaceType::User),
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
}

impl Aboard {
    /// The namespaces of a process that differ from the caller's, and its root.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut namespaces = Vec::new();
        for (name, kind) in KINDS {
            let theirs = File::open(format!("/proc/{pid}/ns/{name}"))?;
            // One's own user namespace cannot be entered (setns(2)).
            let own = std::fs::metadata(format!("/proc/self/ns/{name}"))?;
            if theirs.metadata()?.ino() != own.ino() {
                namespaces.push((theirs.into(), kind));
            }
        }
        Ok(Self { namespaces, root: File::open(format!("/proc/{pid}/root"))?.into() })
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
