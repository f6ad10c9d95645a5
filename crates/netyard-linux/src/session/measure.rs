//! What a yard is measured by beside its State: connections that are tracked, and
//! what came of its expectations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use netyard_core::expect::Family;
use netyard_core::name::YardName;
use netyard_core::state::{Place, State};
use netyard_core::wire::conntrack;
use serde::{Deserialize, Serialize};

use super::{Session, no_thread, tables};
use crate::error::Error;
use crate::netns::{self, Worker};
use crate::state_dir::{self, StateDir};

const VERSION: u32 = 1;
const FILE: &str = "trial.json";
const SOURCE: &str = "file.json";

/// Connections that are tracked in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// How many.
    pub entries: u32,
    /// How many there can be, where the kernel says it; it is one number for all
    /// namespaces, of which each counts for itself.
    pub limit: Option<u32>,
}

/// What came of a yard's expectations, last time somebody looked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    version: u32,
    /// When it ended, in seconds since 1970.
    pub ended: f64,
    /// How long it took, in seconds.
    pub took: f64,
    /// One for each expectation that applied.
    pub results: Vec<Proved>,
}

/// What came of one expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proved {
    /// What was expected, in words.
    pub expectation: String,
    /// With which protocol of the internet layer.
    pub family: Family,
    /// Where the file says it: `netyard.yaml:12`.
    pub place: String,
    /// It came true.
    pub passed: bool,
}

/// The file that a yard was brought up from, where it is noted and was a file.
pub fn noted_file(yard: &YardName) -> Result<Option<PathBuf>, Error> {
    let base = state_dir::base(!netns::has_root())?;
    StateDir::new(&base, yard).read(SOURCE)
}

impl Trial {
    /// One that ended at this moment, in seconds since 1970, and took as many seconds.
    pub fn new(ended: f64, took: f64, results: Vec<Proved>) -> Self {
        Self { version: VERSION, ended, took, results }
    }
}

impl Proved {
    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.expectation, self.family) == (&other.expectation, other.family)
    }
}

impl Session {
    /// How many connections are tracked where the yard has a firewall. Call
    /// [`Self::observe`] first, whose State is given here.
    pub fn tracked(&mut self, observed: &State) -> Result<BTreeMap<Place, Tracked>, Error> {
        let places: Vec<Place> = tables(observed).map(|table| table.place.clone()).collect();
        let mut sites = self.sites.take().unwrap_or_default();
        let look = |worker: &mut Worker| {
            let mut counts = BTreeMap::new();
            let (ty, question) = conntrack::count_question();
            for place in places {
                let Some(site) = sites.get_mut(&place) else { continue };
                // A kernel that tracks without telling says nothing.
                let Ok(Some(answer)) = site.netfilter(worker)?.ask_raw(ty, &question) else {
                    continue;
                };
                let tracked = conntrack::count(&answer);
                counts.extend(tracked.map(|(entries, limit)| (place, Tracked { entries, limit })));
            }
            Ok::<_, std::io::Error>((counts, sites))
        };
        let (counts, sites) = Worker::run(look)
            .map_err(no_thread)?
            .map_err(|e| Error::system("could not count the connections", e))?;
        self.sites = Some(sites);
        Ok(counts)
    }

    /// Notes which file the yard was brought up from, for those who know its name
    /// alone.
    pub fn note_file(&self, path: &Path) -> Result<(), Error> {
        if !self.dir.path().is_dir() {
            return Ok(());
        }
        self.dir.write(SOURCE, &path)
    }

    /// Notes what came of expectations, for those who ask later; of `some` of them,
    /// what is known of the others stays. Nothing is noted of a yard that is gone.
    pub fn note_trial(&self, mut trial: Trial, some: bool) -> Result<(), Error> {
        if !self.dir.path().is_dir() {
            return Ok(());
        }
        let before = if some { self.trial()?.unwrap_or_default() } else { Trial::default() };
        let known = |old: &Proved| trial.results.iter().any(|new| new.is_of_the_same(old));
        let rest: Vec<Proved> = before.results.into_iter().filter(|old| !known(old)).collect();
        trial.results.extend(rest);
        self.dir.write(FILE, &trial)
    }

    /// What came of the yard's expectations last time; none where nobody looked.
    pub fn trial(&self) -> Result<Option<Trial>, Error> {
        let trial: Option<Trial> = self.dir.read(FILE)?;
        // Another version's is no loss: the next test writes it anew.
        Ok(trial.filter(|trial| trial.version == VERSION))
    }
}
