//! Bridges: their ports, on which bridge of a star each one is, and VLANs.
//!
//! A network of more than [`SHARD`] ports is a star: the core bridge has no
//! ports but trunks, each to a shard with up to [`SHARD`] ports. A star has no
//! loops, so it needs no spanning tree; with `stp: true` the shards take part
//! one priority step below the core, so that the core becomes the root when
//! all else is equal. Trunks carry all VLANs in use, tagged, and count as
//! having a multicast router behind them, so that snooping does not starve the
//! other shards. Isolation holds between ports of one bridge only, so all
//! isolated ports of a star share one shard.

use super::gather::{Cast, Interface, Role};
use super::relate::{Relations, is_bridge};
use super::{Membership, SHARD};
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::interface::{BridgePort, Kind};
use crate::spec::PortVlansSpec;

/// Ports that a kernel bridge takes (`BR_MAX_PORTS` less one, net/bridge/br_private.h).
pub(super) const BRIDGE_PORTS: usize = 1023;

/// The VLAN of ports of a filtering bridge that name none.
pub(super) const DEFAULT_VLAN: Membership = Membership { vid: 1, pvid: true, untagged: true };

/// What bridges look like.
pub(super) struct Segments {
    pub networks: Vec<Star>,
    /// By interface: whether it is a bridge with VLAN filtering.
    pub filtering: Vec<bool>,
    /// By interface: its VLANs as a port of a bridge of its node, or as that bridge.
    pub vlans: Vec<Vec<Membership>>,
}

/// A network's bridges and ports.
pub(super) struct Star {
    pub filtering: bool,
    /// How many; 0 when all ports are on the core.
    pub shards: usize,
    /// In the order of the members.
    pub ports: Vec<Port>,
    /// What the trunks carry.
    pub trunk_vlans: Vec<Membership>,
}

/// A network's end of a node's cable.
pub(super) struct Port {
    pub interface: usize,
    pub shard: Option<usize>,
    pub options: BridgePort,
    pub vlans: Vec<Membership>,
}

pub(super) fn resolve(cast: &Cast<'_>, relations: &Relations, report: &mut Report) -> Segments {
    let count = cast.interfaces.len();
    let mut segments = Segments {
        networks: Vec::with_capacity(cast.spec.networks.len()),
        filtering: vec![false; count],
        vlans: vec![Vec::new(); count],
    };
    for network in 0..cast.spec.networks.len() {
        let star = star(cast, relations, network, report);
        segments.networks.push(star);
    }
    for i in 0..count {
        if is_bridge(cast, i) {
            segments.resolve_bridge(cast, relations, i, report);
        }
    }
    segments
}

fn first_vlan(vlans: &PortVlansSpec) -> Option<Span> {
    let access = vlans.access.as_ref().map(|v| v.span);
    access.or(vlans.tagged.first().map(|v| v.span)).or(vlans.native.as_ref().map(|v| v.span))
}

fn star(cast: &Cast<'_>, relations: &Relations, network: usize, report: &mut Report) -> Star {
    let spec = &cast.spec.networks[network];
    let members = cast.members[network].iter().copied();
    let mut ports: Vec<Port> = members
        .filter(|m| matches!(cast.interfaces[*m].role, Role::Port(_)))
        .map(|interface| Port {
            interface,
            shard: None,
            options: port_options(&cast.interfaces[interface]),
            vlans: memberships(port_vlans(&cast.interfaces[interface])),
        })
        .collect();
    let host = cast.members[network].iter().find(|m| is_bridge(cast, **m)).copied();
    let host_vlans = spec.host.as_ref().and_then(|h| first_vlan(&h.vlans)).or_else(|| {
        let own = host.and_then(|h| cast.interfaces[h].spec).and_then(|s| first_vlan(&s.vlans));
        let members = host.map_or(&[][..], |h| &relations.members[h]);
        own.or_else(|| members.iter().find_map(|m| first_vlan(port_vlans(&cast.interfaces[*m])?)))
    });
    let used = ports
        .iter()
        .find(|p| !p.vlans.is_empty())
        .and_then(|p| port_vlans(&cast.interfaces[p.interface]).and_then(first_vlan));
    let used = used.or(host_vlans);
    let used = used.or_else(|| spec.ports.iter().find_map(|port| first_vlan(&port.vlans)));
    let filtering = match &spec.vlan_filtering {
        Some(said) => said.value,
        None => spec.settings.vlan_filtering || used.is_some(),
    };
    if let (Some(span), Some(off)) = (used, &spec.vlan_filtering)
        && !off.value
    {
        let name = cast.segment_name(network);
        report.push(diag::vlan_not_filtering(&name, span, off.span));
    }
    for port in &mut ports {
        if !filtering {
            port.vlans.clear();
        } else if port.vlans.is_empty() {
            port.vlans.push(DEFAULT_VLAN);
        }
    }
    let shards = distribute(cast, network, &mut ports, report);
    let outside = spec.ports.iter().flat_map(|port| memberships(Some(&port.vlans)));
    let trunk_vlans = outside.map(|m| Membership { pvid: false, untagged: false, ..m }).collect();
    Star { filtering, shards, ports, trunk_vlans }
}

