//! Interfaces: what all of them have, and the list of kinds, one file each.
//!
//! A kind's file holds everything that is true of that kind only: the YAML a
//! user writes, the struct, how it is parsed, its netlink attributes, how it is
//! read back, what can change in place, its `ip` command form, its tests.

mod bond;
pub(crate) mod bridge;
mod change;
mod ipvlan;
mod macvlan;
mod physical;
mod tap;
mod veth;
mod vlan;
mod vrf;
mod vxlan;
pub(crate) mod wireguard;
mod wlan;

use serde::{Deserialize, Serialize};

use crate::addr::Mac;
use crate::diag::{Report, Spanned};
use crate::name::{FullName, InterfaceName};
use crate::shape::{Record, Shape};
use crate::state::InterfaceId;

// Any interface may be the port of a bridge, so the options of one belong to all kinds.
pub(crate) use bridge::PORT as PORT_OPTIONS;

pub use bond::{Bond, BondMode};
pub use bridge::{Bridge, BridgePort};
pub use change::Change;
pub use ipvlan::{Ipvlan, IpvlanIsolation, IpvlanMode};
pub use macvlan::{Macvlan, MacvlanMode};
pub use physical::Physical;
pub use tap::Tap;
pub use veth::Veth;
pub use vlan::Vlan;
pub use vrf::Vrf;
pub use vxlan::Vxlan;
pub use wireguard::{Engine, PeerSpec, Who, WireguardSpec, split_endpoint};
pub use wlan::{Wlan, WlanRole};

pub(crate) use bond::member_mac;

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
    Wireguard,
    Wlan(Wlan),
    Physical(Physical),
}

/// A word that `kind:` can be.
pub struct KindEntry {
    /// The word.
    pub word: &'static str,
    /// The keys it has beside those of every interface.
    pub shape: &'static Shape,
    /// Reads those keys; gives nothing where a network or a link makes the
    /// interface, or where the keys are wrong, which the report then says.
    pub parse: fn(&Record, &Spanned<FullName>, &mut Report) -> Option<Kind>,
}

/// All words that `kind:` can be, in the order of the reference.
pub static KINDS: &[KindEntry] = &[
    KindEntry { word: "veth", shape: &VETH, parse: |_, _, _| None },
    KindEntry { word: "bridge", shape: &bridge::SHAPE, parse: bridge::parse },
    KindEntry { word: "vlan", shape: &vlan::SHAPE, parse: vlan::parse },
    KindEntry { word: "vxlan", shape: &vxlan::SHAPE, parse: vxlan::parse },
    KindEntry { word: "macvlan", shape: &macvlan::SHAPE, parse: macvlan::parse_lan },
    KindEntry { word: "macvtap", shape: &macvlan::TAP_SHAPE, parse: macvlan::parse_tap },
    KindEntry { word: "ipvlan", shape: &ipvlan::SHAPE, parse: ipvlan::parse },
    KindEntry { word: "dummy", shape: &DUMMY, parse: |_, _, _| Some(Kind::Dummy) },
    KindEntry { word: "vrf", shape: &vrf::SHAPE, parse: vrf::parse },
    KindEntry { word: "bond", shape: &bond::SHAPE, parse: bond::parse },
    KindEntry { word: "tap", shape: &tap::SHAPE, parse: tap::parse_tap },
    KindEntry { word: "tun", shape: &tap::SHAPE, parse: tap::parse_tun },
    KindEntry { word: "ifb", shape: &IFB, parse: |_, _, _| Some(Kind::Ifb) },
    KindEntry { word: "wireguard", shape: &wireguard::SHAPE, parse: wireguard::parse },
    KindEntry { word: "wlan", shape: &wlan::SHAPE, parse: wlan::parse },
    KindEntry { word: "physical", shape: &physical::SHAPE, parse: physical::parse },
];

/// The entry of a word.
pub fn kind_entry(word: &str) -> Option<&'static KindEntry> {
    KINDS.iter().find(|entry| entry.word == word)
}

