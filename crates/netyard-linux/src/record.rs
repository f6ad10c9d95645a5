//! What the last `up` left that the kernel cannot be asked for.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use netyard_core::name::FullName;
use netyard_core::state::{Command, InterfaceId, Key, Object, Place, State};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::note;
use crate::observe::Classes;
use crate::state_dir::StateDir;

const VERSION: u32 = 1;
const FILE: &str = "record.json";
const KEPT: &str = "record-before.json";

/// The record of a yard, in its state directory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The network namespace `up` was called in, by inode.
    pub host: u64,
    /// The settings that are the yard's.
    pub sysctls: BTreeSet<(Place, Option<FullName>, String)>,
    /// Settings of the host as they were before the yard, by path.
    pub originals: BTreeMap<String, String>,
    /// The commands that were to run.
    pub commands: Vec<Command>,
    /// The prefixes addresses were drawn from.
    pub pools: Vec<IpNet>,
    /// Objects of the host's interfaces that were lent, as they were.
    pub lent: Vec<Lent>,
    /// The name of the fabric's namespace.
    #[serde(default)]
    pub fabric: Option<String>,
    classes: [bool; 6],
    /// Where the yard has a firewall.
    #[serde(default)]
    pub tables: BTreeSet<Place>,
    /// What of libvirt's is the yard's, by name.
    #[serde(default)]
    pub libvirt: BTreeSet<String>,
    /// Addresses that were there before the yard and were taken over.
    #[serde(default)]
    pub adopted: BTreeSet<(InterfaceId, IpNet)>,
}

/// An interface of the host that was lent to a node, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lent {
    /// Its name on the host.
    pub host_name: String,
    /// It was up.
    pub up: bool,
    /// In bytes.
    pub mtu: u32,
    /// It did not leave the host: it became a bridge's port there.
    #[serde(default)]
    pub stays: bool,
    /// Its addresses, as messages to send again.
    pub addresses: Vec<Vec<u8>>,
    /// Its routes, as messages to send again.
    pub routes: Vec<Vec<u8>>,
}

/// Most text of a note of a lent interface, in bytes: what of it is more than
/// some hundred addresses and routes is in the record alone.
const NOTE_MAX: usize = 12_000;

impl Lent {
    /// The altnames that tell it where it is lent to, so that it comes home as it
    /// was with the state directory lost.
    pub fn altnames(&self) -> Vec<String> {
        let stays = if self.stays { ".S" } else { "" };
        let mut text = format!("{}.{}{stays}", u8::from(self.up), self.mtu);
        let addresses = self.addresses.iter().map(|address| ('A', address));
        let routes = self.routes.iter().map(|route| ('R', route));
        for (sort, message) in addresses.chain(routes) {
            let message = note::encode(message);
            if text.len() + message.len() > NOTE_MAX {
                break;
            }
            text.push('.');
            text.push(sort);
            text += &message;
        }
        note::altnames(note::Sort::Lent, &self.host_name, &text)
    }

    /// What altnames tell of lent interfaces, sorted by name.
    pub fn noted<'a>(altnames: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let notes = note::read(note::Sort::Lent, altnames).into_iter();
        notes.filter_map(|(name, text)| Self::of_note(name, &text)).collect()
    }

    fn of_note(host_name: String, text: &str) -> Option<Self> {
        let mut words = text.split('.');
        let up = words.next()? == "1";
        let mtu = words.next()?.parse().ok()?;
        let (mut addresses, mut routes, mut stays) = (Vec::new(), Vec::new(), false);
        for word in words {
            match word.split_at_checked(1)? {
                ("A", address) => addresses.push(note::decode(address)?),
                ("R", route) => routes.push(note::decode(route)?),
                ("S", "") => stays = true,
                _ => return None,
            }
        }
        Some(Self { host_name, up, mtu, stays, addresses, routes })
    }
}

impl Record {
    /// Reads it; none where there is none.
    pub fn read(dir: &StateDir) -> Result<Option<Self>, Error> {
        let record: Option<Self> = dir.read(FILE)?;
        match record {
            Some(record) if record.version != VERSION => {
                let what = format!(
                    "the state of this yard was written by another version of netyard (format {})",
                    record.version
                );
                Err(Error::new(ErrorKind::State, what)
                    .hint("use that version, or `netyard down`, which works without it"))
            }
            record => Ok(record),
        }
    }

    /// Takes in what is noted in the kernel and not here: the state directory was
    /// lost.
    pub fn learn(&mut self, originals: &BTreeMap<String, String>, lent: &[Lent]) {
        for (path, value) in originals {
            self.originals.entry(path.clone()).or_insert_with(|| value.clone());
        }
        for lent in lent {
            if !self.lent.iter().any(|known| known.host_name == lent.host_name) {
                self.lent.push(lent.clone());
            }
        }
    }

