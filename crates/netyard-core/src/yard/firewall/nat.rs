//! `nat:` resolved.

use std::net::IpAddr;

use ipnet::IpNet;

use super::scope::{At, Ends, Scope};
use crate::diag::{Spanned, firewall as say};
use crate::firewall::{Behaviour, End, Hairpin, Masquerade, OneToOne, PortForward, Snat};
use crate::spec::firewall::{Names, OneToOneSpec, PortForwardSpec, Translated, Whom};
use crate::yard::gather::Role;

fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

fn words(names: &Names) -> String {
    names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(",")
}

/// A side; nothing said is anything.
fn side(names: &Names, at: At, scope: &mut Scope<'_, '_>) -> Ends {
    match names.is_empty() {
        true => Ends::any(),
        false => {
            let ends = scope.ends(names, at);
            if let (true, Some(first)) = (ends.this, names.first()) {
                scope.report.push(say::self_in_nat(first.span));
            }
            ends
        }
    }
}

/// What only interfaces can be.
fn outside(names: &Names, scope: &mut Scope<'_, '_>) -> Vec<End> {
    side(names, At::Interface, scope).list()
}

pub(super) fn masquerade(scope: &mut Scope<'_, '_>) -> Vec<Masquerade> {
    let spec = scope.spec;
    let mut all = Vec::new();
    for (one, number) in spec.nat.masquerade.iter().zip(1..) {
        let from = side(&one.from, At::Rule, scope).list();
        let of = |v6: bool| from.iter().any(|e| e.family() == Some(v6));
        let families = one.families.unwrap_or(match (of(false), of(true)) {
            (false, false) => [true, false],
            said => [said.0, said.1],
        });
        let mut label = format!("masquerade {number}: {}", words(&one.out));
        if !one.from.is_empty() {
            label.push_str(&format!(" from {}", words(&one.from)));
        }
        let (ports, random) = (one.ports, one.random);
        let out = outside(&one.out, scope);
        all.push(Masquerade { label, out, from, ports, random, families });
    }
    all
}

pub(super) fn snat(scope: &mut Scope<'_, '_>) -> Vec<Snat> {
    let spec = scope.spec;
    let mut all = Vec::new();
    for (one, number) in spec.nat.snat.iter().zip(1..) {
        let from = side(&one.from, At::Rule, scope).list();
        let out = outside(&one.out, scope);
        let (ipv6, text) = match one.to.value {
            Translated::Range(first, last) if first == last => (first.is_ipv6(), first.to_string()),
            Translated::Range(first, last) => (first.is_ipv6(), format!("{first}-{last}")),
            Translated::Network(net) => (is_v6(&net), net.to_string()),
        };
        let never = |ends: &[End]| ends.iter().all(|e| e.family().is_some_and(|f| f != ipv6));
        if never(&from) || never(&out) {
            let span = one.from.first().map_or(one.span, |n| n.span);
            scope.report.push(say::families_mixed(span, one.to.span));
        }
        if let Translated::Network(net) = one.to.value {
            let sizes = from.iter().all(|end| {
                matches!(end, End::Nets(nets) if nets.len() == 1
                    && nets[0].prefix_len() == net.prefix_len() && is_v6(&nets[0]) == ipv6)
            });
            if !sizes {
                scope.report.push(say::networks_differ(one.to.span, one.span));
            }
        }
        let label = format!("snat {number}: to {text}");
        all.push(Snat { label, out, from, to: one.to.value, ports: one.ports });
    }
    all
}

pub(super) fn behaviour(scope: &mut Scope<'_, '_>) -> Option<(Behaviour, Vec<End>)> {
    let (behaviour, out) = scope.spec.nat.behaviour.as_ref()?;
    Some((behaviour.value, outside(out, scope)))
}

/// `forward:`, one for each family that it can be of.
pub(super) fn forwards(scope: &mut Scope<'_, '_>) -> Vec<PortForward> {
    let spec = scope.spec;
    let mut all = Vec::new();
    for (one, number) in spec.nat.forward.iter().zip(1..) {
        forward(one, number, scope, &mut all);
    }
    all
}

fn forward(
    one: &PortForwardSpec,
    number: u32,
    scope: &mut Scope<'_, '_>,
    all: &mut Vec<PortForward>,
) {
    let on = side(&one.on, At::Interface, scope);
    let from = side(&one.from, At::Rule, scope).list();
    let Some((targets, text)) = targets(one, scope) else { return };
    let ports = one.ports.iter().flat_map(|(_, ranges)| ranges).next();
    let label =
        format!("forward {number}: {} to {text}", ports.map_or(String::new(), ToString::to_string));
    let fits = |target: &&IpAddr| {
        let family = target.is_ipv6();
        one.at.as_ref().is_none_or(|at| at.value.is_ipv6() == family)
            && from.iter().any(|e| e.family().is_none_or(|f| f == family))
            && on.list().iter().any(|e| e.family().is_none_or(|f| f == family))
    };
    let before = all.len();
    for target in targets.iter().filter(fits) {
        let hairpin = one.hairpin.then(|| hairpin(one, &on, *target, scope));
        all.push(PortForward {
            span: one.span,
            label: label.clone(),
            ports: one.ports.clone(),
            on: on.list(),
            at: one.at.as_ref().map(|a| a.value),
            from: from.clone(),
            to: *target,
            port: one.to.value.port.map(|p| p.first),
            hairpin,
            log: one.log.clone(),
        });
    }
    if all.len() == before {
        let other = one.at.as_ref().map(|a| a.span);
        let other = other.or_else(|| one.from.first().map(|n| n.span)).unwrap_or(one.span);
        scope.report.push(say::families_mixed(other, one.to.span));
    }
}

