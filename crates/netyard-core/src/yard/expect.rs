//! What is expected of the yard: each entry of `expect:` multiplied out into
//! single probes, names turned into places and addresses.
//!
//! A node has the family of its addresses; an interface's node answers at the
//! address of it that is on a segment both are on, else at its first one. Where
//! nothing is said of families, both are expected where both ends have them. A
//! measurement is of one family: a line does not know what it carries.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::address::Addressing;
use super::firewall::service;
use super::gather::{Cast, HOST};
use super::naming::Names;
use super::{Node, Yard};
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::expect::{
    Expectation, Family, Forwarded, Host, Measure, Metric, Origin, PROOF, Probe, TOLERANCE, Target,
    WITHIN, Want,
};
use crate::facts::Facts;
use crate::nft::Protocol;
use crate::spec::{ExpectSpec, ProbeSpec};
use crate::state::{Impairment, Place};

/// The word for every node of the yard.
const ALL: &str = "all";
/// Expectations of one yard at most.
const MOST: usize = 500_000;

/// Who takes part: a node, or one of its interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Party {
    node: usize,
    interface: Option<usize>,
}

/// Who is probed.
enum Other {
    Party(Party),
    Address(IpAddr),
    Name(String),
    Resolver,
}

pub(super) fn resolve(
    cast: &Cast<'_>,
    plan: &Addressing,
    names: &Names,
    facts: &Facts,
    report: &mut Report,
) -> Vec<Expectation> {
    let mut resolver = Resolver { cast, plan, names, facts, report, made: Vec::new(), full: false };
    for spec in &cast.spec.expect {
        if spec.links.is_empty() {
            let spec = service::with_ports(spec, cast.spec, facts, resolver.report);
            resolver.pairs(&spec);
        } else {
            resolver.links(spec);
        }
    }
    resolver.made
}

/// A port that the target's firewall forwards is answered elsewhere: finds out where.
pub(super) fn follow_forwards(yard: &mut Yard) {
    let mut expectations = std::mem::take(&mut yard.expectations);
    for expectation in &mut expectations {
        let (protocol, port) = match expectation.probe {
            Probe::Tcp(port) => (Protocol::Tcp, port),
            Probe::Udp(port) => (Protocol::Udp, port),
            _ => continue,
        };
        let firewalls = yard.firewalls.iter();
        let of_target = firewalls.filter(|f| Some(&f.place) == expectation.to.place.as_ref());
        let mut forwards = of_target.flat_map(|firewall| &firewall.forwards);
        let found = forwards.find_map(|forward| {
            let family = Family::of(forward.to) == expectation.family;
            let address = match (forward.at, &expectation.to.host) {
                (Some(at), Host::Address(to)) => at == *to,
                _ => true,
            };
            let port = forward.port_for(protocol, port).filter(|_| family && address)?;
            Some((forward.to, port))
        });
        expectation.forwarded = found.map(|(address, port)| {
            let has = |node: &&Node| {
                let interfaces = node.interfaces.iter();
                interfaces.flat_map(|i| &i.addresses).any(|one| one.net.addr() == address)
            };
            let place = yard.nodes.iter().find(has).map(|node| node.place.clone());
            Forwarded { place, address, port }
        });
    }
    yard.expectations = expectations;
}

struct Resolver<'a, 's> {
    cast: &'a Cast<'s>,
    plan: &'a Addressing,
    names: &'a Names,
    facts: &'a Facts,
    report: &'a mut Report,
    made: Vec<Expectation>,
    full: bool,
}

impl Resolver<'_, '_> {
    fn pairs(&mut self, spec: &ExpectSpec) {
        let mut from = Vec::new();
        for said in &spec.from {
            from.extend(self.senders(said));
        }
        let to = self.receivers(spec);
        let wide = spec.from.len() > 1
            || spec.to.len() > 1
            || spec.from.iter().chain(&spec.to).any(|said| self.is_all(said));
        for (sender, sender_label) in &from {
            for (other, label, span) in &to {
                let itself = matches!(other, Other::Party(party) if party.node == sender.node);
                if wide && itself {
                    continue;
                }
                self.pair(spec, (*sender, sender_label), (other, label, *span), wide);
                if self.full {
                    return;
                }
            }
        }
    }

