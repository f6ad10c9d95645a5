//! `macvlan` and `macvtap`: an address of its own on a parent.

use serde::{Deserialize, Serialize};

/// A macvlan or macvtap; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macvlan {
    /// How those of one parent reach each other.
    pub mode: MacvlanMode,
}

/// How macvlans of one parent reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacvlanMode {
    /// Directly.
    Bridge,
    /// Not at all.
    Private,
    /// Through a switch outside that sends frames back.
    Vepa,
    /// There is only one, and it has the parent to itself.
    Passthru,
}
