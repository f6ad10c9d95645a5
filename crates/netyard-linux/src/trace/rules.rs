//! What stands in the rulesets of the namespaces: texts of rules, chains that
//! translate, tables of the old iptables.

use std::collections::BTreeMap;

use netyard_core::facts::ruleset::Family;
use netyard_core::facts::{ForeignChain, ForeignTable, Ruleset};
use netyard_core::nft::Hook;
use netyard_core::state::Place;
use netyard_core::wire::trace::Event;

use crate::error::Error;
use crate::netns::Worker;
use crate::place::Sites;

/// The rulesets of the namespaces that a packet crosses, read once each.
#[derive(Default)]
pub(super) struct Rules {
    known: BTreeMap<Place, Known>,
}

#[derive(Default)]
struct Known {
    ruleset: Ruleset,
    legacy: Vec<String>,
}

impl Rules {
    /// Reads those of one more namespace.
    pub fn read(&mut self, worker: &mut Worker, sites: &Sites, place: &Place) -> Result<(), Error> {
        let failed = |e| Error::system(format!("could not read the rules of `{place}`"), e);
        let Some(site) = sites.get(place) else { return Ok(()) };
        worker.enter(site.fd()).map_err(failed)?;
        // A kernel without nftables has no rules.
        let ruleset = crate::facts::ruleset::read().unwrap_or_default();
        let mut legacy = Vec::new();
        for (file, family) in [("ip_tables_names", "iptables"), ("ip6_tables_names", "ip6tables")] {
            let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            let text = text.unwrap_or_default();
            legacy.extend(text.lines().map(|table| format!("{family} {table}")));
        }
        self.known.insert(place.clone(), Known { ruleset, legacy });
        Ok(())
    }

    /// The rule of an event, as nft writes it.
    pub fn text(&self, place: &Place, event: &Event, handle: u64) -> Option<String> {
        let (table, chain) = self.chain(place, event)?;
        let rule = chain.rules.iter().find(|rule| rule.handle == handle)?;
        Some(rule.text(table))
    }

    /// The comment of the rule of an event.
    pub fn comment(&self, place: &Place, event: &Event, handle: u64) -> Option<String> {
        let (_, chain) = self.chain(place, event)?;
        chain.rules.iter().find(|rule| rule.handle == handle)?.comment.clone()
    }

    /// The handle of the chain of an event.
    pub fn chain_handle(&self, place: &Place, event: &Event) -> Option<u64> {
        self.chain(place, event).map(|(_, chain)| chain.handle)
    }

    /// True for a table of netyard's.
    pub fn is_own(&self, place: &Place, event: &Event) -> bool {
        self.chain(place, event).is_some_and(|(table, _)| table.is_ours())
    }

    fn chain(&self, place: &Place, event: &Event) -> Option<(&ForeignTable, &ForeignChain)> {
        let mut tables = self.known.get(place)?.ruleset.tables.iter();
        let is = |table: &&ForeignTable| {
            table.family.number() == event.family && table.name == event.table
        };
        let table = tables.find(is)?;
        Some((table, table.chain(&event.chain)?))
    }

    /// True where a `nat` chain looks at what leaves.
    pub fn translates(&self, place: &Place) -> bool {
        let all = self.known.get(place).into_iter().flat_map(|known| &known.ruleset.tables);
        all.flat_map(|table| &table.chains)
            .any(|chain| chain.kind == "nat" && matches!(chain.hook, Some((Hook::Postrouting, _))))
    }

    /// True where somebody's chains look at what comes in by single devices.
    pub fn has_ingress(&self, place: &Place) -> bool {
        let tables = self.known.get(place).into_iter().flat_map(|known| &known.ruleset.tables);
        tables.into_iter().any(|table| table.family == Family::Netdev)
    }

    /// Tables of the old iptables.
    pub fn legacy(&self, place: &Place) -> Vec<String> {
        self.known.get(place).map(|known| known.legacy.clone()).unwrap_or_default()
    }
}
