//! What runs on a host, whoever made it, as a State; and taking it over: marks, which no
//! packet notices.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use netyard_core::adopt;
use netyard_core::interface::{Interface, Kind};
use netyard_core::name::{FullName, InterfaceName, NodeName, YardName};
use netyard_core::state::{InterfaceId, Key, Namespace, Object, Place, State, Sysctl};
use netyard_core::wire::link::Link;
use netyard_core::wire::{Mark, Names, Request, address, group, link, route, rule, vlan};

use crate::error::Error;
use crate::facts::ruleset;
use crate::netlink::{self, Batch, Protocol, Socket};
use crate::netns::{self, Published, Sort, Worker};
use crate::observe::Dump;
use crate::record::Record;
use crate::sysctl::Proc;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What can be said in a yard's file.
    pub state: State,
    /// What cannot, a line each.
    pub left_out: Vec<String>,
}

/// A namespace with what was read in it.
struct Space {
    place: Place,
    netns: String,
    fd: OwnedFd,
    socket: Socket,
    links: Dump,
    names: Names,
}

/// Reads the host and all namespaces that have names, but for what other yards have.
pub fn read(yard: &YardName) -> Result<Found, Error> {
    let failed = |e| Error::system("could not read what runs here", e);
    Worker::run(|worker| {
        let mut spaces = open(worker)?;
        let mut found = Found::default();
        gather(worker, yard, &mut spaces, &mut found)?;
        Ok(found)
    })
    .map_err(failed)?
    .map_err(failed)
}

fn open(worker: &mut Worker) -> io::Result<Vec<Space>> {
    let home = worker.home().try_clone_to_owned()?;
    let mut spaces = vec![look(worker, Place::Host, String::new(), home)?];
    for (name, _) in netns::all_netns()? {
        let path = Path::new(Sort::Net.public_dir()).join(&name);
        let Ok(node) = NodeName::new(&name) else { continue };
        let Ok(file) = File::open(&path) else { continue };
        if netns::is_namespace(file.as_fd()) {
            spaces.push(look(worker, Place::Node(node), name, file.into())?);
        }
    }
    Ok(spaces)
}

fn look(worker: &mut Worker, place: Place, netns: String, fd: OwnedFd) -> io::Result<Space> {
    worker.enter(fd.as_fd())?;
    let mut socket = Socket::open(Protocol::Route)?;
    let links = Dump::of(&mut socket, &link::links())?;
    let mut names = Names::default();
    for one in links.messages().into_iter().filter_map(Link::parse) {
        if let (Ok(full), Ok(kernel)) = (FullName::new(one.name), InterfaceName::new(one.name)) {
            names.insert(one.index, full, kernel);
        }
    }
    Ok(Space { place, netns, fd, socket, links, names })
}

fn gather(
    worker: &mut Worker,
    yard: &YardName,
    spaces: &mut [Space],
    found: &mut Found,
) -> io::Result<()> {
    let ends = ends(spaces);
    let fds = spaces.iter().map(|space| Ok((space.place.clone(), space.fd.try_clone()?)));
    let fds: BTreeMap<Place, OwnedFd> = fds.collect::<io::Result<_>>()?;
    let mut proc = Proc::through(None);
    for space in spaces.iter_mut() {
        if is_others(yard, space) {
            continue;
        }
        let ends = own_ends(space, &ends, &fds)?;
        if space.place != Place::Host {
            found.state.insert(Object::Namespace(Namespace {
                place: space.place.clone(),
                netns: space.netns.clone(),
                published: true,
                hostname: hostname(worker, &space.netns),
            }));
        }
        interfaces(yard, space, &ends, found);
        addresses_and_routes(space, found)?;
        vlans(space, found)?;
        others(space, found)?;
        worker.enter(space.fd.as_fd())?;
        let tables = adopt::tables(&ruleset::read()?);
        found.left_out.extend(tables.into_iter().map(|line| format!("{}: {line}", space.place)));
        proc.visit(space.fd.as_fd());
        settings(&proc, space, found)?;
    }
    Ok(())
}

/// True for a namespace that is another yard's.
fn is_others(yard: &YardName, space: &Space) -> bool {
    let mut links = space.links.messages().into_iter().filter_map(Link::parse);
    let lo = links.find(Link::is_loopback);
    lo.is_some_and(|lo| lo.alias.starts_with("netyard:") && !is_own(yard, lo.alias))
        && space.place != Place::Host
}

fn is_own(yard: &YardName, alias: &str) -> bool {
    Mark::parse(alias).is_some_and(|mark| mark.yard == *yard)
}

fn hostname(worker: &mut Worker, netns: &str) -> Option<String> {
    let file = File::open(Path::new(Sort::Uts.public_dir()).join(netns)).ok()?;
    worker.hostname(file.as_fd()).ok()
}

/// Interfaces by their index and the one of the other end, or of the parent.
type Ends = BTreeMap<(u32, u32), Vec<InterfaceId>>;

