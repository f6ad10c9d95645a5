//! Prefixes that an upstream gives, and whose networks get a part of them.
//!
//! Networks that name the same interface share its prefix: each has the /64 of its
//! `number`, else the first that is nobody's, in the order of the file. The prefix is
//! known only when the yard runs: here is who asks, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::Node;
use super::gather::{Cast, Role};
use super::serving::{Seat, is_router};
use crate::diag::{Diagnostic, Report, serving6 as say};
use crate::name::InterfaceName;
use crate::service::client::{Delegated, Share};
use crate::spec::DelegatedSpec;

/// What is wished for where the file says nothing: as most providers give.
const LENGTH: u8 = 56;
/// The node that is this machine.
const HOST: &str = "host";

/// The node and the interface's name of a `delegated:`; none where that says no node of
/// the yard.
fn source<'s>(cast: &Cast<'_>, said: &'s DelegatedSpec) -> Option<(usize, &'s str)> {
    let (node, interface) = said.from.value.split_once(':')?;
    Some((cast.node(node)?, interface))
}

/// The networks whose prefix comes by an interface of a node, with what they say.
fn shares<'c>(
    cast: &'c Cast<'_>,
    node: usize,
    interface: &str,
) -> impl Iterator<Item = (usize, &'c DelegatedSpec)> {
    let all = cast.spec.networks.iter().enumerate();
    let all = all.filter_map(|(index, spec)| Some((index, spec.delegated.as_ref()?)));
    all.filter(move |(_, said)| source(cast, said) == Some((node, interface)))
}

/// The names of the interfaces of a node that ask for a prefix.
pub(super) fn asking<'c>(cast: &'c Cast<'_>, node: usize) -> BTreeSet<&'c str> {
    let all = cast.spec.networks.iter().filter_map(|spec| spec.delegated.as_ref());
    let all = all.filter_map(|said| source(cast, said));
    all.filter(|(asks, _)| *asks == node).map(|(_, interface)| interface).collect()
}

/// The /64 of each network, by the network's index.
fn numbers(cast: &Cast<'_>, node: usize, interface: &str) -> BTreeMap<usize, u32> {
    let said: BTreeSet<u32> = shares(cast, node, interface)
        .filter_map(|(_, spec)| spec.number.as_ref().map(|number| number.value))
        .collect();
    let mut free = (0..).filter(|number| !said.contains(number));
    let number = |spec: &DelegatedSpec| spec.number.as_ref().map(|number| number.value);
    shares(cast, node, interface)
        .filter_map(|(index, spec)| Some((index, number(spec).or_else(|| free.next())?)))
        .collect()
}

/// What the client of an interface is told of a prefix; `made` is its node.
pub(super) fn resolve(cast: &Cast<'_>, node: usize, interface: &str, made: &Node) -> Delegated {
    let lengths = shares(cast, node, interface).filter_map(|(_, said)| said.length.as_ref());
    let length = lengths.map(|length| length.value).min().unwrap_or(LENGTH);
    let share = |(network, number): (usize, u32)| {
        let member = member(cast, node, network)?;
        let id = cast.id(member);
        let device = &made.interfaces.iter().find(|i| i.device.id == id)?.device;
        Some(Share { interface: device.kernel_name.clone(), number })
    };
    let shares = numbers(cast, node, interface).into_iter().filter_map(share).collect();
    Delegated { length, shares }
}

/// The interface of a node in a network.
fn member(cast: &Cast<'_>, node: usize, network: usize) -> Option<usize> {
    cast.members[network].iter().copied().find(|member| cast.interfaces[*member].node == node)
}

/// What is wrong where nothing asks.
fn unknown(cast: &Cast<'_>, said: &DelegatedSpec, network: &str) -> Diagnostic {
    let (node, interface) = said.from.value.split_once(':').unwrap_or_default();
    let found = cast.node(node);
    if found.is_none() && node == HOST {
        return say::not_there(HOST, network, said.from.span);
    }
    let known = found.into_iter().flat_map(|node| cast.interface_names(node));
    say::nobody_asks(&said.from.value, said.from.span, known.filter(|name| *name != interface))
}

/// Prefixes that nobody asks for, or nobody could use.
pub(super) fn check(cast: &Cast<'_>, seats: &[Option<Seat>], report: &mut Report) {
    for (index, network) in cast.spec.networks.iter().enumerate() {
        let Some(said) = &network.delegated else { continue };
        let (name, span) = (network.name.value.as_str(), said.from.span);
        let found = source(cast, said).filter(|(node, interface)| {
            let own = cast.interface(*node, interface);
            let machines = cast.is_host(*node) && InterfaceName::new(interface).is_ok();
            own.map_or(machines, |own| !matches!(cast.interfaces[own].role, Role::Loopback))
        });
        let Some((node, interface)) = found else {
            report.push(unknown(cast, said, name));
            continue;
        };
        let who = cast.nodes[node].name.as_str();
        let Some(member) = member(cast, node, index) else {
            report.push(say::not_there(who, name, span));
            continue;
        };
        if !cast.is_host(node) && !is_router(cast, member) {
            report.push(say::no_router(who, span));
        }
        match (&network.serving.ra, seats[index]) {
            (Some(_), Some(Seat::Interface(seat))) if cast.interfaces[seat].node == node => {}
            (Some(_), Some(_)) => report.push(say::another_serves(who, name, span)),
            (Some(_), None) => {}
            (None, _) => report.push(say::not_told(name, span)),
        }
        let Some(number) = &said.number else { continue };
        let same = shares(cast, node, interface).find(|(other, spec)| {
            *other < index && spec.number.as_ref().is_some_and(|n| n.value == number.value)
        });
        if let Some((other, _)) = same {
            let other = cast.spec.networks[other].name.value.as_str();
            report.push(say::same_number(number.value, other, number.span));
        }
    }
}
