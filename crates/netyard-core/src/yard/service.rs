//! Services of nodes: whose they are, and what they come after.

use std::collections::BTreeMap;

use super::address::Addressing;
use super::gather::{Cast, LOOPBACK, Role};
use super::naming::Names;
use super::{container, vm};
use crate::diag::{Report, Spanned, service as say, yard as diag};
use crate::facts::Facts;
use crate::interface::Kind;
use crate::name::{InterfaceName, NodeName};
use crate::service::{Scene, Wire, Wish};
use crate::spec::{NodeSpec, ServiceSpec};
use crate::state::{Need, Place, Process};

/// By node.
pub(super) fn resolve(
    cast: &Cast<'_>,
    plan: &Addressing,
    names: &Names,
    facts: &Facts,
    report: &mut Report,
) -> Vec<Vec<Process>> {
    let nodes = (0..cast.nodes.len()).map(|node| of_node(cast, plan, names, node, facts, report));
    let all: Vec<Vec<Process>> = nodes.collect();
    check_circles(cast, &all, report);
    all
}

/// Of the yard as a whole.
pub(super) fn of_yard(cast: &Cast<'_>, facts: &Facts, report: &mut Report) -> Vec<Process> {
    let Some(metrics) = &cast.spec.metrics else { return Vec::new() };
    if !facts.host_reachable {
        report.push(diag::host_unreachable("this service is", metrics.span));
    }
    vec![metrics.process(&cast.spec.yard.value)]
}

fn services<'s>(cast: &Cast<'s>, node: usize) -> &'s [ServiceSpec] {
    cast.nodes[node].spec.map_or(&[], |spec| &spec.services)
}

fn of_node(
    cast: &Cast<'_>,
    plan: &Addressing,
    names: &Names,
    node: usize,
    facts: &Facts,
    report: &mut Report,
) -> Vec<Process> {
    let files = facts.secret_files.iter();
    let files: BTreeMap<String, String> =
        files.map(|(written, file)| (written.clone(), file.path.clone())).collect();
    let mut all = Vec::new();
    if let Some(mut process) = container::process(cast, plan, names, node) {
        let wishes = container::said(cast, node).map_or(&[][..], |said| &said.care.after);
        come_after(&mut process, &needs(cast, node, wishes, report));
        all.push(process);
    }
    if let Some(mut process) = vm::process(cast, names, node) {
        let wishes = vm::said(cast, node).map_or(&[][..], |said| &said.care.after);
        come_after(&mut process, &needs(cast, node, wishes, report));
        all.push(process);
    }
    for spec in services(cast, node) {
        let scene = Scene {
            yard: cast.spec.yard.value.to_string(),
            place: cast.nodes[node].place.clone(),
            name: spec.name.clone(),
            wires: wires(cast, plan, names, node),
            files: files.clone(),
        };
        check_interfaces(cast, node, &spec.service.interfaces(), report);
        let needs = needs(cast, node, &spec.service.care().after, report);
        for mut process in spec.service.processes(&scene) {
            come_after(&mut process, &needs);
            all.push(process);
        }
    }
    all
}

/// What these wishes are about.
fn needs(cast: &Cast<'_>, node: usize, wishes: &[Spanned<Wish>], report: &mut Report) -> Vec<Need> {
    let needs = wishes.iter().filter_map(|wish| need(cast, node, wish, report));
    let mut needs: Vec<Need> = needs.collect();
    needs.extend(wishes.iter().filter_map(|wish| client(cast, node, wish, report)));
    needs
}

fn come_after(process: &mut Process, needs: &[Need]) {
    process.after.extend(needs.iter().cloned());
    process.after.sort();
    process.after.dedup();
}

/// The interfaces of a node, as services need to know them.
fn wires(cast: &Cast<'_>, plan: &Addressing, names: &Names, node: usize) -> Vec<Wire> {
    let indexes = cast.nodes[node].interfaces.iter().copied();
    let wire = |index: usize| {
        let found = &cast.interfaces[index];
        let wire = Wire {
            name: found.name.clone(),
            kernel: names.interfaces[index].clone(),
            bridge: bridge(cast, names, index),
            is_tunnel: matches!(found.role, Role::Own(Kind::Tun(_) | Kind::Wireguard)),
            nets: plan.interfaces[index].iter().map(|address| address.net).collect(),
        };
        (found.name.as_str() != LOOPBACK).then_some(wire)
    };
    indexes.filter_map(wire).collect()
}

