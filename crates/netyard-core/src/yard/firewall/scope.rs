//! What a name means in one firewall.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::World;
use crate::diag::{Report, Span, Spanned, firewall as say};
use crate::firewall::{End, Set};
use crate::name::InterfaceName;
use crate::spec::firewall::{FirewallSpec, Names};
use crate::spec::{Through, WaySpec};
use crate::yard::gather::Role;

/// One firewall's names.
pub(super) struct Scope<'a, 'r> {
    pub world: World<'a>,
    /// None for a host that the yard does not touch otherwise.
    pub node: Option<usize>,
    pub spec: &'a FirewallSpec,
    pub report: &'r mut Report,
    zones: BTreeMap<&'a str, Ends>,
    /// The sets of the file, one for each family that is in it.
    pub sets: Vec<Set>,
}

/// What a list of names means.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ends {
    /// The node itself is among them.
    pub this: bool,
    /// Everything is.
    pub any: bool,
    interfaces: Vec<String>,
    others: Option<Vec<String>>,
    nets: [Vec<IpNet>; 2],
    sets: Vec<(String, bool)>,
}

/// Where a name stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum At {
    /// Where interfaces are meant first: an unknown name may be one that comes later.
    Interface,
    /// In a rule.
    Rule,
}

impl Ends {
    /// Everything.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// As few ends as will do; none where nothing fits.
    pub fn list(&self) -> Vec<End> {
        if self.any {
            return vec![End::Any];
        }
        let mut ends = Vec::new();
        if !self.interfaces.is_empty() {
            ends.push(End::Interfaces(self.interfaces.clone()));
        }
        ends.extend(self.others.clone().map(End::NotInterfaces));
        ends.extend(self.nets.iter().filter(|n| !n.is_empty()).cloned().map(End::Nets));
        ends.extend(self.sets.iter().map(|(name, ipv6)| End::Set(name.clone(), *ipv6)));
        ends
    }

    /// True when interfaces are among them.
    pub fn has_interfaces(&self) -> bool {
        !self.interfaces.is_empty() || self.others.is_some()
    }

    /// Names of interfaces, as far as they are said one by one.
    pub fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    /// Prefixes of both families.
    pub fn nets(&self) -> impl Iterator<Item = &IpNet> {
        self.nets.iter().flatten()
    }

    fn add(&mut self, other: Self) {
        self.this |= other.this;
        self.any |= other.any;
        self.interfaces.extend(other.interfaces);
        self.others = self.others.take().or(other.others);
        for (mine, theirs) in self.nets.iter_mut().zip(other.nets) {
            mine.extend(theirs);
        }
        self.sets.extend(other.sets);
    }

    fn settled(mut self) -> Self {
        self.interfaces.sort();
        self.interfaces.dedup();
        for nets in &mut self.nets {
            *nets = aggregate(nets);
        }
        self.sets.sort();
        self.sets.dedup();
        self
    }

    fn of_nets(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut ends = Self::default();
        for net in nets {
            ends.nets[usize::from(matches!(net, IpNet::V6(_)))].push(net.trunc());
        }
        ends
    }

    fn of_interfaces(names: impl IntoIterator<Item = String>) -> Self {
        Self { interfaces: names.into_iter().collect(), ..Self::default() }
    }
}

/// Sorted, none within another.
pub(super) fn aggregate(nets: &[IpNet]) -> Vec<IpNet> {
    let mut all = IpNet::aggregate(&nets.to_vec());
    all.sort();
    all
}

impl<'a, 'r> Scope<'a, 'r> {
    pub fn new(
        world: World<'a>,
        node: Option<usize>,
        spec: &'a FirewallSpec,
        report: &'r mut Report,
    ) -> Self {
        let sets = sets(spec);
        let mut scope = Self { world, node, spec, report, zones: BTreeMap::new(), sets };
        let mut spans: Vec<(&str, Span)> = Vec::new();
        for (name, parts) in &spec.zones {
            if parts.is_empty() {
                scope.report.push(say::zone_empty(name));
            }
            let ends = scope.ends(parts, At::Interface);
            for (other, span) in &spans {
                if let Some(shared) = overlap(&scope.zones[other], &ends) {
                    scope.report.push(say::zones_overlap(name, (other, *span), &shared));
                }
            }
            spans.push((&name.value, name.span));
            scope.zones.insert(&name.value, ends);
        }
        scope
    }

    /// What a list of names means, all of them together.
    pub fn ends(&mut self, names: &Names, at: At) -> Ends {
        let mut all = Ends::default();
        for name in names {
            match self.end(name, at) {
                Some(ends) => all.add(ends),
                None => all.any = true, // so that nothing more is said of it
            }
        }
        all.settled()
    }

