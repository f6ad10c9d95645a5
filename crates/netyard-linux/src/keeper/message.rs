//! Messages to and from the keeper: a word, names, one to a line, and a
//! descriptor for each name or for none.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::CHUNK;

/// Longest message, in bytes: names are file names of at most 255 bytes.
const LONGEST: usize = CHUNK * 260 + 64;

/// A message that came in.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub word: String,
    pub names: Vec<String>,
    pub fds: Vec<OwnedFd>,
}

/// The user on the other side of a connection, as this side's user namespace has
/// it. (Not `rustix`'s: the keeper sees no process number of its clients, and the
/// type there cannot hold that.)
pub(crate) fn peer_user(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` outlives the call and its size is given.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

/// Sends a message.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    word: &str,
    names: &[&str],
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut text = word.to_owned();
    for name in names {
        text.push('\n');
        text.push_str(name);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CHUNK))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = [IoSlice::new(text.as_bytes())];
    rustix::io::retry_on_intr(|| sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a message; the end of the connection is `UnexpectedEof`, and `TimedOut` where
/// nothing comes for as long as the socket waits.
pub(crate) fn recv(socket: BorrowedFd<'_>) -> io::Result<Incoming> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CHUNK))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
    });
    let got = got.map_err(|errno| match errno {
        rustix::io::Errno::AGAIN => io::Error::new(
            io::ErrorKind::TimedOut,
            "the keeper does not answer; if somebody stopped it, `pkill -CONT -f 'netyard keeper'`",
        ),
        errno => errno.into(),
    })?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let text = std::str::from_utf8(&bytes[..got.bytes]).map_err(io::Error::other)?;
    let mut lines = text.split('\n');
    let word = lines.next().unwrap_or_default().to_owned();
    Ok(Incoming { word, names: lines.map(str::to_owned).collect(), fds })
}
