//! Who takes part in an expectation, and at which addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{ALL, Other, Party, Resolver};
use crate::diag::yard as diag;
use crate::diag::{Span, Spanned};
use crate::expect::Family;
use crate::spec::ExpectSpec;
use crate::state::Place;
use crate::yard::gather::{Cast, HOST, Role};

impl Resolver<'_, '_> {
    pub(super) fn is_all(&self, said: &Spanned<String>) -> bool {
        said.value == ALL && self.cast.node(ALL).is_none()
    }

    pub(super) fn all(&self) -> Vec<(Party, String)> {
        let nodes = (0..self.cast.nodes.len()).filter(|node| !self.cast.is_host(*node));
        let party = |node| Party { node, interface: None };
        nodes.map(|node| (party(node), self.cast.nodes[node].name.to_string())).collect()
    }

    pub(super) fn senders(&mut self, said: &Spanned<String>) -> Vec<(Party, String)> {
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
    pub(super) fn party(&mut self, said: &Spanned<String>) -> Option<Result<Party, ()>> {
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

    pub(super) fn receivers(&mut self, spec: &ExpectSpec) -> Vec<(Other, String, Span)> {
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
    pub(super) fn beyond(&mut self, said: &Spanned<String>, spec: &ExpectSpec) -> Option<Other> {
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

    /// The address at which a party answers another: on a segment that both are
    /// on where there is one, else its first one, that of `lo` last.
    pub(super) fn address(&self, from: Party, to: Party, family: Family) -> Option<IpAddr> {
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

    pub(super) fn interfaces(&self, party: Party) -> impl Iterator<Item = usize> {
        let all = &self.cast.nodes[party.node].interfaces;
        all.iter().copied().filter(move |i| party.interface.is_none_or(|one| one == *i))
    }

    /// The place that has an address, that of the sender's segment first.
    pub(super) fn owner(&self, from: Party, address: IpAddr) -> Option<Place> {
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
    pub(super) fn families(&self, party: Party) -> Vec<Family> {
        let addresses = self.interfaces(party).flat_map(|i| &self.plan.interfaces[i]);
        let addresses: Vec<IpAddr> = addresses.map(|a| a.net.addr()).collect();
        if addresses.is_empty() && self.cast.is_host(party.node) {
            return Family::BOTH.to_vec();
        }
        let has = |family: &Family| addresses.iter().any(|a| is_usable(*a, *family));
        Family::BOTH.into_iter().filter(has).collect()
    }

    /// None where it is not known.
    pub(super) fn families_of(&self, other: &Other) -> Option<Vec<Family>> {
        match other {
            Other::Party(party) => Some(self.families(*party)),
            Other::Address(address) => Some(vec![Family::of(*address)]),
            Other::Name(_) | Other::Resolver => None,
        }
    }
}

pub(super) fn is_loopback(cast: &Cast<'_>, interface: usize) -> bool {
    matches!(cast.interfaces[interface].role, Role::Loopback)
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// True for an address of that family that means the same everywhere.
pub(super) fn is_usable(address: IpAddr, family: Family) -> bool {
    let local = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    Family::of(address) == family && !local
}
