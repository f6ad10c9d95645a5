//! netplan's files: `/etc/netplan/*.yaml`, one after the other.
//!
//! A yard makes what is virtual: bridges, VLANs, tunnels, VRFs, dummies, cables. What a
//! file says of the machine's own interfaces stays with netplan, and the account says
//! so; where they are ports of a bridge or parents of a VLAN they are named as such.
//!
//! <https://netplan.readthedocs.io/en/stable/netplan-yaml/>

mod bridge;
mod device;
mod route;
mod tunnel;

use std::collections::BTreeMap;

use super::Format;
use crate::diag::Sources;
use crate::diag::import as say;
use crate::draft::Work;
use crate::draft::reading::{entries, items, text};
use crate::spec::tree::{self, Entry, Node};

pub(super) static FORMAT: Format = Format {
    word: "netplan",
    title: "file of netplan",
    beside: &[],
    main: &[".yaml"],
    whole: true,
    read,
    is_one: |file| {
        let network = file.get("network").and_then(|network| network.as_object());
        network.is_some_and(|network| {
            network.contains_key("version") || network.contains_key("ethernets")
        })
    },
};

/// What a section's devices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The machine's own: `ethernets`, `wifis`, `modems`, `bonds`.
    Hardware,
    Bridge,
    Vlan,
    Tunnel,
    Vrf,
    Dummy,
    Veth,
}

/// The sections of `network`.
const SECTIONS: &[(&str, Sort)] = &[
    ("ethernets", Sort::Hardware),
    ("wifis", Sort::Hardware),
    ("modems", Sort::Hardware),
    ("bonds", Sort::Hardware),
    ("dummy-devices", Sort::Dummy),
    ("virtual-ethernets", Sort::Veth),
    ("vlans", Sort::Vlan),
    ("tunnels", Sort::Tunnel),
    ("vrfs", Sort::Vrf),
    ("bridges", Sort::Bridge),
];

/// A device: all that the files say of it, later files after earlier ones.
struct Device<'a> {
    sort: Sort,
    section: &'static str,
    /// Of the first mention.
    entry: &'a Entry,
    keys: Vec<&'a Entry>,
}

impl<'a> Device<'a> {
    /// A key's value, as the last file has it.
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.keys.iter().rev().find(|entry| &*entry.key.value == key).map(|entry| &entry.value)
    }

    /// The items of a list, those of all files.
    fn all(&self, key: &str, work: &mut Work) -> Vec<&'a Node> {
        let lists = self.keys.iter().filter(|entry| &*entry.key.value == key);
        lists.flat_map(|entry| items(&entry.value, key, work)).collect()
    }

    /// The texts of a list.
    fn texts(&self, key: &str, work: &mut Work) -> Vec<&'a str> {
        let all = self.all(key, work);
        all.into_iter().filter_map(|item| text(item, key, work)).collect()
    }

    fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(is_true)
    }

    /// The path of a key, for the account.
    fn path(&self, name: &str, key: &str) -> String {
        format!("{}.{name}.{key}", self.section)
    }
}

/// YAML 1.1, which netplan reads, has more words for it.
fn is_true(node: &Node) -> bool {
    let tree::Content::Scalar(scalar) = &node.content else { return false };
    matches!(scalar.text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "y")
}

/// All devices, by their names in the file.
type Devices<'a> = BTreeMap<&'a str, Device<'a>>;

fn read(sources: &Sources, work: &mut Work) {
    let mut trees = Vec::new();
    for (at, source) in sources.0.iter().enumerate() {
        trees.extend(tree::parse(&source.text, at as u32, &mut work.report));
    }
    work.draft.set("yard", "netplan");
    let mut devices = Devices::new();
    for tree in &trees {
        let Some(network) = tree.get("network") else {
            work.report.push(say::not_of_format(tree.span, FORMAT.title, "it has no `network`"));
            continue;
        };
        for entry in entries(&network.value, "network", work) {
            of_network(entry, &mut devices, work);
        }
    }
    for (name, device) in &devices {
        match device.sort {
            Sort::Hardware => device::hardware(name, device, &devices, work),
            Sort::Bridge => bridge::draw(name, device, &devices, work),
            Sort::Tunnel => tunnel::draw(name, device, work),
            _ => device::draw(name, device, work),
        }
    }
}

fn of_network<'a>(entry: &'a Entry, devices: &mut Devices<'a>, work: &mut Work) {
    let (key, span) = (&*entry.key.value, entry.key.span);
    if let Some(&(section, sort)) = SECTIONS.iter().find(|(section, _)| *section == key) {
        for device in entries(&entry.value, section, work) {
            let name = &*device.key.value;
            let keys = entries(&device.value, name, work);
            let known = devices.entry(name).or_insert(Device {
                sort,
                section,
                entry: device,
                keys: vec![],
            });
            known.keys.extend(keys);
        }
        return;
    }
    match key {
        "version" => {
            if text(&entry.value, "version", work).is_some_and(|version| version != "2") {
                let why = "its `version` is not 2";
                work.report.push(say::not_of_format(entry.value.span, FORMAT.title, why));
            }
        }
        "renderer" => work.ignored(span, "renderer", "netyard makes what is virtual itself"),
        "nm-devices" => work.ignored(span, key, "it is NetworkManager's own"),
        _ => work.ignored(span, key, "netyard does not know it"),
    }
}
