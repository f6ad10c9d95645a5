//! Files of networkd, nspawn and wg-quick, which may be about what was found.

use std::fs::{self, File};
use std::io::Read;

use netyard_core::adopt::Paper;

/// Where they are.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/etc/systemd/nspawn",
    "/run/systemd/nspawn",
    "/etc/wireguard",
];
/// The endings of their names.
const ENDINGS: [&str; 4] = [".netdev", ".network", ".nspawn", ".conf"];
/// As much of one as is read, in bytes.
const MOST: u64 = 1 << 16;

/// Reads them, sorted. What cannot be read is not known.
pub(super) fn read() -> Vec<Paper> {
    let mut all = Vec::new();
    for directory in DIRECTORIES {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path().display().to_string();
            let is_file = fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
            if !is_file || !ENDINGS.iter().any(|ending| path.ends_with(ending)) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            let mut text = String::new();
            if file.take(MOST).read_to_string(&mut text).is_ok() {
                all.push(Paper { path, text });
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}
