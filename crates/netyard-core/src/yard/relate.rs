//! Parents and masters, and an order in which what is below comes first.
//!
//! "Below" as the kernel's adjacency lists have it (`netdev_upper_dev_link`,
//! net/core/dev.c): a parent is below its children, a member below its master.
//! The kernel refuses loops in it, so it is a graph without cycles.

use std::collections::HashMap; // looked up, never iterated

use super::gather::{Cast, HOST, Role, kind_word};
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::interface::Kind;
use crate::name::InterfaceName;
use crate::spec::WaySpec;

/// What an interface sits on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// An interface of the yard.
    Interface(usize),
    /// An interface of the host that is not the yard's.
    Foreign(InterfaceName),
}

/// Who sits on and belongs to whom, by interface.
pub(super) struct Relations {
    pub parent: Vec<Option<Parent>>,
    pub master: Vec<Option<usize>>,
    /// The members of each master, in order.
    pub members: Vec<Vec<usize>>,
    /// The interfaces of the yard that sit on each, in order.
    pub children: Vec<Vec<usize>>,
    /// All interfaces that are not part of a loop, what is below first.
    pub order: Vec<usize>,
}

pub(super) fn relate(cast: &Cast<'_>, facts: &Facts, report: &mut Report) -> Relations {
    let count = cast.interfaces.len();
    let mut relations = Relations {
        parent: (0..count).map(|i| parent(cast, i, facts, report)).collect(),
        master: (0..count).map(|i| master(cast, i, report)).collect(),
        members: vec![Vec::new(); count],
        children: vec![Vec::new(); count],
        order: Vec::with_capacity(count),
    };
    for i in 0..count {
        if let Some(master) = relations.master[i] {
            relations.members[master].push(i);
        }
        if let Some(Parent::Interface(parent)) = relations.parent[i] {
            relations.children[parent].push(i);
        }
    }
    relations.sort(cast, report);
    check_bonds(cast, &relations, report);
    check_tables(cast, report);
    check_parents(cast, &relations, report);
    check_tunnels(cast, &relations, report);
    relations
}

/// True for the bridge of a node or of a network on the host.
pub(super) fn is_bridge(cast: &Cast<'_>, interface: usize) -> bool {
    match cast.interfaces[interface].role {
        Role::Bridge(_) => true,
        Role::Own(kind) => matches!(kind, Kind::Bridge(_)),
        _ => false,
    }
}

/// True when addresses of the interface would be of no use: its frames go to a
/// bridge or a bond.
pub(super) fn is_enslaved(cast: &Cast<'_>, relations: &Relations, interface: usize) -> bool {
    relations.master[interface].is_some_and(|m| {
        is_bridge(cast, m) || matches!(cast.interfaces[m].role, Role::Own(Kind::Bond(_)))
    })
}

fn parent(cast: &Cast<'_>, index: usize, facts: &Facts, report: &mut Report) -> Option<Parent> {
    let interface = &cast.interfaces[index];
    let said = interface.spec.and_then(|s| s.parent.as_ref());
    let takes = match interface.role {
        Role::Own(kind) => matches!(
            kind,
            Kind::Vlan(_) | Kind::Vxlan(_) | Kind::Macvlan(_) | Kind::Macvtap(_) | Kind::Ipvlan(_)
        ),
        Role::Broken => return None,
        _ => false,
    };
    if let Role::Shared(network, _) = interface.role {
        return shared_parent(cast, network, facts);
    }
    // That some of them need one, the table of kinds says.
    let said = said?;
    if !takes {
        report.push(diag::parent_refused(&interface.name, said.span));
        return None;
    }
    find_parent(cast, index, said, facts, report)
}

/// The interface of the host that is a network's uplink.
fn shared_parent(cast: &Cast<'_>, network: usize, facts: &Facts) -> Option<Parent> {
    let uplink = cast.spec.networks[network].uplink.as_ref()?;
    let WaySpec::Macvlan(name) = &uplink.way else { return None };
    let own = cast.node(HOST).and_then(|host| cast.interface(host, name.value.as_str()));
    if let Some(own) = own {
        return Some(Parent::Interface(own));
    }
    // That it is not there, or out of reach, is said once for the network.
    (!facts.lacks(name.value.as_str())).then(|| Parent::Foreign(name.value.clone()))
}

