//! The peers of a tunnel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::super::address::Addressing;
use super::super::gather::Cast;
use super::{Said, key, other_end, said};
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::Facts;
use crate::interface::{PeerSpec, Who};
use crate::key::{KeyFact, KeyName, PublicKey};
use crate::state::{KeyRef, Place, Route, TunnelPeer};

/// What the peers of a tunnel follow from.
pub(super) struct World<'a, 's> {
    pub cast: &'a Cast<'s>,
    pub plan: &'a Addressing,
    pub routes: &'a [Vec<Route>],
    pub facts: &'a Facts,
    pub births: &'a [Option<Place>],
    pub ports: &'a [u16],
}

impl PeerSpec {
    /// True for one that is not a node of this yard.
    pub(super) fn is_outside(&self) -> bool {
        !matches!(self.who, Who::Node(..))
    }
}

/// One wish for a peer, whoever says it.
struct Wish<'s> {
    span: Span,
    spec: Option<&'s PeerSpec>,
    keepalive: u16,
    preshared: Option<(KeyName, Span)>,
    other: Option<usize>,
}

/// The interfaces of this yard that are an interface's peers.
pub(super) fn nodes(cast: &Cast<'_>, interface: usize, said: Said<'_>) -> Vec<usize> {
    let own = cast.interfaces[interface].name.as_str();
    let listed = said.own.iter().flat_map(|own| &own.peers).filter_map(|peer| match &peer.who {
        Who::Node(node, name) => {
            let name = name.as_ref().map_or(own, |name| name.value.as_str());
            cast.interface(cast.node(&node.value)?, name)
        }
        _ => None,
    });
    let linked = said.link.and_then(|(link, _)| other_end(cast, link, interface));
    listed.chain(linked).collect()
}

/// A segment on which both places are, neither by a tunnel.
pub(super) fn shared_segment(cast: &Cast<'_>, from: &Place, to: &Place) -> Option<usize> {
    let on = |segment: &[usize], place: &Place| {
        let mut members = segment.iter();
        members.any(|&i| {
            cast.nodes[cast.interfaces[i].node].place == *place && said(cast, i).is_none()
        })
    };
    cast.members.iter().position(|segment| on(segment, from) && on(segment, to))
}

