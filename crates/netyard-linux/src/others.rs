//! What other yards hold of the host: settings that more than one yard needs
//! become what they were when the last of them goes.
//!
//! Each yard notes what its settings of the host were before ([`crate::record`],
//! and altnames of a namespace of its own), also where they need no change. A
//! yard that finds another's note takes it for its own: that is what there was
//! before any of them. And one that goes leaves alone what another holds.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use netyard_core::facts::HeldSetting;
use netyard_core::name::YardName;

use crate::error::Error;
use crate::netlink::{Protocol, Socket};
use crate::netns::{self, Published, Sort, Worker};
use crate::record::Record;
use crate::state_dir::{self, StateDir};
use crate::sysctl::{self, Proc};

/// Settings of the host that other yards hold, each with the yard, and as it is now.
pub(crate) fn held(own: &YardName, dir: &StateDir, host: u64) -> Result<Vec<HeldSetting>, Error> {
    let failed = |e| Error::system("could not look at other yards", e);
    let look = |worker: &mut Worker| Others::look(worker, own, dir, host)?.held(&Proc::default());
    Worker::run(look).and_then(|held| held).map_err(failed)
}

/// The settings of the host that other yards hold: by path, what they were.
#[derive(Debug, Default)]
pub(crate) struct Others {
    notes: Vec<(YardName, BTreeMap<String, String>)>,
}

impl Others {
    /// Looks what the other yards on this host, whose namespace has that
    /// number, hold.
    pub fn look(
        worker: &mut Worker,
        own: &YardName,
        dir: &StateDir,
        host: u64,
    ) -> std::io::Result<Self> {
        let mut found = Self::default();
        let mut yards = netns::yards()?;
        yards.extend(state_dir::yards(dir.base()).unwrap_or_default());
        yards.sort();
        yards.dedup();
        for yard in yards.iter().filter(|yard| *yard != own) {
            let dir = StateDir::new(dir.base(), yard);
            let record = Record::read(&dir).unwrap_or_default();
            match record {
                Some(record) if record.host == host => {
                    found.notes.push((yard.clone(), record.originals));
                }
                Some(_) => {}
                // Its directory is lost: what is marked in the kernel counts.
                None => found.notes.push((yard.clone(), marks(worker, yard)?)),
            }
        }
        worker.go_home()?;
        Ok(found)
    }

    /// What a setting was before any other yard changed it; none where no other
    /// has.
    pub fn original(&self, path: &str) -> Option<String> {
        let names = names(path);
        let noted =
            |name: &&str| self.notes.iter().find_map(|(_, notes)| notes.get(*name).cloned());
        names.iter().find_map(noted).or_else(|| {
            let (lead, after) = sysctl::led_by(path)?;
            self.holds(lead).then(|| after.to_owned())
        })
    }

    /// Settings that others hold, each with the yard, and as it is now. The thread
    /// is at home.
    fn held(&self, proc: &Proc) -> std::io::Result<Vec<HeldSetting>> {
        let mut held = Vec::new();
        for (yard, notes) in &self.notes {
            for path in notes.keys() {
                let Some(value) = proc.read(path)? else { continue };
                // What was there before it is what the yard found already right, too.
                for name in names(path) {
                    let key = name.trim_start_matches("sys/").to_owned();
                    let (yard, value) = (yard.to_string(), value.clone());
                    held.push(HeldSetting { yard, key, value });
                }
            }
        }
        Ok(held)
    }

    /// True when another yard holds a setting, or one that writes over it.
    pub fn holds(&self, path: &str) -> bool {
        self.holds_itself(path)
            || sysctl::led_by(path).is_some_and(|(lead, _)| self.holds_itself(lead))
    }

    /// True when another yard holds this very setting.
    pub fn holds_itself(&self, path: &str) -> bool {
        let names = names(path);
        self.notes.iter().any(|(_, notes)| names.iter().any(|name| notes.contains_key(*name)))
    }
}

/// The paths of one setting of the kernel's.
fn names(path: &str) -> Vec<&str> {
    const SAME: [&str; 2] = ["sys/net/ipv4/ip_forward", "sys/net/ipv4/conf/all/forwarding"];
    if SAME.contains(&path) { SAME.to_vec() } else { vec![path] }
}

/// What is noted on the `lo` of a yard's published namespaces.
fn marks(worker: &mut Worker, yard: &YardName) -> std::io::Result<BTreeMap<String, String>> {
    let published = Published::of(yard);
    let mut names = published.names(Sort::Net).unwrap_or_default();
    // The fabric has the notes, where there is one.
    names.sort_by_key(|name| !name.ends_with(".fabric"));
    for name in names {
        let Some(net) = published.open(Sort::Net, &name)? else { continue };
        worker.enter(net.as_fd())?;
        let notes = crate::observe::notes(&mut Socket::open(Protocol::Route)?)?;
        if !notes.is_empty() {
            return Ok(notes.into_iter().collect());
        }
    }
    Ok(BTreeMap::new())
}
