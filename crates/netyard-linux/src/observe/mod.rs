//! The kernel as a State: of the yard's own objects, every managed attribute.
//!
//! What is the yard's is known by marks in the kernel itself, so this works with
//! the state directory lost; what the desired State and the record of the last
//! `up` name only decides what is worth asking for. A namespace is visited once:
//! one socket, a few dumps, its settings.

mod dumps;
mod find;
mod pulse;

use std::collections::{BTreeMap, BTreeSet};

use netyard_core::name::YardName;
use netyard_core::state::{Address, Key, Namespace, Object, Place, State};
use netyard_core::wire::LongMarks;

use crate::error::Error;
use crate::files::{Files, Shelf};
use crate::keeper::Keeper;
use crate::netns::Worker;
use crate::place::{Site, Sites};
use crate::record::{Lent, Record};
use crate::sysctl::Proc;

pub(crate) use dumps::{Dump, notes, ran_altname};
pub(crate) use find::{Finding, enough_descriptors, find_node};
pub(crate) use pulse::pulses;

/// The classes of objects that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    pub addresses: bool,
    pub routes: bool,
    pub rules: bool,
    pub neighbours: bool,
    pub qdiscs: bool,
    pub vlans: bool,
}

impl Classes {
    /// All of them: for when nothing says which are in use.
    pub const ALL: Self = Self {
        addresses: true,
        routes: true,
        rules: true,
        neighbours: true,
        qdiscs: true,
        vlans: true,
    };

    /// Those of these objects.
    pub fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut classes = Self::default();
        for object in objects {
            match object {
                Object::Address(_) => classes.addresses = true,
                Object::Route(_) => classes.routes = true,
                Object::Rule(_) => classes.rules = true,
                Object::Neighbour(_) => classes.neighbours = true,
                Object::Qdisc(_) => classes.qdiscs = true,
                Object::PortVlan(_) => classes.vlans = true,
                _ => {}
            }
        }
        classes
    }

    /// Those of either.
    pub fn and(self, other: Self) -> Self {
        Self {
            addresses: self.addresses || other.addresses,
            routes: self.routes || other.routes,
            rules: self.rules || other.rules,
            neighbours: self.neighbours || other.neighbours,
            qdiscs: self.qdiscs || other.qdiscs,
            vlans: self.vlans || other.vlans,
        }
    }
}

/// How much of the yard's own namespaces is looked at; of the host, always all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything.
    Whole,
    /// What does not go when they do: interfaces that were lent, files. For when
    /// the yard is to be taken away.
    Lasting,
    /// As [`Self::Lasting`], where the record says that no interface was lent:
    /// then nothing inside needs a look, and no socket.
    Outside,
}

/// What observing needs to know.
pub(crate) struct Question<'a> {
    /// Whose objects.
    pub yard: &'a YardName,
    /// Who may give a procfs.
    pub keeper: Option<&'a Keeper>,
    /// What is wanted: its settings are read, and what it leaves to the kernel
    /// is left out.
    pub desired: &'a State,
    /// The marks of what is wanted that an alias cannot hold.
    pub long: &'a LongMarks,
    /// What the last `up` left, if the state directory is there.
    pub record: Option<&'a Record>,
    /// Where the nodes' files are.
    pub files: &'a Files,
    /// Where processes are written down.
    pub shelf: &'a crate::supervise::Shelf,
    /// How much of its own namespaces.
    pub depth: Depth,
    /// There is no host to look at.
    pub rootless: bool,
}

impl Question<'_> {
    /// The address, if it was there before the yard and was taken over: of IPv4 the
    /// kernel takes no mark later.
    fn adopted(&self, address: Address) -> Option<Address> {
        let key = (address.interface.clone(), address.net);
        self.record.is_some_and(|record| record.adopted.contains(&key)).then_some(address)
    }

    /// True where a table is wanted or was made; everywhere where nobody knows.
    fn may_have_table(&self, place: &Place) -> bool {
        let wanted = self.desired.get(&Key::Table(place.clone())).is_some();
        let known = self.record.is_none_or(|record| record.tables.contains(place));
        wanted || known && (self.depth == Depth::Whole || *place == Place::Host)
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// The yard's objects.
    pub state: State,
    /// Interfaces with the yard's group and no mark: cut off while being made.
    pub unfinished: Vec<(Place, u32)>,
    /// Settings of the host as they were before the yard, by path.
    pub originals: BTreeMap<String, String>,
    /// Interfaces of the host that were lent, as they were.
    pub lent: Vec<Lent>,
}

