//! What a yard's owner expects of its traffic, and whether it came true.
//!
//! `yard::resolve` turns `expect:` into [`Expectation`]s: one for each pair,
//! probe and family. `netyard-linux` sends the probes and gives a [`Sighting`]
//! of each; [`judge`] compares the two, without looking at the world again.
//!
//! ```yaml
//! expect:
//!   - { from: h1, to: h3, ping: true }
//!   - { from: h3, to: [h1, h2], tcp: [22, 80-81], result: blocked }
//!   - { link: r1:up--r2:down, delay: true, loss: true, rate: true }
//! ```

mod judge;
mod matrix;
mod shape;
mod sighting;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::diag::Span;
use crate::name::InterfaceName;
use crate::state::Place;

pub use judge::{NO_SUCH_NAME, Verdict, judge};
pub use matrix::{Pair, matrix, tcp as matrix_tcp};
pub use shape::{DNS, EXPECT, HTTP, RECORDS};
pub use sighting::{Measured, Refusal, Seen, Sighting};

/// How long something that is expected to work has to do so, in nanoseconds.
pub const WITHIN: u64 = 5_000_000_000;
/// How long nothing may get through where that is expected, in nanoseconds.
pub const PROOF: u64 = 1_000_000_000;
/// By how much a measured value may be off, in parts per million.
pub const TOLERANCE: u32 = 100_000;

/// One thing that is expected of the running yard.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// `name:`, if it has one.
    pub name: Option<String>,
    /// Where the file says it.
    pub span: Span,
    /// Who sends.
    pub from: Origin,
    /// To whom.
    pub to: Target,
    /// With which protocol of the internet layer.
    pub family: Family,
    /// The file said nothing of families, and of a target outside it is not
    /// known which it has: expected only if it has this one.
    pub if_it_has: bool,
    /// What is sent.
    pub probe: Probe,
    /// What is to come of it.
    pub want: Want,
    /// How long it has to work, in nanoseconds.
    pub within: u64,
    /// How long nothing may get through, in nanoseconds.
    pub proof: u64,
    /// `listen:`, if it was said.
    pub listen: Option<bool>,
    /// Where a port forward of the target's leads it: who listens, listens there.
    pub forwarded: Option<Forwarded>,
}

/// Where a port forward leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Forwarded {
    /// The place of the yard that has the address; none beyond it.
    pub place: Option<Place>,
    /// The address.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
}

/// Who sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// As written: `r1` or `r1:eth0`.
    pub label: String,
    /// Where.
    pub place: Place,
    /// Bound to this interface.
    pub device: Option<InterfaceName>,
    /// With this source address; none where the routes choose it.
    pub address: Option<IpAddr>,
}

/// To whom a probe goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As written.
    pub label: String,
    /// What it stands for.
    pub host: Host,
    /// Which place of the yard has the address; none beyond it.
    pub place: Option<Place>,
}

/// What a target stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name, which the sender looks up in its own `hosts` and name servers.
    Name(String),
    /// The sender's own name server.
    Resolver,
}

/// A protocol of the internet layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// ICMP echo.
    Ping,
    /// A TCP connection to this port.
    Tcp(u16),
    /// A UDP datagram to this port, which is to come back.
    Udp(u16),
    /// An HTTP/1.1 GET.
    Http(HttpGet),
    /// A DNS question over UDP.
    Dns(Question),
    /// Packets that must not be fragmented; the largest that gets through, in
    /// bytes of the IP packet.
    PathMtu(u32),
    /// A stream of packets one way, received inside the yard.
    Measure(Measure),
}

/// An HTTP request and the status it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// The server's TCP port.
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
    /// What `Host:` says; none: the target as written.
    pub host: Option<String>,
    /// None: any of 200 to 399.
    pub status: Option<u16>,
}

/// A DNS question and what the answer is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The server's UDP port.
    pub port: u16,
    /// What is asked about.
    pub name: String,
    /// The type of record, as in `A`.
    pub record: String,
    /// What is to be among the answers.
    pub answer: Answer,
}

/// What a DNS answer is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At least one record.
    Any,
    /// No record: no such name, or none of this type.
    Nothing,
    /// These records, each as text.
    These(Vec<String>),
}

/// What is measured, and what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Of what.
    pub metric: Metric,
    /// Nanoseconds of delay and jitter, parts per million of loss, bits per
    /// second of a rate.
    pub value: u64,
    /// By how much it may be off, in parts per million of the value.
    pub tolerance: u32,
    /// The rate of the link where it is known, in bits per second: slower
    /// streams measure it without filling its queue.
    pub line_rate: Option<u64>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// How long packets take one way.
    Delay,
    /// By how much that varies, to either side.
    Jitter,
    /// The share of packets that do not arrive.
    Loss,
    /// Bits per second that arrive of more than can pass.
    Rate,
}

impl Metric {
    /// As the file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Loss => "loss",
            Self::Rate => "rate",
        }
    }
}

impl fmt::Display for Probe {
    /// As the file writes it, on one line: `tcp 80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => f.write_str("ping"),
            Self::Tcp(port) => write!(f, "tcp {port}"),
            Self::Udp(port) => write!(f, "udp {port}"),
            Self::Http(get) => write!(f, "http {}{}", get.port, get.path),
            Self::Dns(question) => write!(f, "dns {} {}", question.name, question.record),
            Self::PathMtu(bytes) => write!(f, "path-mtu {bytes}"),
            Self::Measure(measure) => f.write_str(measure.metric.word()),
        }
    }
}

/// What is to come of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// It works.
    Ok,
    /// It does not get through: rejected or dropped.
    Blocked,
    /// Somebody on the way says no.
    Rejected,
    /// Nobody says anything.
    Dropped,
}

impl Want {
    /// The words of the file.
    pub const WORDS: &'static [&'static str] = &["ok", "blocked", "rejected", "dropped"];

    /// The one of that word.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "ok" => Self::Ok,
            "blocked" => Self::Blocked,
            "rejected" => Self::Rejected,
            "dropped" => Self::Dropped,
            _ => return None,
        })
    }

    /// As the file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Blocked => "blocked",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
        }
    }
}

impl Expectation {
    /// True when netyard may itself listen at the target while it tests: where
    /// something is to be blocked, so that a port without a program is not taken
    /// for a firewall, and for UDP, which programs answer only in their own
    /// words; else where the file says so.
    pub fn may_listen(&self) -> bool {
        let place = self.forwarded.as_ref().map_or(&self.to.place, |there| &there.place);
        if place.is_none() {
            return false;
        }
        let by_itself = match self.probe {
            Probe::Tcp(_) => self.want != Want::Ok,
            Probe::Udp(_) => true,
            _ => return false,
        };
        self.listen.unwrap_or(by_itself)
    }

    /// `h1 -> h3 tcp 80`, with the name where there is one; without the family.
    pub fn title(&self) -> String {
        format!("{} -> {} {}", self.from.label, self.to.label, self.probe)
    }
}
