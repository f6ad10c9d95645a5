//! What of an interface the kernel can change in place.
//!
//! Kernel source cited here is that of Linux 6.12 (Debian 13).

use std::net::IpAddr;

use super::{Interface, Kind, MacvlanMode, Vxlan};

/// How one thing becomes another of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The kernel changes it, and traffic goes on.
    InPlace,
    /// The kernel changes it only while it is down, and so its routes,
    /// neighbours and IPv6 addresses are lost; the text says why.
    WhileDown(&'static str),
    /// It has to go and come again; the text says why.
    Recreate(&'static str),
}

impl Change {
    /// The more drastic of two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Recreate(_), _) | (Self::WhileDown(_), Self::InPlace) => self,
            (_, other) => other,
        }
    }
}

impl Interface {
    /// How this interface becomes `to`, which has the same id.
    ///
    /// What depends on other interfaces (joining a bond or a VRF, an MTU beyond
    /// the parent's) is the plan's business: it sees them.
    pub fn change(&self, to: &Self) -> Change {
        if self.parent != to.parent {
            // rtnl_newlink passes IFLA_LINK to changelink, which no kind but
            // vxlan looks at.
            return Change::Recreate("an interface keeps the parent it was made on");
        }
        let mac = match (&self.kind, self.mac == to.mac) {
            (_, true) => Change::InPlace,
            // The MAC of an ipvlan is its parent's: ipvlan_netdev_ops has no
            // ndo_set_mac_address.
            (Kind::Ipvlan(_), false) => Change::Recreate("an ipvlan has its parent's MAC address"),
            // eth_prepare_mac_addr_change: EBUSY without IFF_LIVE_ADDR_CHANGE,
            // which ifb lacks and drivers may lack.
            (Kind::Ifb | Kind::Wlan(_) | Kind::Physical(_), false) if self.up => {
                Change::WhileDown("its MAC address changes only while it is down")
            }
            _ => Change::InPlace,
        };
        // A name changes in place, and since Linux 6.2 (bd039b5ea2a9) while up.
        self.kind.change(&to.kind).or(mac)
    }
}

impl Kind {
    /// How an interface of this kind becomes one of kind `to`.
    pub fn change(&self, to: &Self) -> Change {
        if self == to {
            return Change::InPlace;
        }
        match (self, to) {
            (Self::Bridge(_), Self::Bridge(_)) => Change::InPlace,
            (Self::Vxlan(from), Self::Vxlan(to)) => change_vxlan(from, to),
            (Self::Macvlan(from), Self::Macvlan(to)) | (Self::Macvtap(from), Self::Macvtap(to)) => {
                // macvlan_changelink: EINVAL when only one of both is passthru.
                match (from.mode, to.mode) {
                    (MacvlanMode::Passthru, _) | (_, MacvlanMode::Passthru) => {
                        Change::Recreate("mode `passthru` is chosen when a macvlan is made")
                    }
                    _ => Change::InPlace,
                }
            }
            // ipvlan_nl_changelink; mode and isolation are those of all ipvlans
            // of the parent.
            (Self::Ipvlan(_), Self::Ipvlan(_)) => Change::InPlace,
            (Self::Bond(from), Self::Bond(to)) => {
                if from.mode == to.mode {
                    Change::InPlace
                } else {
                    // BOND_OPTFLAG_NOSLAVES | BOND_OPTFLAG_IFDOWN
                    Change::Recreate("a bond's mode changes only without members")
                }
            }
            // vlan_changelink takes flags and QoS maps only.
            (Self::Vlan(_), Self::Vlan(_)) => Change::Recreate("a vlan keeps its id and its tag"),
            // vrf_link_ops has no changelink.
            (Self::Vrf(_), Self::Vrf(_)) => Change::Recreate("a vrf keeps its table"),
            (Self::Veth(_), Self::Veth(_)) => Change::Recreate("a veth keeps its other end"),
            // IFF_MULTI_QUEUE is compared when the interface is opened; the
            // owner could change, but only through a file that opens it.
            (Self::Tap(_), Self::Tap(_)) | (Self::Tun(_), Self::Tun(_)) => {
                Change::Recreate("a tap keeps its owner and queues")
            }
            (Self::Wlan(_), Self::Wlan(_)) => {
                Change::Recreate("an interface of a radio keeps its radio and its role")
            }
            (Self::Physical(_), Self::Physical(_)) => {
                Change::Recreate("another interface of the host takes its place")
            }
            _ => Change::Recreate("an interface keeps its kind"),
        }
    }
}

/// `vxlan_changelink`, drivers/net/vxlan/vxlan_core.c: id and port are refused,
/// an address may change to another of its family; a multicast group is joined
/// when the interface comes up, and not again.
fn change_vxlan(from: &Vxlan, to: &Vxlan) -> Change {
    let movable = |from: Option<IpAddr>, to: Option<IpAddr>| match (from, to) {
        (None, None) => true,
        (Some(from), Some(to)) => {
            from == to
                || from.is_ipv4() == to.is_ipv4() && !from.is_multicast() && !to.is_multicast()
        }
        _ => false,
    };
    if from.id != to.id || from.port != to.port {
        Change::Recreate("a vxlan keeps its id and its port")
    } else if !movable(from.remote, to.remote) || !movable(from.local, to.local) {
        Change::Recreate("a vxlan keeps its multicast group and its address family")
    } else {
        Change::InPlace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::{Macvlan, Vlan};

    fn vxlan(remote: &str) -> Vxlan {
        Vxlan {
            id: 42,
            remote: Some(remote.parse().unwrap()),
            local: None,
            port: 4789,
            ttl: 0,
            learning: true,
        }
    }

    #[test]
    fn a_vxlan_moves_to_another_remote_but_not_to_another_family() {
        assert_eq!(change_vxlan(&vxlan("10.0.0.1"), &vxlan("10.0.0.2")), Change::InPlace);
        assert_ne!(change_vxlan(&vxlan("10.0.0.1"), &vxlan("fd00::1")), Change::InPlace);
        assert_ne!(change_vxlan(&vxlan("10.0.0.1"), &vxlan("239.0.0.1")), Change::InPlace);
        let other_port = Vxlan { port: 8472, ..vxlan("10.0.0.1") };
        assert_ne!(change_vxlan(&vxlan("10.0.0.1"), &other_port), Change::InPlace);
    }

    #[test]
    fn a_macvlan_changes_its_mode_except_to_and_from_passthru() {
        let mode = |mode| Kind::Macvlan(Macvlan { mode });
        let (bridge, vepa) = (mode(MacvlanMode::Bridge), mode(MacvlanMode::Vepa));
        let passthru = mode(MacvlanMode::Passthru);
        assert_eq!(bridge.change(&vepa), Change::InPlace);
        assert_ne!(bridge.change(&passthru), Change::InPlace);
        assert_ne!(passthru.change(&bridge), Change::InPlace);
        assert_eq!(passthru.change(&passthru), Change::InPlace);
    }

    #[test]
    fn a_kind_does_not_become_another() {
        let vlan = Kind::Vlan(Vlan { id: 10, service_tag: false });
        assert_ne!(vlan.change(&Kind::Dummy), Change::InPlace);
        assert_ne!(vlan.change(&Kind::Vlan(Vlan { id: 11, service_tag: false })), Change::InPlace);
    }
}