/// Which settings of a place are to be read.
type Keys<'a> = BTreeMap<&'a Place, BTreeSet<SettingKey<'a>>>;
pub(crate) type SettingKey<'a> = (Option<&'a netyard_core::name::FullName>, &'a str);

/// Reads the State of the yard in namespaces that are open already.
pub(crate) fn observe(
    worker: &mut Worker,
    sites: &mut Sites,
    question: &Question<'_>,
) -> Result<Sight, Error> {
    let look = Look::new(question);
    let is_host = |site: &&mut Site| site.place == Place::Host;
    let (host, own): (Vec<_>, Vec<_>) = sites.iter_mut().partition(is_host);
    let parts = worker.share(own, |worker, part| {
        let (mut proc, mut seen) = (Proc::through(question.keeper), Glimpse::default());
        for site in part {
            look.visit(worker, site, &mut proc, &mut seen)?;
        }
        Ok(seen)
    });
    let mut seen = Glimpse::default();
    for part in parts.map_err(no_thread)? {
        seen.append(part?);
    }
    look.whole(worker, host.into_iter().next(), seen)
}

/// Opens the host's namespace and all of the yard's, each with a socket, and
/// reads the State of the yard.
pub(crate) fn find(
    worker: &mut Worker,
    finding: &Finding<'_>,
    question: &Question<'_>,
) -> Result<(Sites, Sight), Error> {
    let look = Look::new(question);
    let mut host = find::host(worker)?;
    let parts = worker.share(find::held(finding)?, |worker, part| {
        let (mut proc, mut seen) = (Proc::through(question.keeper), Glimpse::default());
        let mut sites = Vec::with_capacity(part.len());
        for held in part {
            if let Some(mut site) = find::site(worker, held, finding)? {
                look.visit(worker, &mut site, &mut proc, &mut seen)?;
                sites.push(site);
            }
        }
        Ok((sites, seen))
    });
    let (mut sites, mut seen) = (Sites::default(), Glimpse::default());
    for part in parts.map_err(no_thread)? {
        let (some, part) = part?;
        some.into_iter().for_each(|site| sites.insert(site));
        seen.append(part);
    }
    let sight = look.whole(worker, Some(&mut host), seen)?;
    sites.insert(host);
    Ok((sites, sight))
}

fn no_thread(error: std::io::Error) -> Error {
    Error::system("could not start a thread", error)
}

/// What one thread saw.
#[derive(Default)]
pub(crate) struct Glimpse {
    objects: Vec<Object>,
    unfinished: Vec<(Place, u32)>,
    originals: BTreeMap<String, String>,
    lent: Vec<Lent>,
}

impl Glimpse {
    fn append(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.unfinished.extend(other.unfinished);
        self.originals.extend(other.originals);
        self.lent.extend(other.lent);
    }
}

/// How a thread looks.
struct Look<'a> {
    question: &'a Question<'a>,
    classes: Classes,
    keys: Keys<'a>,
    shelf: Shelf<'a>,
    with_files: BTreeSet<String>,
}

impl<'a> Look<'a> {
    fn new(question: &'a Question<'a>) -> Self {
        let classes = match question.record {
            Some(record) => Classes::of(question.desired.objects()).and(record.classes()),
            None => Classes::ALL,
        };
        Self {
            question,
            classes,
            keys: setting_keys(question),
            shelf: question.files.shelf(),
            with_files: question.files.directories(),
        }
    }

