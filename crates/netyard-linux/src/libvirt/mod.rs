//! libvirt: what it has, and what of it is a yard's.
//!
//! It is asked by virsh, a process for each question: there are few of them, and libvirt's own
//! protocol has no client but its own library.

mod virsh;

use std::collections::{BTreeMap, BTreeSet};

use netyard_core::facts::libvirt::{Libvirt, LibvirtBridge};
use netyard_core::libvirt::{SeenNetwork, read_network};
use netyard_core::name::{FullName, YardName};
use netyard_core::state::{LibvirtForward, LibvirtNetwork};

use crate::error::{Error, ErrorKind};

pub(crate) use virsh::{SYSTEM, Silence, VIRSH, virsh};

/// Where libvirt listens, in its old form and in that of a daemon for each purpose.
const SOCKETS: [&str; 2] = ["/run/libvirt/libvirt-sock", "/run/libvirt/virtnetworkd-sock"];

/// True where there may be a libvirt: for when nobody knows whether it has anything of ours.
pub(crate) fn may_be_there() -> bool {
    SOCKETS.iter().any(|socket| crate::supervise::takes_connections(socket.as_ref()))
        && crate::supervise::has_program(VIRSH)
}

/// The names of networks, those with these options of `net-list`.
fn names(options: &[&str]) -> Result<BTreeSet<String>, Silence> {
    let text = virsh(&[&["net-list", "--name"], options].concat(), "")?;
    Ok(text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What libvirt says of a network.
pub(crate) fn network(name: &str, inactive: bool) -> Result<SeenNetwork, Silence> {
    let name = format!("--network={name}");
    let mut words = vec!["net-dumpxml", &name];
    words.extend(inactive.then_some("--inactive"));
    let text = virsh(&words, "")?;
    read_network(&text).map_err(|why| Silence::Said(format!("what it says is refused: {why}")))
}

/// What libvirt has. `wanted` are the networks that the file speaks of: those must be
/// understood; `machines`: it speaks of some.
pub fn gather(wanted: &BTreeSet<String>, machines: bool) -> Libvirt {
    let mut found = Libvirt::default();
    match gather_networks(wanted) {
        Ok(networks) => found.networks = networks,
        Err(silence) => found.trouble = Some(silence.words()),
    }
    if found.trouble.is_none() && machines {
        match gather_domains() {
            Ok(domains) => found.domains = domains,
            Err(silence) => found.trouble = Some(silence.words()),
        }
    }
    found
}

fn gather_networks(wanted: &BTreeSet<String>) -> Result<BTreeMap<String, LibvirtBridge>, Silence> {
    let mut networks = BTreeMap::new();
    for name in names(&["--all"])? {
        let bridge = match network(&name, false) {
            Ok(seen) => LibvirtBridge {
                owner: seen.owner.map(|(yard, _)| yard),
                makes_bridge: seen.definition.forward != LibvirtForward::Bridge,
                bridge: seen.definition.bridge,
            },
            Err(Silence::Said(why)) if wanted.contains(&name) => {
                return Err(Silence::Said(format!("of network `{name}`: {why}")));
            }
            Err(_) => LibvirtBridge { owner: None, bridge: String::new(), makes_bridge: false },
        };
        networks.insert(name, bridge);
    }
    Ok(networks)
}

fn gather_domains() -> Result<BTreeMap<String, Option<String>>, Silence> {
    let text = virsh(&["list", "--all", "--name"], "")?;
    let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(|name| (name.to_owned(), owner_of(name).ok().flatten().flatten())).collect())
}

/// The yard that a machine belongs to; none where there is no such machine.
pub(crate) fn owner_of(name: &str) -> Result<Option<Option<String>>, Silence> {
    match virsh(&["dumpxml", &format!("--domain={name}")], "") {
        Ok(text) => netyard_core::libvirt::read_domain_owner(&text)
            .map(Some)
            .map_err(|why| Silence::Said(format!("what it says is refused: {why}"))),
        Err(Silence::Said(why))
            if why.contains("Domain not found") || why.contains("failed to get domain") =>
        {
            Ok(None)
        }
        Err(silence) => Err(silence),
    }
}

/// The networks of a yard. Those of these names are looked at; all where nobody knows.
pub(crate) fn observe(
    yard: &YardName,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<LibvirtNetwork>, Error> {
    look(yard, wanted).map_err(|silence| {
        let hint = "start libvirt (`systemctl start libvirtd`): it has networks of this yard";
        let error = Error::new(ErrorKind::System, "libvirt does not answer").hint(hint);
        error.others(Some(silence.words()).filter(|words| !words.is_empty()).into_iter().collect())
    })
}

fn look(
    yard: &YardName,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<LibvirtNetwork>, Silence> {
    let (all, active) = (names(&["--all"])?, names(&[])?);
    let lasting = names(&["--all", "--persistent"])?;
    let mut found = Vec::new();
    for name in all.into_iter().filter(|name| wanted.is_none_or(|wanted| wanted.contains(name))) {
        let runs = active.contains(&name);
        let seen = match network(&name, false) {
            Ok(seen) => seen,
            // A stranger's may be what it likes.
            Err(_) if wanted.is_none() => continue,
            Err(silence) => return Err(silence),
        };
        let Some((_, of)) = seen.owner.as_ref().filter(|(own, _)| own == yard.as_str()) else {
            continue;
        };
        let Ok(of) = FullName::new(of) else { continue };
        let definition = match lasting.contains(&name) {
            true if runs => Some(network(&name, true)?.definition),
            true => Some(seen.definition.clone()),
            false => None,
        };
        found.push(LibvirtNetwork {
            name,
            yard: yard.clone(),
            network: of,
            definition,
            running: runs.then_some(seen.definition),
        });
    }
    Ok(found)
}
