//! Facts about the host, for the pure steps.

mod claims;
mod counters;
pub(crate) mod listeners;
mod log;
mod machine;
pub(crate) mod ruleset;
mod service;
mod stack;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netyard_core::facts::radio::Radios;
use netyard_core::facts::{Facts, HostInterface, HostRoute};
use netyard_core::interface::Kind;
use netyard_core::name::{InterfaceName, YardName};
use netyard_core::state::Place;
use netyard_core::wire::{LongMarks, Names, address, group, link, qdisc, route};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;
use crate::netlink::{Batch, Protocol, Socket};
use crate::netns::{self, Worker};
use crate::sysctl::Proc;

pub(crate) use claims::active_profile;
pub(crate) use listeners::{port_owner, udp_owner};
pub(crate) use survey::survey;
pub use survey::survey_host;

/// Looks at the host as far as a yard has to know of it.
pub(crate) fn gather(yard: &YardName, kinds: &BTreeSet<String>) -> Result<Facts, Error> {
    let failed = |e| Error::system("could not look at the host", e);
    let mut socket = Socket::open(Protocol::Route).map_err(failed)?;
    let mut messages: Vec<Vec<u8>> = Vec::new();
    socket
        .dump(&link::links(), |message| match message {
            None => messages.clear(),
            Some(message) => messages.push(message.payload.to_vec()),
        })
        .map_err(failed)?;
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let (names, seen) = link::read_all(yard, &Place::Host, &LongMarks::default(), &slices);
    let mut host_interfaces = BTreeMap::new();
    let foreign = |one: &&link::Seen| {
        one.group != group(yard) && one.mark.as_ref().is_none_or(|mark| mark.yard != *yard)
    };
    let borrowed = |one: &link::Seen| {
        one.mark.as_ref().is_some_and(|mark| mark.yard == *yard && mark.host_name.is_some())
    };
    for one in seen.iter().filter(|one| foreign(one) || borrowed(one)) {
        if let Ok(name) = InterfaceName::new(&one.kernel_name) {
            let interface = HostInterface {
                kind: one.kind.clone(),
                mtu: one.mtu,
                mac: one.mac,
                borrowed: borrowed(one),
                profile: claims::active_profile(one.index),
                wireless: Path::new("/sys/class/net")
                    .join(&one.kernel_name)
                    .join("phy80211")
                    .exists(),
                ..HostInterface::default()
            };
            host_interfaces.insert(name, interface);
        }
    }
    addresses(&mut socket, &names, &mut host_interfaces).map_err(failed)?;
    let mut host_routes = Vec::new();
    for request in route::dump_all() {
        socket
            .dump(&request, |message| {
                let Some(message) = message else { return };
                let Some(route) = route::read_any(&Place::Host, &names, message.payload) else {
                    return;
                };
                for hop in &route.hops {
                    let kernel = names.kernel(&hop.interface);
                    let Ok(name) = InterfaceName::new(kernel) else { continue };
                    // Ours is no obstacle to us.
                    let Some(interface) = host_interfaces.get_mut(&name) else { continue };
                    if route.destination.prefix_len() == 0 {
                        interface.has_default_route = true;
                        continue;
                    }
                    let destination = route.destination;
                    host_routes.push(HostRoute { destination, interface: kernel.to_owned() });
                }
            })
            .map_err(failed)?;
    }
    who_accepts_advertisements(&mut host_interfaces).map_err(failed)?;
    host_routes.sort_by(|a, b| (a.destination, &a.interface).cmp(&(b.destination, &b.interface)));
    host_routes.dedup();
    Ok(Facts {
        host_routes,
        host_interfaces,
        foreign_namespaces: foreign_namespaces(yard).map_err(failed)?,
        missing_kinds: missing_kinds(kinds).map_err(failed)?,
        recorded_pools: Vec::new(),
        services: service::database(),
        ssh: service::session(),
        host_reachable: true,
        running: false,
        rp_filter_of_all: number("sys/net/ipv4/conf/all/rp_filter").map_err(failed)?,
        sysctl_lines: crate::sysctl_files::read_all(),
        keys: BTreeMap::new(),
        held_settings: Vec::new(),
        radios: Radios::default(),
        jailed: BTreeSet::new(),
        secret_files: BTreeMap::new(),
        libvirt: None,
        missing_files: BTreeSet::new(),
    })
}

/// A setting that is a small number; 0 where there is none.
fn number(path: &str) -> std::io::Result<u8> {
    let value = Proc::default().read(path)?;
    Ok(value.and_then(|value| value.parse().ok()).unwrap_or_default())
}

