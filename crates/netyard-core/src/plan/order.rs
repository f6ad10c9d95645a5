//! The order of steps.
//!
//! Six phases follow one another: what goes, namespaces, interfaces, what is
//! in one namespace only, processes, commands. Only interfaces and processes need
//! more thought, because they refer to each other across namespaces.
//!
//! # Additions and changes
//!
//! Each interface that is added or changed is a node of a graph; both ends of
//! a veth pair, which the kernel makes at once, are one node. Edges say who
//! waits for whom:
//!
//! * a child waits for its parent, added or changed: a VLAN comes up only on a
//!   parent that is up, and an MTU only within the parent's. A change that
//!   shrinks a child below a shrinking parent comes before the parent's;
//! * a member waits for a master that is added, and not for one that is
//!   changed.
//!
//! An interface's level is the length of the longest path to it. Each level is
//! a batch of its own (or several), so that within a batch no step waits for
//! another in a different namespace. No kind knows its place in the order: it
//! follows from `parent`, `master` and `peer` alone.
//!
//! A State with a cycle (two VLANs, each the parent of the other) has no order.
//! The yard step refuses such files; should one come this far, its interfaces
//! come last, in the order of their names, and the kernel refuses the first.
//!
//! Within a namespace, `Configure` follows the order in which the kernel's
//! checks can succeed: VLANs of ports (those that give up being the native one
//! before the one that becomes it), settings and keys, addresses, neighbours, routes
//! without a gateway, routes with one (the kernel looks the gateway up), rules,
//! qdiscs, devices of flowtables. Settings that are not an interface's come with the
//! namespace, before its interfaces: `net.ipv4.conf.default.*` is what a new
//! interface begins with. So does the namespace's nft table, even before its
//! settings: nothing is forwarded and nothing comes in that it has not seen.
//!
//! Processes have levels, too: one waits for those that it needs (`after`), if they
//! are added or changed. All of a level are started together.
//!
//! # Removals
//!
//! The reverse, leaves first: commands, processes (those that need others before
//! them), rules, routes (those with a gateway
//! first), neighbours, qdiscs, addresses, VLANs, settings of interfaces; then
//! interfaces, children before parents and members before masters, while
//! members that stay are released from masters that go; then other settings
//! (undone, they write over those of interfaces, which come after), tables,
//! namespaces, files. Unlike all other batches these are done strictly in order: the undo
//! of a removal holds what it took along, which depends on what went before.
//!
//! # Batches
//!
//! A batch holds at most [`BATCH`] steps; it is what is journaled at once. The
//! steps of one namespace are kept in one batch where they fit.

use std::collections::HashMap; // looked up, never iterated

use super::{Batch, Op, Phase, Signs, Step, Undo, Why};
use crate::interface::{Interface, Kind};
use crate::state::{InterfaceId, Need, Object, Place, Process, Route};

/// The most steps of a batch.
pub const BATCH: usize = 512;

/// An object to be added, or changed.
pub(super) struct Draft<'a> {
    /// As it is; none if it is not there.
    pub from: Option<Box<Object>>,
    /// As it will be.
    pub to: &'a Object,
    /// Why.
    pub why: Why,
    /// Changes before its parent does.
    pub before_parent: bool,
}

impl<'a> Draft<'a> {
    /// An object that is not there.
    pub fn add(to: &'a Object, why: Why) -> Self {
        Self { from: None, to, why, before_parent: false }
    }

    fn interface(&self) -> Option<&'a Interface> {
        match self.to {
            Object::Interface(o) if o.kind != Kind::Loopback => Some(o),
            _ => None,
        }
    }
}

/// A step and where it belongs; steps are sorted by this.
pub(super) struct Placed {
    /// Its phase.
    pub phase: Phase,
    /// Steps of different levels are never in one batch.
    pub level: u32,
    /// The namespace it is kept together with, as a number.
    pub group: u32,
    /// What is done, why, and how it is taken back.
    pub step: Step,
}

