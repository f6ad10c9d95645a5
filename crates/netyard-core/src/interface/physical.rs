//! `physical`: an interface of the host, lent to a node and given back.

use serde::{Deserialize, Serialize};

use crate::name::InterfaceName;

/// An interface that was there before; netyard moves it, and never deletes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Physical {
    /// Its name on the host.
    pub host_name: InterfaceName,
}
