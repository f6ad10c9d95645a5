//! Packets between the namespaces of a bed.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netyard_core::state::Place;

use crate::bed::Bed;

/// How long a path may take to become ready: a port that was listening when
/// spanning tree went off does so to the end of its old delay.
const READY: Duration = Duration::from_secs(15);
const ROUND: Duration = Duration::from_millis(50);

impl Bed<'_> {
    /// A socket in a place, bound to an address of it.
    pub fn socket(&mut self, place: &Place, address: &str) -> UdpSocket {
        let address: IpAddr = address.parse().unwrap();
        let socket = self.inside(place, || UdpSocket::bind((address, 0)));
        let socket = socket.unwrap_or_else(|error| panic!("{place} {address}: {error}"));
        socket.set_read_timeout(Some(ROUND)).unwrap();
        socket
    }

    /// Proves that a packet goes from one address to another and an answer back.
    pub fn talks(&mut self, from: (&Place, &str), to: (&Place, &str)) {
        assert!(self.try_talk(from, to, READY), "{from:?} does not reach {to:?}");
    }

    /// Proves that nothing goes through; to be called on a path beside which
    /// another has been seen to work.
    pub fn is_silent(&mut self, from: (&Place, &str), to: (&Place, &str)) {
        assert!(!self.try_talk(from, to, 10 * ROUND), "{from:?} reaches {to:?}");
    }

    fn try_talk(&mut self, from: (&Place, &str), to: (&Place, &str), wait: Duration) -> bool {
        let client = self.socket(from.0, from.1);
        let server = self.socket(to.0, to.1);
        let to = server.local_addr().unwrap();
        let begin = Instant::now();
        while begin.elapsed() < wait {
            // Before the path is ready the kernel may know no way.
            let _ = client.send_to(b"question", to);
            if let Some(asker) = heard(&server, b"question") {
                server.send_to(b"answer", asker).unwrap();
                if heard(&client, b"answer") == Some(to) {
                    return true;
                }
            }
        }
        false
    }
}

/// Who said that, if somebody did in time.
fn heard(socket: &UdpSocket, words: &[u8]) -> Option<SocketAddr> {
    let mut buffer = [0; 64];
    match socket.recv_from(&mut buffer) {
        Ok((length, from)) => (&buffer[..length] == words).then_some(from),
        // What an ICMP answer brought, while the path was not there yet.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => {
            let in_time = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(in_time, "{error}");
            None
        }
    }
}
