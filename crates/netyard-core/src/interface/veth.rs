//! `veth`: one end of a cable between two namespaces.

use serde::{Deserialize, Serialize};

use crate::state::InterfaceId;

/// One end of a veth pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veth {
    /// The other end.
    pub peer: InterfaceId,
}

/// The kernel option that brings veth pairs.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_VETH";