    fn is_all(&self, said: &Spanned<String>) -> bool {
        said.value == ALL && self.cast.node(ALL).is_none()
    }

    fn all(&self) -> Vec<(Party, String)> {
        let nodes = (0..self.cast.nodes.len()).filter(|node| !self.cast.is_host(*node));
        let party = |node| Party { node, interface: None };
        nodes.map(|node| (party(node), self.cast.nodes[node].name.to_string())).collect()
    }

    fn senders(&mut self, said: &Spanned<String>) -> Vec<(Party, String)> {
        if self.is_all(said) {
            return self.all();
        }
        let party = match self.party(said) {
            Some(Ok(party)) => Some(party),
            Some(Err(())) => None,
            None => {
                self.report.push(match said.value.parse::<IpAddr>() {
                    Ok(_) => diag::sender_is_address(said),
                    Err(_) => diag::node_unknown(said, self.cast.node_names()),
                });
                None
            }
        };
        party.map(|party| (party, said.value.clone())).into_iter().collect()
    }

    /// The node or interface of that name; none when there is none, an error
    /// when it was complained of.
    fn party(&mut self, said: &Spanned<String>) -> Option<Result<Party, ()>> {
        let text = said.value.as_str();
        if text == HOST && !self.facts.host_reachable {
            self.report.push(diag::host_unreachable("this end is", said.span));
            return Some(Err(()));
        }
        if let Some(node) = self.cast.node(text) {
            return Some(Ok(Party { node, interface: None }));
        }
        if text == HOST {
            self.report.push(diag::host_takes_no_part(said.span));
            return Some(Err(()));
        }
        if text.parse::<IpAddr>().is_ok() {
            return None;
        }
        let (name, interface) = text.split_once(':')?;
        let Some(node) = self.cast.node(name) else {
            let said = Spanned::new(name.to_owned(), said.span);
            self.report.push(diag::node_unknown(&said, self.cast.node_names()));
            return Some(Err(()));
        };
        match self.cast.interface(node, interface) {
            Some(found) => Some(Ok(Party { node, interface: Some(found) })),
            None => {
                let said = Spanned::new(interface.to_owned(), said.span);
                let names = self.cast.interface_names(node);
                self.report.push(diag::interface_unknown(name, &said, names));
                Some(Err(()))
            }
        }
    }

    fn receivers(&mut self, spec: &ExpectSpec) -> Vec<(Other, String, Span)> {
        if spec.to.is_empty() {
            return vec![(Other::Resolver, "its name server".to_owned(), spec.span)];
        }
        let mut all = Vec::new();
        for said in &spec.to {
            if self.is_all(said) {
                let nodes = self.all().into_iter();
                all.extend(nodes.map(|(party, label)| (Other::Party(party), label, said.span)));
                continue;
            }
            let other = match self.party(said) {
                Some(Ok(party)) => Other::Party(party),
                Some(Err(())) => continue,
                None => match self.beyond(said, spec) {
                    Some(other) => other,
                    None => continue,
                },
            };
            all.push((other, said.value.clone(), said.span));
        }
        all
    }

    /// An address, or a name: one with a dot in it, or of somebody's `hosts:`.
    fn beyond(&mut self, said: &Spanned<String>, spec: &ExpectSpec) -> Option<Other> {
        let text = said.value.as_str();
        if let Ok(address) = text.parse() {
            if is_link_local(address) {
                self.report.push(diag::target_link_local(said));
                return None;
            }
            return Some(Other::Address(address));
        }
        let senders = spec.from.iter().filter_map(|from| self.cast.node(&from.value));
        let mut hosts = senders.flat_map(|node| self.cast.nodes[node].spec).flat_map(|n| &n.hosts);
        if text.contains('.') || text == "localhost" || hosts.any(|(name, _)| name.value == text) {
            return Some(Other::Name(text.to_owned()));
        }
        self.report.push(diag::target_unknown(said, self.cast.node_names()));
        None
    }

