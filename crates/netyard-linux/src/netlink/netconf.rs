//! Whether a namespace forwards, asked over netlink (`RTM_GETNETCONF`): cheaper
//! than reading `/proc/sys`, where each visit of a namespace makes new entries,
//! and the thread need not be inside.
//!
//! Encoded here: netlink-packet-route 0.34 has no netconf messages.

use std::io;

use super::reply::{self, NLM_F_REQUEST, NLMSG_ERROR};
use super::socket::{Socket, with_buffer};

const RTM_NEWNETCONF: u16 = 80; // linux/rtnetlink.h
const RTM_GETNETCONF: u16 = 82;
const NETCONFA_IFINDEX: u16 = 1; // linux/netconf.h
const NETCONFA_FORWARDING: u16 = 2;
const NETCONFA_IFINDEX_ALL: i32 = -1;
/// Header, `netconfmsg` with its padding, one attribute.
const LENGTH: u32 = 16 + 4 + 8;

/// `conf/all/forwarding` of both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarding {
    /// Of IPv4, which is also `ip_forward`.
    pub ipv4: Option<i32>,
    /// Of IPv6; none where the kernel has no IPv6.
    pub ipv6: Option<i32>,
}

impl Socket {
    /// Asks for `conf/all/forwarding` of these families.
    pub(crate) fn forwarding(&mut self, ipv4: bool, ipv6: bool) -> io::Result<Forwarding> {
        let first = self.take_seq(2);
        let mut bytes = Vec::with_capacity(2 * LENGTH as usize);
        if ipv4 {
            push_question(&mut bytes, first, libc::AF_INET as u8);
        }
        if ipv6 {
            push_question(&mut bytes, first + 1, libc::AF_INET6 as u8);
        }
        self.send(&bytes)?;
        with_buffer(|buffer| self.read_forwarding(first, bytes.len() / LENGTH as usize, buffer))
    }

    fn read_forwarding(
        &self,
        first: u32,
        mut missing: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Forwarding> {
        let mut answers = [None; 2];
        while missing > 0 {
            let length = self.recv(buffer, true)?.unwrap_or(0);
            for message in reply::messages(&buffer[..length]) {
                let which = message.seq.checked_sub(first).map_or(usize::MAX, |n| n as usize);
                let Some(answer) = answers.get_mut(which) else { continue };
                match message.ty {
                    RTM_NEWNETCONF => *answer = forwarding(message.payload),
                    // The kernel lacks the family.
                    NLMSG_ERROR => {}
                    _ => continue,
                }
                missing -= 1;
            }
        }
        let [ipv4, ipv6] = answers;
        Ok(Forwarding { ipv4, ipv6 })
    }
}

fn push_question(bytes: &mut Vec<u8>, seq: u32, family: u8) {
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(RTM_GETNETCONF.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([family, 0, 0, 0]);
    bytes.extend(8_u16.to_ne_bytes());
    bytes.extend(NETCONFA_IFINDEX.to_ne_bytes());
    bytes.extend(NETCONFA_IFINDEX_ALL.to_ne_bytes());
}

fn forwarding(payload: &[u8]) -> Option<i32> {
    let (_, value) =
        super::attributes(payload.get(4..)?).find(|(ty, _)| *ty == NETCONFA_FORWARDING)?;
    Some(i32::from_ne_bytes(value.try_into().ok()?))
}
