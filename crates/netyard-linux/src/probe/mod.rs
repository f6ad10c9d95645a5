//! Probes: packets sent from inside the yard's namespaces, natively, and what
//! came of them.
//!
//! [`run`] takes [`Shot`]s, each a probe from one place to one address, and
//! sends them in parallel: a few threads, each with one event loop ([`engine`])
//! for the sockets of many namespaces. One file for each sort of probe says how
//! it is sent and how its answer is read. [`prove`] does the same for
//! [`Expectation`]s: it looks names up, listens where nothing else does, and
//! measures lines ([`stream`]). [`sweep()`] pings everybody from everybody.
//!
//! ```no_run
//! # use netyard_linux::probe::{Shot, Spaces, What, run};
//! # use netyard_core::state::Place;
//! # fn example(spaces: &Spaces) -> Result<(), netyard_linux::Error> {
//! let shot = Shot::new(Place::Host, "10.0.0.1".parse().unwrap(), What::Tcp(80));
//! let seen = run(spaces, &[shot], &|| {})?;
//! # Ok(()) }
//! ```

mod dns;
mod drivers;
mod echo;
mod engine;
mod http;
mod listen;
mod name;
mod neighbour;
mod path_mtu;
mod ping;
mod prove;
mod socket;
mod stream;
mod sweep;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netyard_core::expect::{PROOF, Sighting, WITHIN};
use netyard_core::name::InterfaceName;
use netyard_core::state::Place;

use crate::error::Error;
use crate::netns::Worker;

pub use name::Book;
pub use prove::prove;
pub use sweep::{Reach, sweep};

/// The namespaces that probes can be sent from and received in.
#[derive(Debug, Default)]
pub struct Spaces(BTreeMap<Place, OwnedFd>);

impl Spaces {
    /// Adds one.
    pub fn insert(&mut self, place: Place, net: OwnedFd) {
        self.0.insert(place, net);
    }

    /// The namespace of a place.
    pub fn get(&self, place: &Place) -> Option<BorrowedFd<'_>> {
        self.0.get(place).map(|net| net.as_fd())
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An ICMP echo request.
    Ping,
    /// A TCP connection to this port.
    Tcp(u16),
    /// A UDP datagram to this port, which is to come back.
    Udp(u16),
    /// An HTTP request, as text, to this TCP port.
    Http {
        /// The server's port.
        port: u16,
        /// Head and all.
        request: String,
    },
    /// A DNS question to this UDP port.
    Dns {
        /// The server's port.
        port: u16,
        /// What is asked about.
        name: String,
        /// The type of record, as in `AAAA`.
        record: String,
    },
    /// Packets of sizes that are not to be fragmented, this one first.
    PathMtu(u32),
}

/// A probe from one place to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// Who sends.
    pub from: Place,
    /// Through this interface only.
    pub device: Option<InterfaceName>,
    /// With this source address; none where the routes choose it.
    pub source: Option<IpAddr>,
    /// To whom.
    pub to: IpAddr,
    /// What.
    pub what: What,
    /// It is to work: it is tried until it does, or `within` is over. Else it is
    /// tried all over `proof`, and one success or refusal ends it.
    pub to_work: bool,
    /// How long it has to work.
    pub within: Duration,
    /// How long it is proved that it does not.
    pub proof: Duration,
}

impl Shot {
    /// One that is to work, within the usual time.
    pub fn new(from: Place, to: IpAddr, what: What) -> Self {
        Self {
            from,
            device: None,
            source: None,
            to,
            what,
            to_work: true,
            within: Duration::from_nanos(WITHIN),
            proof: Duration::from_nanos(PROOF),
        }
    }
}

/// Sends all shots, as many at once as do not hinder each other; gives what was
/// seen of each, in their order. `landed` is called when one is at its end.
///
/// Fails when threads or event loops cannot be made; a probe that fails is a
/// sighting.
pub fn run(
    spaces: &Spaces,
    shots: &[Shot],
    landed: &(dyn Fn() + Sync),
) -> Result<Vec<Sighting>, Error> {
    let mut order: Vec<(usize, &Shot)> = shots.iter().enumerate().collect();
    // A thread keeps to its namespaces.
    order.sort_by(|a, b| a.1.from.cmp(&b.1.from));
    let share = order.len().div_ceil(threads(order.len())).max(1);
    let failed = |e| Error::system("could not send probes", e);
    let mut all: Vec<Option<Sighting>> = vec![None; shots.len()];
    let done: Vec<_> = std::thread::scope(|scope| {
        let fly = |part| move || Worker::run(|worker| engine::run(worker, spaces, part, landed));
        let threads: Vec<_> = order.chunks(share).map(|part| scope.spawn(fly(part))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    for part in done {
        for (index, sighting) in part.and_then(|done| done).map_err(failed)? {
            all[index] = Some(sighting);
        }
    }
    let unsent = || Sighting::unsent("it was not its turn");
    Ok(all.into_iter().map(|sighting| sighting.unwrap_or_else(unsent)).collect())
}

/// Threads that send at most.
fn most_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

/// Descriptors that tests may have open: as many as this process may, but for
/// those that it and its namespaces have.
fn room() -> usize {
    let limit = usize::try_from(crate::raise_descriptor_limit()).unwrap_or(usize::MAX);
    let open = std::fs::read_dir("/proc/self/fd").map_or(64, Iterator::count);
    limit.saturating_sub(open + 16).max(64)
}

/// Threads for so many shots: more than processors would only wait for each
/// other.
fn threads(shots: usize) -> usize {
    most_threads().min(shots.div_ceil(8)).max(1)
}