    fn pair(
        &mut self,
        spec: &ExpectSpec,
        (sender, label): (Party, &str),
        (other, to_label, span): (&Other, &str, Span),
        wide: bool,
    ) {
        let theirs = self.families_of(other);
        let own = self.families(sender);
        let said = spec.families.as_ref();
        let families: Vec<Family> = match (said, &theirs) {
            // An address is of the family it is of, whatever the sender has.
            (None, Some(theirs)) if matches!(other, Other::Address(_)) => theirs.clone(),
            (Some(said), None) => said.value.clone(),
            (Some(said), Some(theirs)) => {
                let both = |family: &Family| theirs.contains(family);
                if let (Some(missing), false) = (said.value.iter().find(|f| !both(f)), wide) {
                    self.report.push(diag::no_such_family(to_label, *missing, span, said.span));
                }
                said.value.iter().copied().filter(both).collect()
            }
            (None, None) => own.clone(),
            (None, Some(theirs)) => own.iter().copied().filter(|f| theirs.contains(f)).collect(),
        };
        if families.is_empty() && said.is_none() && !wide {
            self.report.push(diag::no_common_family(label, to_label, span));
        }
        for probe in &spec.probes {
            let one = matches!(probe.value, ProbeSpec::Measure(..));
            let want = match &probe.value {
                ProbeSpec::Ping(Some(want)) => *want,
                _ => spec.result.as_ref().map_or(Want::Ok, |want| want.value),
            };
            let families = if one { &families[..families.len().min(1)] } else { &families[..] };
            for family in families {
                let Some(to) = self.target(sender, other, to_label, *family) else { continue };
                let Some(probe) = self.probe(probe, spec, &to, None) else { return };
                let from = self.origin(sender, label, *family);
                let if_it_has = said.is_none() && theirs.is_none();
                self.push(spec, from, to, (*family, if_it_has), probe, want);
            }
        }
    }

    fn push(
        &mut self,
        spec: &ExpectSpec,
        from: Origin,
        to: Target,
        (family, if_it_has): (Family, bool),
        probe: Probe,
        want: Want,
    ) {
        if self.made.len() == MOST {
            if !self.full {
                self.report.push(diag::too_many_expectations(spec.span, MOST));
            }
            self.full = true;
            return;
        }
        let nanoseconds = |ms: Option<u32>, or| ms.map_or(or, |ms| u64::from(ms) * 1_000_000);
        self.made.push(Expectation {
            name: spec.name.as_ref().map(|name| name.value.clone()),
            span: spec.span,
            from,
            to,
            family,
            if_it_has,
            probe,
            want,
            within: nanoseconds(spec.within, WITHIN),
            proof: nanoseconds(spec.proof, PROOF),
            listen: spec.listen,
            forwarded: None,
        });
    }

    /// What is sent; of a measurement, with what the link's file says of it.
    fn probe(
        &mut self,
        probe: &Spanned<ProbeSpec>,
        spec: &ExpectSpec,
        to: &Target,
        file: Option<&Impairment>,
    ) -> Option<Probe> {
        Some(match &probe.value {
            ProbeSpec::Ping(_) => Probe::Ping,
            ProbeSpec::Service(..) => return None, // ports by now
            ProbeSpec::Tcp(port) => Probe::Tcp(*port),
            ProbeSpec::Udp(port) => Probe::Udp(*port),
            ProbeSpec::Http(get) => Probe::Http(get.clone()),
            ProbeSpec::Dns(question) => Probe::Dns(question.clone()),
            ProbeSpec::PathMtu(bytes) => Probe::PathMtu(*bytes),
            ProbeSpec::Measure(metric, given) => {
                if to.place.is_none() {
                    self.report.push(diag::measured_beyond(&to.label, probe.span));
                    return None;
                }
                let written = file.map(|file| match metric {
                    Metric::Delay => file.delay,
                    Metric::Jitter => file.jitter,
                    Metric::Loss => file.loss.into(),
                    Metric::Rate => file.rate,
                });
                Probe::Measure(Measure {
                    metric: *metric,
                    value: given.or(written)?,
                    tolerance: spec.tolerance.unwrap_or(TOLERANCE),
                    line_rate: file.map(|file| file.rate).filter(|rate| *rate > 0),
                })
            }
        })
    }

