//! What the last `up` left that the kernel cannot be asked for.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use netyard_core::name::FullName;
use netyard_core::state::{Command, Object, Place, State};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::observe::Classes;
use crate::state_dir::StateDir;

const VERSION: u32 = 1;
const FILE: &str = "record.json";

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
    classes: [bool; 6],
    /// Where the yard has a firewall.
    #[serde(default)]
    pub tables: BTreeSet<Place>,
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
    /// Its addresses, as messages to send again.
    pub addresses: Vec<Vec<u8>>,
    /// Its routes, as messages to send again.
    pub routes: Vec<Vec<u8>>,
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
                Object::Table(o) => drop(self.tables.insert(o.place.clone())),
                Object::Command(o) if !self.commands.contains(o) => self.commands.push(o.clone()),
                _ => {}
            }
        }
    }

    /// Forgets all that `state` does not have.
    pub fn only(&mut self, state: &State) {
        self.sysctls.clear();
        self.commands.clear();
        self.tables.clear();
        self.classes = [false; 6];
        self.add(state);
    }

    /// The classes of objects the yard has.
    pub fn classes(&self) -> Classes {
        let [addresses, routes, rules, neighbours, qdiscs, vlans] = self.classes;
        Classes { addresses, routes, rules, neighbours, qdiscs, vlans }
    }
}