/// The addresses a forward leads to, at most one of each family, and how the
/// user calls them.
fn targets(one: &PortForwardSpec, scope: &mut Scope<'_, '_>) -> Option<(Vec<IpAddr>, String)> {
    let name = match &one.to.value.whom {
        Whom::Address(address) => return Some((vec![*address], address.to_string())),
        Whom::Node(name) => Spanned::new(name.clone(), one.to.span),
    };
    let found = addresses(&name, scope)?;
    if found.is_empty() {
        scope.report.push(say::target_without_address(&name));
        return None;
    }
    Some((found, name.value))
}

/// The address of each family by which a node is best reached from here.
fn addresses(name: &Spanned<String>, scope: &mut Scope<'_, '_>) -> Option<Vec<IpAddr>> {
    let cast = scope.world.cast;
    let Some(node) = cast.node(&name.value) else {
        let names = cast.node_names();
        scope.report.push(crate::diag::yard::node_unknown(name, names));
        return None;
    };
    let near: Vec<usize> = scope
        .node
        .into_iter()
        .flat_map(|n| &cast.nodes[n].interfaces)
        .filter_map(|i| cast.segment(*i))
        .collect();
    let is_near = |i: &usize| cast.segment(*i).is_some_and(|s| near.contains(&s));
    let mut interfaces = cast.nodes[node].interfaces.clone();
    interfaces.retain(|i| !matches!(cast.interfaces[*i].role, Role::Loopback));
    interfaces.sort_by_key(|i| !is_near(i));
    let all: Vec<IpAddr> = interfaces
        .iter()
        .flat_map(|i| &scope.world.plan.interfaces[*i])
        .map(|a| a.net.addr())
        .filter(|a| !matches!(a, IpAddr::V6(a) if a.is_unicast_link_local()))
        .collect();
    let first = |v6: bool| all.iter().find(|a| a.is_ipv6() == v6).copied();
    Some([first(false), first(true)].into_iter().flatten().collect())
}

fn hairpin(one: &PortForwardSpec, on: &Ends, target: IpAddr, scope: &mut Scope<'_, '_>) -> Hairpin {
    let cast = scope.world.cast;
    let mine = scope.node.map_or(&[][..], |n| &cast.nodes[n].interfaces);
    let (mut outer, mut inner, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let mut unknown = on.interfaces().is_empty() || on.list().len() != 1;
    for name in on.interfaces() {
        unknown |= !mine.iter().any(|i| {
            let nets = &scope.world.plan.interfaces[*i];
            scope.kernel(*i) == *name
                && nets.iter().any(|a| a.net.addr().is_ipv6() == target.is_ipv6())
        });
    }
    for i in mine {
        let is_outer = on.interfaces().contains(&scope.kernel(*i));
        for address in &scope.world.plan.interfaces[*i] {
            let net = address.net;
            if net.addr().is_ipv6() != target.is_ipv6() {
                continue;
            }
            if net.contains(&target) && net.prefix_len() < net.max_prefix_len() {
                if is_outer {
                    scope.report.push(say::hairpin_outside(one.span, &scope.kernel(*i)));
                }
                beside.push(net.trunc());
            }
            if is_outer { &mut outer } else { &mut inner }.push(IpNet::from(net.addr()));
        }
    }
    if unknown {
        outer.clear();
    }
    for list in [&mut outer, &mut inner, &mut beside] {
        list.sort();
        list.dedup();
    }
    Hairpin { outer, inner, beside }
}

pub(super) fn one_to_one(scope: &mut Scope<'_, '_>) -> Vec<OneToOne> {
    let spec = scope.spec;
    let all = spec.nat.one_to_one.iter().zip(1..);
    all.filter_map(|(one, number)| one_of(one, number, scope)).collect()
}

fn one_of(one: &OneToOneSpec, number: u32, scope: &mut Scope<'_, '_>) -> Option<OneToOne> {
    let outside = one.outside.value;
    let text = one.inside.value.as_str();
    let inside = if let Ok(net) = text.parse::<IpNet>() {
        net
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address.into()
    } else {
        let found = addresses(&one.inside, scope)?;
        let Some(found) = found.iter().find(|a| a.is_ipv6() == is_v6(&outside)) else {
            scope.report.push(say::target_without_address(&one.inside));
            return None;
        };
        IpNet::from(*found)
    };
    if is_v6(&inside) != is_v6(&outside) {
        scope.report.push(say::families_mixed(one.outside.span, one.inside.span));
        return None;
    }
    if inside.prefix_len() != outside.prefix_len() || inside.trunc() != inside {
        scope.report.push(say::networks_differ(one.inside.span, one.span));
        return None;
    }
    let on = match one.on.is_empty() {
        false => side(&one.on, At::Interface, scope).list(),
        true => match scope.uplink() {
            Some(uplink) => uplink.list(),
            None => vec![not_toward(inside, scope)],
        },
    };
    let label = format!("one-to-one {number}: {outside} is {text}");
    Some(OneToOne { label, outside, inside, on })
}

/// All interfaces but those in a network with this one in it.
fn not_toward(inside: IpNet, scope: &Scope<'_, '_>) -> End {
    let cast = scope.world.cast;
    let mine = scope.node.map_or(&[][..], |n| &cast.nodes[n].interfaces);
    let leads = |i: &&usize| {
        let nets = &scope.world.plan.interfaces[**i];
        nets.iter().any(|a| a.net.contains(&inside.addr()))
    };
    let mut names: Vec<String> = mine.iter().filter(leads).map(|i| scope.kernel(*i)).collect();
    names.sort();
    if names.is_empty() { End::Any } else { End::NotInterfaces(names) }
}
