//! What is known of libvirt.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use crate::name::YardName;

/// What libvirt has, or why it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libvirt {
    /// Why it does not answer; empty where the program that asks is not there.
    pub trouble: Option<String>,
    /// Its networks, by name.
    pub networks: BTreeMap<String, LibvirtBridge>,
    /// The yards that its machines belong to, by the machines' names.
    pub domains: BTreeMap<String, Option<String>>,
}

/// A network that libvirt has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibvirtBridge {
    /// The yard that it belongs to.
    pub owner: Option<String>,
    /// Its bridge.
    pub bridge: String,
    /// True where libvirt makes that.
    pub makes_bridge: bool,
}

impl Facts {
    /// Takes in what libvirt has. A bridge that it made for the yard is no obstacle to it.
    pub fn learn_libvirt(&mut self, yard: &YardName, libvirt: Libvirt) {
        let own = libvirt.networks.values().filter(|network| {
            network.makes_bridge && network.owner.as_deref() == Some(yard.as_str())
        });
        let own: BTreeSet<&str> = own.map(|network| network.bridge.as_str()).collect();
        self.host_interfaces.retain(|name, _| !own.contains(name.as_str()));
        self.host_routes.retain(|route| !own.contains(route.interface.as_str()));
        self.libvirt = Some(libvirt);
    }
}
