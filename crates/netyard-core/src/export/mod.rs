//! A yard -> files that do without netyard.
//!
//! ONE FILE FOR EACH TARGET. An exporter is given the whole yard and writes what its
//! target can express; whatever object it did not take is listed by [`export`] itself,
//! so that nothing is dropped in silence.

mod daemon;
mod libvirt;
mod netplan;
mod script;
mod systemd;
mod wg_quick;

pub(crate) use systemd::word;

use std::collections::BTreeSet;

use crate::key::PublicKey;
use crate::name::FullName;
use crate::state::{InterfaceId, Key, Object, Place, State, Tunnel};
use crate::yard::Yard;

/// What can be written.
pub struct Target {
    /// The word that names it on the command line.
    pub word: &'static str,
    /// What it is, for the help.
    pub doc: &'static str,
    write: fn(&Subject<'_>, &mut Papers),
}

/// All targets, in the order of the help.
pub static TARGETS: &[&Target] = &[
    &script::TARGET,
    &systemd::TARGET,
    &wg_quick::TARGET,
    &daemon::BABELD,
    &daemon::BIRD,
    &daemon::DNSMASQ,
    &daemon::HOSTAPD,
    &libvirt::TARGET,
    &netplan::TARGET,
];

/// The target of a word.
pub fn target(word: &str) -> Option<&'static Target> {
    TARGETS.iter().copied().find(|target| target.word == word)
}

/// What is written down.
pub struct Subject<'a> {
    /// The yard.
    pub yard: &'a Yard,
    /// All its objects.
    pub desired: &'a State,
    /// Where it was read from, for the heads of the files.
    pub origin: &'a str,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Its path, relative to where all of them go.
    pub path: String,
    /// All of it.
    pub text: String,
    /// Its permissions.
    pub mode: u32,
}

/// What an export gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// The files, in the order in which they are to be read.
    pub files: Vec<Paper>,
    /// What is not in them, and why; a line each.
    pub left_out: Vec<String>,
    /// What the target has no word for, by sort.
    pub beyond: Vec<(&'static str, Vec<String>)>,
    taken: BTreeSet<Key>,
}

impl Papers {
    fn file(&mut self, path: String, text: String, mode: u32) {
        self.files.push(Paper { path, text, mode });
    }

    /// An object that is in the files, or that need not be.
    fn take(&mut self, object: &Object) {
        self.taken.insert(object.key());
    }

    /// An object that is not, and why.
    fn leave(&mut self, object: &Object, why: &str) {
        self.taken.insert(object.key());
        self.left_out.push(format!("{object}: {why}"));
    }
}

/// Writes a yard down for a target.
pub fn export(target: &Target, subject: &Subject<'_>) -> Papers {
    let mut papers = Papers::default();
    (target.write)(subject, &mut papers);
    for (key, object) in subject.desired.iter() {
        if papers.taken.contains(key) {
            continue;
        }
        let sort = sort(object);
        match papers.beyond.iter_mut().find(|(known, _)| *known == sort) {
            Some((_, names)) => names.push(object.to_string()),
            None => papers.beyond.push((sort, vec![object.to_string()])),
        }
    }
    papers
}

/// What an object is one of, for people.
fn sort(object: &Object) -> &'static str {
    match object {
        Object::Namespace(_) => "namespaces",
        Object::Interface(_) => "interfaces",
        Object::PortVlan(_) => "VLANs of ports",
        Object::Sysctl(_) => "settings",
        Object::Address(_) => "addresses",
        Object::Neighbour(_) => "neighbours",
        Object::Route(_) => "routes",
        Object::Rule(_) => "rules",
        Object::Qdisc(_) => "impairments",
        Object::Table(_) | Object::FlowDevice(_) => "firewalls",
        Object::Tunnel(_) => "tunnels",
        Object::File(_) => "files",
        Object::Command(_) => "commands",
        Object::Process(_) => "processes",
        Object::LibvirtNetwork(_) => "networks of libvirt",
    }
}

impl Subject<'_> {
    /// The head of a file: what it is (`Builds`, `babeld of r1 in`), where it comes from,
    /// and what else there is to know.
    fn head(&self, target: &Target, what: &str, notes: &[String]) -> String {
        let made = format!(
            "{what} yard `{}`, from {}; made by `netyard export {}`.",
            self.yard.name, self.origin, target.word
        );
        let lines = std::iter::once(&made).chain(notes);
        lines.map(|line| format!("# {}\n", one_line(line))).collect()
    }

    /// Where keys are that the yard makes and keeps, and that somebody must bring.
    fn secrets(&self) -> String {
        format!("/etc/wireguard/{}", self.yard.name)
    }

    /// What the kernel calls an interface.
    fn device(&self, place: &Place, name: &FullName) -> String {
        let id = InterfaceId { place: place.clone(), name: name.clone() };
        let known = self.desired.interface(&id).map(|o| o.kernel_name.as_str());
        known.unwrap_or(name.as_str()).to_owned()
    }

    /// The beginning of a command that runs in a place.
    fn inside(&self, place: &Place) -> String {
        let node = self.yard.nodes.iter().find(|node| node.place == *place);
        let namespace = match place {
            Place::Fabric => self.yard.fabric.as_ref(),
            _ => node.and_then(|node| node.namespace.as_ref()),
        };
        namespace.map(|namespace| format!("ip netns exec {} ", namespace.netns)).unwrap_or_default()
    }
}

/// Why a tunnel is not written down.
const UNMADE: &str = "its keys, or a peer's, are made by the first `netyard up`";

/// True while a key of a tunnel is not there yet.
fn unmade(tunnel: &Tunnel) -> bool {
    let peers = tunnel.peers.iter().map(|peer| peer.public_key);
    peers.chain([tunnel.key.public]).any(|key| key == PublicKey::UNMADE)
}

/// Why a tunnel is not written down, whose keys are in files of such names.
const BROKEN_PATH: &str = "the name of a key's file is no word of a line";

/// True where the file of a key has a name that a line of a configuration cannot hold.
fn has_broken_path(tunnel: &Tunnel) -> bool {
    let shared = tunnel.peers.iter().filter_map(|peer| peer.preshared_key.as_ref());
    let mut files = shared.map(|key| &key.file).chain([&tunnel.key.file]);
    files.any(|file| file.contains(|c: char| c.is_control() || "%\"'\\".contains(c)))
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
