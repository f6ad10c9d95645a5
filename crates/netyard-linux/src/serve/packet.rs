//! Frames to a client that has no address yet.
//!
//! The kernel would ask by ARP who has the address that the client is just being
//! given, and nobody answers. So the IPv4 and UDP headers are written here, and
//! the frame goes out by a packet socket (packet(7)) to the hardware address that
//! the client has given.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use netyard_core::addr::Mac;
use netyard_core::name::InterfaceName;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

const IP: usize = 20;
const UDP: usize = 8;
const TTL: u8 = 64;
const IPPROTO_UDP: u8 = 17;

/// What sends frames out of an interface; it receives none.
pub(crate) struct FrameSocket {
    socket: OwnedFd,
    index: u32,
}

impl FrameSocket {
    pub fn open(interface: &InterfaceName) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
        let index = netdevice::name_to_index(&socket, interface.as_str())?;
        Ok(Self { socket, index })
    }

    /// True when the interface of that name is still the one it was.
    pub fn is_of(&self, interface: &InterfaceName) -> bool {
        netdevice::name_to_index(&self.socket, interface.as_str()) == Ok(self.index)
    }

    /// Sends a UDP payload from `source` to `destination` at a hardware address.
    pub fn send(
        &self,
        mac: Mac,
        (source, source_port): (Ipv4Addr, u16),
        (destination, port): (Ipv4Addr, u16),
        payload: &[u8],
    ) -> io::Result<()> {
        let packet = datagram((source, source_port), (destination, port), payload);
        // SAFETY: all zeroes is an empty address.
        let mut to: libc::sockaddr_ll = unsafe { zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        to.sll_ifindex = self.index as i32;
        to.sll_halen = 6;
        to.sll_addr[..6].copy_from_slice(&mac.0);
        // SAFETY: pointers and lengths are those of `packet` and `to`.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                (&raw const to).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// An IPv4 packet (RFC 791) with a UDP datagram (RFC 768) in it, checksums included.
fn datagram(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let total = IP + UDP + payload.len();
    let mut packet = Vec::with_capacity(total);
    packet.extend([0x45, 0xc0]); // version 4, five words; network control (RFC 4594)
    packet.extend((total as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, TTL, IPPROTO_UDP, 0, 0]);
    packet.extend(from.0.octets());
    packet.extend(to.0.octets());
    let check = checksum(sum(0, &packet));
    packet[10..12].copy_from_slice(&check.to_be_bytes());
    let length = (UDP + payload.len()) as u16;
    for field in [from.1, to.1, length, 0] {
        packet.extend(field.to_be_bytes());
    }
    packet.extend(payload);
    // The pseudo header: both addresses, the protocol, the length.
    let pseudo = sum(u32::from(IPPROTO_UDP) + u32::from(length), &packet[12..20]);
    let check = match checksum(sum(pseudo, &packet[IP..])) {
        0 => 0xffff, // none would be "not computed"
        check => check,
    };
    packet[IP + 6..IP + 8].copy_from_slice(&check.to_be_bytes());
    packet
}

fn sum(start: u32, bytes: &[u8]) -> u32 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    start + words.sum::<u32>()
}

/// The Internet checksum (RFC 1071).
fn checksum(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_add_up_to_nothing() {
        let from = (Ipv4Addr::new(10, 1, 0, 254), 67);
        let to = (Ipv4Addr::new(10, 1, 0, 100), 68);
        for payload in [&b""[..], b"x", b"an odd payload.", b"an even payload."] {
            let packet = datagram(from, to, payload);
            assert_eq!(checksum(sum(0, &packet[..IP])), 0);
            let length = (packet.len() - IP) as u32;
            let whole = sum(sum(17 + length, &packet[12..20]), &packet[IP..]);
            assert_eq!(checksum(whole), 0);
        }
    }
}