    fn origin(&self, party: Party, label: &str, family: Family) -> Origin {
        let device = party.interface.map(|interface| self.names.interfaces[interface].clone());
        let addresses = party.interface.map(|i| self.plan.interfaces[i].iter());
        let mut address = addresses.into_iter().flatten().map(|a| a.net.addr());
        Origin {
            label: label.to_owned(),
            place: self.cast.nodes[party.node].place.clone(),
            device,
            address: address.find(|a| is_usable(*a, family)),
        }
    }

    fn target(&self, from: Party, other: &Other, label: &str, family: Family) -> Option<Target> {
        let (host, place) = match other {
            Other::Party(party) => {
                let place = self.cast.nodes[party.node].place.clone();
                (Host::Address(self.address(from, *party, family)?), Some(place))
            }
            Other::Address(address) => (Host::Address(*address), self.owner(from, *address)),
            Other::Name(name) => (Host::Name(name.clone()), None),
            Other::Resolver => (Host::Resolver, None),
        };
        Some(Target { label: label.to_owned(), host, place })
    }

    /// The address at which a party answers another: on a segment that both are
    /// on where there is one, else its first one, that of `lo` last.
    fn address(&self, from: Party, to: Party, family: Family) -> Option<IpAddr> {
        let segments: BTreeSet<usize> =
            self.interfaces(from).filter_map(|i| self.cast.segment(i)).collect();
        let rank = |interface: usize| match self.cast.segment(interface) {
            Some(segment) if segments.contains(&segment) => 0,
            Some(_) => 1,
            None => 2,
        };
        let mut own: Vec<usize> = self.interfaces(to).collect();
        own.sort_by_key(|i| (rank(*i), is_loopback(self.cast, *i)));
        let addresses = own.iter().flat_map(|i| &self.plan.interfaces[*i]);
        addresses.map(|a| a.net.addr()).find(|a| is_usable(*a, family))
    }

    fn interfaces(&self, party: Party) -> impl Iterator<Item = usize> {
        let all = &self.cast.nodes[party.node].interfaces;
        all.iter().copied().filter(move |i| party.interface.is_none_or(|one| one == *i))
    }

    /// The place that has an address, that of the sender's segment first.
    fn owner(&self, from: Party, address: IpAddr) -> Option<Place> {
        let has = |i: &usize| self.plan.interfaces[*i].iter().any(|a| a.net.addr() == address);
        let all = || (0..self.cast.interfaces.len()).filter(has);
        let segments: BTreeSet<usize> =
            self.interfaces(from).filter_map(|i| self.cast.segment(i)).collect();
        let near = all().find(|i| self.cast.segment(*i).is_some_and(|s| segments.contains(&s)));
        let found = near.or_else(|| all().next())?;
        Some(self.cast.nodes[self.cast.interfaces[found].node].place.clone())
    }

    /// The families of a party's addresses. What the host has beside the yard's
    /// is not known here.
    fn families(&self, party: Party) -> Vec<Family> {
        let addresses = self.interfaces(party).flat_map(|i| &self.plan.interfaces[i]);
        let addresses: Vec<IpAddr> = addresses.map(|a| a.net.addr()).collect();
        if addresses.is_empty() && self.cast.is_host(party.node) {
            return Family::BOTH.to_vec();
        }
        let has = |family: &Family| addresses.iter().any(|a| is_usable(*a, *family));
        Family::BOTH.into_iter().filter(has).collect()
    }

