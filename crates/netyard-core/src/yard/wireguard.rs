//! Tunnels of WireGuard: where they are born, on which port they listen, who
//! their peers are and how they are reached.

mod key;
mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::gather::{Cast, HOST, Role};
use super::mtu::{DEFAULT, Mtus, carries_ipv6};
use super::{Address, address::Addressing};
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::Facts;
use crate::interface::{Engine, Kind, WireguardSpec, split_endpoint};
use crate::key::KeyName;
use crate::name::fnv1a;
use crate::spec::TunnelSpec;
use crate::state::{KeyRef, Place, Route, Tunnel, TunnelPeer};

pub use key::{KeyWish, wishes};

/// What WireGuard adds to a packet, its own UDP and IPv4 headers included.
const OVERHEAD_V4: u32 = 60;
/// The same with IPv6.
const OVERHEAD_V6: u32 = 80;
/// What `birth:` says of a tunnel whose packets leave from its own node.
const OWN: &str = "own";
/// The ports that are given where the file says none.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A tunnel's end, as the Yard has it.
#[derive(Clone, Debug)]
pub struct Wireguard {
    /// What it is told.
    pub tunnel: Tunnel,
    /// Who does the work.
    pub engine: Engine,
    /// Where its packets come and go.
    pub birth: Place,
    /// Where the file makes it.
    pub span: Span,
    /// `endpoint:` how others reach it, where the file says so.
    pub endpoint: Option<String>,
    /// What the file calls its peers, by their public keys; guests without a key
    /// are not among them.
    pub names: BTreeMap<crate::key::PublicKey, String>,
}

/// What the file says of a tunnel's end.
#[derive(Clone, Copy)]
pub(super) struct Said<'s> {
    pub own: Option<&'s WireguardSpec>,
    pub link: Option<(usize, &'s TunnelSpec)>,
}

/// The tunnels' ends, by interface.
pub(super) struct Tunnels {
    pub ends: Vec<Option<Wireguard>>,
    /// The link-local address that netyard gives it: WireGuard makes none.
    pub link_local: Vec<Option<Ipv6Addr>>,
}

impl Tunnels {
    /// The addresses of an interface, with the link-local one.
    pub fn addresses(&self, plan: &Addressing, interface: usize, span: Span) -> Vec<Address> {
        let mut all = plan.interfaces[interface].clone();
        if let Some(address) = self.link_local[interface] {
            let net = ipnet::Ipv6Net::new_assert(address, 64).into();
            all.push(Address { net, dad: false, allotted: true, span });
        }
        all
    }
}

/// What the file says of an interface as the end of a tunnel; none where it is none.
pub(super) fn said<'s>(cast: &Cast<'s>, interface: usize) -> Option<Said<'s>> {
    let found = &cast.interfaces[interface];
    let own = found.spec.and_then(|s| s.wireguard.as_ref());
    match found.role {
        Role::Own(Kind::Wireguard) => Some(Said { own, link: None }),
        Role::End(link, _) => {
            let tunnel = cast.spec.links[link].tunnel.as_ref()?;
            Some(Said { own, link: Some((link, tunnel)) })
        }
        _ => None,
    }
}

/// `birth:` as it is written; none where netyard chooses.
fn birth_said<'s>(said: Said<'s>) -> Option<&'s Spanned<String>> {
    let own = said.own.and_then(|own| own.birth.as_ref());
    own.or(said.link.and_then(|(_, tunnel)| tunnel.birth.as_ref()))
}

/// Where the packets of a tunnel leave from; none for a node that is not there.
pub(super) fn birth(
    cast: &Cast<'_>,
    interface: usize,
    said: Said<'_>,
    facts: &Facts,
) -> Option<Place> {
    match birth_said(said).map(|text| text.value.as_str()) {
        Some(OWN) => Some(cast.nodes[cast.interfaces[interface].node].place.clone()),
        None if facts.host_reachable => Some(Place::Host),
        None | Some("fabric") => Some(Place::Fabric),
        Some(HOST) => Some(Place::Host),
        Some(node) => cast.node(node).map(|node| cast.nodes[node].place.clone()),
    }
}

/// The engine of a tunnel on this host.
pub(super) fn engine(said: Said<'_>, facts: &Facts) -> Engine {
    let wish = said.own.and_then(|own| own.engine.as_ref()).map(|e| e.value);
    let missing = facts.missing_kinds.contains_key("wireguard");
    wish.unwrap_or(if missing { Engine::Userspace } else { Engine::Kernel })
}

