//! The lease file: a line of JSON for each change, the first one a head.
//!
//! A change is appended with one write before the client hears of it, and the
//! changes of one turn of the loop are brought to the disk together. When most
//! lines are of leases that later lines stand for, the file is written anew
//! beside the old one and put in its place. So a process that is killed leaves
//! at most one line that is cut short, at the end; what is before it counts, and
//! what cannot be read is said.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use netyard_core::name::FullName;
use netyard_core::service::dnsmasq;
use netyard_core::service::lease::{Lease, VERSION};
use netyard_core::spec::Engine;
use netyard_core::yard::Yard;
use serde::{Deserialize, Serialize};

use super::world::say;
use crate::supervise::data_of;

/// The file's name.
const NAME: &str = "leases";
/// Lines that may be superseded before the file is written anew.
const SLACK: usize = 1000;
/// Changes that are remembered one by one.
const RECENT: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "netyard-leases")]
    version: u32,
}

type Key = (String, IpAddr, Option<u8>);

/// The lease file below a server's directory, of each address and prefix the last
/// line, and how many lines could not be read; none is an empty one.
fn read(data: &Path) -> io::Result<(Vec<Lease>, usize)> {
    let (leases, broken, _) = load(&data.join(NAME))?;
    Ok((leases.into_values().collect(), broken))
}

/// All leases of the networks that a yard serves, by whichever program. `rootless`
/// says whether the caller lacked root before it looked at the yard.
pub fn of_yard(yard: &Yard, rootless: bool) -> io::Result<Vec<Lease>> {
    let mut leases = Vec::new();
    for serving in &yard.servings {
        let process = serving.process();
        let data = data_of(&yard.name, rootless, &process.place, &process.name);
        let found = match serving.engine {
            Engine::Netyard => read(&data)?.0,
            Engine::Dnsmasq => match serving.served.networks.first() {
                Some(network) => read_dnsmasq(&data, &network.network)?,
                None => continue,
            },
        };
        leases.extend(found);
    }
    leases.sort_by(|a, b| (&a.network, a.address).cmp(&(&b.network, b.address)));
    Ok(leases)
}

/// Reads the leases of a network that dnsmasq serves.
fn read_dnsmasq(data: &Path, network: &FullName) -> io::Result<Vec<Lease>> {
    let text = match fs::read_to_string(data.join(dnsmasq::LEASES)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok(text.lines().filter_map(|line| dnsmasq::lease(line, network)).collect())
}

fn load(path: &Path) -> io::Result<(BTreeMap<Key, Lease>, usize, usize)> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut leases = BTreeMap::new();
    let (mut broken, mut count) = (0, 0);
    let Some(head) = lines.next() else { return Ok((leases, 0, 0)) };
    match serde_json::from_slice::<Head>(head) {
        Ok(head) if head.version > VERSION => {
            let text = format!("it is of version {}, of a newer netyard", head.version);
            return Err(io::Error::other(text));
        }
        Ok(_) => {}
        Err(_) => broken += 1,
    }
    for line in lines {
        count += 1;
        match serde_json::from_slice::<Lease>(line) {
            Ok(lease) => {
                leases.insert(key(&lease), lease);
            }
            Err(_) => broken += 1,
        }
    }
    Ok((leases, broken, count))
}

fn key(lease: &Lease) -> Key {
    (lease.network.as_str().to_owned(), lease.address, lease.prefix)
}

/// The leases of a running server.
pub(super) struct LeaseFile {
    path: PathBuf,
    file: File,
    leases: BTreeMap<Key, Lease>,
    lines: usize,
    /// Changes that are not yet in the file.
    waiting: Vec<u8>,
    generation: u64,
    /// The last changes and the generations that they made.
    recent: VecDeque<(u64, Key)>,
    /// What was said last of a disk that takes nothing.
    trouble: String,
}

impl LeaseFile {
    /// Reads what is there, says what of it cannot be read, and writes it whole.
    pub fn open(data: &Path) -> io::Result<Self> {
        fs::create_dir_all(data)?;
        let path = data.join(NAME);
        let at = |error: io::Error| {
            io::Error::other(format!("could not read the leases in {}: {error}", path.display()))
        };
        let (leases, broken, lines) = load(&path).map_err(at)?;
        if broken > 0 {
            say(&format!(
                "{}: {broken} line(s) are cut short or broken and were left out; {} lease(s) are whole",
                path.display(),
                leases.len()
            ));
            let _ = fs::copy(&path, data.join("leases.broken"));
        }
        let file = write_anew(&path, &leases)?;
        let (waiting, generation, trouble) = (Vec::new(), 0, String::new());
        let recent = VecDeque::new();
        let lines = lines.min(leases.len());
        Ok(Self { path, file, leases, lines, waiting, generation, recent, trouble })
    }

