//! What a session does inside the yard's namespaces: probes, packets that are
//! followed, programs.

use std::path::PathBuf;
use std::process::ExitStatus;

use netyard_core::container::NAME as CONTAINER;
use netyard_core::name::NodeName;
use netyard_core::state::{Place, Root, State};

use super::{Session, no_thread};
use crate::error::{Error, ErrorKind};
use crate::netns::{self, Aboard, Inside, Worker};
use crate::observe::{self, Depth};
use crate::place::Sites;
use crate::probe::Spaces;
use crate::supervise;

impl Session {
    /// The namespaces of the yard and its host, to send probes from.
    pub fn spaces(&mut self) -> Result<Spaces, Error> {
        if self.sites.is_none() {
            self.look(&State::default())?;
        }
        let failed = |e| Error::system("could not hold a namespace", e);
        let mut spaces = Spaces::default();
        spaces.insert(Place::Host, netns::open_own("net").map_err(failed)?);
        for site in self.sites.iter().flat_map(Sites::own) {
            spaces.insert(site.place.clone(), site.net.try_clone().map_err(failed)?);
        }
        Ok(spaces)
    }

    /// Follows one packet through every namespace it crosses. `desired` says what
    /// should be there. Call [`Self::observe`] first.
    pub fn explain(
        &mut self,
        question: &crate::trace::Question,
        desired: &State,
    ) -> Result<netyard_core::explain::Journey, Error> {
        if self.sites.is_none() {
            self.look(desired)?;
        }
        let mut sites = self.sites.take().unwrap_or_default();
        let yard = &self.yard;
        let follow = |worker: &mut Worker| {
            crate::trace::explain(worker, &mut sites, yard, desired, question)
        };
        let journey = Worker::run(follow).map_err(no_thread)?;
        self.sites = Some(sites);
        journey
    }

    /// The directory of the files of a node's container, be it there or not yet.
    pub fn container_root(&self, node: &NodeName, root: &Root) -> PathBuf {
        supervise::root_of(&self.shelf, &Place::Node(node.clone()), CONTAINER, root)
    }

    /// Runs a program inside a node, with the caller's terminal; an empty `argv`
    /// is the user's shell, or that of a container.
    pub fn exec(&mut self, node: &NodeName, argv: &[String]) -> Result<ExitStatus, Error> {
        let container = self.shelf.read(&Place::Node(node.clone()), CONTAINER)?;
        if let Some(entry) = container {
            return exec_aboard(node, &entry, argv);
        }
        self.asked_for = Some(node.clone());
        let failed = |e| Error::system(format!("could not run a program in `{node}`"), e);
        let nothing = State::default();
        let finding = self.finding(&nothing, Depth::Whole);
        let find = |worker: &mut Worker| observe::find_node(worker, &finding, node);
        let site = Worker::run(find).map_err(no_thread)??.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("node `{node}` is not up"))
                .hint("`netyard up` brings it up")
        })?;
        let net = site.net.try_clone().map_err(failed)?;
        let uts = site.uts.as_ref().map(|uts| uts.try_clone()).transpose().map_err(failed)?;
        let inside = Inside::new(net, uts, &self.files.directory(&site.netns)).map_err(failed)?;
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
        let argv = if argv.is_empty() { &[shell][..] } else { argv };
        crate::process::foreground(inside, argv)
            .map_err(|e| Error::system(format!("could not run `{}` in `{node}`", argv[0]), e))
    }
}

/// Runs a program inside a node's container.
fn exec_aboard(
    node: &NodeName,
    entry: &supervise::Entry,
    argv: &[String],
) -> Result<ExitStatus, Error> {
    let failed = |e| Error::system(format!("could not enter the container of `{node}`"), e);
    let leader = entry.leader().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("the container of `{node}` does not run"))
            .hint(format!("`netyard logs {node}` shows what it wrote"))
    })?;
    let aboard = Aboard::of(leader.pid).map_err(failed)?;
    let shell = "/bin/sh".to_owned();
    let argv = if argv.is_empty() { &[shell][..] } else { argv };
    crate::process::aboard(aboard, argv)
        .map_err(|e| Error::system(format!("could not run `{}` in `{node}`", argv[0]), e))
}