    fn end(&mut self, name: &Spanned<String>, at: At) -> Option<Ends> {
        let text = name.value.as_str();
        match text {
            "any" | "all" => return Some(Ends::any()),
            "self" => return Some(Ends { this: true, ..Ends::default() }),
            _ => {}
        }
        if let Some(zone) = self.zones.get(text) {
            return Some(zone.clone());
        }
        if self.spec.sets.iter().any(|(set, _)| set.value == text) {
            let of = |set: &Set| set.name == set_name(text, set.ipv6);
            let sets = self.sets.iter().filter(|s| of(s)).map(|s| (s.name.clone(), s.ipv6));
            return Some(Ends { sets: sets.collect(), ..Ends::default() });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Ends::of_nets([address.into()]));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            if net.trunc() != net {
                let network = net.trunc().to_string();
                self.report.push(crate::diag::shape::host_bits(name.span, text, &network));
            }
            return Some(Ends::of_nets([net]));
        }
        if text == "uplink" {
            let uplink = self.uplink();
            if uplink.is_none() {
                self.report.push(say::no_uplink(name, &self.spec.node.value));
            }
            return uplink;
        }
        if let Some(network) = self.world.cast.network(text) {
            return Some(self.network(network));
        }
        if let Some(interface) = self.interface(text, name.span, at) {
            return Some(Ends::of_interfaces([interface]));
        }
        if let Some(addresses) = self.addresses_of(text) {
            return Some(Ends::of_nets(addresses));
        }
        let names = self.all_names();
        let names = names.iter().map(String::as_str);
        self.report.push(say::zone_unknown(name, &self.spec.node.value, names));
        None
    }

    /// A network where the node is in it: its interfaces there; elsewhere its prefixes.
    fn network(&self, network: usize) -> Ends {
        let cast = self.world.cast;
        let interfaces = self.node.map_or(&[][..], |node| &cast.nodes[node].interfaces);
        let here = interfaces.iter().filter(|i| cast.segment(**i) == Some(network));
        let here: Vec<String> = here.map(|i| self.kernel(*i)).collect();
        if here.is_empty() {
            return Ends::of_nets(self.world.plan.segments[network].list.iter().map(|p| p.0));
        }
        Ends::of_interfaces(here)
    }

    /// Where its networks go out; in a node, where its default routes lead.
    pub fn uplink(&self) -> Option<Ends> {
        let cast = self.world.cast;
        if self.spec.node.value != crate::yard::gather::HOST {
            let mine = &cast.nodes[self.node?].interfaces;
            let has_gateway =
                |i: &&usize| cast.interfaces[**i].spec.is_some_and(|s| !s.gateways.is_empty());
            let names: Vec<String> =
                mine.iter().filter(has_gateway).map(|i| self.kernel(*i)).collect();
            return (!names.is_empty()).then(|| Ends::of_interfaces(names));
        }
        let mut ends = Ends::default();
        for way in cast.spec.networks.iter().filter_map(|n| Some(&n.uplink.as_ref()?.way)) {
            let WaySpec::Routed { through, .. } = way else { continue };
            match &through.value {
                Through::Interface(name) => ends.interfaces.push(name.to_string()),
                Through::Auto => ends.others = Some(self.own_interfaces()),
            }
        }
        let ends = ends.settled();
        ends.has_interfaces().then_some(ends)
    }

    /// Kernel names of the host's interfaces that are the yard's, `lo` among them;
    /// but for bridges that stand in for an interface outside.
    fn own_interfaces(&self) -> Vec<String> {
        let cast = self.world.cast;
        let stands_in = |i: &usize| match cast.interfaces[*i].role {
            Role::Bridge(network) => {
                let uplink = cast.spec.networks[network].uplink.as_ref();
                uplink.is_some_and(|u| matches!(u.way, WaySpec::Bridge(_)))
            }
            _ => false,
        };
        let interfaces = self.node.map_or(&[][..], |n| &cast.nodes[n].interfaces);
        let own = interfaces.iter().filter(|i| !stands_in(i));
        let mut names: Vec<String> = own.map(|i| self.kernel(*i)).collect();
        names.push("lo".to_owned());
        names.sort();
        names.dedup();
        names
    }

    pub fn kernel(&self, interface: usize) -> String {
        self.world.names.interfaces[interface].to_string()
    }

    /// The kernel name of an interface, or a beginning with `*`.
    fn interface(&mut self, text: &str, span: Span, at: At) -> Option<String> {
        if let Some(head) = text.strip_suffix('*') {
            return InterfaceName::new(head).ok().map(|_| text.to_owned());
        }
        if let Some(found) = self.node.and_then(|n| self.world.cast.interface(n, text)) {
            return Some(self.kernel(found));
        }
        let is_host = self.spec.node.value == crate::yard::gather::HOST;
        if !is_host || InterfaceName::new(text).is_err() {
            return None;
        }
        let known = &self.world.facts.host_interfaces;
        if known.contains_key(text) || text == "lo" {
            return Some(text.to_owned());
        }
        // A slip in the name of a zone is no interface that may come later.
        let zones = self.spec.zones.iter().map(|(name, _)| name.value.as_str());
        let networks = self.world.cast.spec.networks.iter().map(|n| n.name.value.as_str());
        let others = zones.chain(networks).chain(["any", "self", "uplink"]);
        let is_free =
            self.world.cast.node(text).is_none() && crate::diag::nearest(text, others).is_none();
        if !is_free || (at == At::Rule && !known.is_empty()) {
            return None;
        }
        if !known.is_empty() {
            let names = known.keys().map(InterfaceName::as_str);
            self.report.push(say::interface_absent(text, span, names));
        }
        Some(text.to_owned())
    }

    /// Names of interfaces, one by one.
    pub fn devices(&mut self, names: &Names) -> Vec<String> {
        let mut all = Vec::new();
        for name in names {
            let ends = self.end(name, At::Interface).unwrap_or_default();
            let is_exact = |n: &String| !n.ends_with('*');
            if ends.interfaces.is_empty() || !ends.interfaces.iter().all(is_exact) {
                if !ends.any {
                    self.report.push(say::no_interface(name));
                }
                continue;
            }
            all.extend(ends.interfaces);
        }
        all.sort();
        all.dedup();
        all
    }

    /// The addresses of `node` or `node:interface`.
    pub fn addresses_of(&self, text: &str) -> Option<Vec<IpNet>> {
        let cast = self.world.cast;
        let (node, interface) = match text.split_once(':') {
            Some((node, interface)) => (cast.node(node)?, Some(interface)),
            None => (cast.node(text)?, None),
        };
        let wanted = |i: &usize| match interface {
            Some(name) => cast.interface(node, name) == Some(*i),
            None => !matches!(cast.interfaces[*i].role, Role::Loopback),
        };
        if let Some(name) = interface {
            cast.interface(node, name)?;
        }
        let mine = cast.nodes[node].interfaces.iter().copied().filter(wanted);
        let addresses = mine.flat_map(|i| &self.world.plan.interfaces[i]);
        Some(addresses.map(|a| IpNet::from(a.net.addr())).collect())
    }

    fn all_names(&self) -> Vec<String> {
        let cast = self.world.cast;
        let zones = self.spec.zones.iter().map(|(name, _)| name.value.clone());
        let sets = self.spec.sets.iter().map(|(name, _)| name.value.clone());
        let networks = cast.spec.networks.iter().map(|n| n.name.value.to_string());
        let mut names: Vec<String> = zones.chain(sets).chain(networks).collect();
        names.extend(self.node.into_iter().flat_map(|n| cast.interface_names(n)).map(String::from));
        if self.spec.node.value == crate::yard::gather::HOST {
            names.extend(self.world.facts.host_interfaces.keys().map(InterfaceName::to_string));
        }
        names.extend(cast.node_names().map(String::from));
        names.extend(["any", "self", "uplink"].map(String::from));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}