    /// The host last: the fabric tells which of its settings are ours.
    fn whole(
        &self,
        worker: &mut Worker,
        host: Option<&mut Site>,
        mut seen: Glimpse,
    ) -> Result<Sight, Error> {
        if let Some(host) = host {
            self.visit(worker, host, &mut Proc::through(self.question.keeper), &mut seen)?;
        }
        let entries = self.question.shelf.all()?.into_iter().filter(|entry| entry.is_there());
        seen.objects.extend(entries.map(|entry| {
            let mut process = entry.definition.process;
            process.other_secret = self.question.shelf.other_secret(&process);
            Object::from(process)
        }));
        seen.objects.extend(self.libvirt()?);
        let state: State = seen.objects.into_iter().collect();
        Ok(Sight {
            state: state.as_managed_by(self.question.desired),
            unfinished: seen.unfinished,
            originals: seen.originals,
            lent: seen.lent,
        })
    }

    /// What libvirt has of the yard's; where nothing of it is wanted or was made, it is not
    /// asked.
    fn libvirt(&self) -> Result<Vec<Object>, Error> {
        let question = self.question;
        if question.rootless {
            return Ok(Vec::new());
        }
        let wanted = question.desired.objects().filter_map(|object| match object {
            Object::LibvirtNetwork(o) => Some(o.name.clone()),
            _ => None,
        });
        let mut wanted: BTreeSet<String> = wanted.collect();
        let wanted = match question.record {
            Some(record) => {
                wanted.extend(record.libvirt.iter().cloned());
                Some(wanted)
            }
            None => None,
        };
        let worth = match &wanted {
            Some(wanted) => !wanted.is_empty(),
            None => crate::libvirt::may_be_there(),
        };
        if !worth {
            return Ok(Vec::new());
        }
        let found = crate::libvirt::observe(question.yard, wanted.as_ref())?;
        Ok(found.into_iter().map(|one| Object::LibvirtNetwork(Box::new(one))).collect())
    }

    /// Looks into one namespace.
    fn visit(
        &self,
        worker: &mut Worker,
        site: &mut Site,
        proc: &mut Proc,
        seen: &mut Glimpse,
    ) -> Result<(), Error> {
        let depth = if site.place == Place::Host { Depth::Whole } else { self.question.depth };
        let brief = depth != Depth::Whole;
        let classes = if brief { Classes::default() } else { self.classes };
        if depth != Depth::Outside {
            dumps::visit(worker, site, classes, self.question, seen)
                .map_err(|e| Error::system(format!("could not look into `{}`", site.place), e))?;
        }
        if let Some(keys) = self.keys.get(&site.place).filter(|_| !brief) {
            read_settings(worker, site, keys, proc, self.question, seen)?;
        }
        if site.place != Place::Host {
            seen.objects.push(namespace(worker, site)?);
            if self.with_files.contains(&site.netns) {
                files(site, &self.shelf, seen)?;
            }
        }
        Ok(())
    }
}

fn namespace(worker: &mut Worker, site: &Site) -> Result<Object, Error> {
    use std::os::fd::AsFd;
    let hostname = match &site.uts {
        None => None,
        Some(uts) => Some(worker.hostname(uts.as_fd()).map_err(|e| {
            Error::system(format!("could not read the hostname of `{}`", site.place), e)
        })?),
    };
    Ok(Object::Namespace(Namespace {
        place: site.place.clone(),
        netns: site.netns.clone(),
        published: site.published,
        hostname,
    }))
}

fn files(site: &Site, shelf: &Shelf<'_>, seen: &mut Glimpse) -> Result<(), Error> {
    let Place::Node(node) = &site.place else { return Ok(()) };
    let read = shelf.read(&site.netns).map_err(|e| {
        let directory = shelf.directory(&site.netns);
        Error::system(format!("could not read `{}`", directory.display()), e)
    })?;
    for (name, content) in read {
        let (node, netns) = (node.clone(), site.netns.clone());
        seen.objects.push(Object::File(netyard_core::state::File { node, netns, name, content }));
    }
    Ok(())
}

