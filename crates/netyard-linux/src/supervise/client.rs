//! A command's side of the supervisor.

use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use netyard_core::name::YardName;
use netyard_core::state::Place;
use rustix::net::{connect, sockopt};

use super::guard::{READY, SUBCOMMAND, address, seqpacket};
use super::{Identity, Shelf, hold_all};
use crate::error::{Error, ErrorKind};
use crate::keeper::message;

/// A connection to a yard's supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: OwnedFd,
    /// The process that begins it anew; none where that was killed.
    guard: Option<OwnedFd>,
}

impl Supervisor {
    /// Connects to the yard's supervisor; none where none runs.
    pub fn find(yard: &YardName) -> Result<Option<Self>, Error> {
        let failed = |e: io::Error| Error::system("could not reach the supervisor", e);
        let socket = seqpacket().map_err(failed)?;
        match connect(&socket, &address(yard).map_err(failed)?) {
            Ok(()) => {}
            Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        }
        let user = message::peer_user(socket.as_fd()).map_err(failed)?;
        if user != rustix::process::geteuid().as_raw() {
            let what = format!("the supervisor's place is taken by user {user}");
            return Err(Error::new(ErrorKind::Forbidden, what));
        }
        let guard = sockopt::socket_peercred(&socket).ok().and_then(|peer| {
            let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
            Identity::of(pid)?.hold().ok().flatten()
        });
        Ok(Some(Self { socket, guard }))
    }

    /// The same, started where none runs. `base` is the directory of all yards.
    pub fn ensure(
        yard: &YardName,
        rootless: bool,
        base: &Path,
        keeper: Option<u32>,
    ) -> Result<Self, Error> {
        if let Some(found) = Self::find(yard)? {
            return Ok(found);
        }
        let failed = |e: io::Error| Error::system("could not start the supervisor", e);
        let mode = if rootless { "rootless" } else { "root" };
        let keeper = keeper.filter(|_| rootless).map_or("-".to_owned(), |pid| pid.to_string());
        let mut command = Command::new("/proc/self/exe");
        command.arg0("netyard").args([SUBCOMMAND, yard.as_str(), mode]).arg(base).arg(keeper);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: one system call between fork and exec. A session of its own.
        unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
        let mut child = command.spawn().map_err(failed)?;
        let mut word = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut word).map_err(failed)?;
        }
        if word.trim() != READY {
            let _ = child.wait();
            let what = format!("could not start the supervisor: {}", word.trim());
            return Err(Error::new(ErrorKind::State, what));
        }
        Self::find(yard)?.ok_or_else(|| {
            Error::new(ErrorKind::State, "the supervisor ended as soon as it started")
        })
    }

    /// Starts a process that is written down; the error is why it could not be.
    pub fn start(&self, place: &Place, name: &str, spaces: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.ask("start", place, name, spaces)?;
        let answer = message::recv(self.socket.as_fd())?;
        match answer.word.as_str() {
            "ok" => Ok(()),
            _ => Err(io::Error::other(answer.names.join(" "))),
        }
    }

    /// Waits until a process is ready; gives why it will not be.
    pub fn wait(&self, place: &Place, name: &str) -> io::Result<Result<(), String>> {
        self.ask("wait", place, name, &[])?;
        let answer = message::recv(self.socket.as_fd())?;
        Ok(match answer.word.as_str() {
            "ready" => Ok(()),
            _ => Err(answer.names.join(" ")),
        })
    }

    /// Makes it start a process no more; that goes on as long as it likes.
    pub fn forget(&self, place: &Place, name: &str) -> io::Result<()> {
        self.ask("forget", place, name, &[])?;
        message::recv(self.socket.as_fd()).map(drop)
    }

    /// What it supervises that lives.
    pub fn living(&self) -> io::Result<Vec<Identity>> {
        message::send(self.socket.as_fd(), "living", &[], &[])?;
        let answer = message::recv(self.socket.as_fd())?;
        let identity = |line: &String| {
            let (pid, begun) = line.split_once(' ')?;
            Some(Identity { pid: pid.parse().ok()?, begun: begun.parse().ok()? })
        };
        Ok(answer.names.iter().filter_map(identity).collect())
    }

    /// Ends it, and not what it supervises; returns when it is gone.
    pub fn quit(self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        message::send(self.socket.as_fd(), "quit", &[], &[])?;
        while message::recv(self.socket.as_fd()).is_ok() {}
        if let Some(guard) = &self.guard {
            let mut ended = [PollFd::new(guard, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut ended, None))?;
        }
        Ok(())
    }

    fn ask(&self, word: &str, place: &Place, name: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let place = serde_json::to_string(place).map_err(io::Error::other)?;
        message::send(self.socket.as_fd(), word, &[&place, name], fds)
    }
}

/// Ends what an earlier keeper's yard left running, and forgets it: its namespaces
/// have gone.
pub(crate) fn clear_leftovers(shelf: &Shelf) -> Result<(), Error> {
    let failed = |e: io::Error| Error::system("could not end the processes of before", e);
    let entries = shelf.all().unwrap_or_default();
    let all: Vec<Identity> = entries.iter().filter_map(super::Entry::identity).collect();
    crate::process::end(hold_all(&all).map_err(failed)?).map_err(failed)?;
    for entry in entries {
        let process = entry.process();
        shelf.remove(&process.place, &process.name).map_err(failed)?;
    }
    Ok(())
}