impl<'s> World<'_, 's> {
    /// All peers of an interface, each with what the file calls it.
    pub fn peers(
        &self,
        interface: usize,
        said: Said<'s>,
        link_local: &[Option<Ipv6Addr>],
        report: &mut Report,
    ) -> Vec<(String, TunnelPeer)> {
        let wishes = self.wishes(interface, said, report);
        let single = wishes.len() == 1;
        let mut found: Vec<(String, TunnelPeer, Span)> = Vec::new();
        let mut claimed: BTreeMap<IpNet, Span> = BTreeMap::new();
        let name = self.cast.id(interface).to_string();
        for wish in &wishes {
            let Some((called, public_key)) = self.identity(interface, wish, report) else {
                continue;
            };
            let first = found.iter().find(|(_, peer, _)| peer.public_key == public_key);
            if let Some((.., first)) = first.filter(|_| public_key != PublicKey::UNMADE) {
                report.push(diag::peer_repeated(&name, wish.span, *first));
                continue;
            }
            let allowed = self.allowed_ips(interface, wish, single, link_local, report);
            let mut allowed_ips = Vec::with_capacity(allowed.len());
            for (net, span) in allowed {
                match claimed.insert(net, span) {
                    Some(first) => report.push(diag::allowed_overlap(&name, net, span, first)),
                    None => allowed_ips.push(net),
                }
            }
            allowed_ips.sort();
            let peer = TunnelPeer {
                public_key,
                preshared_key: self.preshared(wish, report),
                endpoint: self.endpoint(interface, wish, &allowed_ips, report),
                keepalive: wish.keepalive,
                allowed_ips,
            };
            found.push((called, peer, wish.span));
        }
        found.into_iter().map(|(name, peer, _)| (name, peer)).collect()
    }

    fn wishes(&self, interface: usize, said: Said<'s>, report: &mut Report) -> Vec<Wish<'s>> {
        let cast = self.cast;
        let own = self.names(interface);
        let mut wishes = Vec::new();
        for peer in said.own.iter().flat_map(|own| &own.peers) {
            let other = match &peer.who {
                Who::Node(..) => match self.other(interface, peer, report) {
                    None => continue,
                    other => other,
                },
                _ => None,
            };
            wishes.push(Wish {
                span: peer.span,
                spec: Some(peer),
                keepalive: peer.keepalive,
                preshared: key::preshared(own, peer),
                other,
            });
        }
        if let Some((link, tunnel)) = said.link
            && let Some(other) = other_end(cast, link, interface)
        {
            let preshared = tunnel.preshared.map(|s| (key::of_link(own, self.names(other)), s));
            wishes.push(Wish {
                span: cast.spec.links[link].span,
                spec: None,
                keepalive: tunnel.keepalive,
                preshared,
                other: Some(other),
            });
        }
        wishes
    }

    fn names(&self, interface: usize) -> (&str, &str) {
        let found = &self.cast.interfaces[interface];
        (self.cast.nodes[found.node].name.as_str(), found.name.as_str())
    }

    /// The interface that a peer is, which must have this one as its peer, too.
    fn other(&self, interface: usize, peer: &PeerSpec, report: &mut Report) -> Option<usize> {
        let cast = self.cast;
        let Who::Node(node, name) = &peer.who else { return None };
        let Some(at) = cast.node(&node.value) else {
            report.push(diag::node_unknown(node, cast.node_names()));
            return None;
        };
        let own = cast.interfaces[interface].name.as_str();
        let text = name.as_ref().map_or(own, |name| name.value.as_str());
        let span = name.as_ref().map_or(node.span, |name| name.span);
        let found = cast.interface(at, text).filter(|&i| said(cast, i).is_some());
        let Some(found) = found else {
            report.push(diag::peer_unknown(&node.value, text, span));
            return None;
        };
        if found == interface {
            report.push(diag::peer_itself(span));
            return None;
        }
        let back = said(cast, found).map(|said| nodes(cast, found, said)).unwrap_or_default();
        if !back.contains(&interface) {
            let (own, other) = (cast.id(interface).to_string(), cast.id(found).to_string());
            let made = cast.interfaces[found].span;
            report.push(diag::peer_one_sided(&own, &other, span, made));
        }
        Some(found)
    }

    /// What a peer is called, and its public key.
    fn identity(
        &self,
        interface: usize,
        wish: &Wish<'s>,
        report: &mut Report,
    ) -> Option<(String, PublicKey)> {
        if let Some(other) = wish.other {
            let said = said(self.cast, other)?;
            // What is wrong with its key is said where it is.
            let mut unheard = Report::default();
            let key = key::of_interface(self.cast, other, said, self.facts, &mut unheard);
            return Some((self.cast.id(other).to_string(), key?.public));
        }
        match &wish.spec?.who {
            Who::Key(key) => Some((key.value.short(), key.value)),
            Who::Guest(name) => {
                let (node, own) = self.names(interface);
                let wanted = KeyName::guest(node, own, &name.value);
                let target = format!("{node}:{own}");
                if wish.spec?.allowed_ips.as_ref().is_none_or(Vec::is_empty) {
                    report.push(diag::guest_without_address(&name.value, name.span));
                }
                let key = key::look_up(&wanted, name.span, self.facts, report)?;
                if self.facts.keys.get(&wanted) == Some(&KeyFact::Absent) {
                    report.push(diag::guest_without_key(&name.value, &target, name.span));
                }
                if key.public == PublicKey::UNMADE {
                    return None;
                }
                Some((name.value.clone(), key.public))
            }
            Who::Node(..) => None,
        }
    }

    fn preshared(&self, wish: &Wish<'_>, report: &mut Report) -> Option<KeyRef> {
        let (name, span) = wish.preshared.as_ref()?;
        key::look_up(name, *span, self.facts, report)
    }

    fn allowed_ips(
        &self,
        interface: usize,
        wish: &Wish<'_>,
        single: bool,
        link_local: &[Option<Ipv6Addr>],
        report: &mut Report,
    ) -> Vec<(IpNet, Span)> {
        let name = self.cast.id(interface).to_string();
        if let Some(said) = wish.spec.and_then(|spec| spec.allowed_ips.as_ref()) {
            if said.is_empty() {
                report.push(diag::allowed_none(&name, wish.span));
            }
            return said.iter().map(|net| (net.value.trunc(), net.span)).collect();
        }
        let Some(other) = wish.other else {
            report.push(diag::allowed_missing(&name, wish.span));
            return Vec::new();
        };
        if single {
            let all = [IpNet::from(ipnet::Ipv4Net::default()), ipnet::Ipv6Net::default().into()];
            return all.map(|net| (net, wish.span)).to_vec();
        }
        let mut addresses: Vec<IpAddr> =
            self.plan.interfaces[other].iter().map(|a| a.net.addr()).collect();
        addresses.extend(link_local[other].map(IpAddr::from));
        let own = self.cast.id(interface);
        let routes = &self.routes[self.cast.interfaces[interface].node];
        let leads = |route: &&Route| {
            route.hops.iter().any(|hop| {
                hop.interface == own.name && hop.gateway.is_some_and(|g| addresses.contains(&g))
            })
        };
        let behind = routes.iter().filter(leads).map(|route| route.destination);
        let mut all: Vec<IpNet> = behind.chain(addresses.iter().map(|a| IpNet::from(*a))).collect();
        all.sort();
        all.dedup();
        all.into_iter().map(|net| (net, wish.span)).collect()
    }

    /// How a peer is reached from where the packets leave.
    fn endpoint(
        &self,
        interface: usize,
        wish: &Wish<'_>,
        allowed: &[IpNet],
        report: &mut Report,
    ) -> Option<String> {
        if let Some(said) = wish.spec.and_then(|spec| spec.endpoint.as_ref()) {
            self.refuse_circle(interface, said, allowed, report);
            return Some(said.value.clone());
        }
        let other = wish.other?;
        let theirs = said(self.cast, other)?.own.and_then(|own| own.endpoint.as_ref());
        if let Some(theirs) = theirs {
            return Some(theirs.value.clone());
        }
        let (from, to) = (self.births[interface].as_ref()?, self.births[other].as_ref()?);
        let Some(address) = self.way(from, to) else {
            let (own, name) =
                (self.cast.id(interface).to_string(), self.cast.id(other).to_string());
            let (from, to) = (from.to_string(), to.to_string());
            report.push(diag::endpoint_unknown(&own, &name, &from, &to, wish.span));
            return None;
        };
        Some(std::net::SocketAddr::new(address, self.ports[other]).to_string())
    }

    /// A tunnel whose packets leave from inside must not carry its own endpoint.
    fn refuse_circle(
        &self,
        interface: usize,
        said: &crate::diag::Spanned<String>,
        allowed: &[IpNet],
        report: &mut Report,
    ) {
        let inside = &self.cast.nodes[self.cast.interfaces[interface].node].place;
        if self.births[interface].as_ref() != Some(inside) {
            return;
        }
        let host = crate::interface::split_endpoint(&said.value).map(|(host, _)| host);
        let Some(address) = host.and_then(|host| host.parse::<IpAddr>().ok()) else { return };
        let covers = |net: &&IpNet| net.prefix_len() > 0 && net.contains(&address);
        if allowed.iter().any(|net| covers(&net)) {
            let name = self.cast.id(interface).to_string();
            report.push(diag::endpoint_in_tunnel(address, &name, said.span));
        }
    }

    /// The address by which one namespace reaches another.
    fn way(&self, from: &Place, to: &Place) -> Option<IpAddr> {
        if from == to {
            return Some(IpAddr::from([127, 0, 0, 1]));
        }
        let cast = self.cast;
        let on = |place: &Place, segment: Option<usize>| {
            let mut all: Vec<IpAddr> = Vec::new();
            for (i, interface) in cast.interfaces.iter().enumerate() {
                let here = cast.nodes[interface.node].place == *place;
                let wanted = segment.is_none_or(|segment| cast.segment(i) == Some(segment));
                if here && wanted && said(cast, i).is_none() {
                    all.extend(self.plan.interfaces[i].iter().map(|a| a.net.addr()));
                }
            }
            all.retain(|address| match address {
                IpAddr::V4(address) => !address.is_loopback(),
                IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
            });
            all
        };
        if let Some(segment) = shared_segment(cast, from, to) {
            let theirs = on(to, Some(segment));
            let ours = on(from, Some(segment));
            let fits = |a: &&IpAddr| ours.iter().any(|b| a.is_ipv4() == b.is_ipv4());
            if let Some(found) = theirs.iter().find(fits) {
                return Some(*found);
            }
        }
        // Routes lead there: nodes reach each other's, the host and the fabric do not.
        match (from, to) {
            (Place::Node(_), Place::Node(_)) => on(to, None).first().copied(),
            _ => None,
        }
    }
}
