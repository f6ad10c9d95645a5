//! Programs inside nodes: started, and ended with their node.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::netns::{Aboard, Inside};

/// How long a program has to end on SIGTERM.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a container has to power off; systemd gives its services 90 s.
const POWER_OFF_PATIENCE: Duration = Duration::from_secs(100);
/// How long the kernel has to end a program on SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// What of a failed command's output is told, in bytes.
const TAIL: u64 = 600;

/// A process inside one of the yard's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub pid: u32,
    /// What it is called (`comm`).
    pub name: String,
    /// The identity of the network namespace it is in.
    pub net: u64,
}

/// Runs a program inside a node in the foreground, with the caller's terminal.
pub fn foreground(inside: Inside, argv: &[String]) -> io::Result<ExitStatus> {
    let mut command = command(argv)?;
    inside.dress(&mut command);
    command.status()
}

/// Runs a program inside a container in the foreground, with the caller's terminal. Of
/// the caller's environment it has nothing but the terminal's name.
pub fn aboard(aboard: Aboard, argv: &[String]) -> io::Result<ExitStatus> {
    let mut command = command(argv)?;
    command.env_clear().envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    command.envs([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("container", "systemd-nspawn"),
    ]);
    aboard.dress(&mut command);
    command.status()
}

/// Closes standard output and error, so that who reads them sees the end.
pub fn let_go_of_output() -> io::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

/// Runs a command of a node to its end, its output in `log`. What it left
/// running in the background stays.
pub fn run(inside: Inside, argv: &[String], log: &Path) -> io::Result<ExitStatus> {
    let output = fs::File::create(log)?;
    let mut command = command(argv)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir("/");
    inside.dress(&mut command);
    // SAFETY: one system call. A session of its own: the terminal's end or an
    // interrupt there is none of the node's business.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
    command.status()
}

fn command(argv: &[String]) -> io::Result<Command> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// The last lines of a log, for an error.
pub fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let read = fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(length.saturating_sub(TAIL)))?;
        file.read_to_end(&mut text)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(_) => String::new(),
    }
}

/// All processes inside these network namespaces but this one, by number.
pub fn inside(nets: &BTreeSet<u64>) -> io::Result<Vec<Found>> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if pid == own {
            continue;
        }
        // A process that ended meanwhile, or a kernel thread, has none.
        let Ok(net) = fs::metadata(format!("/proc/{pid}/ns/net")).map(|meta| meta.ino()) else {
            continue;
        };
        if nets.contains(&net) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            found.push(Found { pid, name: name.trim_end().to_owned(), net });
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// Ends all processes inside these network namespaces: SIGTERM, then SIGKILL
/// for those that do not listen. Gives those that would not end.
pub fn end_inside(nets: &BTreeSet<u64>) -> io::Result<Vec<Found>> {
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, KILL_PATIENCE)] {
        let processes = hold(nets)?;
        if processes.is_empty() {
            return Ok(Vec::new());
        }
        for (_, fd) in &processes {
            // Gone already is as good.
            let _ = pidfd_send_signal(fd, signal);
        }
        wait_all(processes, patience)?;
    }
    inside(nets)
}

/// Kills these processes. False where some would not end.
pub(crate) fn kill(processes: Vec<(u32, OwnedFd)>) -> io::Result<bool> {
    for (_, fd) in &processes {
        // Gone already is as good.
        let _ = pidfd_send_signal(fd, Signal::KILL);
    }
    Ok(wait_all(processes, KILL_PATIENCE)?.is_empty())
}

/// Ends containers: SIGTERM tells nspawn to let the init inside power off, which has
/// its time for that. False where some would not end.
pub(crate) fn end_containers(containers: Vec<(u32, OwnedFd)>) -> io::Result<bool> {
    for (_, fd) in &containers {
        let _ = pidfd_send_signal(fd, Signal::TERM);
    }
    kill(wait_all(containers, POWER_OFF_PATIENCE)?)
}

/// Ends these processes: SIGTERM, then SIGKILL for those that do not listen. False
/// where some would not end.
pub(crate) fn end(mut processes: Vec<(u32, OwnedFd)>) -> io::Result<bool> {
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, KILL_PATIENCE)] {
        for (_, fd) in &processes {
            // Gone already is as good.
            let _ = pidfd_send_signal(fd, signal);
        }
        processes = wait_all(processes, patience)?;
        if processes.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The signal of that name, without `SIG`.
pub(crate) fn signal(name: &str) -> Option<Signal> {
    Some(match name {
        "HUP" => Signal::HUP,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        _ => return None,
    })
}

/// The processes inside, each held so that its number cannot become another's.
fn hold(nets: &BTreeSet<u64>) -> io::Result<Vec<(u32, OwnedFd)>> {
    let mut held = Vec::new();
    for process in inside(nets)? {
        let Some(pid) = Pid::from_raw(process.pid as i32) else { continue };
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // The number may have changed hands between the look and the hold.
        let still = fs::metadata(format!("/proc/{}/ns/net", process.pid))
            .is_ok_and(|meta| meta.ino() == process.net);
        if still {
            held.push((process.pid, fd));
        }
    }
    Ok(held)
}

/// Gives those that are still there.
fn wait_all(
    mut processes: Vec<(u32, OwnedFd)>,
    patience: Duration,
) -> io::Result<Vec<(u32, OwnedFd)>> {
    let end = Instant::now() + patience;
    while !processes.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(processes);
        }
        let mut polled: Vec<PollFd<'_>> = processes
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
            .collect();
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
        let ended: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = ended.into_iter();
        processes.retain(|_| !ended.next().unwrap_or(false));
    }
    Ok(processes)
}
