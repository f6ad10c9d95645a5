//! What a tunnel does at the moment: of the kernel's devices and of processes.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use netyard_core::facts::{PeerPulse, TunnelPulse};
use netyard_core::key::PublicKey;

/// How long a process may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the process that listens there.
pub fn of_process(socket: &Path) -> io::Result<TunnelPulse> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"get=1\n\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(parse(&text))
}

/// Reads the words of WireGuard's cross-platform interface; what is not known is
/// passed over.
fn parse(text: &str) -> TunnelPulse {
    let mut pulse = TunnelPulse::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if key == "listen_port" {
            pulse.listen = value.parse().unwrap_or_default();
        }
        if let Some(public_key) = unhex(value).filter(|_| key == "public_key") {
            pulse.peers.push(PeerPulse {
                public_key,
                endpoint: None,
                age: None,
                received: 0,
                sent: 0,
                allowed_ips: Vec::new(),
            });
        }
        let Some(peer) = pulse.peers.last_mut() else { continue };
        match key {
            "endpoint" => peer.endpoint = value.parse().ok(),
            "last_handshake_time_sec" => {
                peer.age = value.parse().ok().and_then(super::device::age);
            }
            "rx_bytes" => peer.received = value.parse().unwrap_or_default(),
            "tx_bytes" => peer.sent = value.parse().unwrap_or_default(),
            "allowed_ip" => peer.allowed_ips.extend(value.parse::<IpNet>()),
            _ => {}
        }
    }
    pulse
}

fn unhex(text: &str) -> Option<PublicKey> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(PublicKey::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_says_is_understood() {
        let key = "01".repeat(32);
        let text = format!(
            "listen_port=51820\npublic_key={key}\nendpoint=[::1]:7\nlast_handshake_time_sec=9\n\
             rx_bytes=1\ntx_bytes=2\nnonsense=3\nallowed_ip=10.0.0.0/8\nerrno=0\n\n"
        );
        let pulse = parse(&text);
        assert_eq!(pulse.listen, 51820);
        let peer = &pulse.peers[0];
        assert_eq!(peer.public_key, PublicKey::from_bytes([1; 32]));
        assert_eq!(peer.endpoint, "[::1]:7".parse().ok());
        assert!(peer.age > Some(1_000_000_000));
        assert_eq!((peer.received, peer.sent), (1, 2));
        assert_eq!(peer.allowed_ips, ["10.0.0.0/8".parse().unwrap()]);
    }
}
