//! Who is there: nodes, networks, links, and every interface once, whichever of
//! them makes it.

use std::collections::HashMap; // looked up, never iterated

use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::interface::{Kind, Macvlan, MacvlanMode};
use crate::name::{FullName, NodeName};
use crate::spec::{AddressesSpec, InterfaceSpec, NodeKind, NodeSpec, Spec, WaySpec};
use crate::state::{Impairment, InterfaceId, Place};

/// The name of the node that is the host itself.
pub(super) const HOST: &str = "host";
/// The name of every namespace's loopback interface.
pub(super) const LOOPBACK: &str = "lo";

/// What an interface is in a network whose uplink is a macvlan's parent.
const MACVLAN: Kind = Kind::Macvlan(Macvlan { mode: MacvlanMode::Bridge });

/// All that has a name. Things are known by their index.
pub(super) struct Cast<'s> {
    pub spec: &'s Spec,
    pub nodes: Vec<Node<'s>>,
    pub interfaces: Vec<Interface<'s>>,
    /// The interfaces on each segment, networks first, then links: in the order
    /// in which they were met, of a link in the order of its ends.
    pub members: Vec<Vec<usize>>,
    nodes_by_name: HashMap<&'s str, usize>,
    networks_by_name: HashMap<&'s str, usize>,
    interfaces_by_name: HashMap<(usize, &'s str), usize>,
}

/// A node.
pub(super) struct Node<'s> {
    pub name: NodeName,
    pub span: Span,
    /// None for a host that only networks or links speak of.
    pub spec: Option<&'s NodeSpec>,
    pub place: Place,
    /// In the order in which they were met, `lo` first.
    pub interfaces: Vec<usize>,
}

/// An interface.
pub(super) struct Interface<'s> {
    pub node: usize,
    pub name: FullName,
    /// Where it is made, or named first.
    pub span: Span,
    /// Its entry in the node, if it has one.
    pub spec: Option<&'s InterfaceSpec>,
    pub role: Role<'s>,
}

/// What makes an interface.
#[derive(Clone, Copy)]
pub(super) enum Role<'s> {
    /// The namespace.
    Loopback,
    /// A veth into that network.
    Port(usize),
    /// That end of that link.
    End(usize, usize),
    /// It is that network's bridge, on the host.
    Bridge(usize),
    /// A macvlan of the interface that is that network's uplink.
    Shared(usize, &'s Kind),
    /// Its own `kind:`.
    Own(&'s Kind),
    /// Nothing; reported.
    Broken,
}

impl<'s> Cast<'s> {
    pub fn node(&self, name: &str) -> Option<usize> {
        self.nodes_by_name.get(name).copied()
    }

    pub fn network(&self, name: &str) -> Option<usize> {
        self.networks_by_name.get(name).copied()
    }

    pub fn interface(&self, node: usize, name: &str) -> Option<usize> {
        self.interfaces_by_name.get(&(node, name)).copied()
    }

    pub fn id(&self, interface: usize) -> InterfaceId {
        let interface = &self.interfaces[interface];
        let place = self.nodes[interface.node].place.clone();
        InterfaceId { place, name: interface.name.clone() }
    }

    pub fn is_host(&self, node: usize) -> bool {
        self.nodes[node].place == Place::Host
    }

    /// The names of a node's interfaces, for "did you mean".
    pub fn interface_names(&self, node: usize) -> impl Iterator<Item = &str> {
        self.nodes[node].interfaces.iter().map(|i| self.interfaces[*i].name.as_str())
    }

    pub fn node_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|n| n.name.as_str())
    }

    /// The index of a link among the segments.
    pub fn link_segment(&self, link: usize) -> usize {
        self.spec.networks.len() + link
    }

    /// The segment an interface is on.
    pub fn segment(&self, interface: usize) -> Option<usize> {
        match self.interfaces[interface].role {
            Role::Port(n) | Role::Bridge(n) | Role::Shared(n, _) => Some(n),
            Role::End(link, _) => Some(self.link_segment(link)),
            Role::Loopback | Role::Own(_) | Role::Broken => None,
        }
    }

    /// How the user would call a segment.
    pub fn segment_name(&self, segment: usize) -> String {
        match self.spec.networks.get(segment) {
            Some(network) => format!("network `{}`", network.name.value),
            None => format!("link `{}`", self.link_name(segment - self.spec.networks.len())),
        }
    }

    /// Where a segment is made.
    pub fn segment_span(&self, segment: usize) -> Span {
        match self.spec.networks.get(segment) {
            Some(network) => network.name.span,
            None => self.spec.links[segment - self.spec.networks.len()].span,
        }
    }

    pub fn link_name(&self, link: usize) -> String {
        let link = &self.spec.links[link];
        let [a, b] = &link.ends;
        match &link.name {
            Some(name) => name.value.to_string(),
            None => format!(
                "{}:{}--{}:{}",
                a.node.value, a.interface.value, b.node.value, b.interface.value
            ),
        }
    }
}

