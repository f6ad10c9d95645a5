//! Containers of nodes: who is one, what it is started with, whose files it has.

use std::collections::BTreeMap;

use super::address::Addressing;
use super::gather::{Cast, LOOPBACK};
use super::naming::Names;
use crate::container::{ContainerSpec, NAME};
use crate::diag::{Report, Span, container as say};
use crate::facts::Facts;
use crate::name::fnv1a;
use crate::spec::AddressesSpec;
use crate::state::{Container, NETWORKD_CONF, Process, ProcessFile, Program, Restart, Root};

/// `HOST_NAME_MAX` of limits.h, which machined holds to.
const LONGEST_MACHINE: usize = 64;

/// The container of a node; what it comes after is the caller's to say.
pub(super) fn process(
    cast: &Cast<'_>,
    plan: &Addressing,
    names: &Names,
    node: usize,
) -> Option<Process> {
    let spec = said(cast, node)?;
    let (netns, _) = &names.namespaces[node];
    let machine = machine_name(netns);
    let hostname = cast.nodes[node].spec.and_then(|s| s.hostname.as_ref());
    let container = Container {
        hostname: hostname
            .map_or_else(|| machine_name(cast.nodes[node].name.as_str()), |h| h.value.clone()),
        machine,
        root: spec.root.value.clone(),
        partition: spec.partition,
        profile: spec.profile,
        command: spec.command.clone(),
        as_image_says: spec.as_image_says,
        user: spec.care.user.clone(),
        capabilities: spec.capabilities.clone(),
        binds: spec.binds.clone(),
        private_users: spec.private_users.is_some(),
        limits: spec.limits.clone(),
        machine_id: spec.machine_id.clone(),
        proc_sys: spec.proc_sys,
        stop: spec.stop.clone(),
        addressed: is_addressed(cast, plan, node),
    };
    let mut files = Vec::new();
    if !container.networkd_binds("").is_empty() {
        let content = NETWORKD_CONF.to_owned();
        files.push(ProcessFile { name: "networkd.conf".into(), content, mode: 0o644 });
    }
    let program = Program::Container(Box::new(container));
    let mut process = Process {
        restart: Restart::OnFailure,
        ready: spec.ready.clone(),
        patience: spec.patience,
        keep: matches!(spec.root.value, Root::Image(_)),
        files,
        ..Process::new(cast.nodes[node].place.clone(), NAME, program)
    };
    spec.care.apply(&mut process);
    // Of whom the command is, the container is told; nspawn itself is root.
    process.user = None;
    Some(process)
}

/// Says it where containers cannot be, or would be in each other's way.
pub(super) fn check(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    let mut roots: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    for node in 0..cast.nodes.len() {
        let Some(spec) = said(cast, node) else { continue };
        let name = cast.nodes[node].name.as_str();
        if !facts.host_reachable {
            report.push(say::needs_root(name, spec.span));
        }
        if facts.jailed.contains(name) {
            report.push(say::jails(spec.span));
        }
        if let Some(users) = spec.private_users {
            unaddressed(cast, node, users, report);
        }
        let Root::Directory(path) = &spec.root.value else { continue };
        let path = path.trim_end_matches('/');
        match roots.get(path) {
            Some((other, first)) => {
                report.push(say::root_twice(path, other, spec.root.span, *first));
            }
            None => drop(roots.insert(path, (name, spec.root.span))),
        }
    }
}

/// Interfaces that are the container's own affair, which may not set them up.
fn unaddressed(cast: &Cast<'_>, node: usize, users: Span, report: &mut Report) {
    for &index in &cast.nodes[node].interfaces {
        let Some(spec) = cast.interfaces[index].spec else { continue };
        let interface = &cast.interfaces[index];
        let is_left = matches!(spec.addresses, AddressesSpec::None) && !spec.sources.is_any();
        if is_left && interface.name.as_str() != LOOPBACK {
            report.push(say::nobody_addresses(interface.name.as_str(), interface.span, users));
        }
    }
}

/// What the file says of a node's container.
pub(super) fn said<'s>(cast: &Cast<'s>, node: usize) -> Option<&'s ContainerSpec> {
    cast.nodes[node].spec?.container.as_ref()
}

fn is_addressed(cast: &Cast<'_>, plan: &Addressing, node: usize) -> bool {
    let own = |index: &&usize| cast.interfaces[**index].name.as_str() != LOOPBACK;
    let mut interfaces = cast.nodes[node].interfaces.iter().filter(own);
    interfaces.any(|index| !plan.interfaces[*index].is_empty())
}

/// The name as machined takes it: letters, digits, `-`, `_` and dots, 64 at most.
fn machine_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = |c: char| "-.".contains(c);
    if name.len() <= LONGEST_MACHINE
        && name.chars().all(plain)
        && !name.starts_with(ends)
        && !name.ends_with(ends)
        && !name.contains("..")
    {
        return name.to_owned();
    }
    let kept: String = name.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("m{kept}-{:016x}", fnv1a(&[name.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machined_takes_every_name() {
        assert_eq!(machine_name("aredn-gw1"), "aredn-gw1");
        let odd = machine_name("wohnküche..");
        assert!(odd.starts_with("mwohnkche-") && odd.len() <= 64, "{odd}");
        assert!(machine_name(&"a".repeat(255)).len() <= 64);
        assert_ne!(machine_name("ä"), machine_name("ö"));
    }
}
