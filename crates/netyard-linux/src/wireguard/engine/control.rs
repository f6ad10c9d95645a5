//! What the process tells of itself, in the words of WireGuard's cross-platform
//! interface (wireguard.com/xplatform), which `wg show` reads, too. Its private
//! key is not among them.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netyard_core::state::TunnelFile;

use super::peer::Peer;

/// How long somebody may take to ask.
const PATIENCE: Duration = Duration::from_millis(200);

/// The socket it is asked on.
pub(super) struct Control(UnixListener);

impl Control {
    /// Listens; what an earlier process has left there goes.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Answers one who asks.
    pub fn answer(&self, file: &TunnelFile, peers: &[Peer]) {
        let Ok((mut stream, _)) = self.0.accept() else { return };
        let asked = question(&mut stream);
        let answer = match asked.as_deref() {
            Ok("get=1") => state(file, peers) + "errno=0\n\n",
            // EOPNOTSUPP: what it is told comes from netyard's file.
            Ok(_) => "errno=95\n\n".to_owned(),
            Err(_) => return,
        };
        let _ = stream.write_all(answer.as_bytes());
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn question(stream: &mut UnixStream) -> io::Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut bytes = [0; 64];
    let length = stream.read(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes[..length]);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn state(file: &TunnelFile, peers: &[Peer]) -> String {
    let mut text = format!("listen_port={}\n", file.tunnel.listen);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for peer in peers {
        let _ = writeln!(text, "public_key={}", hex(peer.spec.public_key.bytes()));
        if let Some(endpoint) = peer.endpoint {
            let _ = writeln!(text, "endpoint={endpoint}");
        }
        let (since, sent, received, ..) = peer.session.stats();
        let at = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let _ = writeln!(text, "last_handshake_time_sec={}", at.as_secs());
        let _ = writeln!(text, "last_handshake_time_nsec={}", at.subsec_nanos());
        let _ = writeln!(text, "rx_bytes={received}\ntx_bytes={sent}");
        let _ = writeln!(text, "persistent_keepalive_interval={}", peer.spec.keepalive);
        for net in &peer.spec.allowed_ips {
            let _ = writeln!(text, "allowed_ip={net}");
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