/// Puts the ports of a large network onto shards; gives how many there are.
fn distribute(cast: &Cast<'_>, network: usize, ports: &mut [Port], report: &mut Report) -> usize {
    if ports.len() <= SHARD {
        return 0;
    }
    let isolated = ports.iter().filter(|p| p.options.isolated).count();
    let (mut next, mut shards) = (0, usize::from(isolated > 0));
    for port in ports.iter_mut() {
        if port.options.isolated {
            port.shard = Some(0);
            continue;
        }
        if next % SHARD == 0 {
            shards += 1;
        }
        next += 1;
        port.shard = Some(shards - 1);
    }
    let (name, span) = (cast.segment_name(network), cast.segment_span(network));
    // One port of each shard is its trunk.
    if isolated >= BRIDGE_PORTS {
        report.push(diag::too_many_isolated(&name, isolated, BRIDGE_PORTS - 1, span));
    }
    if shards > BRIDGE_PORTS {
        report.push(diag::too_many_ports(&name, ports.len(), BRIDGE_PORTS * SHARD, span));
    }
    shards
}

impl Segments {
    /// A bridge that is an interface of a node: filtering, and the VLANs of its
    /// members and its own.
    fn resolve_bridge(
        &mut self,
        cast: &Cast<'_>,
        relations: &Relations,
        bridge: usize,
        report: &mut Report,
    ) {
        let members = &relations.members[bridge];
        let interface = &cast.interfaces[bridge];
        if members.len() > BRIDGE_PORTS {
            let name = format!("bridge `{}`", interface.name);
            let span = interface.span;
            report.push(diag::too_many_ports(&name, members.len(), BRIDGE_PORTS, span));
        }
        let own = interface.spec.map(|s| &s.vlans);
        let mut own = memberships(own);
        let mut of_members: Vec<Vec<Membership>> = members
            .iter()
            .map(|m| {
                let member = &cast.interfaces[*m];
                let plugged = matches!(member.role, Role::Port(_));
                memberships(port_vlans(member).filter(|_| !plugged))
            })
            .collect();
        let filtering = match interface.role {
            Role::Bridge(network) => {
                let side = cast.spec.networks[network].host.as_ref().map(|h| &h.vlans);
                own.extend(memberships(side));
                self.networks[network].filtering
            }
            Role::Own(Kind::Bridge(settings)) => {
                let said = own.iter().chain(of_members.iter().flatten()).next().is_some();
                settings.vlan_filtering || said
            }
            _ => false,
        };
        self.filtering[bridge] = filtering;
        if !filtering {
            return;
        }
        let mut add_missing = |vlans: &mut Vec<Membership>| {
            if vlans.is_empty() {
                vlans.push(DEFAULT_VLAN);
            }
        };
        of_members.iter_mut().for_each(&mut add_missing);
        add_missing(&mut own);
        // A VLAN interface on the bridge receives only what the bridge itself belongs to.
        for child in &relations.children[bridge] {
            if let Role::Own(Kind::Vlan(vlan)) = cast.interfaces[*child].role
                && own.iter().all(|m| m.vid != vlan.id)
            {
                own.push(Membership { vid: vlan.id, pvid: false, untagged: false });
            }
        }
        own.sort();
        own.dedup_by_key(|m| m.vid);
        if let Role::Bridge(network) = interface.role {
            let others: Vec<u16> =
                own.iter().chain(of_members.iter().flatten()).map(|m| m.vid).collect();
            let others =
                others.into_iter().map(|vid| Membership { vid, pvid: false, untagged: false });
            self.networks[network].trunk_vlans.extend(others);
        }
        for (member, vlans) in members.iter().zip(of_members) {
            self.vlans[*member] = vlans;
        }
        self.vlans[bridge] = own;
    }
}

impl Star {
    /// All VLANs in use, tagged.
    pub fn trunk(&self) -> Vec<Membership> {
        if !self.filtering {
            return Vec::new();
        }
        let mut vids: Vec<u16> = self.ports.iter().flat_map(|p| &p.vlans).map(|m| m.vid).collect();
        vids.extend(self.trunk_vlans.iter().map(|m| m.vid));
        vids.sort_unstable();
        vids.dedup();
        vids.into_iter().map(|vid| Membership { vid, pvid: false, untagged: false }).collect()
    }
}

fn port_vlans<'a>(interface: &Interface<'a>) -> Option<&'a PortVlansSpec> {
    interface.spec.map(|s| &s.vlans)
}

/// The options of a port, as said or by default.
pub(super) fn port_options(interface: &Interface<'_>) -> BridgePort {
    match interface.spec.and_then(|s| s.port.as_ref()) {
        Some(said) => said.value.clone(),
        None => BridgePort::default(),
    }
}

/// What a port's keys mean; empty where they say nothing. Sorted. Access and
/// trunk exclude each other, which the parser sees to.
pub(super) fn memberships(vlans: Option<&PortVlansSpec>) -> Vec<Membership> {
    let Some(vlans) = vlans else { return Vec::new() };
    if let Some(access) = &vlans.access {
        return vec![Membership { vid: access.value, pvid: true, untagged: true }];
    }
    let native = vlans.native.as_ref().map(|v| v.value);
    let mut vids: Vec<u16> = vlans.tagged.iter().map(|v| v.value).chain(native).collect();
    vids.sort_unstable();
    vids.dedup();
    vids.into_iter()
        .map(|vid| {
            let is_native = native == Some(vid);
            Membership { vid, pvid: is_native, untagged: is_native }
        })
        .collect()
}
