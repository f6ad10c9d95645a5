//! What tells one process from all others, those to come among them.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A process: its number, which may become another's, and when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its number, in the process namespace of all of the yard's commands.
    pub pid: u32,
    /// When it was started, in clock ticks since the machine was (`starttime`,
    /// proc_pid_stat(5)).
    pub begun: u64,
}

impl Identity {
    /// That of a process that is alive, a zombie counting as dead.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may have anything in it, but no newline and no second `)` after.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields 3 (state) and 22 (starttime), counted from 1.
        let (state, begun) = (fields.first()?, fields.get(19)?.parse().ok()?);
        (!matches!(*state, "Z" | "X")).then_some(Self { pid, begun })
    }

    /// True while it lives.
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// When it was started, in seconds since 1970, as exact as the kernel says.
    pub fn started(self) -> Option<f64> {
        machine_start().map(|start| start + seconds(self.begun))
    }

    /// Holds on to it, so that its number cannot become another's; none when it is
    /// dead.
    pub fn hold(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno.into()),
            // The number may have changed hands before it was held.
            Ok(fd) => Ok(self.lives().then_some(fd)),
        }
    }
}

/// When the machine was started, in seconds since 1970.
fn machine_start() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// Clock ticks as seconds.
fn seconds(ticks: u64) -> f64 {
    // SAFETY: a question without arguments in memory.
    let each = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks as f64 / each.max(1) as f64
}

/// Holds on to those that live.
pub(crate) fn hold_all(identities: &[Identity]) -> io::Result<Vec<(u32, OwnedFd)>> {
    let mut held = Vec::new();
    for identity in identities {
        held.extend(identity.hold()?.map(|fd| (identity.pid, fd)));
    }
    Ok(held)
}

/// What tells this run of the machine from all others.
pub(crate) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_until_it_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.lives() && identity.hold().unwrap().is_some());
        let other = Identity { begun: identity.begun + 1, ..identity };
        assert!(!other.lives() && other.hold().unwrap().is_none());
        child.kill().unwrap();
        // A zombie until it is waited for.
        while Identity::of(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(identity.hold().unwrap().is_none());
        child.wait().unwrap();
        assert!(!identity.lives());
    }
}
