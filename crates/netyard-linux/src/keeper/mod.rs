//! The keeper: a small process that outlives the command.
//!
//! Without root it holds the user, mount and network namespaces in which the
//! yard lives; later commands enter them through it. It is the only process of a
//! process namespace, too: for that it may mount a procfs, which commands ask it
//! for. Programs in nodes are not in there: they end with their node, not with
//! the keeper, and see the processes that everybody sees. With root the keeper
//! holds the namespaces of a yard too big to be published one by one.
//!
//! It listens on an abstract Unix socket of the host's network namespace, which
//! is found even with the state directory lost. Such a socket has no mode bits;
//! instead both sides look at the other's user (`SO_PEERCRED`) and speak with
//! nobody else.

pub(crate) mod message;
mod serve;

use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netyard_core::name::{YardName, fnv1a};
use rustix::net::sockopt::Timeout;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, ErrorKind};
pub use serve::run;

/// The hidden subcommand of the binary that calls [`run`].
pub const SUBCOMMAND: &str = "keeper";

/// Most descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const CHUNK: usize = 250;

/// How long a keeper may take to answer, which it does in microseconds, on a machine that
/// is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a yard's keeper.
#[derive(Debug)]
pub struct Keeper {
    socket: OwnedFd,
    pidfd: OwnedFd,
    pid: u32,
}

fn address(yard: &YardName, uid: u32) -> io::Result<SocketAddrUnix> {
    let hash = fnv1a(&[yard.as_str().as_bytes()]);
    Ok(SocketAddrUnix::new_abstract_name(format!("netyard-keeper/{uid}/{hash:016x}").as_bytes())?)
}

fn seqpacket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

impl Keeper {
    /// Connects to the yard's keeper; none where none runs.
    pub fn find(yard: &YardName) -> Result<Option<Self>, Error> {
        let failed = |e: io::Error| Error::system("could not reach the keeper", e);
        let uid = rustix::process::geteuid();
        let socket = seqpacket().map_err(failed)?;
        let address = address(yard, uid.as_raw()).map_err(failed)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        }
        let peer = sockopt::socket_peercred(&socket).map_err(|e| failed(e.into()))?;
        if peer.uid != uid {
            let what = format!("the keeper's place is taken by user {}", peer.uid.as_raw());
            return Err(Error::new(ErrorKind::Forbidden, what));
        }
        let pidfd = pidfd_open(peer.pid, PidfdFlags::empty()).map_err(|e| failed(e.into()))?;
        let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
        for side in [Timeout::Recv, Timeout::Send] {
            sockopt::set_socket_timeout(&socket, side, Some(PATIENCE))
                .map_err(|e| failed(e.into()))?;
        }
        Ok(Some(Self { socket, pidfd, pid }))
    }

    /// Starts a keeper for the yard and connects to it. `rootless` makes it live
    /// in a user namespace of its own; `scratch` is a directory of the caller's.
    pub fn start(yard: &YardName, rootless: bool, scratch: &Path) -> Result<Self, Error> {
        let failed = |e: io::Error| Error::system("could not start the keeper", e);
        let mode = if rootless { "rootless" } else { "root" };
        let mut command = Command::new("/proc/self/exe");
        command.arg0("netyard").args([SUBCOMMAND, yard.as_str(), mode]).arg(scratch);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // SAFETY: one system call between fork and exec. A session of its own,
        // so that it survives the terminal.
        unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
        let mut child = command.spawn().map_err(failed)?;
        let mut word = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut word).map_err(failed)?;
        }
        if word.trim() != serve::READY {
            let _ = child.wait();
            let what = format!("could not start the keeper: {}", word.trim());
            let error = Error::new(ErrorKind::State, what);
            return Err(if rootless {
                error.hint(
                    "without root netyard needs user namespaces; see `sysctl -a | grep userns`",
                )
            } else {
                error
            });
        }
        if rootless {
            // What was started has left the work to a child of its.
            child.wait().map_err(failed)?;
        }
        Self::find(yard)?
            .ok_or_else(|| Error::new(ErrorKind::State, "the keeper ended as soon as it started"))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the keeper's namespaces are entered by.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Gives the keeper namespaces to hold, by name.
    pub fn put(&self, namespaces: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
        for chunk in namespaces.chunks(CHUNK) {
            let names: Vec<&str> = chunk.iter().map(|(name, _)| name.as_str()).collect();
            let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(|(_, fd)| *fd).collect();
            self.ask("put", &names, &fds)?;
        }
        Ok(())
    }

    /// Makes the keeper let go of namespaces.
    pub fn drop_names(&self, names: &[&str]) -> io::Result<()> {
        for chunk in names.chunks(CHUNK) {
            self.ask("drop", chunk, &[])?;
        }
        Ok(())
    }

    /// The namespaces it holds, sorted by name.
    pub fn get(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        message::send(self.socket.as_fd(), "get", &[], &[])?;
        let mut all = Vec::new();
        loop {
            let reply = message::recv(self.socket.as_fd())?;
            all.extend(reply.names.into_iter().zip(reply.fds));
            match reply.word.as_str() {
                "more" => {}
                "ok" => break,
                other => return Err(io::Error::other(format!("the keeper said `{other}`"))),
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// A procfs that no other command uses, mounted nowhere.
    pub(crate) fn fresh_proc(&self) -> io::Result<OwnedFd> {
        message::send(self.socket.as_fd(), "proc", &[], &[])?;
        let reply = message::recv(self.socket.as_fd())?;
        reply.fds.into_iter().next().ok_or_else(|| io::Error::other(reply.word))
    }

    /// Another handle of the same connection: for one question at a time.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, pidfd: self.pidfd.try_clone()?, pid: self.pid })
    }

    /// Ends the keeper, and with it all that only it held; returns when it is gone.
    pub fn quit(self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        match message::send(self.socket.as_fd(), "quit", &[], &[]) {
            Ok(()) => {}
            // It has ended, or does not speak with us any longer.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            }
            Err(error) => return Err(error),
        }
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut ended, None))?;
        Ok(())
    }

    fn ask(&self, word: &str, names: &[&str], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send(self.socket.as_fd(), word, names, fds)?;
        let reply = message::recv(self.socket.as_fd())?;
        match reply.word.as_str() {
            "ok" => Ok(()),
            other => Err(io::Error::other(format!("the keeper said `{other}`"))),
        }
    }
}