fn sets(spec: &FirewallSpec) -> Vec<Set> {
    let mut sets = Vec::new();
    for (name, nets) in &spec.sets {
        for ipv6 in [false, true] {
            let of = nets.iter().map(|n| n.value).filter(|n| matches!(n, IpNet::V6(_)) == ipv6);
            let nets = aggregate(&of.collect::<Vec<_>>());
            if !nets.is_empty() {
                sets.push(Set { name: set_name(&name.value, ipv6), ipv6, nets });
            }
        }
    }
    sets
}

/// The name that a set of one family has in the table.
fn set_name(name: &str, ipv6: bool) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut text: String = name.chars().map(|c| if is_word(c) { c } else { '-' }).collect();
    if text != name || !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        text = format!("set-{text}-{:x}", crate::name::fnv1a(&[name.as_bytes()]) & 0xffff);
    }
    format!("{text}-{}", if ipv6 { "ipv6" } else { "ipv4" })
}

/// What two zones have in common, in words.
fn overlap(a: &Ends, b: &Ends) -> Option<String> {
    if a.any || b.any {
        return None;
    }
    let fits = |x: &str, y: &str| match x.strip_suffix('*') {
        Some(head) => y.starts_with(head),
        None => x == y,
    };
    for x in &a.interfaces {
        if let Some(y) = b.interfaces.iter().find(|y| fits(x, y) || fits(y, x)) {
            return Some(if x.ends_with('*') { y.clone() } else { x.clone() });
        }
    }
    let nets = |x: &IpNet, y: &IpNet| x.contains(y) || y.contains(x);
    for x in a.nets() {
        if let Some(y) = b.nets().find(|y| nets(x, y)) {
            return Some(if x.contains(y) { y.to_string() } else { x.to_string() });
        }
    }
    None
}
