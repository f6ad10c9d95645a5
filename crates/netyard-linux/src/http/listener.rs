//! Where it is listened: a TCP port, or a Unix socket.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port at an address of this host.
    Tcp(SocketAddr),
    /// A Unix socket, for its owner alone.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A socket that is listened at; a Unix socket's file goes with it.
#[derive(Debug)]
pub struct Listener(Socket);

impl Listener {
    /// Begins to listen.
    pub fn open(address: &Address) -> Result<Self, Error> {
        let socket = match address {
            Address::Tcp(tcp) => TcpListener::bind(tcp)
                .and_then(|socket| socket.set_nonblocking(true).map(|()| Socket::Tcp(socket))),
            Address::Unix(path) => unix(path).map(|socket| Socket::Unix(socket, path.clone())),
        };
        socket.map(Self).map_err(|error| refused(address, error))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket, _) => socket.as_fd(),
        }
    }

    /// A visitor, whose reads and writes do not wait.
    pub(super) fn accept(&self) -> io::Result<OwnedFd> {
        match &self.0 {
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok(stream.into())
            }
            Socket::Unix(socket, _) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok(stream.into())
            }
        }
    }

    /// The address that it really is at: a port 0 has become one.
    pub fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Socket::Tcp(socket) => socket.local_addr().map(Address::Tcp),
            Socket::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.0 {
            let _ = rustix::fs::unlink(path.as_path());
        }
    }
}

/// A socket that nobody answers at is left from one who was killed.
fn unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        rustix::fs::unlink(path)?;
    }
    // Nobody else may connect, not even between these two lines: until the
    // second, the socket does not listen.
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(path)?)?;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::chmod(path, mode)?;
    debug_assert!(fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0));
    rustix::net::listen(&socket, 64)?;
    Ok(socket.into())
}

fn refused(address: &Address, error: io::Error) -> Error {
    let taken = error.kind() == io::ErrorKind::AddrInUse;
    let owner = match address {
        Address::Tcp(tcp) if taken => crate::facts::port_owner(tcp.port()),
        _ => None,
    };
    if let Some((name, pid)) = owner {
        let what = format!("could not listen at {address}: process {pid} (`{name}`) has this port");
        return Error::new(ErrorKind::System, what).hint("`--listen ADDRESS:PORT` takes another");
    }
    let refused = Error::system(format!("could not listen at {address}"), error);
    if taken { refused.hint("`--listen` takes another") } else { refused }
}
