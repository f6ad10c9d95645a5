//! Namespaces: the only place that changes one.
//!
//! A thread that has changed its network namespace is a trap for whatever runs
//! on it next, so all visits happen on [`Worker`] threads that end with their
//! work. Changes are made by one: the kernel's RTNL lock is one. Reading is shared
//! among a few ([`Worker::share`]), as most of it needs no lock.

mod aboard;
mod child;
mod publish;
mod user;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

pub use aboard::Aboard;
pub use child::Inside;
pub use publish::{Published, Sort, all_netns, yards};
pub use user::{apart, become_rootless, enter_keeper, has_proc, has_root, stay_in};

/// What sets a netyard namespace apart: its fd, and that of its UTS namespace
/// if it has one.
#[derive(Debug)]
pub struct Handle {
    /// The network namespace.
    pub net: OwnedFd,
    /// The UTS namespace, for the hostname.
    pub uts: Option<OwnedFd>,
}

/// Threads that read at most: the rest of the work is under the RTNL lock.
const MOST_THREADS: usize = 4;
/// Namespaces whose reading takes longer than starting a thread does.
const WORTH_A_THREAD: usize = 32;

/// A thread of its own that visits namespaces.
#[derive(Debug)]
pub struct Worker {
    home: OwnedFd,
    uts: Return,
    away: bool,
}

/// Whether the worker can come back from another UTS namespace.
#[derive(Debug)]
enum Return {
    Unknown,
    To(OwnedFd),
    Impossible,
}

impl Worker {
    /// Runs `work` on a thread made for it, which ends afterwards.
    pub fn run<R: Send>(work: impl FnOnce(&mut Self) -> R + Send) -> io::Result<R> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let home = open_own("net")?;
                let mut worker = Self { home, uts: Return::Unknown, away: false };
                Ok(work(&mut worker))
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Shares `items` out among a few threads, this one among them, each with a
    /// worker of its own; gives what `work` made of each part, in order. Few items
    /// are not worth a thread.
    pub fn share<T: Send, R: Send>(
        &mut self,
        mut items: Vec<T>,
        work: impl Fn(&mut Self, Vec<T>) -> R + Sync,
    ) -> io::Result<Vec<R>> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.min(MOST_THREADS).min(items.len() / WORTH_A_THREAD).max(1);
        let share = items.len().div_ceil(threads);
        let mut parts = Vec::with_capacity(threads);
        while parts.len() + 1 < threads {
            let rest = items.split_off(share.min(items.len()));
            parts.push(std::mem::replace(&mut items, rest));
        }
        std::thread::scope(|scope| {
            let work = &work;
            let mut others = Vec::with_capacity(parts.len());
            for part in parts {
                // It begins where this thread is, which may be anywhere.
                let home = self.home.try_clone()?;
                let mut worker = Self { home, uts: Return::Unknown, away: true };
                others.push(scope.spawn(move || work(&mut worker, part)));
            }
            let own = work(self, items);
            let joined = others.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            Ok(joined.chain(std::iter::once(own)).collect())
        })
    }

    /// Makes a network namespace, and a UTS namespace where there is a
    /// `hostname`; the worker is in the new network namespace afterwards.
    pub fn create(&mut self, hostname: Option<&str>) -> io::Result<Handle> {
        let uts = match hostname {
            None => None,
            Some(hostname) => Some(self.create_uts(hostname)?),
        };
        // SAFETY: no file descriptors are unshared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
        self.away = true;
        Ok(Handle { net: open_own("net")?, uts })
    }

    /// Makes a UTS namespace with that hostname; the worker stays where it was.
    pub fn create_uts(&mut self, hostname: &str) -> io::Result<OwnedFd> {
        self.with_uts(|| {
            // SAFETY: no file descriptors are unshared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUTS)? };
            rustix::system::sethostname(hostname.as_bytes())?;
            open_own("uts")
        })
    }

    /// Sets the hostname of a UTS namespace.
    pub fn set_hostname(&mut self, uts: BorrowedFd<'_>, hostname: &str) -> io::Result<()> {
        self.in_uts(uts, || Ok(rustix::system::sethostname(hostname.as_bytes())?))
    }

    /// The hostname of a UTS namespace.
    pub fn hostname(&mut self, uts: BorrowedFd<'_>) -> io::Result<String> {
        self.in_uts(uts, || Ok(rustix::system::uname().nodename().to_string_lossy().into_owned()))
    }

    fn in_uts<R: Send>(
        &mut self,
        uts: BorrowedFd<'_>,
        work: impl FnOnce() -> io::Result<R> + Send,
    ) -> io::Result<R> {
        self.with_uts(|| {
            move_into_link_name_space(uts, Some(LinkNameSpaceType::HostNameAndNISDomainName))?;
            work()
        })
    }

    /// Runs `work`, which changes the UTS namespace, and comes back. In a user
    /// namespace the UTS namespace outside belongs to somebody else, and there is
    /// no way back into it: then a thread of its own goes, and ends there.
    fn with_uts<R: Send>(&mut self, work: impl FnOnce() -> io::Result<R> + Send) -> io::Result<R> {
        let enter = |home: &OwnedFd| {
            let kind = LinkNameSpaceType::HostNameAndNISDomainName;
            move_into_link_name_space(home.as_fd(), Some(kind))
        };
        if matches!(self.uts, Return::Unknown) {
            let home = open_own("uts")?;
            self.uts = if enter(&home).is_ok() { Return::To(home) } else { Return::Impossible };
        }
        match &self.uts {
            Return::To(home) => {
                let done = work();
                enter(home)?;
                done
            }
            _ => std::thread::scope(|scope| {
                scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
        }
    }

    /// Enters a network namespace; one call leads from one into the next.
    pub fn enter(&mut self, net: BorrowedFd<'_>) -> io::Result<()> {
        move_into_link_name_space(net, Some(LinkNameSpaceType::Network))?;
        self.away = true;
        Ok(())
    }

    /// Goes back to where the worker began.
    pub fn go_home(&mut self) -> io::Result<()> {
        if self.away {
            move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network))?;
            self.away = false;
        }
        Ok(())
    }

    /// The network namespace the worker began in.
    pub fn home(&self) -> BorrowedFd<'_> {
        self.home.as_fd()
    }
}

/// The calling thread's own namespace of a kind (`thread-self`: `self` is the
/// first thread's).
pub fn open_own(kind: &str) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/thread-self/ns/{kind}"))?.into())
}

/// What tells one namespace from another while both live: its inode number.
pub fn identity(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::fs::fstat(fd)?.st_ino)
}

/// True for a file that is a namespace (`NSFS_MAGIC`), not a stale plain file.
pub fn is_namespace(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| stat.f_type as u32 == 0x6e73_6673)
}