fn ends(spaces: &[Space]) -> Ends {
    let mut ends = Ends::new();
    for space in spaces {
        for one in space.links.messages().into_iter().filter_map(Link::parse) {
            if let (Some(other), Ok(name)) = (one.parent, FullName::new(one.name)) {
                let id = InterfaceId { place: space.place.clone(), name };
                ends.entry((one.index, other)).or_default().push(id);
            }
        }
    }
    ends
}

/// The other ends of what is in one namespace, by index. Where indexes alone leave a
/// choice, the kernel is asked which namespace is meant.
fn own_ends(
    space: &mut Space,
    ends: &Ends,
    fds: &BTreeMap<Place, OwnedFd>,
) -> io::Result<BTreeMap<u32, InterfaceId>> {
    let mut own = BTreeMap::new();
    for one in space.links.messages().into_iter().filter_map(Link::parse) {
        let Some(other) = one.parent.filter(|_| one.kind == "veth") else { continue };
        let all = ends.get(&(other, one.index)).map(Vec::as_slice).unwrap_or_default();
        let mut several = all.iter().filter(|id| {
            // Of a cable within one namespace the kernel names no other.
            one.parent_namespace.is_some() != (id.place == space.place)
        });
        let first = several.next();
        let peer = match (first, several.next(), one.parent_namespace) {
            (Some(first), None, _) => Some(first),
            (Some(_), Some(_), Some(number)) => {
                let mut found = None;
                for id in all {
                    let Some(fd) = fds.get(&id.place) else { continue };
                    if number_of(&mut space.socket, fd)? == Some(number) {
                        found = Some(id);
                    }
                }
                found
            }
            _ => None,
        };
        own.extend(peer.map(|peer| (one.index, peer.clone())));
    }
    Ok(own)
}

/// The number that the socket's namespace has for another one (`RTM_GETNSID`,
/// linux/net_namespace.h).
fn number_of(socket: &mut Socket, of: &OwnedFd) -> io::Result<Option<u32>> {
    const RTM_GETNSID: u16 = 90;
    const NETNSA_NSID: u16 = 1;
    const NETNSA_FD: u16 = 3;
    let mut body = vec![0; 4]; // struct rtgenmsg, padded
    body.extend(8_u16.to_ne_bytes());
    body.extend(NETNSA_FD.to_ne_bytes());
    body.extend(of.as_raw_fd().to_ne_bytes());
    let answer = socket.ask_raw(RTM_GETNSID, &body)?;
    let attributes = answer.as_deref().and_then(|answer| answer.get(4..)).unwrap_or_default();
    let mut number = None;
    for (kind, value) in netlink::attributes(attributes) {
        if let (NETNSA_NSID, Ok(value)) = (kind, <[u8; 4]>::try_from(value)) {
            number = Some(u32::from_ne_bytes(value));
        }
    }
    Ok(number)
}

fn interfaces(
    yard: &YardName,
    space: &Space,
    ends: &BTreeMap<u32, InterfaceId>,
    found: &mut Found,
) {
    let mut left = |what: String| found.left_out.push(what);
    for one in space.links.messages().into_iter().filter_map(Link::parse) {
        let Ok(name) = FullName::new(one.name) else { continue };
        let id = InterfaceId { place: space.place.clone(), name };
        if one.is_loopback() && space.place == Place::Host {
            continue;
        }
        if one.alias.starts_with("netyard:") && !is_own(yard, one.alias) {
            continue;
        }
        let mut mark =
            Mark { yard: yard.clone(), id: id.clone(), other: None, host_name: None, wlan: None };
        match one.kind {
            "veth" => match ends.get(&one.index) {
                Some(peer) => mark.other = Some(peer.clone()),
                None => {
                    left(format!("veth {id}: its other end is in a namespace without a name"));
                    continue;
                }
            },
            "wireguard" => {
                left(format!(
                    "wireguard {id}: its private key is the kernel's alone; write the file it came from"
                ));
                continue;
            }
            "" if !one.is_loopback() => continue,
            _ => {}
        }
        match one.read(id.clone(), Some(&mark), &space.names) {
            Some(interface) => drop(found.state.insert(Object::Interface(Box::new(interface)))),
            None => left(format!("{} {id}: netyard has no word for it", one.kind)),
        }
    }
}

fn addresses_and_routes(space: &mut Space, found: &mut Found) -> io::Result<()> {
    let has = |state: &State, name: &FullName| {
        let id = InterfaceId { place: space.place.clone(), name: name.clone() };
        state.interface(&id).is_some()
    };
    for message in Dump::of(&mut space.socket, &address::dump())?.messages() {
        if let Some(one) = address::read_static(&space.place, &space.names, message)
            && has(&found.state, &one.interface.name)
        {
            found.state.insert(Object::Address(one));
        }
    }
    for request in route::dump_all() {
        for message in Dump::of(&mut space.socket, &request)?.messages() {
            let Some(one) = route::read_any(&space.place, &space.names, message) else { continue };
            let ours = one.hops.iter().all(|hop| has(&found.state, &hop.interface));
            let on_host = space.place == Place::Host && one.hops.is_empty();
            if route::is_written(message) && ours && !on_host {
                found.state.insert(Object::Route(one));
            }
        }
    }
    Ok(())
}

