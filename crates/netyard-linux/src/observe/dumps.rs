//! One visit: the dumps of a namespace.

use std::collections::BTreeSet;
use std::io;

use netyard_core::interface::{Interface, Kind, Wlan, WlanRole};
use netyard_core::name::{FullName, NodeName, fnv1a};
use netyard_core::state::{Command, Key, Object, Place};
use netyard_core::wire::{self, Request, address, link, neighbour, qdisc, route, rule, vlan};

use super::{Classes, Glimpse, Question};
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;
use crate::place::Site;

/// Altname of `lo` that says that a command of the node has run.
const RAN: &str = "netyard.ran.";

/// The messages of a dump, without their netlink headers, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    bytes: Vec<u8>,
    ranges: Vec<(u16, usize, usize)>,
}

impl Dump {
    pub(crate) fn of(socket: &mut Socket, request: &Request) -> io::Result<Self> {
        let mut dump = Self::default();
        socket.dump(request, |message| match message {
            None => dump = Self::default(),
            Some(message) => {
                let start = dump.bytes.len();
                dump.bytes.extend(message.payload);
                dump.ranges.push((message.ty, start, dump.bytes.len()));
            }
        })?;
        Ok(dump)
    }

    pub(crate) fn messages(&self) -> Vec<&[u8]> {
        self.ranges.iter().map(|&(_, start, end)| &self.bytes[start..end]).collect()
    }
}

/// Reads what is the yard's in one namespace and notes its interfaces.
pub(super) fn visit(
    worker: &mut Worker,
    site: &mut Site,
    classes: Classes,
    question: &Question<'_>,
    glimpse: &mut Glimpse,
) -> io::Result<()> {
    let mut found = Vec::new();
    let place = site.place.clone();
    let dump = match site.links.take() {
        Some(links) => links,
        None => Dump::of(site.socket(worker)?, &link::links())?,
    };
    let messages = dump.messages();
    let (names, seen) = link::read_all(question.yard, &place, question.long, &messages);
    site.accept_dad = common(messages.iter().filter_map(|message| link::accept_dad(message)));
    let group = wire::group(question.yard);
    for one in &seen {
        if one.group == group && one.mark.is_none() && one.interface.is_none() {
            glimpse.unfinished.push((place.clone(), one.index));
        }
        if let Some(full) = names.full(one.index) {
            site.mtus.insert(full.clone(), one.mtu);
        }
    }
    if let Some(lo) =
        messages.iter().find(|m| link::Link::parse(m).is_some_and(|l| l.is_loopback()))
    {
        read_notes(lo, &place, question, glimpse, &mut found);
    }
    let is_others = |one: &&link::Seen| one.mark.as_ref().is_some_and(|m| m.yard != *question.yard);
    let of_others: BTreeSet<FullName> =
        seen.iter().filter(is_others).filter_map(|one| names.full(one.index).cloned()).collect();
    let ours = || seen.iter().filter_map(|one| one.interface.as_ref());
    let bonds = ours().filter(|interface| matches!(interface.kind, Kind::Bond(_)));
    site.bonds = bonds.map(|interface| (interface.id.name.clone(), interface.mac)).collect();
    let mut seen = seen;
    radios(worker, site, &mut seen)?;
    found.extend(
        seen.into_iter().filter_map(|one| one.interface).map(|i| Object::Interface(Box::new(i))),
    );
    site.names = names;
    others(worker, site, classes, question, &mut found)?;
    // All yards mark with the same protocol number; on the host they meet.
    if !of_others.is_empty() {
        found.retain(|object| !interfaces_of(object).iter().any(|name| of_others.contains(*name)));
    }
    tunnels(worker, site, question, &mut found)?;
    if question.may_have_table(&place) {
        table(worker, site, question, &mut found)?;
    }
    glimpse.objects.append(&mut found);
    Ok(())
}

/// What all are; none where they differ, or there is none.
fn common(mut all: impl Iterator<Item = i32>) -> Option<i32> {
    let first = all.next()?;
    all.all(|one| one == first).then_some(first)
}