    /// All of them, of all networks.
    pub fn all(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// A number that is another one after each change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The leases that are not what they were at that generation: all of them, where
    /// that is too long ago to tell.
    pub fn changed_since(&self, generation: u64) -> Vec<&Lease> {
        if self.recent.front().is_none_or(|(first, _)| *first > generation + 1) {
            return self.leases.values().collect();
        }
        let later = self.recent.iter().filter(|(at, _)| *at > generation);
        later.filter_map(|(_, key)| self.leases.get(key)).collect()
    }

    /// Takes a change; it is on disk after [`Self::store`].
    pub fn put(&mut self, lease: Lease) {
        if serde_json::to_writer(&mut self.waiting, &lease).is_ok() {
            self.waiting.push(b'\n');
        }
        self.lines += 1;
        self.generation += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((self.generation, key(&lease)));
        self.leases.insert(key(&lease), lease);
    }

    /// Brings the changes to the disk; false, with a line in the log, when the
    /// disk does not take them. They are then tried again with the next ones.
    pub fn store(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        match self.try_store() {
            Ok(()) => {
                self.waiting.clear();
                self.trouble.clear();
                true
            }
            Err(error) => {
                let text = format!("could not write {}: {error}", self.path.display());
                if self.trouble != text {
                    say(&format!("{text}; no lease is given while that lasts"));
                    self.trouble = text;
                }
                false
            }
        }
    }

    fn try_store(&mut self) -> io::Result<()> {
        if self.lines > 2 * self.leases.len() + SLACK || !self.trouble.is_empty() {
            self.file = write_anew(&self.path, &self.leases)?;
            self.lines = self.leases.len();
            return Ok(());
        }
        self.file.write_all(&self.waiting)?;
        self.file.sync_data()
    }
}

/// Writes all of it beside the old file and puts it in its place; gives it open
/// for appending.
fn write_anew(path: &Path, leases: &BTreeMap<Key, Lease>) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut text = serde_json::to_vec(&Head { version: VERSION })?;
    text.push(b'\n');
    for lease in leases.values() {
        serde_json::to_writer(&mut text, lease)?;
        text.push(b'\n');
    }
    let mut file = OpenOptions::new();
    let mut file = file.create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_data()?;
    fs::rename(&beside, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use netyard_core::service::lease::LeaseState;

    use super::*;

    fn lease(last: u8, until: u64) -> Lease {
        Lease {
            network: FullName::new("lan").unwrap(),
            address: IpAddr::from([10, 1, 0, last]),
            prefix: None,
            client: format!("0102000000000{last}"),
            mac: None,
            name: None,
            until,
            state: LeaseState::Bound,
            via: None,
        }
    }

    #[test]
    fn what_was_stored_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LeaseFile::open(dir.path()).unwrap();
        file.put(lease(1, 10));
        file.put(lease(2, 10));
        file.put(lease(1, 20));
        assert!(file.store());
        drop(file);
        assert_eq!(read(dir.path()).unwrap(), (vec![lease(1, 20), lease(2, 10)], 0));
    }

    #[test]
    fn a_line_that_is_cut_short_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LeaseFile::open(dir.path()).unwrap();
        for last in 1..=3 {
            file.put(lease(last, 10));
        }
        assert!(file.store());
        drop(file);
        let path = dir.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (leases, broken) = read(dir.path()).unwrap();
            let lines = whole[..length].iter().filter(|b| **b == b'\n').count();
            // A line without its end is whole all the same when all else is there.
            assert!(leases.len() + 1 >= lines, "cut at {length}");
            assert!(broken <= 1, "cut at {length}");
        }
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let file = LeaseFile::open(dir.path()).unwrap();
        assert_eq!(file.all().count(), 2);
        drop(file);
        let (leases, broken) = read(dir.path()).unwrap();
        assert_eq!((leases.len(), broken), (2, 0), "it was written whole again");
    }

    #[test]
    fn a_file_of_many_changes_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LeaseFile::open(dir.path()).unwrap();
        for until in 0..3000 {
            file.put(lease(1, until));
            if until % 100 == 0 {
                assert!(file.store());
            }
        }
        assert!(file.store());
        let lines = fs::read_to_string(dir.path().join(NAME)).unwrap().lines().count();
        assert!(lines < 1200, "{lines} lines of one lease");
        assert_eq!(read(dir.path()).unwrap().0, [lease(1, 2999)]);
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        fs::write(&path, "{\"netyard-leases\":99}\nwhat a day\n").unwrap();
        assert!(LeaseFile::open(dir.path()).is_err());
        assert!(fs::read_to_string(&path).unwrap().contains("what a day"));
    }
}
