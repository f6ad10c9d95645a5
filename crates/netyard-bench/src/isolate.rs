//! The bench never touches the machine: it runs again in namespaces of its own.

use crate::floor::{check, space::mount};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Set in the isolated process.
pub const MARK: &str = "NETYARD_BENCH_ISOLATED";

/// Whether this process already is the isolated one.
pub fn isolated() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs this command again in fresh network, mount and process namespaces, and
/// without root in a fresh user namespace too, with an empty /run.
///
/// # Errors
/// When the namespaces are refused.
pub fn run_again() -> io::Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).env(MARK, "1");
    // SAFETY: geteuid and getegid cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let mut flags = libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    if user != 0 {
        flags |= libc::CLONE_NEWUSER;
    }
    // A new process namespace begins with the next child: this process unshares and waits.
    // SAFETY: there is one thread, and unshare touches this process alone.
    unsafe { check(libc::unshare(flags))? };
    if user != 0 {
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    // SAFETY: only system calls between fork and exec, on strings made by `mount`;
    // there is one thread, so the allocator is not locked.
    unsafe { command.pre_exec(furnish) };
    let status = command.status()?;
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

fn furnish() -> io::Result<()> {
    mount(c"none", "/", c"", libc::MS_REC | libc::MS_PRIVATE)?;
    mount(c"tmpfs", "/run", c"tmpfs", 0)?;
    mount(c"proc", "/proc", c"proc", 0)?;
    // SAFETY: rlimit is plain data, valid when zeroed.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let mut limit: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }
    // sysfs shows the interfaces of the namespace it was mounted in; some tools ask it.
    mount(c"sysfs", "/sys", c"sysfs", 0)
}
