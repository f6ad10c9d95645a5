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

mod babel;
pub mod babel_dump;
mod bird;
mod care;
pub mod client;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;
pub mod dnsmasq;
mod frr;
mod hostapd;
pub mod lease;
pub mod metrics;
pub mod ra;
mod run;
pub mod served;
pub mod trouble;
mod wpa_supplicant;

pub use babel::{Babel, INTERFACE as BABEL_INTERFACE, RULE as BABEL_RULE};
pub use bird::Bird;
pub use care::{CARE, Care, Wish};
pub use frr::Frr;
pub use hostapd::Hostapd;
pub(crate) use run::ready;
pub use run::{READY, Run};
pub use wpa_supplicant::WpaSupplicant;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::air::Air;
use crate::diag::{Report, Span, Spanned};
use crate::name::{FullName, InterfaceName};
use crate::shape::{Record, Shape};
use crate::state::{Place, Process};

/// A service, as the file says it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is the struct of its file
pub enum Service {
    Babel(Babel),
    Bird(Bird),
    Frr(Frr),
    Hostapd(Hostapd),
    WpaSupplicant(WpaSupplicant),
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
pub static SERVICES: &[ServiceEntry] = &[
    ServiceEntry { word: "babeld", shape: &babel::SHAPE, parse: babel::parse },
    ServiceEntry { word: "bird", shape: &bird::SHAPE, parse: bird::parse },
    ServiceEntry { word: "frr", shape: &frr::SHAPE, parse: frr::parse },
    ServiceEntry { word: "hostapd", shape: &hostapd::SHAPE, parse: hostapd::parse },
    ServiceEntry {
        word: "wpa_supplicant",
        shape: &wpa_supplicant::SHAPE,
        parse: wpa_supplicant::parse,
    },
];

/// What a service of any other name is.
pub static OTHER: ServiceEntry =
    ServiceEntry { word: "run", shape: &run::SHAPE, parse: run::parse };

/// Names that netyard's own processes have.
const RESERVED: [&str; 5] =
    ["services", "dnsmasq", "metrics", crate::container::NAME, crate::vm::NAME];
/// Beginnings of such names.
const RESERVED_HEADS: [&str; 4] = ["wireguard-", "client-", "dnsmasq-", "frr-"];

/// True for a path that can stand in a configuration as it is.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['"', '\n', '\\'])
}

/// What a service of that name is.
pub fn entry(name: &str) -> &'static ServiceEntry {
    SERVICES.iter().find(|entry| entry.word == name).unwrap_or(&OTHER)
}

/// True where a process of netyard's own may have that name.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_HEADS.iter().any(|head| name.starts_with(head))
}

/// Where a service runs, and what it finds there.
#[derive(Debug)]
pub struct Scene {
    /// The yard's name.
    pub yard: String,
    /// Where it runs.
    pub place: Place,
    /// What it is called.
    pub name: Spanned<String>,
    /// The node's interfaces, without `lo`.
    pub wires: Vec<Wire>,
    /// Where files of the user's are, by how they are written.
    pub files: BTreeMap<String, String>,
}

impl Scene {
    /// The interface of that name.
    fn wire(&self, name: &str) -> Option<&Wire> {
        self.wires.iter().find(|wire| wire.name.as_str() == name)
    }

    /// The whole path of a file of the user's.
    fn file(&self, written: &str) -> String {
        self.files.get(written).map_or_else(|| written.to_owned(), String::clone)
    }
}

/// An interface, as services need to know it.
#[derive(Debug)]
pub struct Wire {
    /// As the user calls it.
    pub name: FullName,
    /// As the kernel does.
    pub kernel: InterfaceName,
    /// The bridge of the yard that it is a port of.
    pub bridge: Option<InterfaceName>,
    /// It leads to what is elsewhere.
    pub is_tunnel: bool,
    /// Its addresses.
    pub nets: Vec<IpNet>,
}

impl Service {
    /// How it is cared for.
    pub fn care(&self) -> &Care {
        match self {
            Self::Babel(babel) => &babel.care,
            Self::Bird(bird) => &bird.care,
            Self::Frr(frr) => &frr.care,
            Self::Hostapd(hostapd) => &hostapd.care,
            Self::WpaSupplicant(wpa) => &wpa.care,
            Self::Run(run) => &run.care,
        }
    }

    /// The interfaces that it speaks of, which the node must have.
    pub fn interfaces(&self) -> Vec<Spanned<String>> {
        match self {
            Self::Babel(babel) => babel.interfaces(),
            Self::Hostapd(_) | Self::WpaSupplicant(_) => {
                self.air().map(|air| air.interface.clone()).into_iter().collect()
            }
            Self::Bird(_) | Self::Frr(_) | Self::Run(_) => Vec::new(),
        }
    }

    /// The network on the air that it is, or joins.
    pub fn air(&self) -> Option<&Air> {
        match self {
            Self::Hostapd(hostapd) => Some(&hostapd.air),
            Self::WpaSupplicant(wpa) => Some(&wpa.air),
            _ => None,
        }
    }

    /// Where it says what a router says: its node passes packets on.
    pub fn routes(&self) -> Option<Span> {
        match self {
            Self::Babel(babel) => Some(babel.span()),
            Self::Bird(bird) => Some(bird.span),
            Self::Frr(frr) => Some(frr.span),
            Self::Hostapd(_) | Self::WpaSupplicant(_) | Self::Run(_) => None,
        }
    }

    /// The processes that it is; what they come after is the caller's to say.
    pub fn processes(&self, scene: &Scene) -> Vec<Process> {
        match self {
            Self::Babel(babel) => vec![babel.process(scene)],
            Self::Bird(bird) => vec![bird.process(scene)],
            Self::Frr(frr) => frr.processes(scene),
            Self::Hostapd(hostapd) => vec![hostapd.process(scene)],
            Self::WpaSupplicant(wpa) => vec![wpa.process(scene)],
            Self::Run(run) => vec![run.process(scene)],
        }
    }
}
