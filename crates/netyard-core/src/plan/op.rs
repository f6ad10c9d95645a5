//! The closed list of what netyard can do to a host.

use serde::{Deserialize, Serialize};

use crate::interface::Interface;
use crate::state::{InterfaceId, Object};

/// One change to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// Makes an object that is not there.
    Add {
        /// The object, whole.
        object: Object,
    },
    /// Makes both ends of a veth pair; the second is the first's peer.
    AddPair {
        /// One end.
        first: Box<Interface>,
        /// The other.
        second: Box<Interface>,
    },
    /// Changes an object in place.
    Set {
        /// As it is.
        from: Object,
        /// As it will be; of the same key.
        to: Object,
    },
    /// Takes an object away, and with it what the kernel takes away with it.
    Remove {
        /// The object, whole, so that it can be made again.
        object: Object,
    },
    /// Takes both ends of a veth pair away.
    RemovePair {
        /// One end.
        first: Box<Interface>,
        /// The other.
        second: Box<Interface>,
    },
    /// Lets an object that is there say that it is somebody else's; nothing else of it
    /// changes.
    Mark {
        /// The object.
        object: Object,
        /// What it says.
        from: Signs,
        /// What it will say.
        to: Signs,
    },
}

/// What an object says in the kernel of who made it; each sort of object has its own way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signs {
    /// `IFLA_IFALIAS` of an interface, or of the `lo` of a namespace.
    pub alias: String,
    /// `IFLA_GROUP` of an interface.
    pub group: u32,
    /// `RTA_PROTOCOL` of a route, `IFA_PROTO` of an address.
    pub protocol: u8,
}

/// Why a step is in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// The file has it, the host has not.
    Missing,
    /// The host has it, the file no longer.
    Unwanted,
    /// Both have it and differ in these attributes.
    Differs {
        /// The attributes that differ.
        attributes: Vec<Difference>,
    },
    /// It is in the way of a change that the kernel cannot make in place.
    Recreated {
        /// What cannot be changed in place, and why.
        because: String,
    },
    /// It goes, or comes again, with another object.
    Follows {
        /// That object, as the user calls it.
        object: String,
    },
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its name, the field's own: `mtu`.
    pub attribute: String,
    /// On the host.
    pub actual: String,
    /// In the file.
    pub desired: String,
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// By these, in this order.
    Ops {
        /// The ops.
        ops: Vec<Op>,
    },
    /// There is nothing to take back.
    Nothing,
    /// It cannot be taken back.
    Impossible {
        /// Why not.
        because: String,
    },
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// Why.
    pub why: Why,
    /// How it is taken back.
    pub undo: Undo,
}

/// What a batch is about.
///
/// In a batch of phase `Remove`, steps are done in their order. In any other
/// batch, steps of different namespaces may be done in any order or at once,
/// those of one namespace in theirs. Batches are done one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Removals: commands first, namespaces and their files last.
    Remove,
    /// Namespaces, their files and the settings that are not an interface's,
    /// so that new interfaces begin with the right defaults.
    Namespaces,
    /// Interfaces, across namespaces, parents and masters first; changed ones
    /// among them.
    Interfaces,
    /// All that is in one namespace only: `lo`, VLANs of ports, settings of
    /// interfaces, addresses, neighbours, routes, rules, qdiscs.
    Configure,
    /// Processes, those that others wait for first.
    Processes,
    /// Commands, when all else is there.
    Commands,
    /// What is there and becomes the yard's, place by place.
    Marks,
}

/// Steps that are journaled and then done together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What kind of steps.
    pub phase: Phase,
    /// In order.
    pub steps: Vec<Step>,
}

/// A thing that traffic will notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "disturbance", rename_all = "kebab-case")]
pub enum Disturbance {
    /// The interface goes down and comes up again, or is made anew.
    Flaps {
        /// Which.
        interface: InterfaceId,
        /// Why it must.
        because: String,
    },
    /// The node's namespace is made anew and all in it ends.
    Restarts {
        /// Which.
        node: String,
        /// Why it must.
        because: String,
    },
}

/// What will change, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order; empty when nothing differs.
    pub batches: Vec<Batch>,
    /// What traffic will notice, beyond what is new or goes for good.
    pub disturbances: Vec<Disturbance>,
}

impl Plan {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.batches.iter().flat_map(|b| &b.steps)
    }
}
