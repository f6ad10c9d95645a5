//! What an interface does at the moment: of no State, since no file can ask for it.

use crate::wire::{Request, attributes, u32_of};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

// linux/if_link.h
const IFLA_OPERSTATE: u16 = 16;
const IFLA_STATS64: u16 = 23;
const IFLA_CARRIER: u16 = 33;
const HEADER: usize = 16; // struct ifinfomsg

/// An interface at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Its index.
    pub index: u32,
    /// `IFLA_OPERSTATE` in the words of `ip` and RFC 2863: `up`, `lowerlayerdown`.
    pub operstate: &'static str,
    /// A cable is plugged in, and something answers at its other end.
    pub carrier: bool,
    /// Packets and bytes since it was made, what was dropped, and errors.
    pub received: Counters,
    /// The same of what it sent.
    pub sent: Counters,
}

/// Packets one way, since the interface was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets that were bad.
    pub errors: u64,
    /// Packets for which there was no room.
    pub dropped: u64,
}

/// Asks for all interfaces, with their statistics.
pub fn links_with_counters() -> Request {
    Request::dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))
}

impl Pulse {
    /// Reads an `RTM_NEWLINK` without its netlink header.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut pulse =
            Self { index: u32_of(message.get(4..HEADER)?)?, operstate: word(0), ..Self::default() };
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                IFLA_OPERSTATE => pulse.operstate = word(*value.first()?),
                IFLA_CARRIER => pulse.carrier = *value.first()? != 0,
                IFLA_STATS64 => (pulse.received, pulse.sent) = counters(value),
                _ => {}
            }
        }
        Some(pulse)
    }
}

/// linux/if.h, `IF_OPER_*`.
fn word(operstate: u8) -> &'static str {
    const WORDS: [&str; 7] =
        ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];
    WORDS.get(usize::from(operstate)).copied().unwrap_or("unknown")
}

/// `struct rtnl_link_stats64` begins with eight numbers, received and sent in turn.
fn counters(stats: &[u8]) -> (Counters, Counters) {
    let number = |index: usize| {
        let bytes = stats.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    };
    let way = |first: usize| Counters {
        packets: number(first),
        bytes: number(first + 2),
        errors: number(first + 4),
        dropped: number(first + 6),
    };
    (way(0), way(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_read_from_the_attributes_it_needs() {
        let mut message = vec![0; HEADER];
        message[4..8].copy_from_slice(&7u32.to_ne_bytes());
        let mut push = |kind: u16, value: &[u8]| {
            message.extend((4 + value.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
            message.resize(message.len().next_multiple_of(4), 0);
        };
        push(IFLA_OPERSTATE, &[3]);
        push(IFLA_CARRIER, &[1]);
        let stats: Vec<u8> = (1..=9u64).flat_map(u64::to_ne_bytes).collect();
        push(IFLA_STATS64, &stats);
        let pulse = Pulse::parse(&message).unwrap();
        assert_eq!((pulse.index, pulse.operstate, pulse.carrier), (7, "lowerlayerdown", true));
        assert_eq!(pulse.received, Counters { packets: 1, bytes: 3, errors: 5, dropped: 7 });
        assert_eq!(pulse.sent, Counters { packets: 2, bytes: 4, errors: 6, dropped: 8 });
        assert_eq!(Pulse::parse(&message[..10]), None);
    }
}