/// Sorts additions and changes into steps.
pub(super) fn additions(drafts: Vec<Draft<'_>>) -> Vec<Placed> {
    let graph = Graph::new(&drafts);
    let processes = levels(drafts.len(), &needs(drafts.iter().map(|draft| Some(draft.to))));
    let mut groups = Groups::default();
    let mut order: Vec<(Phase, u32, u32, u8, usize)> = Vec::with_capacity(drafts.len());
    for (number, draft) in drafts.iter().enumerate() {
        let (phase, class) = class(draft.to);
        match phase {
            Phase::Interfaces => {
                let level = graph.levels[graph.node[number]];
                order.push((phase, level, 0, 0, number));
            }
            Phase::Processes => {
                let group = groups.number(draft.to.place());
                order.push((phase, processes[number], group, class, number));
            }
            _ => order.push((phase, 0, groups.number(draft.to.place()), class, number)),
        }
    }
    order.sort_unstable();
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let mut placed = Vec::with_capacity(drafts.len());
    for (phase, level, group, _, number) in order {
        // The second end of a pair is taken when its first comes.
        let Some(draft) = drafts[number].take() else { continue };
        let other = graph.other[number].and_then(|n| drafts[n].take());
        let op = match (draft.from, draft.to, other) {
            (Some(from), to, _) => Op::Set { from: *from, to: to.clone() },
            (None, Object::Interface(first), Some(Draft { to: Object::Interface(second), .. })) => {
                Op::AddPair { first: first.clone(), second: second.clone() }
            }
            (None, to, _) => Op::Add { object: to.clone() },
        };
        placed.push(Placed { phase, level, group, step: step(op, draft.why) });
    }
    placed
}

/// An addition or change with its undo. What it is to remove again is alone by
/// the time it is undone: all that came to rest on it has been undone before.
fn step(op: Op, why: Why) -> Step {
    let undo = match &op {
        // A command has run, and `lo` goes with its namespace.
        Op::Add { object: Object::Command(_) } | Op::Set { from: Object::Command(_), .. } => None,
        Op::Add { object: Object::Interface(o) } if o.kind == Kind::Loopback => None,
        Op::Add { object } => Some(Op::Remove { object: object.clone() }),
        Op::AddPair { first, second } => {
            Some(Op::RemovePair { first: first.clone(), second: second.clone() })
        }
        Op::Set { from, to } => Some(Op::Set { from: to.clone(), to: from.clone() }),
        Op::Mark { object, from, to } => {
            Some(Op::Mark { object: object.clone(), from: to.clone(), to: from.clone() })
        }
        Op::Remove { .. } | Op::RemovePair { .. } => None,
    };
    let undo = undo.map_or(Undo::Nothing, |op| Undo::Ops { ops: vec![op] });
    Step { op, why, undo }
}

/// A change that is made on its own.
pub(super) fn change(from: Object, to: Object, why: Why) -> Step {
    step(Op::Set { from, to }, why)
}

/// A mark that is set on what is there.
pub(super) fn mark(object: Object, from: Signs, to: Signs) -> Step {
    step(Op::Mark { object, from, to }, Why::Missing)
}

/// The phase of an object, and its turn among those of its namespace.
fn class(object: &Object) -> (Phase, u8) {
    match object {
        Object::Namespace(_) => (Phase::Namespaces, 0),
        Object::File(_) => (Phase::Namespaces, 1),
        // Writes over the settings of its family that follow.
        // Before anything is forwarded, and before there is an interface.
        Object::Table(_) => (Phase::Namespaces, 2),
        Object::Sysctl(o) if o.key == "net/ipv4/ip_forward" => (Phase::Namespaces, 3),
        // Once IPv6 is forwarded, an interface whose `accept_ra` is 1 loses the
        // default route it learnt (`rt6_purge_dflt_routers`, net/ipv6/route.c).
        Object::Sysctl(o) if o.interface.is_none() && o.key.ends_with("/accept_ra") => {
            (Phase::Namespaces, 3)
        }
        Object::Sysctl(o) if o.interface.is_none() => (Phase::Namespaces, 4),
        // Its bridge is there before its ports.
        Object::LibvirtNetwork(_) => (Phase::Namespaces, 5),
        Object::Interface(o) if o.kind == Kind::Loopback => (Phase::Configure, 0),
        Object::Interface(_) => (Phase::Interfaces, 0),
        Object::PortVlan(o) => (Phase::Configure, 1 + u8::from(o.pvid)),
        Object::Sysctl(_) | Object::Tunnel(_) => (Phase::Configure, 3),
        Object::Address(_) => (Phase::Configure, 4),
        Object::Neighbour(_) => (Phase::Configure, 5),
        Object::Route(o) => (Phase::Configure, 6 + u8::from(has_gateway(o))),
        Object::Rule(_) => (Phase::Configure, 8),
        Object::Qdisc(_) | Object::FlowDevice(_) => (Phase::Configure, 9),
        Object::Process(_) => (Phase::Processes, 0),
        Object::Command(_) => (Phase::Commands, 0),
    }
}

