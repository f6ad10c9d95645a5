//! What the kernel takes along when something changes: the knowledge that the
//! plan and the FakeKernel share.
//!
//! * A namespace takes all that is in it, but only when nobody is in it any
//!   more, and later (`cleanup_net` is a work queue).
//! * An interface takes its addresses, neighbours, routes, qdiscs, VLANs,
//!   settings, the interfaces that have it as parent (their drivers'
//!   NETDEV_UNREGISTER) and the other end of a veth. Its members stay.
//! * An interface that goes down takes routes through it (`fib_sync_down_dev`,
//!   `fib6_ifdown`), its neighbours (`neigh_ifdown`) and its IPv6 addresses
//!   (`addrconf_ifdown`, unless `keep_addr_on_down`); VLANs on it go down, and
//!   come up, with it (`vlan_device_event`).
//! * A port that leaves its bridge loses its VLANs (`nbp_vlan_flush`); one that
//!   joins or leaves a VRF is taken down and up (`cycle_netdev` in
//!   drivers/net/vrf.c); one that joins a bond must be down (`bond_enslave`:
//!   EPERM), and one that leaves it is left down (`__bond_release_one`).
//! * The last IPv4 address of an interface takes all IPv4 routes through it
//!   (`fib_inetaddr_event`) and its IPv4 neighbours (`fib_disable_ip`, `arp_ifdown`). That an address takes others of its prefix along
//!   is prevented by `promote_secondaries`, which an interface has while one
//!   of its addresses goes or changes.
//! * An address takes the routes that have it as source (`fib_sync_down_addr`;
//!   for IPv6 they only forget it, `rt6_remove_prefsrc`).
//! * Some settings are written through to all interfaces of the namespace
//!   (`inet_forward_change`, `addrconf_fixup_forwarding`,
//!   `addrconf_disable_ipv6`).

use crate::interface::{Interface, Kind};
use crate::state::Sysctl;

/// What the kind of a master means to its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Master {
    /// None, or one that is not the yard's.
    None,
    /// A bridge.
    Bridge,
    /// A VRF.
    Vrf,
    /// A bond.
    Bond,
}

impl Master {
    /// What `master`, if there is one, is.
    pub fn of(master: Option<&Interface>) -> Self {
        match master.map(|m| &m.kind) {
            Some(Kind::Bridge(_)) => Self::Bridge,
            Some(Kind::Vrf(_)) => Self::Vrf,
            Some(Kind::Bond(_)) => Self::Bond,
            _ => Self::None,
        }
    }
}

/// What an interface loses by a change of its own attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The VLANs it has as a bridge port.
    pub port_vlans: bool,
    /// What goes when it goes down, be it for a moment; why.
    pub down: Option<&'static str>,
}

/// What `from` loses by becoming `to`, whose masters are what is said.
pub(crate) fn loss(from: &Interface, old: Master, to: &Interface, new: Master) -> Loss {
    let moves = from.master != to.master;
    let down = if !from.up {
        None
    } else if let crate::interface::Change::WhileDown(because) = from.change(to) {
        Some(because)
    } else if !to.up {
        Some("it goes down")
    } else if moves && (old == Master::Bond || new == Master::Bond) {
        Some("an interface joins and leaves a bond while it is down")
    } else if moves && (old == Master::Vrf || new == Master::Vrf) {
        Some("the kernel takes an interface that joins or leaves a vrf down and up")
    } else {
        None
    };
    Loss { port_vlans: moves && from.master.is_some(), down }
}

/// The member as its master leaves it behind.
pub(crate) fn released(member: &Interface, master: Master) -> Interface {
    let up = member.up && master != Master::Bond;
    Interface { master: None, port: None, up, ..member.clone() }
}

/// True for kinds that go, with what is on them, when they are removed; the
/// others were there before.
pub(crate) fn vanishes(interface: &Interface) -> bool {
    match interface.kind {
        Kind::Loopback => false,
        Kind::Physical(_) => interface.id.place != crate::state::Place::Host,
        _ => true,
    }
}

/// True when setting `all` writes over `one`, which is another setting of the
/// same namespace.
pub(crate) fn overwrites(all: &Sysctl, one: &Sysctl) -> bool {
    let family = |key: &str| key.starts_with("net/ipv6/");
    if all.interface.is_some() || family(&all.key) != family(&one.key) || all.key == one.key {
        return false;
    }
    let leaf = match &*all.key {
        "net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding" | "net/ipv6/conf/all/forwarding" => {
            "/forwarding"
        }
        "net/ipv6/conf/all/disable_ipv6" => "/disable_ipv6",
        _ => return false,
    };
    let below = one.key.contains("/conf/{if}/") || one.key.contains("/conf/default/");
    below && one.key.ends_with(leaf)
}
