//! Netlink: a blocking socket, batches that are acknowledged once, dumps.
//!
//! The codec is the `netlink-packet-route` crate's; what is ours is what is slow
//! or missing elsewhere. Facts of the kernel this rests on (6.18, and read in
//! `net/netlink/af_netlink.c`):
//!
//! * The kernel works a request through inside `send`. When it returns, every
//!   reply is already queued, so reading until `EAGAIN` reads them all.
//! * A failing message does not stop a batch. Its error comes back even without
//!   `NLM_F_ACK`; so only the last message asks for one.
//! * An ack of 2,000 messages overflows the default receive buffer after 256
//!   of them (`ENOBUFS`).
//! * The kernel sizes a dump's buffers by the largest `recv` it has seen. A
//!   smaller one later loses messages without a word: all reads here have one size.

mod ask;
mod batch;
mod dump;
mod ears;
mod events;
mod fault;
mod netconf;
mod reply;
mod requests;
mod socket;
mod transaction;

pub use batch::{Batch, Failure, Outcome};
pub use ears::{Ears, Heard};
pub use reply::Message;
pub(crate) use reply::attributes;
pub(crate) use requests::{
    altname, bare_link, bare_qdisc, delete_group, delete_link, get_link, set_alias,
    set_alias_or_none, set_group, set_mac, set_master, set_up, veth_into, vlan_bridge,
};
pub use socket::{Protocol, Socket};