/// When an object that rests on others goes, among those of its namespace:
/// greater numbers later.
pub(super) fn removal_class(object: &Object) -> u8 {
    match object {
        Object::Command(_) => 0,
        Object::Process(_) => PROCESSES_GO,
        Object::Rule(_) => 2,
        Object::Route(o) => 4 - u8::from(has_gateway(o)),
        Object::Neighbour(_) => 5,
        Object::Qdisc(_) | Object::FlowDevice(_) => 6,
        Object::Address(_) => 7,
        Object::PortVlan(_) => 8,
        Object::Sysctl(o) if o.interface.is_some() => 9,
        Object::Tunnel(_) => 9,
        Object::Interface(_) => INTERFACES_GO,
        Object::LibvirtNetwork(_) => 11,
        // Writing it back writes over those of the interfaces that stay.
        Object::Sysctl(o) if o.key != "net/ipv4/ip_forward" => 11,
        Object::Sysctl(_) => 12,
        // When nothing is forwarded any more.
        Object::Table(_) => 13,
        Object::Namespace(_) => 14,
        Object::File(_) => 15,
    }
}

/// Objects of this class and below go before all else, wherever they are.
pub(super) const PROCESSES_GO: u8 = 1;

/// Objects of lower classes are leaves: nothing rests on them.
pub(super) const INTERFACES_GO: u8 = 10;

fn has_gateway(route: &Route) -> bool {
    route.hops.iter().any(|hop| hop.gateway.is_some())
}

/// Numbers for namespaces, in the order in which they are met.
#[derive(Default)]
pub(super) struct Groups {
    numbers: HashMap<Place, u32>,
    last: Option<(Place, u32)>,
}

impl Groups {
    /// The number of a namespace.
    pub fn number(&mut self, place: Place) -> u32 {
        // Objects are sorted: the next one is mostly in the same namespace.
        if let Some((last, number)) = &self.last
            && *last == place
        {
            return *number;
        }
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(place.clone()).or_insert(next);
        self.last = Some((place, number));
        number
    }
}

/// Which interface waits for which.
struct Graph {
    /// The node of each draft; meaningless for what is no interface.
    node: Vec<usize>,
    /// The other end of a pair, at the draft of its first.
    other: Vec<Option<usize>>,
    /// The level of each node.
    levels: Vec<u32>,
}