    /// What is still true where the namespaces have gone, the host's among them.
    pub fn of_what_is_gone(self) -> Self {
        Self { pools: self.pools, ..Self::default() }
    }

    /// True before the first change.
    pub fn is_of_any_host(&self) -> bool {
        self.host == 0
    }

    /// Writes it.
    pub fn write(&mut self, dir: &StateDir) -> Result<(), Error> {
        self.version = VERSION;
        dir.write(FILE, self)
    }

    /// Keeps it, as it is before what may be cut off, beside the one that changes.
    pub fn keep(dir: &StateDir, before: Option<&Self>) -> Result<(), Error> {
        match before {
            Some(before) => dir.write(KEPT, before),
            None => Self::forget_kept(dir),
        }
    }

    /// Puts the one that was kept in the place of the one that changed; none where there
    /// was none.
    pub fn again_as_kept(dir: &StateDir) -> Result<Option<Self>, Error> {
        let kept: Option<Self> = dir.read(KEPT)?;
        match &kept {
            Some(kept) => dir.write(FILE, kept)?,
            None => dir.forget(FILE)?,
        }
        Ok(kept)
    }

    /// What was kept is of no use any more.
    pub fn forget_kept(dir: &StateDir) -> Result<(), Error> {
        dir.forget(KEPT)
    }

    /// Notes what `state` has that observing will have to know. What is already
    /// noted stays: until the change is done, either may be there.
    pub fn add(&mut self, state: &State) {
        let c = Classes::of(state.objects()).and(self.classes());
        self.classes = [c.addresses, c.routes, c.rules, c.neighbours, c.qdiscs, c.vlans];
        for object in state.objects() {
            match object {
                Object::Sysctl(o) => {
                    self.sysctls.insert((o.place.clone(), o.interface.clone(), o.key.clone()));
                }
                Object::LibvirtNetwork(o) => drop(self.libvirt.insert(o.name.clone())),
                Object::Table(o) => drop(self.tables.insert(o.place.clone())),
                Object::Namespace(o) if o.place == Place::Fabric => {
                    self.fabric = Some(o.netns.clone());
                }
                Object::Command(o) if !self.commands.contains(o) => self.commands.push(o.clone()),
                _ => {}
            }
        }
    }

    /// Forgets all that `state` does not have.
    pub fn only(&mut self, state: &State) {
        self.only_settings(state);
        self.commands.clear();
        self.tables.clear();
        self.libvirt.clear();
        self.classes = [false; 6];
        self.adopted.retain(|(id, net)| state.get(&Key::Address(id.clone(), *net)).is_some());
        self.add(state);
    }

    /// Forgets the settings that `state` does not have.
    pub fn only_settings(&mut self, state: &State) {
        self.sysctls.clear();
        for object in state.objects() {
            if let Object::Sysctl(o) = object {
                self.sysctls.insert((o.place.clone(), o.interface.clone(), o.key.clone()));
            }
        }
    }

    /// Forgets what a change noted by [`Self::add`] that was taken back.
    pub fn again(&mut self, before: &Self) {
        self.sysctls.clone_from(&before.sysctls);
        self.commands.clone_from(&before.commands);
        self.tables.clone_from(&before.tables);
        self.libvirt.clone_from(&before.libvirt);
        self.fabric.clone_from(&before.fabric);
        self.classes = before.classes;
    }

    /// The classes of objects the yard has.
    pub fn classes(&self) -> Classes {
        let [addresses, routes, rules, neighbours, qdiscs, vlans] = self.classes;
        Classes { addresses, routes, rules, neighbours, qdiscs, vlans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_interface_is_read_from_its_note_as_it_was() {
        let lent = |name: &str, messages: usize| Lent {
            host_name: name.to_owned(),
            up: messages != 1,
            mtu: 1400,
            stays: messages == 1,
            addresses: (0..messages).map(|i| vec![i as u8; 60]).collect(),
            routes: (0..messages).map(|i| vec![255 - i as u8; 49]).collect(),
        };
        let all = [lent("a b", 0), lent("enp6s0", 1), lent("wan", 7)];
        let mut names: Vec<String> = all.iter().flat_map(Lent::altnames).collect();
        names.sort();
        assert_eq!(Lent::noted(names.iter().map(String::as_str)), all);
        // What is too much for the kernel is cut at a whole message.
        let names = lent("wan", 200).altnames();
        let [noted] = &Lent::noted(names.iter().map(String::as_str))[..] else { panic!() };
        assert!(names.len() < 150, "{}", names.len());
        assert_eq!(noted.addresses[..100], lent("wan", 200).addresses[..100]);
        let damaged = "netyard.lent.00000000.0.wan=1.1500.Xabc";
        assert_eq!(Lent::noted([damaged].into_iter()), []);
    }
}