fn find_parent(
    cast: &Cast<'_>,
    index: usize,
    said: &Spanned<String>,
    facts: &Facts,
    report: &mut Report,
) -> Option<Parent> {
    let own = cast.interfaces[index].node;
    let (node, name) = match said.value.split_once(':') {
        None => (Some(own), said.value.as_str()),
        Some((node, name)) if node == cast.nodes[own].name.as_str() => (Some(own), name),
        Some((HOST, name)) => (cast.node(HOST), name),
        Some((node, _)) => {
            report.push(diag::parent_elsewhere(said, node));
            return None;
        }
    };
    if let Some(found) = node.and_then(|node| cast.interface(node, name)) {
        return Some(Parent::Interface(found));
    }
    let on_host = said.value.contains(':') || cast.is_host(own);
    if !on_host {
        report.push(diag::interface_unknown(
            cast.nodes[own].name.as_str(),
            said,
            cast.interface_names(own),
        ));
        return None;
    }
    if !facts.host_reachable {
        report.push(diag::host_unreachable("this parent is", said.span));
        return None;
    }
    let found = InterfaceName::new(name).ok().filter(|n| !facts.lacks(n.as_str()));
    if found.is_none() {
        let names = facts.host_interfaces.keys().map(InterfaceName::as_str);
        report.push(diag::host_interface_unknown(name, said.span, names));
    }
    found.map(Parent::Foreign)
}

fn master(cast: &Cast<'_>, index: usize, report: &mut Report) -> Option<usize> {
    let interface = &cast.interfaces[index];
    let said = interface.spec?.master.as_ref()?;
    let Some(found) = cast.interface(interface.node, &said.value) else {
        let node = cast.nodes[interface.node].name.as_str();
        report.push(diag::interface_unknown(node, said, cast.interface_names(interface.node)));
        return None;
    };
    let (word, takes) = match cast.interfaces[found].role {
        Role::Bridge(_) => ("bridge", true),
        Role::Own(kind) => {
            (kind_word(kind), matches!(kind, Kind::Bridge(_) | Kind::Vrf(_) | Kind::Bond(_)))
        }
        Role::Loopback => ("loopback", false),
        _ => ("veth", false),
    };
    if !takes {
        report.push(diag::master_kind(said, word, cast.interfaces[found].span));
        return None;
    }
    let own = match interface.role {
        Role::Loopback => "loopback",
        Role::Bridge(_) => "bridge",
        Role::Own(kind) => kind_word(kind),
        _ if super::wireguard::said(cast, index).is_some() => "wireguard",
        _ => "veth",
    };
    // br_add_if (net/bridge/br_if.c) and vrf_add_slave (drivers/net/vrf.c) refuse these.
    let refused = match own {
        "loopback" => true,
        "bridge" => word != "vrf",
        "vrf" => word != "bridge",
        "tun" | "ipvlan" | "wireguard" => word == "bridge",
        _ => false,
    };
    if refused {
        report.push(diag::member_kind(&interface.name, own, word, said.span));
        return None;
    }
    Some(found)
}

impl Relations {
    /// Kahn's algorithm; what is left over is in a loop or above one.
    fn sort(&mut self, cast: &Cast<'_>, report: &mut Report) {
        let count = self.parent.len();
        let mut below: Vec<usize> = (0..count)
            .map(|i| {
                let parent = matches!(self.parent[i], Some(Parent::Interface(_)));
                self.members[i].len() + usize::from(parent)
            })
            .collect();
        self.order.extend((0..count).filter(|i| below[*i] == 0));
        let mut next = 0;
        while let Some(&i) = self.order.get(next) {
            next += 1;
            for &above in self.children[i].iter().chain(self.master[i].as_ref()) {
                below[above] -= 1;
                if below[above] == 0 {
                    self.order.push(above);
                }
            }
        }
        if self.order.len() < count {
            self.report_loops(&mut below, cast, report);
        }
    }

    /// Walks down from each left-over interface until one comes again.
    fn report_loops(&self, below: &mut [usize], cast: &Cast<'_>, report: &mut Report) {
        for start in 0..below.len() {
            let mut path = Vec::new();
            let mut seen = HashMap::new();
            let mut at = start;
            while below[at] != 0 {
                if let Some(first) = seen.insert(at, path.len()) {
                    let ring: Vec<_> = path[first..]
                        .iter()
                        .map(|i: &usize| {
                            let interface = &cast.interfaces[*i];
                            (interface.name.as_str(), interface.span)
                        })
                        .collect();
                    let node = cast.nodes[cast.interfaces[at].node].name.as_str();
                    report.push(diag::relation_loop(node, &ring));
                    break;
                }
                path.push(at);
                let parent = match self.parent[at] {
                    Some(Parent::Interface(parent)) => Some(parent),
                    _ => None,
                };
                let down = parent.into_iter().chain(self.members[at].iter().copied());
                match down.into_iter().find(|i| below[*i] != 0) {
                    Some(down) => at = down,
                    None => break,
                }
            }
            for i in path {
                below[i] = 0;
            }
        }
    }
}