/// Who has addresses, and for how long.
fn addresses(
    socket: &mut Socket,
    names: &Names,
    interfaces: &mut BTreeMap<InterfaceName, HostInterface>,
) -> std::io::Result<()> {
    socket.dump(&address::dump(), |message| {
        let Some(seen) = message.and_then(|message| address::read_any(message.payload)) else {
            return;
        };
        let kernel = names.full(seen.index).map(|full| names.kernel(full));
        let name = kernel.and_then(|kernel| InterfaceName::new(kernel).ok());
        let Some(interface) = name.and_then(|name| interfaces.get_mut(&name)) else { return };
        if seen.is_link_local() {
            return;
        }
        interface.has_addresses = true;
        let ends = [interface.lease, seen.valid];
        interface.lease = ends.into_iter().flatten().min();
    })
}

/// Who is configured by router advertisements. Only hardware and what has a
/// default route is asked: nothing else is a way out.
fn who_accepts_advertisements(
    interfaces: &mut BTreeMap<InterfaceName, HostInterface>,
) -> std::io::Result<()> {
    let proc = Proc::default();
    for (name, interface) in interfaces {
        if (interface.kind.is_empty() || interface.has_default_route) && name.as_str() != "lo" {
            let value = proc.read(&format!("sys/net/ipv6/conf/{name}/accept_ra"))?;
            interface.accepts_ra = value.is_some_and(|value| value != "0");
        }
    }
    Ok(())
}

/// What makes tuns and taps; it may be there and be root's alone.
const TUN: &str = "/dev/net/tun";

/// Those of `kinds` that this kernel does not have, each with the kernel option
/// that would bring it. Found out by trying, in a namespace that is dropped
/// again: a module may be there without being loaded, or be forbidden.
fn missing_kinds(kinds: &BTreeSet<String>) -> std::io::Result<BTreeMap<String, String>> {
    let options = Kind::KERNEL_OPTIONS.iter().copied();
    let qdiscs = qdisc::KERNEL_OPTIONS.iter().copied();
    let options: BTreeMap<String, &str> = options
        .map(|(kind, option)| (kind.to_owned(), option))
        .chain(qdiscs.map(|(kind, option)| (format!("qdisc:{kind}"), option)))
        .collect();
    if kinds.is_empty() {
        return Ok(BTreeMap::new());
    }
    let missing = if netns::has_root() {
        Worker::run(|worker| {
            worker.create(None)?;
            try_kinds(kinds)
        })??
    } else {
        // The kernel may forbid it: then `up` will say so.
        let told = netns::apart(|| Ok(try_kinds(kinds)?.join("\n"))).unwrap_or_default();
        told.lines().map(str::to_owned).collect()
    };
    let option = |kind: String| {
        let there = kind == "tun" && Path::new(TUN).exists();
        let option = if there { TUN } else { options.get(&kind).copied().unwrap_or_default() };
        (kind, option.to_owned())
    };
    Ok(missing.into_iter().map(option).collect())
}

/// Those that cannot be made where the calling thread is.
fn try_kinds(kinds: &BTreeSet<String>) -> std::io::Result<Vec<String>> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut missing = Vec::new();
    for kind in kinds {
        if !has_kind(&mut socket, kind)? {
            missing.push(kind.clone());
        }
    }
    Ok(missing)
}

fn has_kind(socket: &mut Socket, kind: &str) -> std::io::Result<bool> {
    let request = match (kind, kind.strip_prefix("qdisc:")) {
        ("tun", _) => {
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            return Ok(rustix::fs::open(TUN, flags, Mode::empty()).is_ok());
        }
        ("bridge-vlan", _) => crate::netlink::vlan_bridge(),
        (_, Some(qdisc)) => crate::netlink::bare_qdisc(qdisc),
        (kind, None) => crate::netlink::bare_link(kind),
    };
    let mut batch = Batch::default();
    batch.push(request);
    let outcome = socket.run(batch)?;
    // Anything else is said by the kind itself, or it was made.
    let unknown = |errno| errno == Errno::OPNOTSUPP || errno == Errno::NOENT;
    Ok(!outcome.failures.iter().any(|failure| unknown(failure.errno)))
}

/// Names for `ip netns` that do not lead to the yard's own namespaces.
fn foreign_namespaces(yard: &YardName) -> std::io::Result<BTreeSet<String>> {
    let published = netns::Published::of(yard);
    let ours = |name: &str, to: &Path| to == published.file(netns::Sort::Net, name);
    Ok(netns::all_netns()?
        .into_iter()
        .filter(|(name, to)| to.as_ref().is_none_or(|to| !ours(name, to)))
        .map(|(name, _)| name)
        .collect())
}