/// The other end of a link.
fn other_end(cast: &Cast<'_>, link: usize, interface: usize) -> Option<usize> {
    let members = &cast.members[cast.link_segment(link)];
    members.iter().copied().find(|&member| member != interface)
}

/// The MTU inside a tunnel: that of the path outside less the headers.
pub(super) fn mtu(cast: &Cast<'_>, interface: usize, facts: &Facts, segments: &[u32]) -> u32 {
    let Some(said) = said(cast, interface) else { return DEFAULT };
    let Some(from) = birth(cast, interface, said, facts) else { return DEFAULT - OVERHEAD_V6 };
    let others = peer::nodes(cast, interface, said);
    let outside = said.own.iter().flat_map(|own| &own.peers).filter(|p| p.is_outside());
    let paths = others
        .iter()
        .filter_map(|&other| birth(cast, other, self::said(cast, other)?, facts))
        .map(|to| path(cast, &from, Some(&to), facts, segments))
        .chain(outside.clone().map(|_| path(cast, &from, None, facts, segments)));
    let path = paths.min().unwrap_or(DEFAULT);
    let is_v4 = |text: &Spanned<String>| {
        split_endpoint(&text.value).is_some_and(|(h, _)| h.parse::<std::net::Ipv4Addr>().is_ok())
    };
    let endpoints: Vec<_> = outside.map(|p| p.endpoint.as_ref()).collect();
    let all_v4 = others.is_empty()
        && !endpoints.is_empty()
        && endpoints.iter().all(|e| e.is_some_and(is_v4));
    path.saturating_sub(if all_v4 { OVERHEAD_V4 } else { OVERHEAD_V6 })
}

/// The MTU between two namespaces as far as it is known.
fn path(cast: &Cast<'_>, from: &Place, to: Option<&Place>, facts: &Facts, segments: &[u32]) -> u32 {
    if to == Some(from) {
        return DEFAULT;
    }
    if let Some(segment) = to.and_then(|to| peer::shared_segment(cast, from, to)) {
        return segments[segment];
    }
    let least = match from {
        Place::Host => {
            let out = facts.host_interfaces.values().filter(|i| i.has_default_route);
            out.map(|i| i.mtu).min()
        }
        place => {
            let inside = |i: &usize| cast.nodes[cast.interfaces[*i].node].place == *place;
            let tunnel = |i: &usize| self::said(cast, *i).is_none();
            let all = (0..cast.interfaces.len()).filter(inside).filter(tunnel);
            all.filter_map(|i| cast.segment(i)).map(|s| segments[s]).min()
        }
    };
    least.unwrap_or(DEFAULT)
}

/// Finds out all that can be known of the tunnels.
pub(super) fn resolve(
    cast: &Cast<'_>,
    plan: &Addressing,
    mtus: &Mtus,
    routes: &[Vec<Route>],
    facts: &Facts,
    report: &mut Report,
) -> Tunnels {
    let count = cast.interfaces.len();
    let mut births: Vec<Option<Place>> = vec![None; count];
    for (i, birth) in births.iter_mut().enumerate() {
        if let Some(said) = said(cast, i) {
            *birth = checked_birth(cast, said, i, facts, report);
            check_kind(cast, i, said, report);
        }
    }
    let link_local: Vec<Option<Ipv6Addr>> =
        (0..count).map(|i| link_local(cast, plan, mtus, i)).collect();
    let ports = ports(cast, &births, report);
    let world = peer::World { cast, plan, routes, facts, births: &births, ports: &ports };
    let ends = (0..count).map(|i| end(&world, &link_local, i, report)).collect();
    Tunnels { ends, link_local }
}

fn end(
    world: &peer::World<'_, '_>,
    link_local: &[Option<Ipv6Addr>],
    interface: usize,
    report: &mut Report,
) -> Option<Wireguard> {
    let (cast, facts) = (world.cast, world.facts);
    let said = said(cast, interface)?;
    let birth = world.births[interface].clone()?;
    let found = &cast.interfaces[interface];
    let own = said.own;
    let key = key::of_interface(cast, interface, said, facts, report)?;
    let peers = world.peers(interface, said, link_local, report);
    let mut names = BTreeMap::new();
    let mut told: Vec<TunnelPeer> = Vec::new();
    for (name, peer) in peers {
        names.insert(peer.public_key, name);
        told.push(peer);
    }
    told.sort_by_key(|peer| peer.public_key);
    let tunnel =
        Tunnel { interface: cast.id(interface), listen: world.ports[interface], key, peers: told };
    Some(Wireguard {
        tunnel,
        engine: engine(said, facts),
        birth,
        span: found.span,
        endpoint: own.and_then(|own| own.endpoint.as_ref()).map(|e| e.value.clone()),
        names,
    })
}

