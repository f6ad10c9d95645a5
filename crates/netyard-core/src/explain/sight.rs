//! What there is to see of a packet at one hop.

use std::net::IpAddr;

use serde::Serialize;

use super::as_text;
use crate::addr::Mac;
use crate::state::Place;
use crate::wire::flow::Flow;
use crate::wire::lookup::Fate;
use crate::wire::trace::Decision;

/// What an nft chain said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The namespace it is in: a bridge's may be another one than the hop's.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// `ip`, `inet`, `bridge`.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The chain's handle.
    pub chain_handle: Option<u64>,
    /// The rule's handle; none for the policy.
    pub handle: Option<u64>,
    /// The rule, as nft writes it, where it could be read.
    pub rule: Option<String>,
    /// Its comment; netyard's say what in the file they come from.
    pub comment: Option<String>,
    /// What it said.
    pub decision: Decision,
    /// The table is netyard's.
    pub own: bool,
}

/// What the kernel's routing says of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// It was not asked: the packet did not come that far.
    Unasked,
    /// It is for this namespace itself.
    Here,
    /// On by an interface.
    Onward {
        /// The route that matched, as `ip route` writes it.
        route: String,
        /// The table it is in, and the rule that led there where it is not the usual one.
        table: String,
        /// The rule.
        rule: Option<String>,
        /// The interface it leaves by.
        interface: String,
        /// The next router; none for a destination on the link.
        gateway: Option<IpAddr>,
        /// What the route or the interface takes, in bytes.
        mtu: u32,
    },
    /// The kernel refuses it.
    Refused(Refusal),
}

/// Why the kernel's routing refuses a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No route matches; a link that is down and would be the way.
    NoRoute(Option<String>),
    /// A route or a rule that is there to refuse, as `ip` writes it.
    ByRoute(Fate, String),
    /// The source is to be found behind another interface.
    ReversePath,
    /// The namespace does not forward.
    NotForwarding,
    /// Anything else, by the name of its errno.
    Other(String),
}

/// The route to the source of a packet that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reverse {
    /// The interface it leads through; none where there is no route.
    pub interface: Option<String>,
    /// The greater of `rp_filter` of the interface and of all: 0 off, 1 strict, 2 loose.
    pub rp_filter: u32,
    /// Strict, and the way back is by another interface; or loose, and there is none.
    pub refuses: bool,
}

/// Whom a packet is given to on the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, where the kernel knows one.
    pub mac: Option<Mac>,
    /// `reachable`, `stale`, `incomplete`, `failed`, `permanent`, `none`.
    pub state: String,
    /// The kernel has a hardware address to send it to.
    pub usable: bool,
    /// Who has that address in the yard: `NODE:IF`.
    pub owner: Option<String>,
    /// The owner's hardware address, where it is not what the kernel uses.
    pub owner_mac: Option<Mac>,
    /// The owner may use the address: not while it is being checked for a duplicate.
    pub owner_usable: bool,
    /// Routers that do have an address on that link, as a hint: `NODE:IF ADDRESS`.
    pub others: Vec<String>,
}

/// The devices between two namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// In order.
    pub segments: Vec<Segment>,
}

impl Way {
    /// The first problem of the worst sort, and where.
    pub fn problem(&self) -> Option<(&Segment, &Problem)> {
        let all = self.segments.iter();
        let all = all.flat_map(|segment| segment.problems.iter().map(move |p| (segment, p)));
        all.min_by_key(|(_, problem)| problem.rank())
    }
}

/// What a packet does at a device on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// It leaves by it.
    Out,
    /// It comes in by it.
    In,
    /// It passes the bridge.
    Bridge,
}

/// One device on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// The namespace.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// The namespace's name for `ip netns`.
    pub netns: String,
    /// The device.
    pub device: String,
    /// Its name in the kernel.
    pub kernel_name: String,
    /// What the packet does there.
    pub part: Part,
    /// What is wrong there.
    pub problems: Vec<Problem>,
}

/// What can be wrong with a device on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// It is down.
    Down,
    /// A bridge port that does not forward; the kernel's word for its state.
    PortState(String),
    /// A bridge port that is not in the VLAN; none: it takes no untagged frames.
    Vlan(Option<u16>),
    /// Two isolated ports of one bridge; the other.
    Isolated(String),
    /// The packet is larger than it takes, in bytes.
    Mtu(u32),
    /// What it is plugged into is not there or is down.
    NoCarrier,
}

impl Problem {
    /// Which of several is the cause: lower comes first.
    fn rank(&self) -> u8 {
        match self {
            Self::Down => 0,
            Self::PortState(_) => 1,
            Self::Vlan(_) => 2,
            Self::Isolated(_) => 3,
            Self::NoCarrier => 4,
            Self::Mtu(_) => 5,
        }
    }
}

/// A counter that rose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rise {
    /// Its name: `IPReversePathFilter`, `eth0 tx_dropped`.
    pub counter: String,
    /// By how much.
    pub by: u64,
    /// Something was dropped.
    pub loss: bool,
}

/// An interface that the file has and the namespace does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The namespace.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// What users call it.
    pub interface: String,
    /// Its addresses, as they should be.
    pub addresses: Vec<IpAddr>,
    /// It is a bridge.
    pub bridge: bool,
}

impl Missing {
    /// `NODE:IF`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.place, self.interface)
    }
}

/// A tracked connection that goes elsewhere than new ones do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The namespace that tracks it.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// The namespace's name for `ip netns`.
    pub netns: String,
    /// The connection.
    pub flow: Flow,
    /// Where it goes.
    pub goes_to: String,
    /// Where new ones go.
    pub new_go_to: String,
    /// It is the connection that was asked for.
    pub asked: bool,
}
