//! The devices, addresses and neighbours of all the yard's namespaces.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netyard_core::explain::{Scene, Stack};
use netyard_core::name::YardName;
use netyard_core::state::Place;
use netyard_core::wire::Mark;
use netyard_core::wire::device::{self, Device, Entry, Owned, Settings};

use crate::error::Error;
use crate::netlink::Socket;
use crate::netns::Worker;
use crate::place::Sites;

/// `RTM_GETNSID`, linux/rtnetlink.h.
const GET_NSID: u16 = 90;

/// Looks at all of them.
pub(super) fn gather(
    worker: &mut Worker,
    sites: &mut Sites,
    yard: &YardName,
) -> Result<Scene, Error> {
    let mut scene = Scene::default();
    for site in sites.iter_mut() {
        let place = site.place.clone();
        let failed = |e| Error::system(format!("could not look at `{place}`"), e);
        let mut stack = Stack { netns: site.netns.clone(), ..Stack::default() };
        for (index, full, _) in site.names.iter() {
            stack.names.insert(index, full.to_string());
        }
        let socket = site.socket(worker).map_err(failed)?;
        devices(socket, &mut stack).map_err(failed)?;
        tables(socket, &mut stack).map_err(failed)?;
        scene.stacks.insert(place, stack);
    }
    peers(worker, sites, yard, &mut scene);
    Ok(scene)
}

fn all<T>(
    socket: &mut Socket,
    ty: u16,
    body: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    socket.dump_raw(ty, body, |message| match message {
        None => found.clear(),
        Some(message) => found.extend(read(message.payload)),
    })?;
    Ok(found)
}

/// Reads the devices, and their VLANs as bridge ports.
pub(super) fn devices(socket: &mut Socket, stack: &mut Stack) -> io::Result<()> {
    let found = all(socket, device::GET_LINK, &device::links(), Device::read)?;
    stack.devices = found.into_iter().map(|device| (device.index, device)).collect();
    if stack.devices.values().any(|device| device.vlan_filtering) {
        let vlans = all(socket, device::GET_LINK, &device::vlans(), device::read_vlans)?;
        for (index, vlans) in vlans {
            if let Some(device) = stack.devices.get_mut(&index) {
                device.vlans = vlans;
            }
        }
    }
    Ok(())
}

/// Reads what changes while packets are under way, and what belongs to it.
pub(super) fn tables(socket: &mut Socket, stack: &mut Stack) -> io::Result<()> {
    stack.addresses = all(socket, device::GET_ADDRESS, &device::addresses(), Owned::read)?;
    stack.neighbours = all(socket, device::GET_NEIGHBOUR, &device::neighbours(), Entry::read)?;
    if stack.devices.values().any(|device| device.kind == "bridge") {
        let learnt = device::forwarding_databases();
        stack.learnt = all(socket, device::GET_NEIGHBOUR, &learnt, Entry::read)?;
    }
    let mut settings = |ipv6| -> io::Result<BTreeMap<i32, Settings>> {
        let body = device::settings(ipv6);
        let found = all(socket, device::GET_NETCONF, &body, Settings::read);
        // A kernel without IPv6 has no such settings.
        if ipv6 { Ok(found.unwrap_or_default()) } else { found }
            .map(|found| found.into_iter().collect())
    };
    stack.ipv4 = settings(false)?;
    stack.ipv6 = settings(true)?;
    Ok(())
}

/// Finds the other ends of cables: netyard's are marked with them, of others the
/// kernel gives an index and the number of a namespace.
fn peers(worker: &mut Worker, sites: &mut Sites, yard: &YardName, scene: &mut Scene) {
    let mut found: Vec<(Place, u32, (Place, u32))> = Vec::new();
    for (place, stack) in &scene.stacks {
        for device in stack.devices.values() {
            let Some((other, namespace)) = device.other else { continue };
            if namespace.is_none() {
                if device.kind == "veth" {
                    found.push((place.clone(), device.index, (place.clone(), other)));
                }
                continue;
            }
            let peer = marked(scene, yard, device, other)
                .or_else(|| searched(worker, sites, scene, place, device, other));
            found.extend(peer.map(|peer| (place.clone(), device.index, peer)));
        }
    }
    for (place, index, peer) in found {
        if let Some(stack) = scene.stacks.get_mut(&place) {
            stack.peers.insert(index, peer);
        }
    }
}

/// The other end by netyard's mark, where it is really there.
fn marked(scene: &Scene, yard: &YardName, device: &Device, other: u32) -> Option<(Place, u32)> {
    let mark = Mark::parse(&device.alias).filter(|mark| mark.yard == *yard)?;
    let place = mark.other?.place;
    let there = scene.device(&place, other)?;
    let returns =
        device.kind != "veth" || there.other.map(|(index, _)| index) == Some(device.index);
    returns.then_some((place, other))
}

/// The other end by asking for the namespace's number.
fn searched(
    worker: &mut Worker,
    sites: &mut Sites,
    scene: &Scene,
    place: &Place,
    device: &Device,
    other: u32,
) -> Option<(Place, u32)> {
    let (_, namespace) = device.other?;
    for (there, stack) in &scene.stacks {
        let Some(candidate) = stack.devices.get(&other) else { continue };
        let returns =
            device.kind != "veth" || candidate.other.map(|(index, _)| index) == Some(device.index);
        if there == place || !returns {
            continue;
        }
        let fd = sites.get(there)?.net.as_raw_fd();
        let socket = sites.get_mut(place)?.socket(worker).ok()?;
        if number_of(socket, fd) == namespace {
            return Some((there.clone(), other));
        }
    }
    None
}

/// The number of a namespace as the socket's namespace counts them.
fn number_of(socket: &mut Socket, namespace: RawFd) -> Option<u32> {
    let mut body = vec![0; 4];
    body.extend(8_u16.to_ne_bytes());
    body.extend(3_u16.to_ne_bytes()); // NETNSA_FD, linux/net_namespace.h
    body.extend((namespace as u32).to_ne_bytes());
    socket
        .ask(GET_NSID, &body, |message| {
            let mut all = crate::netlink::attributes(message.payload.get(4..).unwrap_or_default());
            let (_, value) = all.find(|(ty, _)| *ty == 1)?;
            Some(u32::from_ne_bytes(value.try_into().ok()?))
        })
        .ok()
        .flatten()
        .filter(|number| *number != u32::MAX)
}
