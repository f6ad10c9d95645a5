//! What was seen of a probe.

use std::fmt;
use std::net::IpAddr;

/// What came of all tries of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The last and most telling thing.
    pub seen: Seen,
    /// Where the probe went, when that was found out.
    pub address: Option<IpAddr>,
    /// How many times it was sent.
    pub tries: u32,
    /// From the first try to the end, in nanoseconds.
    pub took: u64,
    /// netyard itself listened at the target.
    pub listened: bool,
}

impl Sighting {
    /// Nothing was sent, for this reason.
    pub fn unsent(why: impl Into<String>) -> Self {
        let seen = Seen::Unsent(why.into());
        Self { seen, address: None, tries: 0, took: 0, listened: false }
    }
}

/// What was seen of a probe.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It worked; the round trip of the try that did, in nanoseconds.
    Reply(u64),
    /// Somebody said no.
    Refused(Refusal),
    /// Nothing came back.
    Silence,
    /// The sender's own network stack has no way there: the system's words.
    NoWay(String),
    /// A server answered: the HTTP status.
    Status(u16),
    /// A server answered: the records' texts, or the error it named.
    Records(Result<Vec<String>, String>),
    /// A server answered with what nobody understands.
    Nonsense(String),
    /// The largest packet that came through, in bytes; 0: none did.
    Largest(u32),
    /// What a stream of packets showed.
    Measured(Measured),
    /// The target has no address of this family.
    NoAddress,
    /// The probe could not be sent at all: why.
    Unsent(String),
}

/// Who said no, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who sent the word.
    pub by: Option<IpAddr>,
    /// What it was.
    pub word: &'static str,
    /// A TCP reset, or a port unreachable, of the target itself: so says a
    /// firewall, and so says a port on which nothing listens.
    pub closed_port: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)?;
        self.by.map_or(Ok(()), |by| write!(f, " from {by}"))
    }
}

/// What a stream of packets showed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Packets that were sent.
    pub sent: u64,
    /// Those that arrived.
    pub received: u64,
    /// The middle one of all delays, in nanoseconds.
    pub delay: u64,
    /// Half of the width of nine tenths of all delays, as of an even
    /// distribution, in nanoseconds.
    pub jitter: u64,
    /// Bits per second on the wire, Ethernet headers counted; 0 where the
    /// stream was not meant to fill the line.
    pub rate: u64,
    /// Bits per second that the sender offered to the line; 0 likewise.
    pub offered: u64,
}

impl Measured {
    /// The share that did not arrive, in parts per million.
    pub fn loss(&self) -> u64 {
        let lost = self.sent.saturating_sub(self.received);
        (lost * 1_000_000).checked_div(self.sent).unwrap_or(0)
    }
}
