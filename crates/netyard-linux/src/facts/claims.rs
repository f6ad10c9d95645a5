//! Who claims interfaces: systemd-networkd by its `.network` files,
//! NetworkManager unless it is told not to.

use std::fs;
use std::path::Path;

use netyard_core::facts::{NetworkFile, Unmanaged};

use super::machine::{merged, text};

/// systemd.network(5).
const NETWORK_DIRS: [&str; 5] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
];

/// NetworkManager.conf(5): one in `/etc` hides one of the same name in `/run`,
/// that one in `/usr/lib`.
const MANAGER_DIRS: [&str; 3] =
    ["/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];

/// The `.network` files, in networkd's order.
pub(super) fn networks() -> Vec<NetworkFile> {
    let files = merged(&NETWORK_DIRS, ".network").into_iter();
    // An empty one hides what it is called like.
    files.filter_map(|file| network(&file)).collect()
}

fn network(file: &Path) -> Option<NetworkFile> {
    let text = text(file)?;
    let mut found = NetworkFile { file: file.display().to_string(), ..NetworkFile::default() };
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if line.starts_with(['#', ';']) {
            continue;
        }
        let words = || value.split_whitespace().map(str::to_owned);
        match (section, key.trim()) {
            ("Match", "Name" | "OriginalName") => found.names.extend(words()),
            ("Match", "Type") => found.types.extend(words()),
            ("Match", "Kind") => found.kinds.extend(words()),
            ("Match", "MACAddress" | "PermanentMACAddress") => {
                found.macs.extend(words().map(|mac| mac.to_lowercase()));
            }
            ("Match", _) => found.other = true,
            ("Link", "Unmanaged") => {
                found.unmanaged = matches!(value.trim(), "yes" | "true" | "1" | "on");
            }
            _ => {}
        }
    }
    Some(found)
}

/// What NetworkManager is told to leave alone.
pub(super) fn unmanaged() -> Vec<Unmanaged> {
    let mut files = vec![Path::new("/etc/NetworkManager/NetworkManager.conf").to_owned()];
    files.extend(merged(&MANAGER_DIRS, ".conf"));
    let mut found = Vec::new();
    for file in files {
        let text = text(&file).unwrap_or_default();
        let mut devices = Vec::new();
        let mut section = "";
        let mut matches: Vec<String> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                (section, matches) = (name, Vec::new());
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let words = || value.split([';', ',']).map(str::trim).filter(|word| !word.is_empty());
            match key.trim().trim_end_matches('+') {
                "unmanaged-devices" if section == "keyfile" => {
                    devices.extend(words().map(str::to_owned));
                }
                "match-device" if section.starts_with("device") => {
                    matches = words().map(str::to_owned).collect();
                }
                "managed" if section.starts_with("device") && value.trim() == "0" => {
                    devices.append(&mut matches);
                }
                _ => {}
            }
        }
        if !devices.is_empty() {
            found.push(Unmanaged { file: file.display().to_string(), devices });
        }
    }
    found
}

/// Where NetworkManager keeps profiles.
const PROFILES: [&str; 3] = [
    "/run/NetworkManager/system-connections",
    "/etc/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

/// The profile by which NetworkManager has set up the interface of that number; none where
/// that leaves it alone, or has made up a profile of what others did (`external`).
pub(crate) fn active_profile(index: u32) -> Option<String> {
    let device = text(&Path::new("/run/NetworkManager/devices").join(index.to_string()))?;
    let uuid = device.lines().find_map(|line| line.strip_prefix("connection-uuid="))?.to_owned();
    let files = PROFILES.iter().filter_map(|directory| fs::read_dir(directory).ok());
    let mut profiles = files.flatten().flatten().filter_map(|file| text(&file.path()));
    let is_it = |profile: &String| profile.lines().any(|line| line == format!("uuid={uuid}"));
    let Some(profile) = profiles.find(is_it) else { return Some(uuid) };
    let has = |word: &str| profile.lines().any(|line| line == word);
    let name = profile.lines().find_map(|line| line.strip_prefix("id="));
    (!has("external=true")).then(|| name.map_or(uuid, str::to_owned))
}
