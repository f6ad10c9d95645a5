//! Names of endpoints, looked up on a thread of their own: the rest does not wait.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};

type Answer = (usize, io::Result<Vec<SocketAddr>>);

/// Somebody who looks names up.
pub(super) struct Resolver {
    questions: Sender<(usize, String)>,
    answers: Receiver<Answer>,
    bell: OwnedFd,
}

impl Resolver {
    /// Starts it; it looks up in the namespace, and with the resolver, of the
    /// calling thread.
    pub fn start() -> io::Result<Self> {
        let (questions, asked) = channel::<(usize, String)>();
        let (tell, answers) = channel::<Answer>();
        let (bell, ring) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&bell, true)?;
        std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            for (number, name) in asked {
                let found = name.to_socket_addrs().map(Iterator::collect);
                if tell.send((number, found)).is_err() {
                    return;
                }
                let _ = rustix::io::write(&ring, &[1]);
            }
        })?;
        Ok(Self { questions, answers, bell })
    }

    /// Asks for the addresses of a name with its port.
    pub fn ask(&self, number: usize, name: String) {
        let _ = self.questions.send((number, name));
    }

    /// What was found since.
    pub fn answers(&self) -> Vec<Answer> {
        let mut rung = [0; 64];
        while rustix::io::read(&self.bell, &mut rung).is_ok_and(|length| length > 0) {}
        self.answers.try_iter().collect()
    }
}

impl AsFd for Resolver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
