//! The keeper's own side.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use netyard_core::name::YardName;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketFlags, accept_with, bind, listen};

use super::message::{self, Incoming};
use super::{CHUNK, address, seqpacket};

/// What it writes when it listens.
pub(super) const READY: &str = "ready";

/// Runs the keeper until it has nothing to keep: what the hidden subcommand
/// does, given the arguments after its name. It writes `ready`, or why it is
/// not, to standard output, which it then closes.
pub fn run(arguments: &[String]) -> ExitCode {
    match start(arguments) {
        Ok(Some(mut server)) => {
            say(READY);
            server.serve();
            ExitCode::SUCCESS
        }
        // The child is the keeper.
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let mut output = io::stdout();
    let _ = writeln!(output, "{text}");
    let _ = output.flush();
    // The starter reads to the end of the line; nothing holds its pipe open.
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    if let Ok(null) = null {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

struct Server {
    listener: OwnedFd,
    clients: Vec<OwnedFd>,
    held: BTreeMap<String, OwnedFd>,
    /// It is itself what holds the yard's user namespace: it stays until told.
    rootless: bool,
    quit: bool,
}

/// Gives the server, in the process that is to be it.
fn start(arguments: &[String]) -> io::Result<Option<Server>> {
    let [yard, mode, scratch] = arguments else {
        return Err(io::Error::other("the keeper is started by netyard alone"));
    };
    let yard = YardName::new(yard).map_err(|bad| io::Error::other(bad.0))?;
    let rootless = mode == "rootless";
    let _ = rustix::thread::set_name(c"netyard-keeper");
    // The socket belongs to the network namespace it is made in: that of the
    // commands to come, not the yard's.
    let listener = seqpacket()?;
    bind(&listener, &address(&yard, rustix::process::geteuid().as_raw())?)?;
    if rootless {
        crate::netns::become_rootless(Path::new(scratch))?;
        if fork()? {
            return Ok(None);
        }
    }
    end_on_signals();
    // Who connects learns the process that listened.
    listen(&listener, 16)?;
    crate::raise_descriptor_limit();
    let (clients, held) = (Vec::new(), BTreeMap::new());
    Ok(Some(Server { listener, clients, held, rootless, quit: false }))
}

/// The first process of a process namespace passes over all signals that it has no
/// handler for, and at the end of a session nobody wants to wait for it.
fn end_on_signals() {
    extern "C" fn end(_signal: libc::c_int) {
        // SAFETY: it may be called in a signal handler (signal-safety(7)).
        unsafe { libc::_exit(0) }
    }
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the handler makes one system call.
        unsafe { libc::signal(signal, end as *const () as libc::sighandler_t) };
    }
}

/// Goes on as two processes; true in the parent. Only a child is in the process
/// namespace that its parent made.
fn fork() -> io::Result<bool> {
    // SAFETY: this process has one thread, so the child may do all that it may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(child != 0),
    }
}

impl Server {
    fn serve(&mut self) {
        while !self.finished() {
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(_) => return,
            };
            // From the back: an ended connection is taken out.
            for index in (0..self.clients.len()).rev() {
                if ready[index + 1] && self.answer(index).is_err() {
                    self.clients.swap_remove(index);
                }
            }
            if ready[0] {
                self.accept();
            }
        }
    }

    /// Before the first client came there is nothing to keep either, but one
    /// is about to come.
    fn finished(&self) -> bool {
        self.quit
    }

    fn wait(&self) -> io::Result<Vec<bool>> {
        let mut polled: Vec<PollFd<'_>> = std::iter::once(self.listener.as_fd())
            .chain(self.clients.iter().map(AsFd::as_fd))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect())
    }

    fn accept(&mut self) {
        let Ok(client) = accept_with(&self.listener, SocketFlags::CLOEXEC) else { return };
        let own = rustix::process::geteuid().as_raw();
        let same_user = message::peer_user(client.as_fd()).is_ok_and(|user| user == own);
        if same_user {
            self.clients.push(client);
        }
    }

    fn answer(&mut self, index: usize) -> io::Result<()> {
        let client = self.clients[index].as_fd();
        let Incoming { word, names, fds } = message::recv(client)?;
        match word.as_str() {
            "put" if names.len() == fds.len() => {
                let client = client.try_clone_to_owned()?;
                self.held.extend(names.into_iter().zip(fds));
                message::send(client.as_fd(), "ok", &[], &[])
            }
            "drop" => {
                let client = client.try_clone_to_owned()?;
                for name in &names {
                    self.held.remove(name);
                }
                message::send(client.as_fd(), "ok", &[], &[])?;
                self.quit |= !self.rootless && self.held.is_empty();
                Ok(())
            }
            "get" => self.give_all(client),
            "proc" => match crate::sysctl::fresh_proc() {
                Ok(proc) => message::send(client, "ok", &["proc"], &[proc.as_fd()]),
                Err(error) => message::send(client, &error.to_string(), &[], &[]),
            },
            "quit" => {
                self.quit = true;
                Ok(())
            }
            _ => message::send(client, "what?", &[], &[]),
        }
    }

    fn give_all(&self, client: BorrowedFd<'_>) -> io::Result<()> {
        let all: Vec<(&str, BorrowedFd<'_>)> =
            self.held.iter().map(|(name, fd)| (name.as_str(), fd.as_fd())).collect();
        for chunk in all.chunks(CHUNK) {
            let (names, fds): (Vec<&str>, Vec<BorrowedFd<'_>>) = chunk.iter().copied().unzip();
            message::send(client, "more", &names, &fds)?;
        }
        message::send(client, "ok", &[], &[])
    }
}
