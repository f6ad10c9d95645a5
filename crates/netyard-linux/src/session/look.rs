//! Looking: what there is, what it counts, what changes.

use std::collections::BTreeMap;

use netyard_core::state::{InterfaceId, Place, State};
use netyard_core::wire::LongMarks;
use netyard_core::wire::link::Pulse;

use super::{Access, Observation, RuleCount, Session, no_thread, tables};
use crate::error::Error;
use crate::journal;
use crate::netlink::Ears;
use crate::netns::Worker;
use crate::observe::{self, Depth, Finding, Question, Sight};
use crate::place::Sites;

impl Session {
    /// Reads the State of the yard. `desired` only says what is worth asking for.
    pub fn observe(&mut self, desired: &State) -> Result<Observation, Error> {
        let interrupted = journal::interrupted(&self.dir.file("journal"))?;
        let sight = self.look(desired)?;
        Ok(Observation { state: sight.state, interrupted, unfinished: self.unfinished.len() })
    }

    pub(super) fn look(&mut self, desired: &State) -> Result<Sight, Error> {
        self.look_at(desired, Depth::Whole)
    }

    pub(super) fn finding<'a>(&'a self, hints: &'a State, depth: Depth) -> Finding<'a> {
        Finding {
            yard: &self.yard,
            published: &self.published,
            keeper: self.keeper.as_ref(),
            hints,
            node: self.asked_for.as_ref(),
            depth,
            fabric: self.record.as_ref().and_then(|record| record.fabric.as_deref()),
            descriptors: self.descriptors,
        }
    }

    pub(super) fn look_at(&mut self, desired: &State, depth: Depth) -> Result<Sight, Error> {
        let (known, mut ears) = (self.sites.take(), self.ears.take());
        let finding = self.finding(desired, depth);
        let long = LongMarks::of(&self.yard, desired);
        let question = Question {
            yard: &self.yard,
            keeper: self.keeper.as_ref(),
            desired,
            long: &long,
            record: self.record.as_ref(),
            files: &self.files,
            shelf: &self.shelf,
            depth,
            rootless: self.rootless,
        };
        let listen = self.access == Access::Watch && ears.is_none();
        let keeper = self.keeper.as_ref().filter(|_| self.rootless);
        let hears_host = keeper.is_some() || !self.rootless;
        let look = |worker: &mut Worker| {
            let (mut sites, mut sight) = match known {
                Some(sites) => (sites, None),
                None => {
                    let (sites, sight) = observe::find(worker, &finding, &question)?;
                    (sites, Some(sight))
                }
            };
            if listen {
                ears = Some(open_ears(worker, &mut sites, hears_host)?);
                // What changed before it listened is seen by looking again.
                sight = None;
            }
            let sight = match sight {
                Some(sight) => sight,
                None => observe::observe(worker, &mut sites, &question)?,
            };
            Ok::<_, Error>((sites, sight))
        };
        let seen = Worker::run(look).map_err(no_thread);
        self.ears = ears;
        let (sites, sight) = seen??;
        self.sites = Some(sites);
        self.unfinished = sight.unfinished.clone();
        self.originals = sight.originals.clone();
        self.lent = sight.lent.clone();
        Ok(sight)
    }

    /// What the rules of the yard's firewalls counted, by place. Call
    /// [`Self::observe`] first, whose State is given here.
    pub fn rule_counters(
        &mut self,
        observed: &State,
    ) -> Result<BTreeMap<Place, Vec<RuleCount>>, Error> {
        let places: Vec<Place> = tables(observed).map(|table| table.place.clone()).collect();
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut sites = self.sites.take().unwrap_or_default();
        let yard = &self.yard;
        let look = |worker: &mut Worker| {
            let mut counts = BTreeMap::new();
            for place in places {
                let Some(site) = sites.get_mut(&place) else { continue };
                let rules = crate::nft::counters(site.netfilter(worker)?, yard)?;
                let count =
                    |(chain, rule, packets, bytes)| RuleCount { chain, rule, packets, bytes };
                counts.insert(place, rules.into_iter().map(count).collect());
            }
            Ok::<_, std::io::Error>((counts, sites))
        };
        let (counts, sites) = Worker::run(look)
            .map_err(no_thread)?
            .map_err(|e| Error::system("could not read the counters", e))?;
        self.sites = Some(sites);
        Ok(counts)
    }

    /// What the yard's interfaces do at the moment. Call [`Self::observe`] first.
    pub fn pulses(&mut self) -> Result<BTreeMap<InterfaceId, Pulse>, Error> {
        let mut sites = self.sites.take().unwrap_or_default();
        let look = |worker: &mut Worker| {
            let pulses = observe::pulses(worker, &mut sites);
            (sites, pulses)
        };
        let (sites, pulses) = Worker::run(look).map_err(no_thread)?;
        self.sites = Some(sites);
        pulses.map_err(|e| Error::system("could not read the counters", e))
    }

    /// Ends a session that was to `Watch`: lets go of everything of the yard's,
    /// and gives what hears of its changes since the first look.
    pub fn into_ears(mut self) -> Result<Ears, Error> {
        let mut ears = self.ears.take().unwrap_or_default();
        if let Some(keeper) = &self.keeper {
            let end = keeper.pidfd().try_clone_to_owned();
            ears = ears.and(end.map_err(|e| Error::system("could not watch the keeper", e))?);
        }
        // Each change has its journal there.
        Ok(ears.and_files([self.dir.path()]))
    }
}

/// Ears in the yard's namespaces; links that were read before are read again.
fn open_ears(worker: &mut Worker, sites: &mut Sites, hears_host: bool) -> Result<Ears, Error> {
    let failed = |e| Error::system("could not listen to what changes", e);
    if sites.own().next().is_none() {
        return Ok(Ears::default());
    }
    let host = sites.get(&Place::Host).filter(|_| hears_host);
    let all: Vec<_> = sites.own().chain(host).map(|site| site.fd()).collect();
    let ears = Ears::of(worker, &all).map_err(failed)?;
    sites.iter_mut().for_each(|site| site.links = None);
    Ok(ears)
}