/// The bridge that an interface is a port of.
fn bridge(cast: &Cast<'_>, names: &Names, index: usize) -> Option<InterfaceName> {
    let found = &cast.interfaces[index];
    let master = found.spec?.master.as_ref()?;
    let master = cast.interface(found.node, &master.value)?;
    super::relate::is_bridge(cast, master).then(|| names.interfaces[master].clone())
}

fn check_interfaces(
    cast: &Cast<'_>,
    node: usize,
    interfaces: &[Spanned<String>],
    report: &mut Report,
) {
    for name in interfaces {
        if cast.interface(node, &name.value).is_none() {
            let node_name = cast.nodes[node].name.as_str();
            let names = cast.interface_names(node).collect::<Vec<_>>();
            let names = names.iter().copied();
            report.push(say::no_interface(node_name, &name.value, name.span, names));
        }
    }
}

/// Where a node says that it is a router: by `forward:`, or, left out, by a daemon
/// that announces ways through it. What `sysctl:` says of forwarding stands.
pub(super) fn forwards(node: &NodeSpec) -> Option<Spanned<bool>> {
    let set = |(key, _): &(Spanned<String>, Spanned<String>)| key.value.contains("forward");
    if node.forward.is_some() || node.sysctl.iter().any(set) {
        return node.forward.clone();
    }
    let mut daemons = node.services.iter().filter_map(|spec| spec.service.routes());
    daemons.next().map(|span| Spanned::new(true, span))
}

/// The client whose lease is waited for.
fn client(cast: &Cast<'_>, node: usize, wish: &Spanned<Wish>, report: &mut Report) -> Option<Need> {
    let Wish::Lease(name) = &wish.value else { return None };
    let interface = cast.interface(node, name)?;
    match super::client::name(cast, interface) {
        Some(client) => Some(Need::Process(cast.nodes[node].place.clone(), client)),
        None => {
            report.push(crate::diag::client::no_client(name, wish.span));
            None
        }
    }
}

fn need(cast: &Cast<'_>, node: usize, wish: &Spanned<Wish>, report: &mut Report) -> Option<Need> {
    let mut interface = |name: &str| match cast.interface(node, name) {
        Some(index) => Some(cast.id(index)),
        None => {
            let node_name = cast.nodes[node].name.as_str();
            let names = cast.interface_names(node).collect::<Vec<_>>();
            report.push(say::no_interface(node_name, name, wish.span, names.iter().copied()));
            None
        }
    };
    match &wish.value {
        Wish::Address(name) => interface(name).map(Need::Address),
        Wish::Carrier(name) => interface(name).map(Need::Carrier),
        Wish::Lease(name) => interface(name).map(Need::Lease),
        Wish::Neighbour(name) => interface(name).map(Need::Neighbour),
        Wish::Service(other, name) => {
            let other = match other {
                None => node,
                Some(other) => match cast.node(other) {
                    Some(node) => node,
                    None => {
                        let names = cast.node_names().collect::<Vec<_>>();
                        report.push(say::no_node(other, wish.span, names.iter().copied()));
                        return None;
                    }
                },
            };
            let there = services(cast, other).iter().map(|s| &*s.name.value);
            if !there.clone().any(|service| service == name) {
                let node = cast.nodes[other].name.as_str();
                report.push(say::no_service(node, name, wish.span, there));
                return None;
            }
            Some(Need::Process(cast.nodes[other].place.clone(), name.clone()))
        }
    }
}

/// Says which services wait for each other.
fn check_circles(cast: &Cast<'_>, all: &[Vec<Process>], report: &mut Report) {
    let mut left: Vec<(&Process, usize)> = all
        .iter()
        .enumerate()
        .flat_map(|(node, processes)| processes.iter().map(move |process| (process, node)))
        .collect();
    let is_left = |left: &[(&Process, usize)], place: &Place, name: &str| {
        left.iter().any(|(p, _)| p.place == *place && p.name == name)
    };
    loop {
        let waits = |(process, _): &&(&Process, usize)| {
            process.after.iter().any(|need| match need {
                Need::Process(place, name) => is_left(&left, place, name),
                _ => false,
            })
        };
        let next: Vec<(&Process, usize)> = left.iter().filter(waits).copied().collect();
        if next.len() == left.len() {
            break;
        }
        left = next;
    }
    let Some((first, node)) = left.first() else { return };
    let name = |(process, node): &(&Process, usize)| {
        let node: &NodeName = &cast.nodes[*node].name;
        format!("`{node}:{}`", process.name)
    };
    let names: Vec<String> = left.iter().map(name).collect();
    let spec = services(cast, *node).iter().find(|s| s.name.value == first.name);
    if let Some(spec) = spec {
        report.push(say::circle(&names.join(", "), spec.name.span));
    }
}
