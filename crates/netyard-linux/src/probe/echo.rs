//! ICMP echo requests and replies (RFC 792, RFC 4443).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, Ordering};

use super::socket::{Sort, set_bytes};

/// Bytes of an echo's header.
pub(super) const HEADER: usize = 8;

/// Lets a raw socket receive echo replies and nothing else. Errors come through
/// its error queue.
pub(super) fn only_replies(socket: &OwnedFd, ipv6: bool) -> io::Result<()> {
    if !ipv6 {
        /// linux/icmp.h
        const ICMP_FILTER: i32 = 1;
        return set_bytes(socket, libc::SOL_RAW, ICMP_FILTER, &(!1_u32).to_ne_bytes());
    }
    /// linux/icmpv6.h; a set bit is a type that is kept out.
    const ICMPV6_FILTER: i32 = 1;
    let mut filter = [u32::MAX; 8];
    filter[129 / 32] &= !(1 << (129 % 32));
    let bytes: Vec<u8> = filter.iter().flat_map(|word| word.to_ne_bytes()).collect();
    set_bytes(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &bytes)
}

/// An echo request whose ICMP message is this long; the kernel puts the checksum
/// into one of ICMPv6.
pub(super) fn request(ipv6: bool, id: u16, sequence: u16, length: usize) -> Vec<u8> {
    let mut packet = vec![0; length.max(HEADER)];
    packet[0] = if ipv6 { 128 } else { 8 };
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    for (at, byte) in packet[HEADER..].iter_mut().enumerate() {
        *byte = at as u8;
    }
    if !ipv6 {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Id and sequence of an echo reply, and the length of its message in bytes;
/// IPv4 raw sockets give the IP header, too.
pub(super) fn reply(ipv6: bool, packet: &[u8]) -> Option<(u16, u16, usize)> {
    let message = match ipv6 {
        true => packet,
        false => packet.get(usize::from(packet.first()? & 15) * 4..)?,
    };
    let header = message.get(..HEADER)?;
    let ty = if ipv6 { 129 } else { 0 };
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    (header[0] == ty).then(|| (number(4), number(6), message.len()))
}

/// An id that no other probe of this process has at the moment. Those of other
/// processes are elsewhere: sockets are connected, or know what they sent.
pub(super) fn fresh_id() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = (std::process::id() as u16).wrapping_mul(0x9e37);
    base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// The sort of socket an echo needs.
pub(super) const SORT: Sort = Sort::Icmp;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_told_from_a_request_and_from_noise() {
        let mut packet = request(true, 7, 9, 40);
        assert_eq!(reply(true, &packet), None);
        packet[0] = 129;
        assert_eq!(reply(true, &packet), Some((7, 9, 40)));
        assert_eq!(reply(true, &packet[..5]), None);
        assert_eq!(reply(false, &[]), None);
        let mut v4 = vec![0x46; 24]; // a header with options
        v4.extend([0, 0, 0, 0, 0, 1, 0, 2]);
        assert_eq!(reply(false, &v4), Some((1, 2, 8)));
    }

    #[test]
    fn a_packet_with_its_checksum_sums_up_to_nothing() {
        assert_eq!(checksum(&request(false, 0x1234, 5, 61)), 0);
    }
}
