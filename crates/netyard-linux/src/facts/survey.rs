//! A look at network stacks and the machine, whoever made what is there: what
//! checks judge. Nothing is changed.

use std::io;
use std::path::Path;

use netyard_core::facts::{Ruleset, Stack, Survey};
use netyard_core::state::Place;

use super::{counters, listeners, machine, ruleset, stack};
use crate::error::Error;
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;
use crate::place::Sites;
use crate::sysctl::Proc;

/// The host alone, of which a yard need not know.
pub fn survey_host() -> Result<Survey, Error> {
    let look = |_: &mut Worker| {
        let mut proc = Proc::default();
        let host = look(&mut proc, None, true)?;
        let stacks = vec![(Place::Host, host)];
        Ok(Survey { stacks, machine: machine::read(&proc, true), ..Survey::default() })
    };
    Worker::run(look).map_err(|e| Error::system("could not start a thread", e))?
}

/// Those of the host and the yard's namespaces that are `wanted`; `files` gives a
/// node's own directory of files by the name of its namespace.
pub(crate) fn survey(
    worker: &mut Worker,
    sites: &mut Sites,
    wanted: &dyn Fn(&Place) -> bool,
    thorough: bool,
    files: &dyn Fn(&str) -> std::path::PathBuf,
) -> Result<Survey, Error> {
    let mut proc = Proc::default();
    let mut survey = Survey::default();
    for site in sites.iter_mut() {
        let place = site.place.clone();
        if !wanted(&place) {
            continue;
        }
        worker
            .enter(site.fd())
            .map_err(|e| Error::system(format!("could not enter `{place}`"), e))?;
        proc.visit(site.fd());
        let own = (place != Place::Host).then(|| files(&site.netns));
        let stack = look(&mut proc, own.as_deref(), thorough)?;
        survey.stacks.push((place, stack));
    }
    worker.go_home().map_err(|e| Error::system("could not go back", e))?;
    survey.machine = machine::read(&proc, thorough);
    Ok(survey)
}

/// The stack the thread is in; only what a plan has to know of it unless
/// `thorough`. What may not be read is noted; only what every
/// user may read must be there.
fn look(proc: &mut Proc, files: Option<&Path>, thorough: bool) -> Result<Stack, Error> {
    let mut found = Stack::default();
    let failed = |e| Error::system("could not look at the interfaces", e);
    let mut socket = Socket::open(Protocol::Route).map_err(failed)?;
    stack::read(&mut socket, &mut found).map_err(failed)?;
    let mut unseen = Vec::new();
    let mut note = |what: &str, error: io::Error| unseen.push((what.to_owned(), why(&error)));
    match ruleset::read() {
        Ok(ruleset) => found.ruleset = Some(ruleset),
        Err(error) => note("nftables", error),
    }
    match counters::legacy_tables() {
        Ok(tables) => found.legacy_tables = tables,
        Err(error) => note("tables of iptables-legacy", error),
    }
    match counters::settings(proc, &found.links, thorough) {
        Ok(settings) => found.settings = settings,
        Err(error) => note("settings", error),
    }
    if !thorough {
        found.unseen = unseen;
        return Ok(found);
    }
    // Only where something is translated can a connection be led astray.
    let translates = |ruleset: &Ruleset| {
        let mut chains = ruleset.tables.iter().flat_map(|table| &table.chains);
        chains.any(|chain| chain.kind == "nat" && !chain.rules.is_empty())
    };
    if found.ruleset.as_ref().is_some_and(translates) {
        match counters::flows() {
            Ok(flows) => found.flows = flows,
            Err(error) => note("connections", error),
        }
    }
    match counters::counters() {
        Ok(counters) => found.counters = counters,
        Err(error) => note("counters", error),
    }
    match counters::conntrack(proc) {
        Ok(conntrack) => found.conntrack = conntrack,
        Err(error) => note("connection tracking", error),
    }
    match listeners::read() {
        Ok(listeners) => found.listeners = listeners,
        Err(error) => note("sockets", error),
    }
    match counters::resolver(files) {
        Ok(resolver) => found.resolver = resolver,
        Err(error) => note("resolv.conf", error),
    }
    found.unseen = unseen;
    Ok(found)
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "only root may look at it".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}
