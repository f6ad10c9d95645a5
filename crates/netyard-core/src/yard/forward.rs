//! The settings of the host that follow from uplinks.
//!
//! IPv4 is forwarded where the interface that a packet comes in by says so
//! (`IN_DEV_FORWARD`, net/ipv4/route.c), so an uplink with a name needs it of
//! that interface and of the network's only, and the rest of the host stays
//! what it is. `auto` may lead through any interface, now or later: that takes
//! `ip_forward`. IPv6 has but one switch that counts (`ip6_forward`,
//! net/ipv6/ip6_output.c: `devconf_all`), and it makes every interface deaf to
//! router advertisements whose `accept_ra` is 1: those that may be the way out
//! get 2 before it is set, so that the host's own default route stays.
//!
//! On the network's side, the host is the router: it takes no advertisements
//! and no redirects from there.

use super::gather::{Cast, HOST, Role};
use super::relate::Relations;
use crate::diag::Span;
use crate::facts::Facts;
use crate::name::{FullName, InterfaceName};
use crate::spec::{Exit, Through, WaySpec};

/// A setting: the interface for `{if}`, the key, the value, and what needs it.
pub(super) struct Need {
    pub interface: Option<FullName>,
    pub key: String,
    pub value: &'static str,
    pub span: Span,
}

/// A network whose router is the host.
struct Routed<'s> {
    /// Its bridge, and VLANs on it.
    inside: Vec<usize>,
    through: &'s Through,
    exits: [Exit; 2],
    span: Span,
}

/// What uplinks need of the host.
pub(super) fn needs(cast: &Cast<'_>, relations: &Relations, facts: &Facts) -> Vec<Need> {
    let routed = routed(cast, relations);
    let mut needs = Vec::new();
    let goes_out = |v6: usize| routed.iter().filter(move |r| r.exits[v6] != Exit::None);
    let is_auto = |r: &&Routed<'_>| *r.through == Through::Auto;
    let host = cast.node(HOST).and_then(|host| cast.nodes[host].spec);
    let forwards = host.and_then(|h| h.forward.as_ref()).is_some_and(|f| f.value);
    let auto = goes_out(0).find(is_auto).map(|r| r.span);
    if let Some(span) = auto {
        needs.push(named("net/ipv4/ip_forward", "1", span));
    }
    for one in goes_out(0).filter(|_| auto.is_none() && !forwards) {
        needs.extend(one.inside.iter().map(|i| of(cast, *i, "ipv4", "forwarding", "1", one.span)));
        needs.extend(outside(cast, one, "net/ipv4/conf", "forwarding", "1"));
    }
    if let Some(first) = goes_out(1).next() {
        for name in heard(cast, &routed, facts) {
            let key = format!("net/ipv6/conf/{name}/accept_ra");
            needs.push(named(&key, "2", first.span));
        }
        for bridge in bridged(cast) {
            needs.push(of(cast, bridge, "ipv6", "accept_ra", "2", first.span));
        }
        needs.push(named("net/ipv6/conf/all/forwarding", "1", first.span));
    }
    for one in &routed {
        for &inside in &one.inside {
            let redirects = |family| of(cast, inside, family, "accept_redirects", "0", one.span);
            needs.extend(["ipv4", "ipv6"].map(redirects));
            needs.push(of(cast, inside, "ipv6", "accept_ra", "0", one.span));
        }
    }
    needs
}

fn routed<'s>(cast: &Cast<'s>, relations: &Relations) -> Vec<Routed<'s>> {
    let networks = cast.spec.networks.iter().enumerate();
    networks
        .filter_map(|(index, network)| {
            let uplink = network.uplink.as_ref()?;
            let WaySpec::Routed { through, ipv4, ipv6 } = &uplink.way else { return None };
            let bridge = bridge(cast, index)?;
            let vlans = relations.children[bridge].iter().copied();
            let vlans = vlans.filter(|i| cast.is_host(cast.interfaces[*i].node));
            Some(Routed {
                inside: std::iter::once(bridge).chain(vlans).collect(),
                through: &through.value,
                exits: [*ipv4, *ipv6],
                span: uplink.span,
            })
        })
        .collect()
}

