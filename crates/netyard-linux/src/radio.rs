//! Radios, asked and told over generic netlink, in the namespace that the thread is in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;

use netyard_core::addr::Mac;
use netyard_core::facts::radio::{Blocked, Radio, Radios, countries};
use netyard_core::facts::{SecretFile, SecretWrong};
use netyard_core::interface::Wlan;
use netyard_core::wire::generic::{family_of, family_question};
use netyard_core::wire::radio::{self as wire, FAMILY, RadioInterface};
use rustix::io::Errno;

use crate::netlink::{Batch, Failure, Protocol, Socket};

/// Where the kernel looks for what the law allows.
const DATABASES: [&str; 2] = ["/lib/firmware/regulatory.db", "/usr/lib/firmware/regulatory.db"];

/// A way to the radios of a namespace.
pub(crate) struct Air {
    socket: Socket,
    family: u16,
}

impl Air {
    /// That of the thread's namespace; none where the kernel knows of no radios.
    pub fn open() -> io::Result<Option<Self>> {
        let mut socket = Socket::open(Protocol::Generic)?;
        let (ty, body) = family_question(FAMILY);
        match socket.ask(ty, &body, |message| family_of(message.payload)) {
            Ok(Some(family)) => Ok(Some(Self { socket, family })),
            Ok(None) => Ok(None),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// By number.
    pub fn radios(&mut self) -> io::Result<BTreeMap<u32, Radio>> {
        let mut radios = BTreeMap::new();
        self.socket.dump_raw(self.family, &wire::radios(), |message| match message {
            None => radios.clear(),
            Some(message) => drop(wire::add(&mut radios, message.payload)),
        })?;
        Ok(radios)
    }

    /// The interfaces of all radios.
    pub fn interfaces(&mut self) -> io::Result<Vec<RadioInterface>> {
        let mut all = Vec::new();
        self.socket.dump_raw(self.family, &wire::interfaces(), |message| match message {
            None => all.clear(),
            Some(message) => all.extend(RadioInterface::read(message.payload)),
        })?;
        Ok(all)
    }

    /// The number of the radio that has the interface of that index.
    pub fn of_interface(&mut self, index: u32) -> io::Result<Option<u32>> {
        let found = self.interfaces()?.into_iter().find(|one| one.index == index);
        Ok(found.map(|one| one.wiphy))
    }

    /// Makes an interface; gives its index.
    pub fn make(&mut self, name: &str, wlan: &Wlan, mac: Option<Mac>) -> io::Result<Made> {
        let radios = self.radios()?;
        let Some((wiphy, _)) = radios.iter().find(|(_, radio)| radio.name == wlan.phy) else {
            return Ok(Made::NoRadio);
        };
        let body = wire::make(*wiphy, name, wlan, mac);
        if let Some(failure) = self.tell(&body)? {
            return Ok(Made::Refused(failure));
        }
        let made = self.interfaces()?.into_iter().find(|one| one.name == name);
        made.map(|one| Made::Index(one.index)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes an interface away.
    pub fn remove(&mut self, index: u32) -> io::Result<Option<Failure>> {
        self.tell(&wire::remove(index))
    }

    /// Moves a radio with all its interfaces into another namespace.
    pub fn relocate(&mut self, wiphy: u32, netns: RawFd) -> io::Result<Option<Failure>> {
        self.tell(&wire::relocation(wiphy, netns))
    }

    fn tell(&mut self, body: &[u8]) -> io::Result<Option<Failure>> {
        let mut batch = Batch::default();
        batch.push_raw(self.family, 0, body);
        Ok(self.socket.run(batch)?.failures.into_iter().next())
    }
}

/// What became of an interface that was to be made.
pub(crate) enum Made {
    /// It is there.
    Index(u32),
    /// There is no such radio.
    NoRadio,
    /// The kernel did not want it.
    Refused(Failure),
}

/// What is known of the host's radios. `own` are the interfaces that are the yard's,
/// by name; `wanted` the countries that the file speaks of.
pub(crate) fn gather(own: &BTreeSet<String>, wanted: &BTreeSet<String>) -> io::Result<Radios> {
    let mut found = Radios { known: true, ..Radios::default() };
    let database = DATABASES.iter().find_map(|path| fs::read(path).ok());
    if let Some(database) = database {
        // That there is one, where it has none of the countries, must show all the same.
        let known = wanted.iter().cloned().chain(["00".to_owned()]).collect();
        found.countries = countries(&database, &known).unwrap_or_default();
    }
    let Some(mut air) = Air::open()? else { return Ok(found) };
    let mut radios = air.radios()?;
    for interface in air.interfaces()? {
        let Some(radio) = radios.get_mut(&interface.wiphy) else { continue };
        if own.contains(&interface.name) {
            continue;
        }
        let holder = holder(&interface);
        radio.held.extend(holder.map(|holder| (interface.name.clone(), holder.to_owned())));
        radio.interfaces.push((interface.name, interface.kind));
    }
    for radio in radios.values_mut() {
        radio.blocked = blocked(&radio.name);
    }
    found.list = radios.into_values().collect();
    Ok(found)
}

/// What is known of a file with a passphrase: 8 to 63 printable characters of ASCII in one
/// line (IEEE 802.11, annex J.4), which nobody else can read.
pub fn passphrase(path: &Path) -> SecretFile {
    let wrong = match crate::wireguard::keys::read_text(path, true) {
        Err(error) => Some(SecretWrong::Unreadable(crate::wireguard::keys::why(&error))),
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let length = text.chars().count();
            match length {
                _ if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                    Some(SecretWrong::Text)
                }
                8..=63 => None,
                _ => Some(SecretWrong::Length(length)),
            }
        }
    };
    SecretFile { path: path.display().to_string(), wrong }
}

/// Who has an interface of a radio, as far as their runtime files show.
fn holder(interface: &RadioInterface) -> Option<&'static str> {
    for program in ["wpa_supplicant", "hostapd"] {
        let socket = Path::new("/run").join(program).join(&interface.name);
        if crate::supervise::takes_connections(&socket) {
            return Some(program);
        }
    }
    crate::facts::active_profile(interface.index).map(|_| "NetworkManager")
}

/// By what a radio is turned off (rfkill(8), in sysfs).
fn blocked(phy: &str) -> Option<Blocked> {
    let entries = fs::read_dir(Path::new("/sys/class/ieee80211").join(phy)).ok()?.flatten();
    let mut found = None;
    for entry in entries {
        if !entry.file_name().to_string_lossy().starts_with("rfkill") {
            continue;
        }
        let is_set = |file: &str| {
            fs::read_to_string(entry.path().join(file)).is_ok_and(|text| text.trim() == "1")
        };
        if is_set("hard") {
            return Some(Blocked::Hard);
        }
        if is_set("soft") {
            found = Some(Blocked::Soft);
        }
    }
    found
}