impl Graph {
    fn new(drafts: &[Draft<'_>]) -> Self {
        let mut graph =
            Self { node: vec![0; drafts.len()], other: vec![None; drafts.len()], levels: vec![] };
        let mut found: HashMap<&InterfaceId, usize> = HashMap::new();
        let interfaces: Vec<(usize, &Interface)> = drafts
            .iter()
            .enumerate()
            .filter_map(|(number, draft)| Some((number, draft.interface()?)))
            .collect();
        found.reserve(interfaces.len());
        let mut nodes = 0;
        for &(number, interface) in &interfaces {
            graph.node[number] = nodes;
            if let Kind::Veth(veth) = &interface.kind
                && let Some(&first) = found.get(&veth.peer)
                && drafts[first].from.is_none()
                && drafts[number].from.is_none()
            {
                graph.other[first] = Some(number);
                graph.node[number] = graph.node[first];
            } else {
                nodes += 1;
            }
            found.insert(&interface.id, number);
        }
        let edges = graph.edges(drafts, &interfaces, &found);
        graph.levels = levels(nodes, &edges);
        graph
    }

    /// Pairs of nodes: the second waits for the first.
    fn edges(
        &self,
        drafts: &[Draft<'_>],
        interfaces: &[(usize, &Interface)],
        found: &HashMap<&InterfaceId, usize>,
    ) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        for &(number, interface) in interfaces {
            let node = self.node[number];
            if let Some(&parent) = interface.parent.as_ref().and_then(|id| found.get(id)) {
                let parent = self.node[parent];
                let first = drafts[number].before_parent;
                edges.push(if first { (node, parent) } else { (parent, node) });
            }
            if let Some(name) = &interface.master {
                let master = super::index::beside(&interface.id, name);
                if let Some(&master) = found.get(&master)
                    && drafts[master].from.is_none()
                {
                    edges.push((self.node[master], node));
                }
            }
        }
        edges
    }
}

/// Which process needs which, by their positions: the first of each pair is needed
/// by the second.
pub(super) fn needs<'o>(objects: impl Iterator<Item = Option<&'o Object>>) -> Vec<(usize, usize)> {
    let process = |(number, object): (usize, Option<&'o Object>)| match object {
        Some(Object::Process(process)) => Some((number, &**process)),
        _ => None,
    };
    let processes: Vec<(usize, &Process)> = objects.enumerate().filter_map(process).collect();
    let found: HashMap<(&Place, &str), usize> =
        processes.iter().map(|(number, p)| ((&p.place, &*p.name), *number)).collect();
    let mut edges = Vec::new();
    for (number, process) in processes {
        edges.extend(process.after.iter().filter_map(|need| match need {
            Need::Process(place, name) => Some((*found.get(&(place, name.as_str()))?, number)),
            // The client is ready when it has one.
            Need::Lease(id) => {
                let client = crate::service::client::process_name(&id.name);
                Some((*found.get(&(&id.place, client.as_str()))?, number))
            }
            _ => None,
        }));
    }
    edges
}

/// The length of the longest path of edges that leads to each node; what is on
/// a cycle or behind one comes after all else.
pub(super) fn levels(nodes: usize, edges: &[(usize, usize)]) -> Vec<u32> {
    let mut waiting = vec![0_u32; nodes];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for &(first, second) in edges {
        waiting[second] += 1;
        next[first].push(second);
    }
    let mut levels = vec![u32::MAX; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|&node| waiting[node] == 0).collect();
    let mut level = 0;
    while !ready.is_empty() {
        let mut after = Vec::new();
        for node in ready {
            levels[node] = level;
            for &second in &next[node] {
                waiting[second] -= 1;
                if waiting[second] == 0 {
                    after.push(second);
                }
            }
        }
        ready = after;
        level += 1;
    }
    levels
}

/// Cuts a sequence of steps into batches.
pub(super) fn batches(sequence: Vec<Placed>) -> Vec<Batch> {
    let lengths = lengths(&sequence);
    let mut batches = Vec::with_capacity(lengths.len());
    let mut sequence = sequence.into_iter();
    for (phase, length) in lengths {
        let steps = sequence.by_ref().take(length).map(|placed| placed.step).collect();
        batches.push(Batch { phase, steps });
    }
    batches
}

/// How many steps each batch takes.
fn lengths(sequence: &[Placed]) -> Vec<(Phase, usize)> {
    let mut lengths: Vec<(Phase, usize)> = Vec::new();
    for level in sequence.chunk_by(|a, b| (a.phase, a.level) == (b.phase, b.level)) {
        let phase = level[0].phase;
        // Steps that are free to be apart are runs of one.
        let together = phase != Phase::Remove && phase != Phase::Interfaces;
        let mut length = 0;
        for group in level.chunk_by(|a, b| together && a.group == b.group) {
            for run in group.chunks(BATCH) {
                if length + run.len() > BATCH {
                    lengths.push((phase, length));
                    length = 0;
                }
                length += run.len();
            }
        }
        lengths.push((phase, length));
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_longest_path() {
        assert_eq!(levels(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_cycle_ends_and_comes_last() {
        assert_eq!(levels(3, &[(0, 1), (1, 0)]), [u32::MAX, u32::MAX, 0]);
    }
}