impl Interface<'_> {
    /// The kind that it was given by name.
    pub fn kind(&self) -> Option<&Kind> {
        match self.role {
            Role::Own(kind) => Some(kind),
            _ => None,
        }
    }

    /// What happens to what it sends: its own setting wins over its link's.
    pub fn impairment(&self, spec: &Spec) -> Option<Impairment> {
        if let Some(own) = self.spec.and_then(|s| s.impairment.as_ref()) {
            return Some(own.value);
        }
        match self.role {
            Role::End(link, 0) => spec.links[link].forward,
            Role::End(link, _) => spec.links[link].backward,
            _ => None,
        }
    }

    /// What was said of its addresses.
    pub fn addresses(&self) -> &AddressesSpec {
        self.spec.map_or(&AddressesSpec::Auto, |s| &s.addresses)
    }

    /// True unless the file leaves it down.
    pub fn up(&self) -> bool {
        self.spec.is_none_or(|s| s.up)
    }
}

pub(super) fn gather<'s>(spec: &'s Spec, facts: &Facts, report: &mut Report) -> Cast<'s> {
    let mut cast = Cast {
        spec,
        nodes: Vec::with_capacity(spec.nodes.len() + 1),
        interfaces: Vec::new(),
        members: vec![Vec::new(); spec.networks.len() + spec.links.len()],
        nodes_by_name: HashMap::new(),
        networks_by_name: HashMap::new(),
        interfaces_by_name: HashMap::new(),
    };
    cast.add_networks(report);
    cast.add_nodes(facts, report);
    cast.add_host_bridges(facts, report);
    cast.add_entries(report);
    cast.add_links(facts, report);
    cast.refuse_settings_of_nothing(report);
    for i in 0..cast.interfaces.len() {
        if let Some(segment) = cast.segment(i) {
            cast.members[segment].push(i);
        }
    }
    for link in &mut cast.members[spec.networks.len()..] {
        let interfaces = &cast.interfaces;
        link.sort_by_key(|i| matches!(interfaces[*i].role, Role::End(_, 1)));
    }
    cast
}

impl<'s> Cast<'s> {
    fn add_networks(&mut self, report: &mut Report) {
        for (index, network) in self.spec.networks.iter().enumerate() {
            match self.networks_by_name.get(network.name.value.as_str()) {
                Some(first) => report
                    .push(diag::network_twice(&network.name, self.spec.networks[*first].name.span)),
                None => {
                    self.networks_by_name.insert(network.name.value.as_str(), index);
                }
            }
        }
    }

    fn add_nodes(&mut self, facts: &Facts, report: &mut Report) {
        for node in &self.spec.nodes {
            if let Some(first) = self.node(node.name.value.as_str()) {
                report.push(diag::node_twice(&node.name, self.nodes[first].span));
                continue;
            }
            let place = match node.kind {
                NodeKind::Host => Place::Host,
                NodeKind::Netns => Place::Node(node.name.value.clone()),
            };
            if place == Place::Host && !facts.host_reachable {
                report.push(diag::host_unreachable("the node `host` is", node.name.span));
            }
            self.nodes_by_name.insert(node.name.value.as_str(), self.nodes.len());
            self.push_node(node.name.value.clone(), node.name.span, Some(node), place);
        }
    }