/// The settings that the desired State or the record names. Of the host, only
/// those that the yard has set: the others are not the yard's.
fn setting_keys<'a>(question: &Question<'a>) -> Keys<'a> {
    let mut keys: Keys<'a> = BTreeMap::new();
    for object in question.desired.objects() {
        if let Object::Sysctl(o) = object {
            keys.entry(&o.place).or_default().insert((o.interface.as_ref(), &o.key));
        }
    }
    for (place, interface, key) in question.record.iter().flat_map(|record| &record.sysctls) {
        keys.entry(place).or_default().insert((interface.as_ref(), key));
    }
    keys
}

/// The settings that are asked for over netlink.
const ASKED: [&str; 3] =
    ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding"];

fn read_settings(
    worker: &mut Worker,
    site: &mut Site,
    keys: &BTreeSet<SettingKey<'_>>,
    proc: &mut Proc,
    question: &Question<'_>,
    seen: &mut Glimpse,
) -> Result<(), Error> {
    let place = site.place.clone();
    let failed = |e| Error::system(format!("could not read the settings of `{place}`"), e);
    let mut forwarding = None;
    let mut entered = false;
    for &(interface, key) in keys {
        let kernel = match interface {
            Some(name) if site.names.index(name).is_err() => continue,
            Some(name) => Some(site.names.kernel(name)),
            None => None,
        };
        let path = crate::sysctl::path(key, kernel);
        let ours = question.record.is_some_and(|r| r.originals.contains_key(&path));
        let told = seen.originals.contains_key(&path);
        if site.place == Place::Host && !ours && !told {
            continue;
        }
        let value = if interface.is_none() && is_inherited(key, site, question) {
            site.accept_dad.map(|value| value.to_string())
        } else if ASKED.contains(&key) {
            if forwarding.is_none() {
                let socket = site.socket(worker).map_err(failed)?;
                let mut asked = keys.iter().filter(|(_, key)| ASKED.contains(key));
                let ipv6 = asked.clone().any(|(_, key)| key.starts_with("net/ipv6"));
                let ipv4 = asked.any(|(_, key)| key.starts_with("net/ipv4"));
                forwarding = Some(socket.forwarding(ipv4, ipv6).map_err(failed)?);
            }
            let all = forwarding.unwrap_or_default();
            let value = if key.starts_with("net/ipv6") { all.ipv6 } else { all.ipv4 };
            value.map(|value| value.to_string())
        } else {
            if !entered {
                worker.enter(site.fd()).map_err(failed)?;
                proc.visit(site.fd());
                entered = true;
            }
            proc.read(&path).map_err(failed)?
        };
        let Some(value) = value else { continue };
        let (place, interface) = (place.clone(), interface.cloned());
        let key = Key::Sysctl(place.clone(), interface.clone(), key.to_owned());
        let value = as_written(value, question.desired.get(&key));
        let Key::Sysctl(_, _, key) = key else { continue };
        let sysctl = netyard_core::state::Sysctl { place, interface, key, value };
        seen.objects.push(Object::Sysctl(sysctl));
    }
    Ok(())
}

/// True for what new interfaces are told about the trying of addresses, where all that
/// there are have it as it is wanted: their dump said so, while a file costs a fifth of
/// the kernel's work on a namespace. Somebody who changed it for interfaces to come is
/// noticed when one has come.
fn is_inherited(key: &str, site: &Site, question: &Question<'_>) -> bool {
    if key != "net/ipv6/conf/default/accept_dad" {
        return false;
    }
    let wanted = Key::Sysctl(site.place.clone(), None, key.to_owned());
    match (question.desired.get(&wanted), site.accept_dad) {
        (Some(Object::Sysctl(wanted)), Some(is)) => wanted.value == is.to_string(),
        _ => false,
    }
}

/// A value as the user wrote it, where it differs only in white space: the
/// kernel puts tabs between numbers.
fn as_written(value: String, desired: Option<&Object>) -> String {
    match desired {
        Some(Object::Sysctl(wanted))
            if wanted.value.split_whitespace().eq(value.split_whitespace()) =>
        {
            wanted.value.clone()
        }
        _ => value,
    }
}
