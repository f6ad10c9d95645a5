//! What the interfaces do at the moment.

use std::collections::BTreeMap;
use std::io;

use netyard_core::state::InterfaceId;
use netyard_core::wire::link::{Pulse, links_with_counters};

use crate::netns::Worker;
use crate::place::Sites;

/// Asks every namespace.
pub(crate) fn pulses(
    worker: &mut Worker,
    sites: &mut Sites,
) -> io::Result<BTreeMap<InterfaceId, Pulse>> {
    let mut all = BTreeMap::new();
    for site in sites.iter_mut() {
        let mut found = Vec::new();
        site.socket(worker)?.dump(&links_with_counters(), |message| match message {
            None => found.clear(),
            Some(message) => found.extend(Pulse::parse(message.payload)),
        })?;
        all.extend(found.into_iter().filter_map(|pulse| {
            let name = site.names.full(pulse.index)?.clone();
            Some((InterfaceId { place: site.place.clone(), name }, pulse))
        }));
    }
    Ok(all)
}