    fn push_node(
        &mut self,
        name: NodeName,
        span: Span,
        spec: Option<&'s NodeSpec>,
        place: Place,
    ) -> usize {
        let index = self.nodes.len();
        let has_loopback = place != Place::Host;
        self.nodes.push(Node { name, span, spec, place, interfaces: Vec::new() });
        if has_loopback && let Ok(name) = FullName::new(LOOPBACK) {
            self.push_interface(index, LOOPBACK, name, span, None, Role::Loopback);
        }
        index
    }

    /// The host, made when the first network or link speaks of it.
    fn host(&mut self, span: Span) -> Option<usize> {
        if let Some(host) = self.node(HOST) {
            return Some(host);
        }
        let name = NodeName::new(HOST).ok()?;
        self.nodes_by_name.insert(HOST, self.nodes.len());
        Some(self.push_node(name, span, None, Place::Host))
    }

    fn push_interface(
        &mut self,
        node: usize,
        key: &'s str,
        name: FullName,
        span: Span,
        spec: Option<&'s InterfaceSpec>,
        role: Role<'s>,
    ) -> usize {
        let index = self.interfaces.len();
        self.interfaces.push(Interface { node, name, span, spec, role });
        self.nodes[node].interfaces.push(index);
        self.interfaces_by_name.insert((node, key), index);
        index
    }

    fn add_host_bridges(&mut self, facts: &Facts, report: &mut Report) {
        let spec = self.spec;
        for (index, network) in spec.networks.iter().enumerate() {
            let Some(side) = &network.host else { continue };
            if !facts.host_reachable {
                report.push(diag::host_unreachable("this network is", side.span));
            }
            let Some(host) = self.host(network.name.span) else { continue };
            let (key, span) = match &network.bridge {
                Some(bridge) => (bridge.value.as_str(), bridge.span),
                None => (network.name.value.as_str(), network.name.span),
            };
            let name = FullName::new(key).unwrap_or_else(|_| network.name.value.clone());
            match self.interface(host, key) {
                Some(first) => {
                    report.push(diag::interface_twice(HOST, key, span, self.interfaces[first].span))
                }
                None => {
                    self.push_interface(host, key, name, span, None, Role::Bridge(index));
                }
            }
        }
    }

    fn add_entries(&mut self, report: &mut Report) {
        let spec = self.spec;
        for node_spec in &spec.nodes {
            let Some(node) = self.node(node_spec.name.value.as_str()) else { continue };
            if !self.nodes[node].spec.is_some_and(|s| std::ptr::eq(s, node_spec)) {
                continue;
            }
            for entry in &node_spec.interfaces {
                self.add_entry(node, entry, report);
            }
        }
    }

    fn add_entry(&mut self, node: usize, entry: &'s InterfaceSpec, report: &mut Report) {
        let key = entry.name.value.as_str();
        if let Some(index) = self.interface(node, key) {
            if self.interfaces[index].spec.is_some() {
                let first = self.interfaces[index].span;
                let name = self.nodes[node].name.as_str();
                report.push(diag::interface_twice(name, key, entry.name.span, first));
                return;
            }
            if entry.network.is_some() || entry.kind.is_some() {
                report.push(diag::made_already(key, entry.name.span));
            }
            self.interfaces[index].spec = Some(entry);
            self.interfaces[index].span = entry.name.span;
            return;
        }
        let role = self.entry_role(node, entry, report);
        let name = entry.name.value.clone();
        self.push_interface(node, key, name, entry.name.span, Some(entry), role);
    }

