//! What there is on the machine beside network stacks: files that will set
//! something, daemons that may claim something.

use std::collections::BTreeMap;

/// Files and daemons of the machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Lines of sysctl.d files, in the order in which they are applied: the last
    /// of a key wins.
    pub sysctl_lines: Vec<SettingLine>,
    /// Managers of networks and firewalls that left traces.
    pub managers: Vec<Manager>,
    /// Files of systemd-networkd that match interfaces, in its order: the first
    /// that matches an interface wins.
    pub networks: Vec<NetworkFile>,
    /// Files by which NetworkManager is told what is not its business.
    pub unmanaged: Vec<Unmanaged>,
    /// Names below `/run/netns` that are no namespaces.
    pub dead_netns: Vec<String>,
    /// Names below `/run/netns` that lead into a directory of a user's session:
    /// name and where to.
    pub session_netns: Vec<(String, String)>,
    /// Interfaces that systemd-networkd says it has set up, by index: the state it
    /// names (`configured`).
    pub networkd_links: BTreeMap<u32, String>,
    /// True where `/proc/sys` cannot be written, whoever one is.
    pub proc_sys_read_only: bool,
    /// The neighbour tables of both families, where they have counters: only
    /// the machine's first namespace has.
    pub neighbours: Vec<NeighbourTable>,
    /// What the kernel said of bridges' ports, the oldest first; read only by
    /// who looks closely, and may.
    pub kernel_log: Vec<LogLine>,
}

/// A line of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Seconds since it was said.
    pub age: u64,
    /// Without its time.
    pub text: String,
}

/// A line of a sysctl.d file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingLine {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// With slashes: `net/ipv4/ip_forward`; may hold `*`.
    pub key: String,
    /// As written.
    pub value: String,
}

/// Who may manage networks on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // each variant is the program of its name
pub enum ManagerName {
    Networkd,
    NetworkManager,
    Firewalld,
    Ufw,
    Docker,
    Libvirt,
    Nftables,
}

/// A manager that left traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Which.
    pub name: ManagerName,
    /// What shows that it is there: a file or a runtime directory.
    pub trace: String,
    /// It runs, as far as its runtime directory shows.
    pub running: bool,
    /// Settings of its files: key, value and file.
    pub settings: Vec<(String, String, String)>,
}

impl Manager {
    /// A setting of its files, with the file; the last one wins.
    pub fn setting(&self, key: &str) -> Option<(&str, &str)> {
        let found = self.settings.iter().rev().find(|(k, ..)| k == key)?;
        Some((&found.1, &found.2))
    }
}

/// A `.network` file of systemd-networkd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkFile {
    /// Its path.
    pub file: String,
    /// `[Match] Name=`, all words; `!` before the first negates all.
    pub names: Vec<String>,
    /// `[Match] Type=`.
    pub types: Vec<String>,
    /// `[Match] Kind=`.
    pub kinds: Vec<String>,
    /// `[Match] MACAddress=` or `PermanentMACAddress=`.
    pub macs: Vec<String>,
    /// It has another condition, which is not known here: it may not match.
    pub other: bool,
    /// `[Link] Unmanaged=yes`.
    pub unmanaged: bool,
}

impl NetworkFile {
    /// Its `[Match]` in words: `Name=br* Type=bridge`.
    pub fn words(&self) -> String {
        let keys = [("Name", &self.names), ("Type", &self.types), ("Kind", &self.kinds)];
        let keys = keys.into_iter().chain([("MACAddress", &self.macs)]);
        let words = keys.filter(|(_, words)| !words.is_empty());
        words.map(|(key, words)| format!("{key}={}", words.join(" "))).collect::<Vec<_>>().join(" ")
    }
}

/// A line that keeps NetworkManager away from interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmanaged {
    /// Its file.
    pub file: String,
    /// `unmanaged-devices=`, split: `interface-name:br0`, `type:bridge`, `*`.
    pub devices: Vec<String>,
}

/// How full a neighbour table is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeighbourTable {
    /// `arp_cache` or `ndisc_cache`.
    pub name: String,
    /// Entries now.
    pub entries: u64,
    /// How often there was no room (`table_fulls`).
    pub overflows: u64,
    /// `gc_thresh3`: what fits; 0 where it is not known.
    pub most: u64,
}