fn checked_birth(
    cast: &Cast<'_>,
    said: Said<'_>,
    interface: usize,
    facts: &Facts,
    report: &mut Report,
) -> Option<Place> {
    let text = birth_said(said);
    let found = birth(cast, interface, said, facts);
    match (&found, text) {
        (None, Some(text)) => report.push(diag::birth_unknown(text, cast.node_names())),
        (Some(Place::Host), _) if !facts.host_reachable => {
            let span = text.map_or(cast.interfaces[interface].span, |text| text.span);
            report.push(diag::host_unreachable("the birth of this tunnel is", span));
        }
        _ => {}
    }
    found
}

/// An end of a link that is a tunnel may say `kind: wireguard`, and nothing else.
fn check_kind(cast: &Cast<'_>, interface: usize, said: Said<'_>, report: &mut Report) {
    let Some((_, tunnel)) = said.link else { return };
    let kind = cast.interfaces[interface].spec.and_then(|s| s.kind.as_ref());
    if let Some(kind) = kind.filter(|k| k.value.kind != Kind::Wireguard) {
        let word = super::gather::kind_word(&kind.value.kind);
        report.push(diag::tunnel_end_kind(word, kind.span, tunnel.span));
    }
}

/// The port of each tunnel: as it says, else one that follows from its name and
/// is free among those of this yard.
fn ports(cast: &Cast<'_>, births: &[Option<Place>], report: &mut Report) -> Vec<u16> {
    let mut ports = vec![0; births.len()];
    let mut taken: BTreeMap<(&Place, u16), Span> = BTreeMap::new();
    let listen = |i: usize| said(cast, i)?.own?.listen.as_ref();
    for (i, birth) in births.iter().enumerate() {
        let (Some(birth), Some(listen)) = (birth, listen(i)) else { continue };
        if let Some(first) = taken.insert((birth, listen.value), listen.span) {
            report.push(diag::listen_taken(listen.value, &birth.to_string(), listen.span, first));
        }
        ports[i] = listen.value;
    }
    let mut used: BTreeSet<(&Place, u16)> = taken.into_keys().collect();
    for (i, birth) in births.iter().enumerate() {
        let (Some(birth), None) = (birth, listen(i)) else { continue };
        let width = PORTS.end - PORTS.start;
        let first = (hash(cast, i, b"port") % u64::from(width)) as u16;
        let free = (0..width)
            .map(|step| PORTS.start + (first + step) % width)
            .find(|port| used.insert((birth, *port)));
        ports[i] = free.unwrap_or(PORTS.start);
    }
    ports
}

fn hash(cast: &Cast<'_>, interface: usize, what: &[u8]) -> u64 {
    let found = &cast.interfaces[interface];
    let node = cast.nodes[found.node].name.as_str().as_bytes();
    let yard = cast.spec.yard.value.as_str().as_bytes();
    fnv1a(&[what, yard, node, found.name.as_str().as_bytes()])
}

/// A link-local address, without which Babel and OSPFv3 see no neighbours.
fn link_local(
    cast: &Cast<'_>,
    plan: &Addressing,
    mtus: &Mtus,
    interface: usize,
) -> Option<Ipv6Addr> {
    said(cast, interface)?;
    let has = plan.interfaces[interface].iter().any(|a| match a.net.addr() {
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => false,
    });
    let found = &cast.interfaces[interface];
    let node = cast.nodes[found.node].spec.map(|s| &s.sysctl);
    let settings = node.into_iter().chain(found.spec.map(|s| &s.sysctl)).flatten();
    let off = settings
        .into_iter()
        .any(|(key, value)| key.value.ends_with("disable_ipv6") && value.value.trim() == "1");
    if has || off || !carries_ipv6(mtus.interfaces[interface]) {
        return None;
    }
    let low = hash(cast, interface, b"link-local").max(1).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0xfe, 0x80]);
    bytes[8..].copy_from_slice(&low);
    Some(bytes.into())
}

/// A reference to a key that is not there yet.
fn unmade(name: &KeyName) -> KeyRef {
    KeyRef { file: name.file(), public: crate::key::PublicKey::UNMADE }
}
