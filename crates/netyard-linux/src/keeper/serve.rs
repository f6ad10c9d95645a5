//! The keeper's own side.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use netyard_core::name::YardName;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketFlags, accept_with, bind, listen, sockopt};

use super::message::{self, Incoming};
use super::{CHUNK, address, seqpacket};

/// What it writes when it listens.
pub(super) const READY: &str = "ready";

/// Runs the keeper until it has nothing to keep: what the hidden subcommand
/// does, given the arguments after its name. It writes `ready`, or why it is
/// not, to standard output, which it then closes.
pub fn run(arguments: &[String]) -> ExitCode {
    match start(arguments) {
        Ok(mut server) => {
            say(READY);
            server.serve();
            ExitCode::SUCCESS
        }
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

fn start(arguments: &[String]) -> io::Result<Server> {
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
    listen(&listener, 16)?;
    if rootless {
        crate::netns::become_rootless(Path::new(scratch))?;
    }
    crate::raise_descriptor_limit();
    Ok(Server { listener, clients: Vec::new(), held: BTreeMap::new(), rootless, quit: false })
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
        let same_user = sockopt::socket_peercred(&client)
            .is_ok_and(|peer| peer.uid == rustix::process::geteuid());
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
