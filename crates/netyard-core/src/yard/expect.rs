//! What is expected of the yard: each entry of `expect:` multiplied out into
//! single probes, names turned into places and addresses.
//!
//! A node has the family of its addresses; an interface's node answers at the
//! address of it that is on a segment both are on, else at its first one. Where
//! nothing is said of families, both are expected where both ends have them. A
//! measurement is of one family: a line does not know what it carries.

mod link;
mod party;

use std::net::IpAddr;

use super::address::Addressing;
use super::firewall::service;
use super::gather::Cast;
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
use crate::state::Impairment;

use party::is_usable;

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
}
