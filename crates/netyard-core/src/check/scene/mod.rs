//! What checks look at, and questions that several of them ask.

mod claim;
mod crossing;
mod culprit;
mod forward;
mod setting;

use super::Phase;
use crate::facts::{Link, Machine, Manager, ManagerName, Stack, Survey};
use crate::service::trouble::Met;
use crate::state::Place;
use crate::yard::Yard;

pub use claim::Claimed;
pub use crossing::Crossing;
pub use culprit::{Culprit, Owner};
pub use forward::{forwarded_ports, target_text};

/// What checks look at: the host and its namespaces as they are, and what the
/// yard is meant to be, where there is one.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What there is.
    pub survey: &'a Survey,
    /// What is meant; none: the host is looked at for itself.
    pub yard: Option<&'a Yard>,
    /// Before anything is done, or while it runs.
    pub phase: Phase,
}

impl<'a> Scene<'a> {
    /// All stacks, the host's first.
    pub fn stacks(&self) -> impl Iterator<Item = (&'a Place, &'a Stack)> + use<'a> {
        self.survey.stacks.iter().map(|(place, stack)| (place, stack))
    }

    /// The host's stack.
    pub fn host(&self) -> Option<&'a Stack> {
        self.survey.host()
    }

    /// Files and daemons.
    pub fn machine(&self) -> &'a Machine {
        &self.survey.machine
    }

    /// True where the interface matters: all do of the yard's own namespaces and
    /// of a host that is looked at for itself, else the yard's own and what it
    /// goes out by.
    pub fn matters(&self, place: &Place, link: &Link) -> bool {
        let Some(yard) = self.yard else { return true };
        *place != Place::Host
            || Stack::is_ours(link, yard.name.as_str())
            || self.names_on_host().contains(&link.name)
            || self.ways_out().contains(&link.name)
    }

    /// Kernel names of the interfaces that the yard has, or will have, on the host.
    pub fn names_on_host(&self) -> Vec<String> {
        let Some(yard) = self.yard else { return Vec::new() };
        let host = yard.nodes.iter().filter(|node| node.place == Place::Host);
        let own = host.flat_map(|node| &node.interfaces).map(|one| &one.device);
        let of_networks = yard.networks.iter().flat_map(|network| &network.devices);
        let of_networks = of_networks.map(|one| &one.device);
        let mut names: Vec<String> = own
            .chain(of_networks)
            .filter(|device| device.id.place == Place::Host)
            .map(|device| device.kernel_name.as_str().to_owned())
            .collect();
        let inside = yard.uplinks.iter().flat_map(|uplink| &uplink.inside);
        names.extend(inside.map(ToString::to_string));
        names.sort();
        names.dedup();
        names.retain(|name| name != "lo");
        names
    }

    /// True where something of the yard is on the host; without a yard the host
    /// itself is meant.
    pub fn touches_host(&self) -> bool {
        self.yard.is_none() || !self.names_on_host().is_empty()
    }

    /// Kernel names of the bridges that the yard has, or will have, on the host.
    pub fn bridges_on_host(&self) -> Vec<String> {
        let kinds = self.interfaces_on_host();
        kinds.into_iter().filter(|(_, kind)| kind == "bridge").map(|(name, _)| name).collect()
    }

    /// The interfaces that the yard has, or will have, on the host: kernel name
    /// and kind, as in `IFLA_INFO_KIND`; without a yard, those with a kind.
    pub fn interfaces_on_host(&self) -> Vec<(String, String)> {
        let Some(yard) = self.yard else { return Vec::new() };
        let host = yard.nodes.iter().filter(|node| node.place == Place::Host);
        let own = host.flat_map(|node| &node.interfaces).map(|one| &one.device);
        let of_networks = yard.networks.iter().flat_map(|network| &network.devices);
        let mut all: Vec<(String, String)> = own
            .chain(of_networks.map(|one| &one.device))
            .filter(|device| device.id.place == Place::Host)
            .filter_map(|device| Some((device.kernel_name.to_string(), device.kind.kernel_kind()?)))
            .map(|(name, kind)| (name, kind.to_owned()))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// What servers of networks met in the last so many seconds.
    pub fn troubles(&self, seconds: u64) -> impl Iterator<Item = (&'a Place, u64, &'a Met)> {
        let all = self.survey.troubles.iter().filter(move |(_, age, _)| *age <= seconds);
        all.map(|(place, age, met)| (place, *age, met))
    }

    /// A manager that left traces on the machine.
    pub fn manager(&self, name: ManagerName) -> Option<&'a Manager> {
        self.machine().managers.iter().find(|manager| manager.name == name)
    }
}
