//! Facts about the host, for the pure steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netyard_core::facts::{Facts, HostInterface, HostRoute};
use netyard_core::name::{InterfaceName, YardName};
use netyard_core::state::Place;
use netyard_core::wire::{link, route};

use crate::error::Error;
use crate::netlink::{Protocol, Socket};
use crate::netns;

/// Looks at the host as far as a yard has to know of it.
pub(crate) fn gather(
    yard: &YardName,
    kinds: &BTreeSet<String>,
    cache: &Path,
) -> Result<Facts, Error> {
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
    let (names, seen) = link::read_all(yard, &Place::Host, &slices);
    let mut host_interfaces = BTreeMap::new();
    for one in seen.iter().filter(|one| one.mark.as_ref().is_none_or(|m| m.yard != *yard)) {
        if let Ok(name) = InterfaceName::new(&one.kernel_name) {
            let interface = HostInterface {
                kind: one.kind.clone(),
                mtu: one.mtu,
                has_default_route: false,
                has_addresses: false,
            };
            host_interfaces.insert(name, interface);
        }
    }
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
    host_routes.sort_by(|a, b| (a.destination, &a.interface).cmp(&(b.destination, &b.interface)));
    host_routes.dedup();
    let _ = (kinds, cache);
    Ok(Facts {
        host_routes,
        host_interfaces,
        foreign_namespaces: foreign_namespaces(yard).map_err(failed)?,
        missing_kinds: BTreeMap::new(),
        recorded_pools: Vec::new(),
        host_reachable: true,
    })
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
