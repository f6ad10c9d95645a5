//! `vrf`: a routing table of its own for the interfaces it is master of.

use serde::{Deserialize, Serialize};

/// A VRF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vrf {
    /// Its routing table.
    pub table: u32,
}
