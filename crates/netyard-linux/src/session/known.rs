//! Which yards there are.

use std::collections::BTreeSet;

use netyard_core::name::YardName;

use crate::error::Error;
use crate::keeper::Keeper;
use crate::netns::{self, Published, Sort};
use crate::record::Record;
use crate::state_dir::{self, StateDir};

/// A yard that is known on this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    /// Its name.
    pub yard: YardName,
    /// How many of its namespaces are published.
    pub namespaces: usize,
    /// It was brought up without root, and somebody has ended the process that
    /// held it: it is not up.
    pub keeper_ended: bool,
}

/// All yards of this user that are up, or were cut off on their way, sorted.
pub fn list_yards() -> Result<Vec<Known>, Error> {
    let rootless = !netns::has_root();
    let base = state_dir::base(rootless)?;
    let mut names: BTreeSet<YardName> = state_dir::yards(&base)?.into_iter().collect();
    names.extend(netns::yards().map_err(|e| Error::system("could not list the yards", e))?);
    let known = |yard: YardName| {
        let namespaces = Published::of(&yard).names(Sort::Net).map_or(0, |names| names.len());
        let was_up = || {
            let record = Record::read(&StateDir::new(&base, &yard)).unwrap_or_default();
            record.is_some_and(|record| !record.is_of_any_host())
        };
        let keeper_ended = rootless && Keeper::find(&yard)?.is_none() && was_up();
        Ok(Known { yard, namespaces, keeper_ended })
    };
    names.into_iter().map(known).collect()
}
