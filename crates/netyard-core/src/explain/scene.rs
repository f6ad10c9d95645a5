//! Everything that does not change while a packet is under way: the devices,
//! addresses and neighbours of all namespaces that are known.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::state::Place;
use crate::wire::device::{ALL, Device, Entry, Owned, Settings};

/// All namespaces that are known.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// By place.
    pub stacks: BTreeMap<Place, Stack>,
}

/// One of them.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Its name for `ip netns`; empty for the host.
    pub netns: String,
    /// By index.
    pub devices: BTreeMap<u32, Device>,
    /// What users call them, by index.
    pub names: BTreeMap<u32, String>,
    /// The other ends of cables, and parents in other namespaces, by index.
    pub peers: BTreeMap<u32, (Place, u32)>,
    /// Addresses of both families.
    pub addresses: Vec<Owned>,
    /// Neighbours of both families.
    pub neighbours: Vec<Entry>,
    /// Hardware addresses that bridges have learnt.
    pub learnt: Vec<Entry>,
    /// Settings of IPv4, by index, [`ALL`] among them.
    pub ipv4: BTreeMap<i32, Settings>,
    /// Settings of IPv6.
    pub ipv6: BTreeMap<i32, Settings>,
}

impl Stack {
    /// What users call a device; its number where there is none.
    pub fn name(&self, index: u32) -> String {
        let kernel = || self.devices.get(&index).map(|device| device.kernel_name.clone());
        self.names.get(&index).cloned().or_else(kernel).unwrap_or_else(|| format!("#{index}"))
    }

    /// The index of a device by what users or the kernel call it.
    pub fn index(&self, name: &str) -> Option<u32> {
        let known = self.names.iter().find(|(_, known)| *known == name).map(|(index, _)| *index);
        let by_kernel = || self.devices.values().find(|d| d.kernel_name == name).map(|d| d.index);
        known.or_else(by_kernel)
    }

    /// Whether what comes by that device goes on.
    pub fn forwards(&self, index: u32, ipv6: bool) -> bool {
        let settings = if ipv6 { &self.ipv6 } else { &self.ipv4 };
        let of = |index: i32| settings.get(&index).is_some_and(|settings| settings.forwarding);
        // IPv6 looks at the setting of all (ip6_forward, net/ipv6/ip6_output.c).
        if ipv6 { of(ALL) || of(index as i32) } else { of(index as i32) }
    }

    /// `rp_filter` as it counts: the greater of the device's and of all.
    pub fn rp_filter(&self, index: u32) -> u32 {
        let of = |index: i32| self.ipv4.get(&index).map_or(0, |settings| settings.rp_filter);
        of(index as i32).max(of(ALL))
    }

    /// The neighbour entry of an address on a device.
    pub fn neighbour(&self, index: u32, address: IpAddr) -> Option<Entry> {
        let mut all = self.neighbours.iter();
        all.find(|entry| entry.index == index && entry.address == Some(address)).copied()
    }

    /// Addresses of a family that others can reach it by, those of `lo` last.
    pub fn reachable(&self, ipv6: bool) -> Vec<Owned> {
        let far = |owned: &&Owned| match owned.net.addr() {
            IpAddr::V4(a) => !ipv6 && !a.is_loopback() && !a.is_link_local(),
            IpAddr::V6(a) => ipv6 && !a.is_loopback() && !a.is_unicast_link_local(),
        };
        let mut all: Vec<Owned> = self.addresses.iter().filter(far).copied().collect();
        let loopback =
            |owned: &Owned| self.devices.get(&owned.index).is_some_and(|device| device.loopback);
        all.sort_by_key(|owned| (loopback(owned), owned.index));
        all
    }
}

impl Scene {
    /// The devices that have an address: place, index, usable.
    pub fn owners(&self, address: IpAddr) -> Vec<(Place, Owned)> {
        let mut all = Vec::new();
        for (place, stack) in &self.stacks {
            let owned = stack.addresses.iter().filter(|owned| owned.net.addr() == address);
            all.extend(owned.map(|owned| (place.clone(), *owned)));
        }
        all
    }

    /// `NODE:IF`.
    pub fn interface(&self, place: &Place, index: u32) -> String {
        let name = self.stacks.get(place).map(|stack| stack.name(index));
        format!("{place}:{}", name.unwrap_or_default())
    }

    /// The device, if there is one.
    pub fn device(&self, place: &Place, index: u32) -> Option<&Device> {
        self.stacks.get(place)?.devices.get(&index)
    }
}
