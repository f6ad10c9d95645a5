//! Which namespaces are the yard's.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use netyard_core::name::{NodeName, YardName};
use netyard_core::state::{Object, Place, State};
use netyard_core::wire::Mark;
use netyard_core::wire::link::Link;

use super::Depth;
use crate::error::{Error, ErrorKind};
use crate::keeper::Keeper;
use crate::netlink::{Batch, Protocol, Socket};
use crate::netns::{Published, Sort, Worker};
use crate::place::Site;

/// Where the yard's namespaces are looked for.
pub(crate) struct Finding<'a> {
    pub yard: &'a YardName,
    pub published: &'a Published,
    pub keeper: Option<&'a Keeper>,
    /// Who has which name, for a namespace whose mark somebody removed.
    pub hints: &'a State,
    /// A node that is asked for by name, which a mark that is a hash does not tell.
    pub node: Option<&'a NodeName>,
    /// How much of them will be looked at.
    pub depth: Depth,
    /// What the record says the fabric is called.
    pub fabric: Option<&'a str>,
    /// How many descriptors may be open.
    pub descriptors: u64,
}

/// Opens one node's namespace without looking at the others; none where it is
/// not up.
pub(crate) fn find_node(
    worker: &mut Worker,
    finding: &Finding<'_>,
    node: &NodeName,
) -> Result<Option<Site>, Error> {
    let failed = |e| Error::system(format!("could not look for `{node}`"), e);
    let wanted = Place::Node(node.clone());
    let mut all = held(finding)?;
    // Its namespace is most likely called after it.
    all.sort_by_key(|held| !held.name.ends_with(node.as_str()));
    for held in all {
        worker.enter(held.net.as_fd()).map_err(failed)?;
        let mut socket = Socket::open(Protocol::Route).map_err(failed)?;
        let mut batch = Batch::default();
        batch.push(crate::netlink::get_link(1));
        let outcome = socket.run(batch).map_err(failed)?;
        let lo = outcome.answers.iter().find_map(|message| Link::parse(message.get(16..)?));
        let alias = lo.map_or("", |lo| lo.alias);
        if place_of(alias, &held.name, finding).as_ref() == Some(&wanted) {
            let site = Site::new(wanted, held.name, held.net, held.uts);
            return Ok(Some(site.with_socket(socket)));
        }
    }
    Ok(None)
}

pub(super) struct Held {
    name: String,
    published: bool,
    net: OwnedFd,
    uts: Option<OwnedFd>,
}

/// Opens the host's namespace, with a socket.
pub(super) fn host(worker: &mut Worker) -> Result<Site, Error> {
    let failed = |e| Error::system("could not open the host's namespace", e);
    let home = worker.home().try_clone_to_owned().map_err(failed)?;
    worker.go_home().map_err(failed)?;
    let socket = Socket::open(Protocol::Route).map_err(failed)?;
    Ok(Site::new(Place::Host, String::new(), home, None).with_socket(socket))
}

/// The site of a namespace; none where it is not the yard's.
pub(super) fn site(
    worker: &mut Worker,
    held: Held,
    finding: &Finding<'_>,
) -> Result<Option<Site>, Error> {
    let failed = |e| Error::system("could not open the yard's namespaces", e);
    // That it is among the yard's own is enough for it to go, whatever node it is.
    if finding.depth == Depth::Outside
        && let Ok(name) = NodeName::new(&held.name)
    {
        let is_fabric = finding.fabric == Some(&held.name);
        let place = if is_fabric { Place::Fabric } else { Place::Node(name) };
        let mut site = Site::new(place, held.name, held.net, held.uts);
        site.published = held.published;
        return Ok(Some(site));
    }
    let entered = worker.enter(held.net.as_fd());
    entered.map_err(|e| Error::system(format!("could not enter `{}`", held.name), e))?;
    let mut socket = Socket::reader(Protocol::Route).map_err(failed)?;
    let (links, alias) = super::dumps::links(&mut socket).map_err(failed)?;
    let Some(place) = place_of(&alias, &held.name, finding) else { return Ok(None) };
    let mut site = Site::new(place, held.name, held.net, held.uts).with_socket(socket);
    site.published = held.published;
    site.links = Some(links);
    Ok(Some(site))
}

use std::os::fd::AsFd;

pub(super) fn held(finding: &Finding<'_>) -> Result<Vec<Held>, Error> {
    let failed = |e| Error::system("could not open the yard's namespaces", e);
    let names = finding.published.names(Sort::Net).map_err(failed)?;
    enough_descriptors(names.len(), finding.descriptors)?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        // A file that is no namespace was cut off while being made.
        let Some(net) = finding.published.open(Sort::Net, &name).map_err(failed)? else { continue };
        let uts = finding.published.open(Sort::Uts, &name).map_err(failed)?;
        all.push(Held { name, published: true, net, uts });
    }
    let Some(keeper) = finding.keeper else { return Ok(all) };
    let mut kept: BTreeMap<String, OwnedFd> = keeper
        .get()
        .map_err(|e| Error::system("could not ask the keeper", e))?
        .into_iter()
        .collect();
    let nets: Vec<String> = kept.keys().filter(|name| name.starts_with("net:")).cloned().collect();
    for net in nets {
        let name = net["net:".len()..].to_owned();
        let uts = kept.remove(&format!("uts:{name}"));
        if let Some(net) = kept.remove(&net) {
            all.push(Held { name, published: false, net, uts });
        }
    }
    Ok(all)
}

/// Each namespace takes up to three: itself, its hostname's, a socket.
pub(crate) fn enough_descriptors(namespaces: usize, limit: u64) -> Result<(), Error> {
    let needed = namespaces as u64 * 3 + 64;
    if needed <= limit {
        return Ok(());
    }
    let what = format!(
        "{namespaces} namespaces need {needed} open files, and this process may open {limit}"
    );
    Err(Error::new(ErrorKind::Limit, what)
        .hint(format!("raise the limit: `ulimit -Hn {needed}`, or LimitNOFILE= of the service")))
}

/// Which place a namespace is, by the mark on its `lo`, or by its name where
/// somebody removed the mark; none where it is not the yard's. Where the node's
/// name is too long for the mark and nobody knows it, the namespace's stands in.
fn place_of(alias: &str, name: &str, finding: &Finding<'_>) -> Option<Place> {
    let marked = Mark::parse(alias).filter(|mark| mark.yard == *finding.yard);
    let by_name = || {
        finding.hints.objects().find_map(|object| match object {
            Object::Namespace(o) if o.netns == name => Some(o.place.clone()),
            _ => None,
        })
    };
    let asked_for = || {
        let place = Place::Node(finding.node?.clone());
        (crate::run::lo_mark(finding.yard, &place) == alias).then_some(place)
    };
    let by_hash = || {
        let node = NodeName::new(name).ok().filter(|_| Mark::is_hash(alias, finding.yard))?;
        Some(Place::Node(node))
    };
    marked.map(|mark| mark.id.place).or_else(by_name).or_else(asked_for).or_else(by_hash)
}
