//! `vlan`: an 802.1Q or 802.1ad interface on a parent.

use serde::{Deserialize, Serialize};

/// A VLAN interface; its parent is [`super::Interface::parent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// 1 to 4094.
    pub id: u16,
    /// The outer tag of a stacked VLAN (802.1ad) instead of 802.1Q.
    pub service_tag: bool,
}
