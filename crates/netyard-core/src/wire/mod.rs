//! The netlink form of every object: rtnetlink messages out of objects, and
//! objects out of the kernel's dumps. Pure: who sends, in which namespace and
//! in which order, is `netyard-linux`'s part.
//!
//! Writing goes through the `netlink-packet-route` codec. Reading does not: a
//! dump of links has some sixty attributes each, of which netyard manages a
//! dozen, and a thousand namespaces are read at every command. So reading walks
//! the attributes in place ([`attribute`]) and takes only what it needs; what it
//! does not know it passes over, and no attribute of a newer kernel can break it.
//!
//! Each object's file says how it is added, changed, removed and read back, and
//! what the kernel does to its values on the way. Interfaces are in [`link`],
//! and what is true of one kind only is in that kind's file
//! ([`crate::interface`]).

pub mod address;
mod attribute;
pub mod conntrack;
pub mod device;
pub mod flow;
pub mod generic;
pub mod leased;
pub mod link;
pub mod lookup;
pub mod mark;
pub mod names;
pub mod neighbour;
pub mod nft;
pub mod qdisc;
pub mod radio;
pub mod route;
pub mod rule;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod vlan;
pub mod wireguard;

pub use mark::{LongMarks, Mark, group};
pub use names::{Names, UnknownInterface};
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;

pub(crate) use attribute::{attributes, ip, mac, text, u8_of, u16_of, u32_of, u64_of};

/// The protocol number that marks what is netyard's: of routes (`rtm_protocol`),
/// rules (`FRA_PROTOCOL`), neighbours (`NDA_PROTOCOL`) and addresses
/// (`IFA_PROTO`). Nobody else's in iproute2's `rt_protos` nor in the kernel
/// (linux/rtnetlink.h).
pub const PROTOCOL: u8 = 78;

/// One request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub message: RouteNetlinkMessage,
    /// `NLM_F_*` flags, but for `NLM_F_REQUEST` and `NLM_F_ACK`, which are the sender's.
    pub flags: u16,
}

impl Request {
    /// A message with flags.
    pub fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self { message, flags }
    }

    /// A request for all there is in the namespace.
    pub(crate) fn dump(message: RouteNetlinkMessage) -> Self {
        Self::new(message, NLM_F_DUMP)
    }
}
