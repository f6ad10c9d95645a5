//! What runs on a host, whoever made it, as a State; and the plan that makes it a yard's:
//! marks, which no packet notices.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use netyard_core::adopt;
use netyard_core::interface::Kind;
use netyard_core::name::{FullName, InterfaceName, NodeName, YardName};
use netyard_core::plan::{Plan, Signs, takeover};
use netyard_core::state::{InterfaceId, Key, Namespace, Object, Place, State, Sysctl};
use netyard_core::wire::link::Link;
use netyard_core::wire::{Mark, Names, PROTOCOL, address, group, link, route, rule, vlan};

use crate::error::Error;
use crate::facts::ruleset;
use crate::netlink::{self, Protocol, Socket};
use crate::netns::{self, Sort, Worker};
use crate::observe::Dump;
use crate::sysctl::Proc;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What can be said in a yard's file.
    pub state: State,
    /// What each object of it says of who made it.
    pub signs: BTreeMap<Key, Signs>,
    /// What cannot, a line each.
    pub left_out: Vec<String>,
}

impl Found {
    /// What makes a yard's what was found and `desired` has.
    pub fn takeover(&self, yard: &YardName, desired: &State) -> Plan {
        let steps = desired.objects().filter_map(|object| {
            self.state.get(&object.key())?;
            let alias = match object {
                Object::Namespace(o) => crate::run::lo_mark(yard, &o.place),
                Object::Interface(o) => Mark::of(yard, o).alias(),
                Object::Address(_) | Object::Route(_) => String::new(),
                _ => return None,
            };
            let from = self.signs.get(&object.key()).cloned().unwrap_or_default();
            Some((object, from, Signs { alias, group: group(yard), protocol: PROTOCOL }))
        });
        takeover(steps)
    }

    /// An object with what it says of who made it.
    fn add(&mut self, object: Object, signs: Signs) {
        self.signs.insert(object.key(), signs);
        self.state.insert(object);
    }
}

/// A namespace with what was read in it.
pub(crate) struct Space {
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

impl Space {
    /// The host, or a namespace that has a name; none where nothing has it.
    pub fn open(worker: &mut Worker, place: Place, netns: &str) -> io::Result<Option<Self>> {
        if place == Place::Host {
            let home = worker.home().try_clone_to_owned()?;
            return look(worker, place, String::new(), home).map(Some);
        }
        match File::open(Path::new(Sort::Net.public_dir()).join(netns)) {
            Ok(file) if !netns.is_empty() && netns::is_namespace(file.as_fd()) => {
                look(worker, place, netns.to_owned(), file.into()).map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The namespace.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A socket in it.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// What its interfaces are called.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The index of its `lo`.
    pub fn loopback(&self) -> Option<u32> {
        let mut links = self.links.messages().into_iter().filter_map(Link::parse);
        links.find(Link::is_loopback).map(|lo| lo.index)
    }
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
            let namespace = Namespace {
                place: space.place.clone(),
                netns: space.netns.clone(),
                published: true,
                hostname: hostname(worker, &space.netns),
            };
            let mut links = space.links.messages().into_iter().filter_map(Link::parse);
            let lo = links.find(Link::is_loopback).map(|lo| lo.alias.to_owned());
            let signs = Signs { alias: lo.unwrap_or_default(), ..Signs::default() };
            found.add(Object::Namespace(namespace), signs);
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
    let mut left_out = Vec::new();
    let mut left = |what: String| left_out.push(what);
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
            Some(interface) => {
                let (alias, group) = (one.alias.to_owned(), one.group);
                let signs = Signs { alias, group, protocol: 0 };
                found.add(Object::Interface(Box::new(interface)), signs);
            }
            None => left(format!("{} {id}: netyard has no word for it", one.kind)),
        }
    }
    found.left_out.extend(left_out);
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
            let protocol = address::protocol(message);
            found.add(Object::Address(one), Signs { protocol, ..Signs::default() });
        }
    }
    for request in route::dump_all() {
        for message in Dump::of(&mut space.socket, &request)?.messages() {
            let Some(one) = route::read_any(&space.place, &space.names, message) else { continue };
            let ours = one.hops.iter().all(|hop| has(&found.state, &hop.interface));
            let on_host = space.place == Place::Host && one.hops.is_empty();
            if route::is_written(message) && ours && !on_host {
                let protocol = message.get(5).copied().unwrap_or_default(); // rtm_protocol
                found.add(Object::Route(one), Signs { protocol, ..Signs::default() });
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