/// What the yard's interfaces of radios do there: their marks say what they were made for.
fn radios(worker: &mut Worker, site: &Site, seen: &mut [link::Seen]) -> io::Result<()> {
    let own = |one: &mut link::Seen| match &mut one.interface.as_mut()?.kind {
        Kind::Wlan(wlan) => Some((one.index, wlan.clone())),
        _ => None,
    };
    if !seen.iter_mut().any(|one| own(one).is_some()) {
        return Ok(());
    }
    worker.enter(site.fd())?;
    let Some(mut air) = crate::radio::Air::open()? else { return Ok(()) };
    let (radios, there) = (air.radios()?, air.interfaces()?);
    for one in seen {
        let Some((index, marked)) = own(one) else { continue };
        let Some(found) = there.iter().find(|there| there.index == index) else { continue };
        let phy = radios.get(&found.wiphy).map_or(marked.phy, |radio| radio.name.clone());
        let interface = one.interface.take();
        // One that is neither of both is not what was made.
        one.interface = interface.zip(WlanRole::of_number(found.kind)).map(|(interface, role)| {
            Interface { kind: Kind::Wlan(Wlan { phy, role }), ..interface }
        });
    }
    Ok(())
}

/// What the yard's tunnels were told.
fn tunnels(
    worker: &mut Worker,
    site: &mut Site,
    question: &Question<'_>,
    found: &mut Vec<Object>,
) -> io::Result<()> {
    let is_tunnel = |object: &Object| match object {
        Object::Interface(o) if o.kind == Kind::Wireguard => Some(o.id.clone()),
        _ => None,
    };
    let ids: Vec<_> = found.iter().filter_map(is_tunnel).collect();
    if ids.is_empty() {
        return Ok(());
    }
    worker.enter(site.fd())?;
    let mut socket = Socket::open(Protocol::Generic)?;
    for id in ids {
        let Ok(index) = site.names.index(&id.name) else { continue };
        let desired = match question.desired.get(&Key::Tunnel(id.clone())) {
            Some(Object::Tunnel(tunnel)) => Some(&**tunnel),
            _ => None,
        };
        let tunnel = crate::wireguard::observe(&mut socket, &id, index, desired)?;
        found.push(Object::Tunnel(Box::new(tunnel)));
    }
    Ok(())
}

/// The yard's table, and what is in its flowtables.
fn table(
    worker: &mut Worker,
    site: &mut Site,
    question: &Question<'_>,
    found: &mut Vec<Object>,
) -> io::Result<()> {
    let place = site.place.clone();
    let wanted = match question.desired.get(&Key::Table(place.clone())) {
        Some(Object::Table(table)) => Some(&**table),
        _ => None,
    };
    let seen = match site.netfilter(worker) {
        Ok(socket) => crate::nft::observe(socket, question.yard, &place, wanted),
        Err(error) => Err(error),
    };
    let seen = match seen {
        // A kernel without nftables has no table, and who may not look has made none.
        Err(error) if wanted.is_none() && is_without(&error) => None,
        seen => seen?,
    };
    if let Some(seen) = seen {
        found.extend(seen.flow_devices(&site.names).into_iter().map(Object::FlowDevice));
        found.push(Object::Table(Box::new(seen.table)));
    }
    Ok(())
}

fn is_without(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPROTONOSUPPORT
                | libc::EOPNOTSUPP
                | libc::EINVAL
                | libc::EAFNOSUPPORT
                | libc::EPERM
        )
    )
}

/// The interfaces that an object is on.
fn interfaces_of(object: &Object) -> Vec<&FullName> {
    match object {
        Object::Address(o) => vec![&o.interface.name],
        Object::Neighbour(o) => vec![&o.interface.name],
        Object::Qdisc(o) => vec![&o.interface.name],
        Object::Route(o) => o.hops.iter().map(|hop| &hop.interface).collect(),
        _ => Vec::new(),
    }
}

/// Everything but interfaces.
fn others(
    worker: &mut Worker,
    site: &mut Site,
    classes: Classes,
    question: &Question<'_>,
    found: &mut Vec<Object>,
) -> io::Result<()> {
    let place = site.place.clone();
    let names = std::mem::take(&mut site.names);
    let socket = site.socket(worker)?;
    let mut read = |request: &Request, take: &mut dyn FnMut(&[u8])| -> io::Result<()> {
        Dump::of(socket, request)?.messages().into_iter().for_each(take);
        Ok(())
    };
    if classes.addresses {
        read(&address::dump(), &mut |m| {
            let one = address::read(&place, &names, m);
            let one = one.or_else(|| question.adopted(address::read_static(&place, &names, m)?));
            found.extend(one.map(Object::Address));
        })?;
    }
    if classes.routes {
        for request in route::dump() {
            read(&request, &mut |m| {
                found.extend(route::read(&place, &names, m).map(Object::Route));
            })?;
        }
    }
    if classes.rules {
        for request in rule::dump() {
            read(&request, &mut |m| found.extend(rule::read(&place, &names, m).map(Object::Rule)))?;
        }
    }
    if classes.neighbours {
        for request in neighbour::dump() {
            read(&request, &mut |m| {
                found.extend(neighbour::read(&place, &names, m).map(Object::Neighbour));
            })?;
        }
    }
    if classes.qdiscs {
        read(&qdisc::dump(), &mut |m| {
            found.extend(qdisc::read(&place, &names, m).map(Object::Qdisc));
        })?;
    }
    if classes.vlans {
        let bridges: Vec<_> = found.iter().filter_map(own_bridge_port).collect();
        if !bridges.is_empty() {
            read(&vlan::dump(), &mut |m| {
                let vlans = vlan::read(&place, &names, m).into_iter();
                let ours = vlans.filter(|vlan| bridges.contains(&vlan.interface));
                found.extend(ours.map(Object::PortVlan));
            })?;
        }
    }
    site.names = names;
    Ok(())
}

