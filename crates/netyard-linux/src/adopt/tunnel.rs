//! WireGuard interfaces of somebody's: what they were told, where their packets come and
//! go, and the files that have their keys.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use netyard_core::key::{PublicKey, WgKey};
use netyard_core::name::FullName;
use netyard_core::state::{InterfaceId, KeyRef, Place, Tunnel};
use netyard_core::wire::link::Link;

use super::Space;
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;
use crate::wireguard::{self, keys};

/// Where people keep their keys.
const KEYS: &str = "/etc/wireguard";

/// A tunnel, and the `lo` of the namespace in which it was born where that is another one.
pub(super) struct Born {
    pub told: Tunnel,
    pub rests_on: Option<InterfaceId>,
}

/// What is asked once for all tunnels.
pub(super) struct Births {
    /// In which namespaces somebody listens on a UDP port.
    ports: BTreeMap<u16, Vec<Place>>,
    /// The files of keys, by what stands for the key.
    files: BTreeMap<PublicKey, String>,
    /// Files of wg-quick's that have a private key among other lines.
    amid: BTreeMap<PublicKey, String>,
}

impl Births {
    pub fn of(worker: &mut Worker, spaces: &[Space]) -> io::Result<Self> {
        let mut births =
            Self { ports: BTreeMap::new(), files: BTreeMap::new(), amid: BTreeMap::new() };
        let is_tunnel = |space: &Space| {
            let mut links = space.links.messages().into_iter().filter_map(Link::parse);
            links.any(|one| one.kind == "wireguard")
        };
        if !spaces.iter().any(is_tunnel) {
            return Ok(births);
        }
        for space in spaces {
            worker.enter(space.fd.as_fd())?;
            // A tunnel listens for both families, on one port.
            let text = fs::read_to_string("/proc/thread-self/net/udp")?;
            for port in text.lines().filter_map(port) {
                let places = births.ports.entry(port).or_default();
                if !places.contains(&space.place) {
                    places.push(space.place.clone());
                }
            }
        }
        births.look_into(Path::new(KEYS), 2);
        Ok(births)
    }

    fn look_into(&mut self, directory: &Path, depth: usize) {
        let mut all: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
        all.sort_by_key(fs::DirEntry::path);
        for path in all.into_iter().map(|entry| entry.path()) {
            let name = path.display().to_string();
            if path.is_dir() {
                if depth > 1 {
                    self.look_into(&path, depth - 1);
                }
            } else if let Ok(key) = keys::read(&path) {
                self.files.entry(key.public()).or_insert(name);
            } else if let Some(key) = keys::read_text(&path, true).ok().and_then(|t| amid(&t)) {
                self.amid.entry(key.public()).or_insert(name);
            }
        }
    }

    /// A tunnel with the files of its keys; else why a yard's file cannot say it.
    fn born(&self, mut told: Tunnel, place: &Place) -> Result<Born, String> {
        let rests_on = self.birth(told.listen, place)?;
        let public = told.key.public;
        told.key.file = self.files.get(&public).cloned().ok_or_else(|| match self.amid.get(&public)
        {
            Some(file) => format!(
                "its private key is in {file} among other lines: write it into a file of its own in {KEYS}, mode 0600"
            ),
            None => format!("no file in {KEYS} that only root reads has its private key"),
        })?;
        let shared = told.peers.iter_mut().filter_map(|peer| peer.preshared_key.as_mut());
        for KeyRef { file, public } in shared {
            *file = self.files.get(public).cloned().ok_or_else(|| {
                format!("no file in {KEYS} that only root reads has the key it shares with a peer")
            })?;
        }
        Ok(Born { told, rests_on })
    }

    /// The kernel does not tell where a tunnel was born; its socket is there.
    fn birth(&self, listen: u16, own: &Place) -> Result<Option<InterfaceId>, String> {
        let places = self.ports.get(&listen).map(Vec::as_slice).unwrap_or_default();
        let place = match places {
            [one] if listen != 0 => one,
            [] => return Err("it is down: nobody can tell where its packets leave".to_owned()),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                let names = names.join(" and ");
                return Err(format!(
                    "somebody listens on its port {listen} in {names}: nobody can tell where its packets leave"
                ));
            }
        };
        let lo = FullName::new("lo").map_err(|_| "there is no lo".to_owned())?;
        Ok((place != own).then(|| InterfaceId { place: place.clone(), name: lo }))
    }
}

/// The port of a line of `/proc/net/udp`: `16: 00000000:CA6C …`.
fn port(line: &str) -> Option<u16> {
    let local = line.split_ascii_whitespace().nth(1)?;
    u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
}

/// The private key in a file of wg-quick's.
fn amid(text: &str) -> Option<WgKey> {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(key, _)| key.trim().eq_ignore_ascii_case("PrivateKey"))?;
    WgKey::parse(value.trim()).ok()
}

/// The tunnels in one namespace, by the indexes of their interfaces.
pub(super) fn read(
    worker: &mut Worker,
    space: &Space,
    births: &Births,
) -> io::Result<BTreeMap<u32, Result<Born, String>>> {
    let mut all = BTreeMap::new();
    let links = space.links.messages().into_iter().filter_map(Link::parse);
    let tunnels: Vec<Link<'_>> = links.filter(|one| one.kind == "wireguard").collect();
    if tunnels.is_empty() {
        return Ok(all);
    }
    worker.enter(space.fd.as_fd())?;
    let mut socket = Socket::open(Protocol::Generic)?;
    for one in tunnels {
        let Ok(name) = FullName::new(one.name) else { continue };
        let id = InterfaceId { place: space.place.clone(), name };
        let told = wireguard::observe(&mut socket, &id, one.index, None)?;
        all.insert(one.index, births.born(told, &space.place));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_and_a_head_is_none() {
        let line = "  16: 00000000:CA6C 00000000:0000 07 00000000:00000000 00:00000000 00000000";
        assert_eq!(port(line), Some(51820));
        assert_eq!(port("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn a_key_amid_other_lines_is_found() {
        let key = WgKey::private([7; 32]);
        let text = format!("[Interface]\nListenPort = 1\nprivatekey = {}\n", key.reveal());
        assert_eq!(amid(&text).map(|key| key.public()), Some(key.public()));
        assert!(amid("[Interface]\nListenPort = 1\n").is_none());
    }

    #[test]
    fn what_listens_in_two_places_has_no_birth() {
        let node = Place::Node(netyard_core::name::NodeName::new("f3").expect("a name"));
        let ports = BTreeMap::from([
            (1, vec![Place::Host]),
            (2, vec![node.clone(), Place::Host]),
            (3, vec![node.clone()]),
        ]);
        let births = Births { ports, files: BTreeMap::new(), amid: BTreeMap::new() };
        let at = |listen| births.birth(listen, &node).map(|id| id.map(|id| id.place));
        assert_eq!(at(1), Ok(Some(Place::Host)));
        assert_eq!(at(3), Ok(None));
        assert!(at(2).is_err() && at(4).is_err());
    }
}