/// A network's bridge on the host.
fn bridge(cast: &Cast<'_>, network: usize) -> Option<usize> {
    let is_bridge = |i: &usize| matches!(cast.interfaces[*i].role, Role::Bridge(_));
    cast.members[network].iter().copied().find(is_bridge)
}

/// Bridges that stand in for an interface of the host.
fn bridged(cast: &Cast<'_>) -> impl Iterator<Item = usize> {
    let networks = cast.spec.networks.iter().enumerate();
    let stands_in = networks.filter(|(_, network)| {
        network.uplink.as_ref().is_some_and(|u| matches!(u.way, WaySpec::Bridge(_)))
    });
    stands_in.filter_map(|(index, _)| bridge(cast, index))
}

/// The interfaces of the host that may be the way out and listen to
/// advertisements: the one that is named; for `auto` all hardware, and whatever
/// the default route leads through now.
fn heard<'a>(
    cast: &Cast<'_>,
    routed: &[Routed<'a>],
    facts: &'a Facts,
) -> impl Iterator<Item = &'a InterfaceName> {
    let ports: Vec<&InterfaceName> = cast.spec.networks.iter().flat_map(ports).collect();
    let is_auto = routed.iter().any(|r| r.exits[1] != Exit::None && *r.through == Through::Auto);
    let host = cast.node(HOST);
    let asking = host.map(|host| super::delegated::asking(cast, host)).unwrap_or_default();
    let asking: Vec<String> = asking.into_iter().map(str::to_owned).collect();
    let named: Vec<InterfaceName> = routed.iter().filter_map(|r| through(r).cloned()).collect();
    let ports: Vec<InterfaceName> = ports.into_iter().cloned().collect();
    facts.host_interfaces.iter().filter_map(move |(name, found)| {
        let may = is_auto || named.contains(name) || asking.iter().any(|own| own == name.as_str());
        (found.accepts_ra && may && !ports.contains(name)).then_some(name)
    })
}

fn ports(network: &crate::spec::NetworkSpec) -> Vec<&InterfaceName> {
    let uplink = network.uplink.as_ref().and_then(|uplink| match &uplink.way {
        WaySpec::Bridge(name) => Some(&name.value),
        _ => None,
    });
    uplink.into_iter().chain(network.ports.iter().map(|p| &p.name.value)).collect()
}

fn through<'r>(routed: &'r Routed<'_>) -> Option<&'r InterfaceName> {
    match routed.through {
        Through::Auto => None,
        Through::Interface(name) => Some(name),
    }
}

/// A setting of the interface outside, which may be the host's or the yard's.
fn outside(
    cast: &Cast<'_>,
    routed: &Routed<'_>,
    folder: &str,
    setting: &str,
    value: &'static str,
) -> Option<Need> {
    let name = through(routed)?;
    let own = cast.node(HOST).and_then(|host| cast.interface(host, name.as_str()));
    let interface = own.map(|own| cast.interfaces[own].name.clone());
    let name = if interface.is_some() { "{if}" } else { name.as_str() };
    Some(Need { interface, key: format!("{folder}/{name}/{setting}"), value, span: routed.span })
}

fn named(key: &str, value: &'static str, span: Span) -> Need {
    Need { interface: None, key: key.to_owned(), value, span }
}

fn of(
    cast: &Cast<'_>,
    interface: usize,
    family: &str,
    setting: &str,
    value: &'static str,
    span: Span,
) -> Need {
    let key = format!("net/{family}/conf/{{if}}/{setting}");
    Need { interface: Some(cast.interfaces[interface].name.clone()), key, value, span }
}