static VETH: Shape = Shape {
    name: "`veth` interface",
    doc: "An end of a cable, which `network:` or a link makes; `kind: veth` only says so.",
    fields: &[],
    also: &[],
};
static DUMMY: Shape = Shape {
    name: "`dummy` interface",
    doc: "An interface without another end: a place for addresses.",
    fields: &[],
    also: &[],
};
static IFB: Shape = Shape {
    name: "`ifb` interface",
    doc: "An interface to which incoming packets are sent to be queued.",
    fields: &[],
    also: &[],
};

/// `dummy`, `ifb` and `lo` have nothing of their own, and so no files.
const DUMMY_KERNEL_OPTION: &str = "CONFIG_DUMMY";
const IFB_KERNEL_OPTION: &str = "CONFIG_IFB";

impl Kind {
    /// Every kind that a kernel may lack, as in `IFLA_INFO_KIND`, with the kernel
    /// option that brings it; `bridge-vlan` is a bridge's VLAN filtering, and
    /// `tun` is tap and tun.
    pub const KERNEL_OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("bond", bond::KERNEL_OPTION),
        ("bridge", bridge::KERNEL_OPTION),
        ("bridge-vlan", bridge::VLAN_KERNEL_OPTION),
        ("dummy", DUMMY_KERNEL_OPTION),
        ("ifb", IFB_KERNEL_OPTION),
        ("ipvlan", ipvlan::KERNEL_OPTION),
        ("macvlan", macvlan::KERNEL_OPTION),
        ("macvtap", macvlan::TAP_KERNEL_OPTION),
        ("tun", tap::KERNEL_OPTION),
        ("veth", veth::KERNEL_OPTION),
        ("vlan", vlan::KERNEL_OPTION),
        ("vrf", vrf::KERNEL_OPTION),
        ("vxlan", vxlan::KERNEL_OPTION),
        ("wireguard", wireguard::KERNEL_OPTION),
    ];

    /// What the kernel calls it (`IFLA_INFO_KIND`); none for hardware and `lo`.
    pub fn kernel_kind(&self) -> Option<&'static str> {
        match self {
            Self::Loopback | Self::Wlan(_) | Self::Physical(_) => None,
            Self::Veth(_) => Some("veth"),
            Self::Bridge(_) => Some("bridge"),
            Self::Vlan(_) => Some("vlan"),
            Self::Vxlan(_) => Some("vxlan"),
            Self::Macvlan(_) => Some("macvlan"),
            Self::Macvtap(_) => Some("macvtap"),
            Self::Ipvlan(_) => Some("ipvlan"),
            Self::Dummy => Some("dummy"),
            Self::Vrf(_) => Some("vrf"),
            Self::Bond(_) => Some("bond"),
            Self::Tap(_) | Self::Tun(_) => Some("tun"),
            Self::Ifb => Some("ifb"),
            Self::Wireguard => Some("wireguard"),
        }
    }
}

impl Interface {
    /// Forgets of an observed interface what `desired` leaves to the kernel: its
    /// MTU, its MAC address, the path cost of its port. What is left is equal to
    /// `desired` exactly when nothing has to change.
    pub(crate) fn leave_to_kernel(&mut self, desired: &Self) {
        self.mtu = self.mtu.filter(|_| desired.mtu.is_some());
        self.mac = self.mac.filter(|_| desired.mac.is_some());
        // Who makes it an access point may have put it into a bridge of a stranger's.
        if desired.master.is_none() && matches!(desired.kind, Kind::Wlan(_)) {
            (self.master, self.port) = (None, None);
        }
        // The options of a port of libvirt's bridge are libvirt's.
        if desired.master.is_some() && desired.port.is_none() {
            self.port = None;
        }
        if let (Some(port), Some(wanted)) = (&mut self.port, &desired.port)
            && wanted.cost == 0
        {
            port.cost = 0;
        }
    }
}
