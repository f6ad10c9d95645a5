//! Interfaces over netlink: what all kinds share.
//!
//! An interface is made by one message, a veth pair by one for both ends, in
//! the namespaces where they belong, with the indexes the caller chose, so that
//! later messages of the same batch can name them. What such a message cannot
//! carry (an alias, an alternative name, port options, the master of a peer)
//! follows in [`Interface::configuration`].

mod conf;
mod make;
mod pulse;
mod read;

pub use conf::accept_dad;
pub use make::{Creation, Made, Target, links, remove_group};
pub use pulse::{Counters, Pulse, links_with_counters};
pub use read::{Link, Seen, read_all};
