//! Services: what runs in a yard for its networks and nodes.
//!
//! One file for each service. What is pure of it is here: how the file says it,
//! what a server is told ([`served`]), and what it answers, packet by packet
//! ([`dhcp4`], [`dhcp6`], [`ra`], [`dns`]), with the time as an argument. Sockets are in
//! `netyard-linux`.
//!
//! Services of a node stand below its `services:`. Those that netyard knows by
//! name have a file each; any other is a [`run`].
//!
//! ```yaml
//! nodes:
//!   gw:
//!     services:
//!       web: { run: [python3, -m, http.server, "80"], ready: { tcp: 80 } }
//! ```

mod care;
pub mod client;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;
pub mod dnsmasq;
pub mod lease;
pub mod ra;
mod run;
pub mod served;

pub use care::{CARE, Care, Wish};
pub use run::{READY, Run};

use crate::diag::{Report, Spanned};
use crate::shape::{Record, Shape};
use crate::state::{Place, Process};

/// A service, as the file says it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is the struct of its file
pub enum Service {
    Run(Run),
}

/// A name that says what a service is.
pub struct ServiceEntry {
    /// The name.
    pub word: &'static str,
    /// The keys it has.
    pub shape: &'static Shape,
    /// Reads those keys; gives nothing where they are wrong, which the report then
    /// says.
    pub parse: fn(&Record, &mut Report) -> Option<Service>,
}

/// All names that say what a service is, in the order of the reference.
pub static SERVICES: &[ServiceEntry] = &[];

/// What a service of any other name is.
pub static OTHER: ServiceEntry =
    ServiceEntry { word: "run", shape: &run::SHAPE, parse: run::parse };

/// Names that netyard's own processes have.
const RESERVED: [&str; 3] = ["services", "dnsmasq", "metrics"];
/// Beginnings of such names.
const RESERVED_HEADS: [&str; 3] = ["wireguard-", "client-", "dnsmasq-"];

/// What a service of that name is.
pub fn entry(name: &str) -> &'static ServiceEntry {
    SERVICES.iter().find(|entry| entry.word == name).unwrap_or(&OTHER)
}

/// True where a process of netyard's own may have that name.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_HEADS.iter().any(|head| name.starts_with(head))
}

/// The names of what a service speaks of: as the file has them, resolved by the
/// caller, who reports those that are not there.
#[derive(Debug)]
pub struct Scene {
    /// Where it runs.
    pub place: Place,
    /// What it is called.
    pub name: Spanned<String>,
}

impl Service {
    /// How it is cared for.
    pub fn care(&self) -> &Care {
        match self {
            Self::Run(run) => &run.care,
        }
    }

    /// The process that it is; what it comes after is the caller's to say.
    pub fn process(&self, scene: &Scene) -> Process {
        match self {
            Self::Run(run) => run.process(scene),
        }
    }
}