/// The interface, if it is one of ours that VLANs can be of.
fn own_bridge_port(object: &Object) -> Option<netyard_core::state::InterfaceId> {
    match object {
        Object::Interface(o)
            if o.port.is_some() || matches!(o.kind, netyard_core::interface::Kind::Bridge(_)) =>
        {
            Some(o.id.clone())
        }
        _ => None,
    }
}

/// The links of a namespace, and the alias of its `lo`.
pub(super) fn links(socket: &mut Socket) -> io::Result<(Dump, String)> {
    let dump = Dump::of(socket, &link::links())?;
    let mut all = dump.messages().into_iter().filter_map(link::Link::parse);
    let alias = all.find(link::Link::is_loopback).map(|lo| lo.alias.to_owned());
    Ok((dump, alias.unwrap_or_default()))
}

/// The altname that says that a command has run.
pub(crate) fn ran_altname(command: &Command) -> String {
    let parts: Vec<&[u8]> = command.argv.iter().map(|argument| argument.as_bytes()).collect();
    format!("{RAN}{}.{:016x}", command.index, fnv1a(&parts))
}

/// The settings of the host that are noted on the `lo` of the socket's
/// namespace: path, and what it was.
pub(crate) fn notes(socket: &mut Socket) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    socket.dump(&netyard_core::wire::link::links(), |message| match message {
        None => found.clear(),
        Some(message) => found.extend(altnames(message.payload)),
    })?;
    Ok(crate::sysctl::originals(found.iter().map(String::as_str)))
}

/// What altnames of `lo` tell: commands that ran, settings of the host,
/// interfaces that were lent.
fn read_notes(
    lo: &[u8],
    place: &Place,
    question: &Question<'_>,
    glimpse: &mut Glimpse,
    found: &mut Vec<Object>,
) {
    let names = altnames(lo);
    glimpse.originals.extend(crate::sysctl::originals(names.iter().map(String::as_str)));
    glimpse.lent.extend(crate::record::Lent::noted(names.iter().map(String::as_str)));
    let Place::Node(node) = place else { return };
    for name in names.iter().filter(|name| name.starts_with(RAN)) {
        found.extend(command(node, name, question).map(Object::Command));
    }
}

fn command(node: &NodeName, altname: &str, question: &Question<'_>) -> Option<Command> {
    let index = altname.strip_prefix(RAN)?.split('.').next()?.parse().ok()?;
    let wanted = match question.desired.get(&Key::Command(node.clone(), index)) {
        Some(Object::Command(command)) => Some(command),
        _ => None,
    };
    let recorded = question.record.into_iter().flat_map(|record| &record.commands);
    let known = wanted.into_iter().chain(recorded.filter(|c| c.node == *node && c.index == index));
    let same = known.into_iter().find(|command| ran_altname(command) == altname).cloned();
    // One that neither the file nor the record knows any longer has run all the same.
    Some(same.unwrap_or_else(|| Command {
        node: node.clone(),
        index,
        argv: vec![altname.to_owned()],
    }))
}

/// The alternative names of a link (`IFLA_PROP_LIST`, linux/if_link.h).
pub(crate) fn altnames(link: &[u8]) -> Vec<String> {
    const HEADER: usize = 16;
    const IFLA_PROP_LIST: u16 = 52;
    const IFLA_ALT_IFNAME: u16 = 53;
    let mut names = Vec::new();
    for (ty, value) in crate::netlink::attributes(link.get(HEADER..).unwrap_or_default()) {
        if ty != IFLA_PROP_LIST {
            continue;
        }
        for (ty, value) in crate::netlink::attributes(value) {
            if ty == IFLA_ALT_IFNAME {
                let text = value.split(|b| *b == 0).next().unwrap_or_default();
                names.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    names
}
