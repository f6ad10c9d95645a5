//! The process that begins the supervisor anew when it crashes.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use netyard_core::name::{YardName, fnv1a};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{WaitOptions, wait};

use super::server::Server;
use super::{Identity, Shelf};
use crate::state_dir::StateDir;

/// The hidden subcommand of the binary that calls [`run`].
pub const SUBCOMMAND: &str = "supervisor";

/// What it writes when it listens.
pub(super) const READY: &str = "ready";
/// A supervisor that lives no longer than this, so often in a row, is given up.
const SHORT: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;

/// The socket's address.
pub(super) fn address(yard: &YardName) -> io::Result<SocketAddrUnix> {
    let uid = rustix::process::geteuid().as_raw();
    let hash = fnv1a(&[yard.as_str().as_bytes()]);
    let name = format!("netyard-supervisor/{uid}/{hash:016x}");
    Ok(SocketAddrUnix::new_abstract_name(name.as_bytes())?)
}

pub(super) fn seqpacket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Runs a yard's supervisor until nothing is left to supervise: what the hidden
/// subcommand does, given the arguments after its name. It writes `ready`, or why it
/// is not, to standard output, which it then closes.
pub fn run(arguments: &[String]) -> ExitCode {
    let started = Start::new(arguments);
    let mut output = io::stdout();
    let word = match &started {
        Ok(_) => READY.to_owned(),
        Err(error) => error.to_string(),
    };
    let _ = writeln!(output, "{word}");
    let _ = output.flush();
    let _ = crate::process::let_go_of_output();
    match started {
        Ok(start) => start.guard(),
        Err(_) => ExitCode::FAILURE,
    }
}

/// What a supervisor needs to begin.
struct Start {
    listener: OwnedFd,
    shelf: Shelf,
    mark: String,
    keeper: Option<Identity>,
}

impl Start {
    fn new(arguments: &[String]) -> io::Result<Self> {
        let [yard, mode, base, keeper] = arguments else {
            return Err(io::Error::other("the supervisor is started by netyard alone"));
        };
        let yard = YardName::new(yard).map_err(|bad| io::Error::other(bad.0))?;
        let _ = rustix::thread::set_name(c"netyard-superv");
        let listener = seqpacket()?;
        bind(&listener, &address(&yard)?)?;
        // Who connects learns the process that listened: the guard.
        listen(&listener, 16)?;
        let own = crate::netns::open_own("net")?;
        let host = crate::netns::identity(std::os::fd::AsFd::as_fd(&own))?;
        let dir = StateDir::new(Path::new(base), &yard);
        let shelf = Shelf::of(&dir, &yard, mode == "rootless");
        let keeper = match keeper.parse() {
            Ok(pid) => Some(Identity::of(pid).ok_or_else(|| io::Error::other("no keeper"))?),
            Err(_) => None,
        };
        Ok(Self { listener, shelf, mark: super::mark(&yard, host), keeper })
    }

    fn guard(self) -> ExitCode {
        crate::raise_descriptor_limit();
        // Children of a supervisor that crashed become this process's.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        let mut short = 0;
        loop {
            let begun = Instant::now();
            // SAFETY: this process has one thread, so the child may do all it may.
            let child = match unsafe { libc::fork() } {
                -1 => return ExitCode::FAILURE,
                0 => return self.supervise(),
                child => child,
            };
            if ended_well(child) {
                return ExitCode::SUCCESS;
            }
            short = if begun.elapsed() < SHORT { short + 1 } else { 0 };
            if short >= TRIES {
                return ExitCode::FAILURE;
            }
        }
    }

    fn supervise(self) -> ExitCode {
        let keeper = match self.keeper.map(Identity::hold) {
            None => None,
            Some(Ok(Some(fd))) => Some(fd),
            // It went meanwhile, and all namespaces with it.
            _ => return ExitCode::SUCCESS,
        };
        let mut server = Server::new(self.listener, self.shelf, self.mark, keeper);
        server.take_over();
        server.serve();
        ExitCode::SUCCESS
    }
}

/// Waits until a child has ended, and for all others on the way.
fn ended_well(child: i32) -> bool {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == child => {
                return status.exit_status() == Some(0);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
