//! `tap` and `tun`: an interface whose other end is a program.

use serde::{Deserialize, Serialize};

/// A persistent tap or tun interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// The user who may open it, besides root.
    pub owner: Option<u32>,
    /// The group that may open it.
    pub group: Option<u32>,
    /// Several queues (`IFF_MULTI_QUEUE`).
    pub multi_queue: bool,
}