    /// None where it is not known.
    fn families_of(&self, other: &Other) -> Option<Vec<Family>> {
        match other {
            Other::Party(party) => Some(self.families(*party)),
            Other::Address(address) => Some(vec![Family::of(*address)]),
            Other::Name(_) | Other::Resolver => None,
        }
    }

    fn links(&mut self, spec: &ExpectSpec) {
        for said in &spec.links {
            let found: Vec<usize> = (0..self.cast.spec.links.len())
                .filter(|link| match said.value == ALL {
                    true => self.is_impaired(*link),
                    false => self.cast.link_name(*link) == said.value,
                })
                .collect();
            if found.is_empty() {
                let names: Vec<String> =
                    (0..self.cast.spec.links.len()).map(|l| self.cast.link_name(l)).collect();
                self.report.push(diag::link_unknown(said, names.iter().map(String::as_str)));
            }
            for link in found {
                self.link(spec, link, said.span);
            }
        }
    }

    fn is_impaired(&self, link: usize) -> bool {
        let spec = &self.cast.spec.links[link];
        [&spec.forward, &spec.backward].into_iter().flatten().any(|i| *i != Impairment::default())
    }

    /// Both directions of a link, each against what the file gives it.
    fn link(&mut self, spec: &ExpectSpec, link: usize, span: Span) {
        let segment = self.cast.link_segment(link);
        let [first, second] = match &self.cast.members[segment][..] {
            [first, second] => [*first, *second],
            _ => return, // an end is wrong, and reported
        };
        for (sender, receiver) in [(first, second), (second, first)] {
            let party = |i: usize| Party { node: self.cast.interfaces[i].node, interface: Some(i) };
            let (from, to) = (party(sender), party(receiver));
            if from.node == Self::host_node(self.cast) && !self.facts.host_reachable {
                continue; // reported with the link
            }
            let theirs = self.families(to);
            let wanted = |f: &Family| spec.families.as_ref().is_none_or(|s| s.value.contains(f));
            let family = self.families(from).into_iter().find(|f| theirs.contains(f) && wanted(f));
            let label = |i: usize| self.cast.id(i).to_string();
            let (from_label, to_label) = (label(sender), label(receiver));
            let Some(family) = family else {
                self.report.push(diag::no_common_family(&from_label, &to_label, span));
                continue;
            };
            let file = self.cast.interfaces[sender].impairment(self.cast.spec).unwrap_or_default();
            for probe in &spec.probes {
                let is_rate = matches!(probe.value, ProbeSpec::Measure(Metric::Rate, None));
                if is_rate && file.rate == 0 {
                    if spec.links.iter().all(|l| l.value != ALL) {
                        self.report.push(diag::link_without_rate(&from_label, probe.span));
                    }
                    continue;
                }
                let target = self.target(from, &Other::Party(to), &to_label, family);
                let Some(to) = target else { continue };
                let Some(probe) = self.probe(probe, spec, &to, Some(&file)) else { continue };
                let origin = self.origin(from, &from_label, family);
                let want = spec.result.as_ref().map_or(Want::Ok, |want| want.value);
                self.push(spec, origin, to, (family, false), probe, want);
            }
        }
    }

    fn host_node(cast: &Cast<'_>) -> usize {
        cast.node(HOST).unwrap_or(usize::MAX)
    }
}

fn is_loopback(cast: &Cast<'_>, interface: usize) -> bool {
    matches!(cast.interfaces[interface].role, super::gather::Role::Loopback)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// True for an address of that family that means the same everywhere.
fn is_usable(address: IpAddr, family: Family) -> bool {
    let local = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    Family::of(address) == family && !local
}
