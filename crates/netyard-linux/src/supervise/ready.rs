//! Whether a process is ready.
//!
//! What a process says, and that it ended, are events. The kernel tells nobody of
//! a socket that begins to listen; that is looked for again and again, the first
//! times within milliseconds.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use netyard_core::state::Ready;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

/// How long a process must run to count as running.
const ALIVE: Duration = Duration::from_millis(50);

/// The file of the socket that a process says `READY=1` to, in its directory.
pub(super) const NOTIFY: &str = "notify";

/// Looks whether it is ready, `life` after its start. `socket` is the path of
/// [`Ready::Socket`] and [`Ready::Answer`] with its directories in it.
pub(super) fn look(ready: &Ready, socket: &str, pid: u32, life: Duration) -> bool {
    match ready {
        Ready::Started => life >= ALIVE,
        Ready::Notify | Ready::Exit => false,
        Ready::Socket(_) => takes_connections(Path::new(socket)),
        Ready::Answer { question, line, .. } => {
            let answer = ask(Path::new(socket), question);
            answer.is_ok_and(|answer| answer.lines().any(|said| said == line))
        }
        Ready::Tcp(port) => is_bound(pid, "tcp", *port, "0A"),
        Ready::Udp(port) => is_bound(pid, "udp", *port, "07"),
    }
}

/// How long to wait before the next look, `life` after its start.
pub(super) fn interval(life: Duration) -> Duration {
    (life / 4).clamp(Duration::from_millis(2), Duration::from_millis(100))
}

/// True when somebody listens at a Unix socket, be it of streams or of packets.
pub(crate) fn takes_connections(path: &Path) -> bool {
    let Ok(address) = SocketAddrUnix::new(path) else { return false };
    [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM].into_iter().any(|sort| {
        let socket = socket_with(AddressFamily::UNIX, sort, SocketFlags::CLOEXEC, None);
        socket.is_ok_and(|socket| rustix::net::connect(&socket, &address).is_ok())
    })
}

/// How long an answer may take.
const ANSWER: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Asks at a Unix socket of datagrams, as those of hostapd and wpa_supplicant are. The answer
/// comes to a socket beside theirs: a name without a file would be one of our namespace.
fn ask(socket: &Path, question: &str) -> io::Result<String> {
    let own = socket.with_file_name(".netyard");
    let remove = || match fs::remove_file(&own) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    remove()?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let from = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    bind(&from, &SocketAddrUnix::new(&own)?)?;
    let answered = rustix::net::connect(&from, &SocketAddrUnix::new(socket)?).and_then(|()| {
        rustix::io::write(&from, question.as_bytes())?;
        let mut answer = [PollFd::new(&from, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut answer, Some(&ANSWER)))?;
        let mut buffer = vec![0; 8192];
        let length = rustix::io::read(&from, &mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    });
    remove()?;
    Ok(String::from_utf8_lossy(&answered?).into_owned())
}

/// True when a socket of a process's network namespace has that port, in that
/// state (proc(5), `/proc/net/tcp`).
fn is_bound(pid: u32, protocol: &str, port: u16, state: &str) -> bool {
    let table = |protocol: &str| fs::read_to_string(format!("/proc/{pid}/net/{protocol}"));
    let tables = [table(protocol), table(&format!("{protocol}6"))];
    tables.into_iter().flatten().any(|table| has_port(&table, port, state))
}

fn has_port(table: &str, port: u16, state: &str) -> bool {
    let port = format!("{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().and_then(|local| local.rsplit(':').next());
        local == Some(port.as_str()) && fields.nth(1) == Some(state)
    })
}

/// A socket at that path for what a process says of itself.
pub(super) fn listen(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::PermissionsExt;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // The directory is the process's own; it may run as another user.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(socket)
}

/// What a process said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub ready: bool,
    pub status: Option<String>,
    /// The first process of a container (`X_NSPAWN_LEADER_PID`, systemd-nspawn).
    pub leader: Option<u32>,
}

/// Reads all that it said.
pub(super) fn hear(socket: &OwnedFd) -> Said {
    let mut said = Said::default();
    let mut buffer = [0; 4096];
    while let Ok(length) = rustix::io::read(socket, &mut buffer) {
        understand(&String::from_utf8_lossy(&buffer[..length]), &mut said);
    }
    said
}

fn understand(text: &str, said: &mut Said) {
    for line in text.lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => said.ready = true,
            Some(("X_NSPAWN_LEADER_PID", pid)) => said.leader = pid.parse().ok(),
            Some(("STATUS", status)) => {
                said.status = Some(status.chars().filter(|c| !c.is_control()).take(200).collect());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_says_is_understood_line_by_line() {
        let mut said = Said::default();
        understand("STATUS=3 neighbours\nMAINPID=1\nREADY=1", &mut said);
        assert_eq!(said, Said { ready: true, status: Some("3 neighbours".into()), leader: None });
        understand("X_NSPAWN_LEADER_PID=17", &mut said);
        assert_eq!(said.leader, Some(17));
    }

    #[test]
    fn a_port_counts_in_its_state_only() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 0100007F:0050 00000000:0000 0A 00000000:00000000\n   \
                     1: 0100007F:0051 0100007F:0050 01 00000000:00000000\n";
        assert!(has_port(table, 80, "0A"));
        assert!(!has_port(table, 81, "0A"));
        assert!(!has_port(table, 8, "0A"));
    }

    #[test]
    fn a_unix_socket_counts_when_somebody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert!(!takes_connections(&path));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(takes_connections(&path));
        drop(listener);
        assert!(!takes_connections(&path));
    }
}
