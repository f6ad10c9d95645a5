//! What runs on a host, whoever made it, as a State; and the plan that makes it a yard's:
//! marks, which no packet notices.

mod ends;
mod paper;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use netyard_core::adopt;
use netyard_core::interface::Kind;
use netyard_core::name::{FullName, InterfaceName, NodeName, YardName};
use netyard_core::plan::{Plan, Signs, takeover};
use netyard_core::state::{InterfaceId, Key, Namespace, Object, Place, State, Sysctl};
use netyard_core::wire::link::Link;
use netyard_core::wire::{Mark, Names, PROTOCOL, address, group, link, route, rule, vlan};

use self::ends::Ends;
use self::tunnel::{Births, Born};
use crate::error::Error;
use crate::facts::ruleset;
use crate::netlink::{Protocol, Socket};
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
    let ends = Ends::of(spaces)?;
    let births = Births::of(worker, spaces)?;
    spaces.iter_mut().filter(|space| !is_others(yard, space)).try_for_each(|space| {
        namespace(worker, space, found);
        let ends = ends.from(space)?;
        let tunnels = tunnel::read(worker, space, &births)?;
        interfaces(yard, space, &ends, tunnels, found);
        io::Result::Ok(())
    })?;
    let host = spaces.iter().find(|space| space.place == Place::Host);
    let is_on_host = |name: &FullName| {
        let there = |space: &Space| space.names.index(name).is_ok();
        host.is_some_and(there)
    };
    let lines = adopt::without_what_rests_elsewhere(&mut found.state, &is_on_host);
    found.left_out.extend(lines);
    let mut proc = Proc::through(None);
    for space in spaces.iter_mut().filter(|space| !is_others(yard, space)) {
        addresses_and_routes(space, found)?;
        vlans(space, found)?;
        others(space, found)?;
        worker.enter(space.fd.as_fd())?;
        let tables = adopt::tables(&ruleset::read()?);
        found.left_out.extend(tables.into_iter().map(|line| format!("{}: {line}", space.place)));
        proc.visit(space.fd.as_fd());
        settings(&proc, space, found)?;
    }
    let own = spaces.iter().filter(|space| !is_others(yard, space));
    found.left_out.extend(processes(own)?);
    found.left_out.extend(adopt::papers(&paper::read(), &found.state));
    Ok(())
}

/// What runs in namespaces that have names: nobody's service, and gone with the yard.
fn processes<'s>(spaces: impl Iterator<Item = &'s Space>) -> io::Result<Vec<String>> {
    let mut places = BTreeMap::new();
    for space in spaces.filter(|space| space.place != Place::Host) {
        places.insert(rustix::fs::fstat(&space.fd)?.st_ino, &space.place);
    }
    let mut names: BTreeMap<&Place, BTreeSet<String>> = BTreeMap::new();
    for one in crate::process::inside(&places.keys().copied().collect())? {
        if let Some(place) = places.get(&one.net) {
            names.entry(place).or_default().insert(one.name);
        }
    }
    let line = |(place, names): (&Place, BTreeSet<String>)| {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        format!("{place}: what runs there ({names}): it goes on, and ends with `netyard down`")
    };
    Ok(names.into_iter().map(line).collect())
}

/// A namespace that has a name.
fn namespace(worker: &mut Worker, space: &Space, found: &mut Found) {
    if space.place == Place::Host {
        return;
    }
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

fn interfaces(
    yard: &YardName,
    space: &Space,
    ends: &BTreeMap<u32, InterfaceId>,
    mut tunnels: BTreeMap<u32, Result<Born, String>>,
    found: &mut Found,
) {
    for one in space.links.messages().into_iter().filter_map(Link::parse) {
        let Ok(name) = FullName::new(one.name) else { continue };
        let id = InterfaceId { place: space.place.clone(), name };
        let is_others = one.alias.starts_with("netyard:") && !is_own(yard, one.alias);
        if one.is_loopback() && space.place == Place::Host || is_others {
            continue;
        }
        let mut left = |why: &str| found.left_out.push(format!("{} {id}: {why}", one.kind));
        let mut other = ends.get(&one.index).cloned();
        let mut told = None;
        match one.kind {
            "veth" if other.is_none() => {
                left("its other end is in a namespace without a name");
                continue;
            }
            "wireguard" => match tunnels.remove(&one.index) {
                Some(Ok(born)) => (told, other) = (Some(born.told), born.rests_on),
                Some(Err(why)) => {
                    left(&why);
                    continue;
                }
                None => continue,
            },
            "" if !one.is_loopback() => {
                let hardware = format!("interface {id}: hardware, which stays as it is");
                found.left_out.push(hardware);
                continue;
            }
            _ => {}
        }
        let mark = Mark { yard: yard.clone(), id: id.clone(), other, host_name: None, wlan: None };
        match one.read(id.clone(), Some(&mark), &space.names) {
            Some(interface) => {
                let (alias, group) = (one.alias.to_owned(), one.group);
                let signs = Signs { alias, group, protocol: 0 };
                found.add(Object::Interface(Box::new(interface)), signs);
                if let Some(told) = told {
                    found.state.insert(Object::Tunnel(Box::new(told)));
                }
            }
            None => left("netyard has no word for it, or for what it sits on"),
        }
    }
}

fn addresses_and_routes(space: &mut Space, found: &mut Found) -> io::Result<()> {
    let at = |name: &FullName| InterfaceId { place: space.place.clone(), name: name.clone() };
    let has = |state: &State, name: &FullName| state.interface(&at(name)).is_some();
    let is_tunnel = |state: &State, name: &FullName| {
        state.interface(&at(name)).is_some_and(|o| o.kind == Kind::Wireguard)
    };
    for message in Dump::of(&mut space.socket, &address::dump())?.messages() {
        let Some(one) = address::read_permanent(&space.place, &space.names, message) else {
            continue;
        };
        let name = &one.interface.name;
        let somebodys = !address::is_of_kernel(&one) || is_tunnel(&found.state, name);
        if somebodys && has(&found.state, name) {
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
