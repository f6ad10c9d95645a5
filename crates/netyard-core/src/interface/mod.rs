//! Interfaces: what all of them have, and the list of kinds, one file each.
//!
//! A kind's file holds everything that is true of that kind only: the YAML a
//! user writes, the struct, how it is parsed, its netlink attributes, how it is
//! read back, what can change in place, its `ip` command form, its tests.

mod bond;
mod bridge;
mod ipvlan;
mod macvlan;
mod physical;
mod tap;
mod veth;
mod vlan;
mod vrf;
mod vxlan;

use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::name::{FullName, InterfaceName};
use crate::state::InterfaceId;

pub use bond::{Bond, BondMode};
pub use bridge::{Bridge, BridgePort};
pub use ipvlan::{Ipvlan, IpvlanIsolation, IpvlanMode};
pub use macvlan::{Macvlan, MacvlanMode};
pub use physical::Physical;
pub use tap::Tap;
pub use veth::Veth;
pub use vlan::Vlan;
pub use vrf::Vrf;
pub use vxlan::Vxlan;

/// An interface with all its managed attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Place and full name: its identity.
    pub id: InterfaceId,
    /// Its name in the kernel; the same as the full name where that fits.
    pub kernel_name: InterfaceName,
    /// What it is.
    pub kind: Kind,
    /// The interface it sits on (`ip link … link PARENT`); may be in another place.
    pub parent: Option<InterfaceId>,
    /// The bridge, vrf or bond it belongs to; in the same place.
    pub master: Option<FullName>,
    /// Its options as a bridge port; there exactly when its master is a bridge.
    pub port: Option<BridgePort>,
    /// In bytes; none where it is not ours to manage.
    pub mtu: Option<u32>,
    /// None where it is not ours to manage, or the kind has none.
    pub mac: Option<Mac>,
    /// Administratively up.
    pub up: bool,
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs)] // each variant is the struct of its file
pub enum Kind {
    Loopback,
    Veth(Veth),
    Bridge(Bridge),
    Vlan(Vlan),
    Vxlan(Vxlan),
    Macvlan(Macvlan),
    Macvtap(Macvlan),
    Ipvlan(Ipvlan),
    Dummy,
    Vrf(Vrf),
    Bond(Bond),
    Tap(Tap),
    Tun(Tap),
    Ifb,
    Physical(Physical),
}
