//! `bridge`: a switch.

use serde::{Deserialize, Serialize};

/// A bridge. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Spanning tree protocol (IEEE 802.1D); default off.
    pub stp: bool,
    /// Spanning tree priority, 0 to 65535; default 32768.
    pub priority: u16,
    /// Time a port spends listening and learning; default 15000, 0 without STP.
    pub forward_delay: u32,
    /// Time between spanning tree messages; default 2000.
    pub hello_time: u32,
    /// Age at which a spanning tree message is dropped; default 20000.
    pub max_age: u32,
    /// How long an address is remembered; default 300000.
    pub ageing_time: u32,
    /// Ports belong to VLANs; default off.
    pub vlan_filtering: bool,
    /// IGMP and MLD snooping; default on.
    pub multicast_snooping: bool,
    /// The bridge asks for multicast listeners itself; default off.
    pub multicast_querier: bool,
    /// Link-local frames that are forwarded all the same (`group_fwd_mask`); default 0.
    pub group_forward_mask: u16,
}

/// Options of a bridge port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// Spanning tree path cost; 0 leaves it to the kernel.
    pub cost: u32,
    /// Spanning tree port priority, 0 to 63; default 32.
    pub priority: u16,
    /// Frames may leave through the port they came in; default off.
    pub hairpin: bool,
    /// Isolated ports reach only ports that are not; default off.
    pub isolated: bool,
    /// Source addresses are learnt; default on.
    pub learning: bool,
    /// Frames to unknown addresses are sent out here; default on.
    pub unicast_flood: bool,
    /// Always treated as if a multicast router were behind it; default off.
    pub multicast_router: bool,
}