/// VLANs of bridges that filter, and of their ports.
fn vlans(space: &mut Space, found: &mut Found) -> io::Result<()> {
    for message in Dump::of(&mut space.socket, &vlan::dump())?.messages() {
        for one in vlan::read(&space.place, &space.names, message) {
            let master = found.state.interface(&one.interface).and_then(|o| o.master.clone());
            let name = master.unwrap_or_else(|| one.interface.name.clone());
            let bridge = InterfaceId { place: space.place.clone(), name };
            let filters = found.state.interface(&bridge).is_some_and(|o| match &o.kind {
                Kind::Bridge(bridge) => bridge.vlan_filtering,
                _ => false,
            });
            if filters {
                found.state.insert(Object::PortVlan(one));
            }
        }
    }
    Ok(())
}

/// Rules of somebody's, which are only told.
fn others(space: &mut Space, found: &mut Found) -> io::Result<()> {
    for request in rule::dump() {
        for message in Dump::of(&mut space.socket, &request)?.messages() {
            if let Some(one) = rule::read_any(&space.place, &space.names, message)
                && ![0, 32766, 32767].contains(&one.priority)
            {
                found.left_out.push(format!("{}: it stays as it is", Object::Rule(one)));
            }
        }
    }
    Ok(())
}

/// The settings that make a router of a namespace. Of the host, only those that are on.
fn settings(proc: &Proc, space: &Space, found: &mut Found) -> io::Result<()> {
    for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        let Some(value) = proc.read(&format!("sys/{key}"))? else { continue };
        let value = value.trim().to_owned();
        if value == "1" || space.place != Place::Host && key.starts_with("net/ipv4") {
            let (place, key) = (space.place.clone(), key.to_owned());
            found.state.insert(Object::Sysctl(Sysctl { place, interface: None, key, value }));
        }
    }
    Ok(())
}

/// Marks as the yard's what is there and `desired` has, and notes what the kernel cannot be
/// told. No interface changes but for its alias and group, which are for people; routes
/// and IPv6 addresses are told anew, with another number for who made them.
pub(crate) fn take_over(
    yard: &YardName,
    published: &Published,
    desired: &State,
    record: &mut Record,
) -> Result<(), Error> {
    let failed = |e| Error::system("could not take over what runs here", e);
    let body = |worker: &mut Worker| -> io::Result<()> {
        let mut spaces = open(worker)?;
        published.prepare()?;
        for space in &mut spaces {
            let wanted = desired.get(&Key::Namespace(space.place.clone()));
            if space.place != Place::Host {
                let Some(Object::Namespace(wanted)) = wanted else { continue };
                if wanted.netns != space.netns {
                    continue;
                }
                published.take_over(&space.netns, space.fd.as_fd())?;
            }
            mark(yard, space, desired, record)?;
        }
        Ok(())
    };
    Worker::run(body).map_err(failed)?.map_err(failed)
}

fn mark(
    yard: &YardName,
    space: &mut Space,
    desired: &State,
    record: &mut Record,
) -> io::Result<()> {
    let mut batch = Batch::default();
    for one in space.links.messages().into_iter().filter_map(Link::parse) {
        if one.is_loopback() && space.place != Place::Host {
            batch.push(netlink::set_alias(one.index, &crate::run::lo_mark(yard, &space.place)));
            continue;
        }
        let Some(wanted) = wanted(&space.place, one.name, desired) else { continue };
        batch.push(netlink::set_alias(one.index, &Mark::of(yard, wanted).alias()));
        if !matches!(wanted.kind, Kind::Physical(_)) {
            batch.push(netlink::set_group(one.index, group(yard)));
        }
    }
    let on_it = |id: &InterfaceId| id.place == space.place;
    for object in desired.objects() {
        let request: Option<Request> = match object {
            Object::Address(o) if on_it(&o.interface) => match o.mark(&space.names) {
                Ok(None) => {
                    record.adopted.insert((o.interface.clone(), o.net));
                    None
                }
                Ok(request) => request,
                Err(_) => None,
            },
            Object::Route(o) if o.place == space.place => o.change(&space.names).ok(),
            _ => None,
        };
        batch.extend(request);
    }
    let outcome = space.socket.run(batch)?;
    match outcome.failures.into_iter().next() {
        Some(failure) => Err(failure.errno.into()),
        None => Ok(()),
    }
}

/// The interface of that name in the kernel.
fn wanted<'a>(place: &Place, name: &str, desired: &'a State) -> Option<&'a Interface> {
    desired.objects().find_map(|object| match object {
        Object::Interface(o) if o.id.place == *place && o.kernel_name.as_str() == name => {
            Some(&**o)
        }
        _ => None,
    })
}
