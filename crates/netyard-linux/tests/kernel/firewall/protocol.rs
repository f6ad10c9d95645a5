//! Protocols that are neither TCP nor UDP, sent as they are.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::*;

const ESP: i32 = 50;
const AH: i32 = 51;
const GRE: i32 = 47;
const SCTP: i32 = 132;
/// RFC 4302, 2, and four bytes of a protocol to experiment with: a packet with nothing
/// behind this header is none to connection tracking over IPv6 (`ipv6_skip_exthdr`).
const AUTHENTICATED: [u8; 16] = [253, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 7, 7, 7, 7];
/// RFC 4303, 2.
const ENCRYPTED: [u8; 12] = [0, 0, 1, 0, 0, 0, 0, 1, 7, 7, 7, 7];

#[test]
fn whole_protocols_pass_or_do_not() {
    let text = sides(
        r#"
    forward:
      policy: drop
      allow: [ping, { protocol: [esp, gre], from: inside }, { sctp: 5000-5001 }]
"#,
    );
    lab(&text, |lab| {
        for v6 in [false, true] {
            let (client, to) = (bare(IN[usize::from(v6)]), bare(OUT[usize::from(v6)]));
            lab.ready("in", to);
            let passes =
                |protocol, payload: &[u8]| lab.carries(("in", "out"), to, protocol, payload);
            assert!(passes(ESP, &ENCRYPTED), "esp to {to}");
            assert!(passes(GRE, &[0, 0, 0x65, 0x58, 7, 7, 7, 7]), "gre to {to}");
            assert!(!passes(AH, &AUTHENTICATED), "ah to {to}");
            assert!(passes(SCTP, &init(5000)), "sctp 5000 to {to}");
            assert!(!passes(SCTP, &init(5002)), "sctp 5002 to {to}");
            // From the other side nothing begins.
            assert!(!lab.carries(("out", "in"), client, AH, &AUTHENTICATED));
        }
        assert_eq!(lab.counted("gw", "forward allow 3: sctp 5000-5001"), 2);
    });
}

#[test]
fn ah_passes_where_it_may() {
    let text = sides("    forward: { policy: drop, allow: [ping, { protocol: ah }] }\n");
    lab(&text, |lab| {
        for to in OUT.map(bare) {
            lab.ready("in", to);
            assert!(lab.carries(("in", "out"), to, AH, &AUTHENTICATED), "{to}");
            assert!(!lab.carries(("in", "out"), to, ESP, &ENCRYPTED), "{to}");
        }
    });
}

/// The `INIT` with which an association begins (RFC 9260, 3.3.2), to that port.
fn init(port: u16) -> Vec<u8> {
    let mut packet = [&40_000_u16.to_be_bytes()[..], &port.to_be_bytes(), &[0; 8]].concat();
    packet.extend([1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 5, 220, 0, 1, 0, 1, 0, 0, 0, 1]);
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    packet
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

impl Lab {
    /// True when a packet of a protocol comes from one node to an address of the other.
    fn carries(
        &self,
        (from, to): (&str, &str),
        address: &str,
        protocol: i32,
        payload: &[u8],
    ) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let hears = self.inside(to, || raw(address, protocol).unwrap());
        let sends = self.inside(from, || raw(address, protocol).unwrap());
        send_raw(&sends, address, payload);
        let mut buffer = [0_u8; 256];
        loop {
            // SAFETY: the buffer is as long as is said.
            let length = unsafe {
                libc::recv(hears.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0)
            };
            let Ok(length) = usize::try_from(length) else { return false };
            // Of IPv4 the header comes along.
            if buffer[..length].ends_with(payload) {
                return true;
            }
        }
    }
}

fn raw(of: IpAddr, protocol: i32) -> io::Result<OwnedFd> {
    let family = if of.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let wait = libc::timeval { tv_sec: 0, tv_usec: SILENCE.subsec_micros().into() };
    // SAFETY: plain system calls; the time lives as long as the call.
    unsafe {
        let socket = libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(socket);
        let size = size_of_val(&wait) as libc::socklen_t;
        let value = (&raw const wait).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size);
        Ok(socket)
    }
}

fn send_raw(socket: &OwnedFd, to: IpAddr, payload: &[u8]) {
    // SAFETY: all zeroes is an address of either family; what is sent is as long as is said.
    let sent = unsafe {
        let mut four: libc::sockaddr_in = std::mem::zeroed();
        let mut six: libc::sockaddr_in6 = std::mem::zeroed();
        let (address, size) = match to {
            IpAddr::V4(to) => {
                four.sin_family = libc::AF_INET as u16;
                four.sin_addr.s_addr = u32::from_ne_bytes(to.octets());
                ((&raw const four).cast(), size_of_val(&four))
            }
            IpAddr::V6(to) => {
                six.sin6_family = libc::AF_INET6 as u16;
                six.sin6_addr.s6_addr = to.octets();
                ((&raw const six).cast(), size_of_val(&six))
            }
        };
        let bytes = payload.as_ptr().cast();
        libc::sendto(socket.as_raw_fd(), bytes, payload.len(), 0, address, size as libc::socklen_t)
    };
    assert_eq!(usize::try_from(sent), Ok(payload.len()), "{}", io::Error::last_os_error());
}