    fn entry_role(&self, node: usize, entry: &'s InterfaceSpec, report: &mut Report) -> Role<'s> {
        let kind = entry.kind.as_ref().map(|k| (&k.value.kind, k.span));
        if let Some(network) = &entry.network {
            let Some(index) = self.network(&network.value) else {
                let names = self.spec.networks.iter().map(|n| n.name.value.as_str());
                report.push(diag::network_unknown(network, names));
                return Role::Broken;
            };
            return self.network_role(index, entry, report);
        }
        match kind {
            // A link may still claim it.
            None | Some((Kind::Veth(_), _)) => Role::Broken,
            Some((Kind::Physical(_), span)) if self.is_host(node) => {
                report.push(diag::physical_on_host(&entry.name.value, span));
                Role::Broken
            }
            Some((kind, _)) => Role::Own(kind),
        }
    }

    /// An end of a cable, or a macvlan where the network's uplink says so.
    fn network_role(
        &self,
        network: usize,
        entry: &'s InterfaceSpec,
        report: &mut Report,
    ) -> Role<'s> {
        let uplink = self.spec.networks[network].uplink.as_ref();
        let shares = uplink.is_some_and(|u| matches!(u.way, WaySpec::Macvlan(_)));
        let kind = entry.kind.as_ref().filter(|k| !matches!(k.value.kind, Kind::Veth(_)));
        match kind {
            None if shares => Role::Shared(network, &MACVLAN),
            Some(kind) if shares => Role::Shared(network, &kind.value.kind),
            // Of any other kind the parser has said it.
            Some(kind) if matches!(kind.value.kind, Kind::Macvlan(_)) => {
                let name = &self.spec.networks[network].name;
                report.push(diag::kind_in_network(kind_word(&kind.value.kind), kind.span, name));
                Role::Broken
            }
            _ => Role::Port(network),
        }
    }

    fn add_links(&mut self, facts: &Facts, report: &mut Report) {
        let spec = self.spec;
        let mut by_name: HashMap<&str, Span> = HashMap::new();
        for (index, link) in spec.links.iter().enumerate() {
            if let Some(name) = &link.name
                && let Some(first) = by_name.insert(name.value.as_str(), name.span)
            {
                report.push(diag::link_twice(name, first));
            }
            for (side, end) in link.ends.iter().enumerate() {
                let node = if end.node.value == HOST {
                    if !facts.host_reachable {
                        report.push(diag::host_unreachable("this end is", end.node.span));
                    }
                    self.host(end.node.span)
                } else {
                    self.node(&end.node.value)
                };
                match node {
                    Some(node) => self.add_end(node, index, side, &end.interface, report),
                    None => report.push(diag::node_unknown(&end.node, self.node_names())),
                }
            }
        }
    }

    fn add_end(
        &mut self,
        node: usize,
        link: usize,
        side: usize,
        end: &'s Spanned<FullName>,
        report: &mut Report,
    ) {
        let key = end.value.as_str();
        let role = Role::End(link, side);
        let Some(index) = self.interface(node, key) else {
            self.push_interface(node, key, end.value.clone(), end.span, None, role);
            return;
        };
        let tunnel = self.spec.links[link].tunnel.is_some();
        let found = &mut self.interfaces[index];
        let is_setting = found.spec.is_some_and(|s| {
            s.network.is_none()
                && s.kind.as_ref().is_none_or(|k| match k.value.kind {
                    Kind::Veth(_) => true,
                    Kind::Wireguard => tunnel,
                    _ => false,
                })
        });
        let is_tunnel = matches!(found.role, Role::Own(Kind::Wireguard)) && tunnel;
        if matches!(found.role, Role::Broken) || is_tunnel {
            if is_setting {
                found.role = role;
            }
            // Else it was reported for what it is.
        } else {
            let node = self.nodes[node].name.as_str();
            report.push(diag::end_twice(node, end, found.span));
        }
    }

    fn refuse_settings_of_nothing(&self, report: &mut Report) {
        for interface in &self.interfaces {
            let Some(entry) = interface.spec else { continue };
            let is_setting = entry.network.is_none()
                && !entry.unsure
                && entry.kind.as_ref().is_none_or(|k| matches!(k.value.kind, Kind::Veth(_)));
            if matches!(interface.role, Role::Broken) && is_setting {
                let node = self.nodes[interface.node].name.as_str();
                report.push(diag::nothing_makes_it(
                    node,
                    &entry.name,
                    self.is_host(interface.node),
                ));
            }
        }
    }
}

/// A kind as the file writes it.
pub(super) fn kind_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Physical(_) => "physical",
        other => crate::state::kind_word(other),
    }
}