fn check_bonds(cast: &Cast<'_>, relations: &Relations, report: &mut Report) {
    for (i, interface) in cast.interfaces.iter().enumerate() {
        if matches!(interface.role, Role::Own(Kind::Bond(_))) && relations.members[i].is_empty() {
            report.push(diag::bond_empty(&interface.name, interface.span));
        }
    }
}

/// Tables that the kernel uses for itself: default, main, local.
const KERNEL_TABLES: std::ops::RangeInclusive<u32> = 253..=255;

fn check_tables(cast: &Cast<'_>, report: &mut Report) {
    let mut first: HashMap<(usize, u32), usize> = HashMap::new();
    for (i, interface) in cast.interfaces.iter().enumerate() {
        let Role::Own(Kind::Vrf(vrf)) = interface.role else { continue };
        if vrf.table == 0 || KERNEL_TABLES.contains(&vrf.table) {
            report.push(diag::vrf_table_reserved(&interface.name, vrf.table, interface.span));
        }
        if let Some(other) = first.insert((interface.node, vrf.table), i) {
            let other = cast.interfaces[other].span;
            report.push(diag::vrf_table_twice(vrf.table, interface.span, other));
        }
    }
}

/// VXLANs of one namespace that the kernel cannot tell apart (`vxlan_vni_in_use`,
/// drivers/net/vxlan/vxlan_core.c).
fn check_tunnels(cast: &Cast<'_>, relations: &Relations, report: &mut Report) {
    let mut seen: HashMap<(Option<usize>, u32, u16, bool), Span> = HashMap::new();
    for (i, interface) in cast.interfaces.iter().enumerate() {
        let Role::Own(Kind::Vxlan(vxlan)) = interface.role else { continue };
        // It is made where its parent is.
        let node = match &relations.parent[i] {
            Some(Parent::Interface(parent)) => Some(cast.interfaces[*parent].node),
            Some(Parent::Foreign(_)) => None,
            None => Some(interface.node),
        };
        let is_v6 = [vxlan.remote, vxlan.local].iter().flatten().any(|a| a.is_ipv6());
        let place = (node, vxlan.id, vxlan.port, is_v6);
        if let Some(first) = seen.insert(place, interface.span) {
            report.push(diag::vxlan_twice(vxlan.id, vxlan.port, interface.span, first));
        }
    }
}

/// What the kernel refuses to have anything sit on.
fn check_parents(cast: &Cast<'_>, relations: &Relations, report: &mut Report) {
    for (i, parent) in relations.parent.iter().enumerate() {
        let Some(Parent::Interface(parent)) = *parent else { continue };
        let said = cast.interfaces[i].spec.and_then(|s| s.parent.as_ref());
        let Some(span) = said.map(|s| s.span) else { continue };
        let own = cast.interfaces[i].kind().map_or("", kind_word);
        let word = match cast.interfaces[parent].role {
            Role::Loopback => "loopback",
            Role::Own(kind) => kind_word(kind),
            _ => continue,
        };
        // NETIF_F_VLAN_CHALLENGED, and devices without Ethernet frames.
        if matches!(word, "loopback" | "vrf" | "tun" | "wireguard") && own != "vxlan" {
            report.push(diag::parent_kind(own, word, span));
        }
    }
    for (parent, children) in relations.children.iter().enumerate() {
        let kind = |i: &usize| cast.interfaces[*i].kind();
        let macvlan =
            children.iter().find(|i| matches!(kind(i), Some(Kind::Macvlan(_) | Kind::Macvtap(_))));
        let ipvlan = children.iter().find(|i| matches!(kind(i), Some(Kind::Ipvlan(_))));
        let [a, b] = match (macvlan, ipvlan) {
            (Some(a), Some(b)) => [*a, *b],
            (Some(a), None) | (None, Some(a)) if is_enslaved(cast, relations, parent) => {
                [*a, parent]
            }
            _ => continue,
        };
        report.push(diag::parent_busy(
            &cast.interfaces[parent].name,
            cast.interfaces[a].span,
            cast.interfaces[b].span,
        ));
    }
}
