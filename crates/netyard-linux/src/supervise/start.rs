//! What systemd runs of a service: this binary, which becomes its program, or waits
//! until that is ready.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use netyard_core::state::{Place, Ready};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::course::Entry;
use super::launch::{Launch, mark};
use super::shelf::Shelf;
use super::{Identity, ready};
use crate::netns::Inside;

/// The hidden subcommand of the binary that calls [`run`].
pub const SUBCOMMAND: &str = "service";

/// Does what systemd is told to run, given the arguments after the subcommand's
/// name; a failure is a line in the service's log.
pub fn run(arguments: &[String]) -> ExitCode {
    let done = match arguments {
        [word, rest @ ..] if word == "start" => start(rest),
        [word, rest @ ..] if word == "ready" => wait(rest),
        [word, rest @ ..] if word == "ended" => ended(rest),
        [word, rest @ ..] if word == "logs" => logs(rest),
        _ => Err(io::Error::other("a service is started by netyard alone")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "netyard: {why}");
            ExitCode::FAILURE
        }
    }
}

fn written(words: &[String]) -> io::Result<(Shelf, Entry)> {
    let missing = || io::Error::other("nothing is written down of it");
    let (shelf, place, name) = Shelf::of_words(words).ok_or_else(missing)?;
    let entry =
        shelf.read_definition(&place, &name).map_err(|e| io::Error::other(e.to_string()))?;
    Ok((shelf, entry.ok_or_else(missing)?))
}

/// Becomes the program; returns only where that fails.
fn start(words: &[String]) -> io::Result<()> {
    let (shelf, entry) = written(words)?;
    let process = entry.process();
    let own = crate::netns::open_own("net")?;
    // The machine's first process is on the host.
    let host = std::fs::File::open("/proc/1/ns/net")?;
    let host = crate::netns::identity(std::os::fd::AsFd::as_fd(&host))?;
    let inside = match (&process.place, &entry.definition.unit) {
        (Place::Host, _) | (_, None) => None,
        (_, Some(spaces)) => {
            let uts = spaces.uts.as_ref().map(std::fs::File::open).transpose()?.map(Into::into);
            let nothing = Path::new("/nonexistent");
            let etc = entry.definition.etc.as_deref().unwrap_or(nothing);
            Some(Inside::new(own, uts, etc)?)
        }
    };
    let notify = std::env::var_os("NOTIFY_SOCKET").filter(|_| process.ready == Ready::Notify);
    let notify = notify.as_ref().map(Path::new);
    let mark = mark(shelf.yard(), host);
    let launch = Launch { shelf: &shelf, process, inside, mark: &mark, notify, dock: None };
    let mut command = launch.command().map_err(|why| io::Error::other(why.to_string()))?;
    if process.confined {
        // SAFETY: system calls alone.
        unsafe { command.pre_exec(confine) };
    }
    Err(command.exec())
}

/// Gives up for good what was needed to join namespaces, and all else that a server
/// of networks has no use for.
fn confine() -> io::Result<()> {
    // linux/capability.h
    const KEPT: [libc::c_ulong; 10] = [
        0,  // CHOWN
        1,  // DAC_OVERRIDE
        3,  // FOWNER
        5,  // KILL
        6,  // SETGID
        7,  // SETUID
        10, // NET_BIND_SERVICE
        11, // NET_BROADCAST
        12, // NET_ADMIN
        13, // NET_RAW
    ];
    for capability in (0..64).filter(|number| !KEPT.contains(number)) {
        // SAFETY: a system call with numbers alone. EINVAL is for those the kernel
        // does not have.
        let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if done != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINVAL) {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Writes down how it ended: systemd forgets that when it starts it again.
fn ended(words: &[String]) -> io::Result<()> {
    let (shelf, entry) = written(words)?;
    let process = entry.process();
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let (result, code, status) = (of("SERVICE_RESULT"), of("EXIT_CODE"), of("EXIT_STATUS"));
    let how = end_of(&result, &code, &status, process.patience);
    shelf.note_end(&process.place, &process.name, &how)
}

/// In the words of our own supervisor, from what systemd.exec(5) says in the
/// environment. `patience` is in milliseconds.
fn end_of(result: &str, code: &str, status: &str, patience: u32) -> String {
    // signal(7), on all machines that netyard is built for.
    const SIGNALS: [(&str, u8); 14] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("SEGV", 11),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("SYS", 31),
    ];
    match (result, code) {
        ("timeout", _) => format!("not ready after {} s", f64::from(patience) / 1000.0),
        ("oom-kill", _) => "killed: there was no memory left".to_owned(),
        (_, "exited") => format!("exited with {status}"),
        (_, "killed" | "dumped") => {
            let number = SIGNALS.iter().find(|(name, _)| *name == status);
            let number = number.map_or_else(|| status.to_owned(), |(_, number)| number.to_string());
            format!("killed by signal {number}")
        }
        (result, _) => format!("ended: {result}"),
    }
}

/// Looks at the length of the yard's logs.
fn logs(words: &[String]) -> io::Result<()> {
    let shelf = Shelf::of_own_words(words).ok_or(io::ErrorKind::InvalidInput)?;
    super::log::shorten(shelf.logs()?.into_iter());
    Ok(())
}

/// Waits until the main process of the service is ready. systemd ends this when that
/// takes too long.
fn wait(words: &[String]) -> io::Result<()> {
    let (shelf, entry) = written(words)?;
    let process = entry.process();
    let pid: u32 = std::env::var("MAINPID").ok().and_then(|pid| pid.parse().ok()).unwrap_or(0);
    let ended = || io::Error::other("it ended before it was ready");
    let held = Identity::of(pid).ok_or_else(ended)?.hold()?.ok_or_else(ended)?;
    let socket = match &process.ready {
        Ready::Socket(path) | Ready::Answer { socket: path, .. } => shelf.expand(process, path),
        _ => String::new(),
    };
    let begun = Instant::now();
    loop {
        let life = begun.elapsed();
        if ready::look(&process.ready, &socket, pid, life) {
            return Ok(());
        }
        let pause = Timespec::try_from(ready::interval(life)).map_err(io::Error::other)?;
        let mut end = [PollFd::new(&held, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut end, Some(&pause)))? > 0 {
            return Err(ended());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_as_our_own_supervisor_tells_it() {
        assert_eq!(end_of("exit-code", "exited", "7", 1000), "exited with 7");
        assert_eq!(end_of("signal", "killed", "KILL", 1000), "killed by signal 9");
        assert_eq!(end_of("core-dump", "dumped", "RTMIN", 1000), "killed by signal RTMIN");
        assert_eq!(end_of("timeout", "killed", "TERM", 2500), "not ready after 2.5 s");
    }
}
