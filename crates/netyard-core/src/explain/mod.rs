//! One packet followed through every namespace it crosses: what was seen of it,
//! where it ended and why.
//!
//! `netyard-linux` gathers: it sends the packet, listens to nft's trace, asks the
//! kernel's routing, and writes down a [`Journey`] of [`Hop`]s. Here is what can
//! be said without a kernel: the [`Scene`] of devices and which of them are wired
//! together ([`Scene::way`]), the judgement ([`judge`]) and the words ([`text`]).

mod judge;
mod packet;
mod scene;
mod sight;
mod text;
mod way;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

pub use judge::{Culprit, Outcome, judge};
pub use packet::{Kind, Packet, Token, Traced, error_words, patterns, read};
pub use scene::{Scene, Stack};
pub use sight::{
    Missing, Neighbour, Part, Problem, Refusal, Reverse, Rise, Routing, Segment, Stale, Verdict,
    Way,
};
pub use text::text;

use crate::state::Place;
use crate::wire::trace::Post;

/// The version of the JSON that a [`Journey`] makes.
pub const VERSION: u32 = 1;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The question.
    There,
    /// The answer.
    Back,
}

/// All that was seen of one packet and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Journey {
    /// 1; see [`VERSION`].
    pub version: u32,
    /// The yard.
    pub yard: String,
    /// Where it began, as the user said it.
    pub from: String,
    /// Where it was to go, as the user said it.
    pub to: String,
    /// As it was sent.
    pub packet: Packet,
    /// The way there; the last hop is where it was seen last.
    pub there: Vec<Hop>,
    /// The way of the answer, if there was something to answer.
    pub back: Vec<Hop>,
    /// An answer came.
    pub answered: bool,
    /// Sending it was refused, with this errno's name.
    pub send_error: Option<String>,
    /// Nothing listened at the destination, and netyard did.
    pub stand_in: Option<String>,
    /// Connections that go elsewhere than new ones do.
    pub stale: Vec<Stale>,
    /// An ICMP error about it, and the namespace that sent it.
    pub icmp_error: Option<(String, String)>,
    /// Interfaces that should be there and are not.
    pub missing: Vec<Missing>,
    /// What could not be looked at, and why.
    pub blind: Vec<String>,
    /// Where it ended, or that it did not.
    pub outcome: Outcome,
}

/// One namespace that a packet crosses.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// Which.
    #[serde(serialize_with = "as_text")]
    pub place: Place,
    /// Its name for `ip netns`; empty for the host.
    pub netns: String,
    /// Which way.
    pub direction: Direction,
    /// The interface it came by; none where it was made.
    pub iif: Option<String>,
    /// As it came, or was made.
    pub came: Packet,
    /// As routing saw it: with another destination where that was translated.
    pub routed: Packet,
    /// As it left, where that was seen: with another source where that was translated.
    pub left: Option<Packet>,
    /// How far it was seen to come; none where nft's trace could not be had.
    pub seen: Option<BTreeSet<Post>>,
    /// What nft's chains said, in order; ours left out.
    pub verdicts: Vec<Verdict>,
    /// What the kernel's routing says of it.
    pub routing: Routing,
    /// The route back to its source, where the kernel compares it with where it came from.
    pub reverse: Option<Reverse>,
    /// Whether packets that come by that interface are forwarded; none where it was made.
    pub forwards: Option<bool>,
    /// Source translation is configured here (a `nat` chain after routing).
    pub translates: bool,
    /// Whom it is given to on the link.
    pub neighbour: Option<Neighbour>,
    /// Over which devices it gets there.
    pub way: Option<Way>,
    /// Counters that rose while it was under way.
    pub rises: Vec<Rise>,
    /// Tables of the old iptables, which nft's trace does not see.
    pub legacy_tables: Vec<String>,
}

impl Hop {
    /// True where it was seen at that post.
    pub fn was_seen(&self, post: Post) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.contains(&post))
    }

    /// True where it was to be given to a socket of this namespace.
    pub fn is_destination(&self) -> bool {
        matches!(&self.routing, Routing::Here)
    }

    /// How a person runs a command there.
    pub fn prompt(&self) -> String {
        prompt(&self.place, &self.netns)
    }
}

/// How a person runs a command in a namespace.
pub(crate) fn prompt(place: &Place, netns: &str) -> String {
    match place {
        Place::Host => String::new(),
        Place::Node(node) => format!("netyard exec {node} -- "),
        Place::Fabric => format!("ip netns exec {netns} "),
    }
}

/// True for addresses that the Internet does not route: RFC 1918, RFC 6598, RFC 4193.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private() || (a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64),
        IpAddr::V6(a) => a.octets()[0] & 0xfe == 0xfc,
    }
}

fn as_text<S: serde::Serializer>(value: &Place, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}
