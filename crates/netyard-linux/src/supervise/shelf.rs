//! What is written down of a yard's processes, and where.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use netyard_core::name::{NodeName, YardName};
use netyard_core::state::{Place, Process};

use super::LOG;
use super::course::{Course, Definition, Entry, VERSION};
use crate::error::{Error, ErrorKind};
use crate::state_dir::{StateDir, write_atomically};

const DEFINITION: &str = "process.json";
const COURSE: &str = "course.json";
/// How it ended, where systemd runs it.
const END: &str = "end";
/// What stands for the first line of a file of the user's, up to a closing brace.
const SECRET: &str = "{file:";
/// No node can have such a name.
const FABRIC: &str = ":fabric";

/// Where the processes of a yard have their directories.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    yard: YardName,
    base: PathBuf,
    data: PathBuf,
}

impl Shelf {
    /// That of a yard. `rootless` says whether the caller lacks root outside.
    pub fn of(dir: &StateDir, yard: &YardName, rootless: bool) -> Self {
        let data = data_base(rootless).join(yard.as_str());
        Self { yard: yard.clone(), base: dir.file("process"), data }
    }

    /// A process's place on this shelf as words of a command line.
    pub fn words(&self, place: &Place, name: &str) -> Vec<String> {
        // Serialising plain data cannot fail.
        let place = serde_json::to_string(place).unwrap_or_default();
        self.own_words().into_iter().chain([place, name.to_owned()]).collect()
    }

    /// What such words say.
    pub fn of_words(words: &[String]) -> Option<(Self, Place, String)> {
        let (own, [place, name]) = words.split_at_checked(3)? else { return None };
        Some((Self::of_own_words(own)?, serde_json::from_str(place).ok()?, name.clone()))
    }

    /// This shelf as words of a command line.
    pub fn own_words(&self) -> [String; 3] {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        [self.yard.to_string(), path(&self.base), path(&self.data)]
    }

    /// What such words say.
    pub fn of_own_words(words: &[String]) -> Option<Self> {
        let [yard, base, data] = words else { return None };
        Some(Self { yard: YardName::new(yard).ok()?, base: base.into(), data: data.into() })
    }

    /// Whose it is.
    pub fn yard(&self) -> &YardName {
        &self.yard
    }

    /// The directory of a process.
    pub fn dir(&self, place: &Place, name: &str) -> PathBuf {
        self.base.join(place_name(place)).join(name)
    }

    /// Where its data is.
    pub fn data(&self, place: &Place, name: &str) -> PathBuf {
        self.data.join("process").join(place_name(place)).join(name)
    }

    /// Where the yard's keys are.
    pub fn secrets(&self) -> PathBuf {
        self.data.join("secrets")
    }

    /// What is written down of a process, and what became of it.
    pub fn read(&self, place: &Place, name: &str) -> Result<Option<Entry>, Error> {
        let mut entries: Vec<Entry> = self.read_definition(place, name)?.into_iter().collect();
        self.ask_systemd(&mut entries)?;
        Ok(entries.pop())
    }

    /// What is written down of a process, whatever systemd may know of it.
    pub fn read_definition(&self, place: &Place, name: &str) -> Result<Option<Entry>, Error> {
        read(&self.dir(place, name))
    }

    fn ask_systemd(&self, entries: &mut [Entry]) -> Result<(), Error> {
        super::unit::fill(self, entries)
            .map_err(|e| Error::system("could not ask systemd about the processes", e))
    }

    /// What is written down, by place and name.
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = self.definitions()?;
        self.ask_systemd(&mut entries)?;
        Ok(entries)
    }

    /// The same, whatever systemd may know of it.
    pub fn definitions(&self) -> Result<Vec<Entry>, Error> {
        let failed = |e| Error::system(format!("could not read `{}`", self.base.display()), e);
        let mut entries = Vec::new();
        for place in directories(&self.base).map_err(failed)? {
            for process in directories(&place).map_err(failed)? {
                entries.extend(read(&process)?);
            }
        }
        entries.sort_by(|a: &Entry, b: &Entry| {
            let key = |entry: &Entry| (entry.process().place.clone(), entry.process().name.clone());
            key(a).cmp(&key(b))
        });
        Ok(entries)
    }

    /// Writes down what is asked for.
    pub fn define(&self, definition: &Definition) -> io::Result<()> {
        let Process { place, name, .. } = &definition.process;
        let text = serde_json::to_vec(definition).map_err(io::Error::other)?;
        write_atomically(&self.dir(place, name).join(DEFINITION), &text, 0o600)
    }

    /// Writes down what became of a process.
    pub fn note(&self, place: &Place, name: &str, course: &Course) -> io::Result<()> {
        let text = serde_json::to_vec(course).map_err(io::Error::other)?;
        write_atomically(&self.dir(place, name).join(COURSE), &text, 0o600)
    }

    /// Writes down how a process ended that systemd runs.
    pub fn note_end(&self, place: &Place, name: &str, how: &str) -> io::Result<()> {
        write_atomically(&self.dir(place, name).join(END), how.as_bytes(), 0o600)
    }

    /// How a process ended the last time that systemd runs.
    pub fn end(&self, place: &Place, name: &str) -> Option<String> {
        fs::read_to_string(self.dir(place, name).join(END)).ok()
    }

    /// It begins anew.
    pub fn forget_end(&self, place: &Place, name: &str) -> io::Result<()> {
        match fs::remove_file(self.dir(place, name).join(END)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The logs that there are.
    pub fn logs(&self) -> io::Result<Vec<PathBuf>> {
        let mut logs = Vec::new();
        for place in directories(&self.base)? {
            logs.extend(directories(&place)?.into_iter().map(|process| process.join(LOG)));
        }
        Ok(logs)
    }

    /// Makes the directories of a process: its own, and where it keeps data, theirs.
    pub fn prepare(&self, process: &Process) -> io::Result<()> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(&self.dir(&process.place, &process.name))?;
        if process.keep {
            private(&self.data(&process.place, &process.name))?;
        }
        Ok(())
    }

    /// Writes the files of a process.
    pub fn write_files(&self, process: &Process) -> io::Result<()> {
        let dir = self.dir(&process.place, &process.name);
        for file in &process.files {
            let path = dir.join(&file.name);
            let content = with_secrets(&self.expand(process, &file.content))?;
            write_atomically(&path, content.as_bytes(), file.mode)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        }
        Ok(())
    }

    /// The file of the user's whose secret is another than the one that a process was
    /// started with. One that cannot be read is none: whoever starts it anew is told.
    pub fn other_secret(&self, process: &Process) -> Option<String> {
        let dir = self.dir(&process.place, &process.name);
        process.files.iter().filter(|file| file.content.contains(SECRET)).find_map(|file| {
            let then = fs::read_to_string(dir.join(&file.name)).ok()?;
            let text = self.expand(process, &file.content);
            let changed = text.lines().zip(then.lines()).find(|(line, then)| {
                line.contains(SECRET) && with_secrets(line).is_ok_and(|now| now != *then)
            });
            let (_, path) = changed?.0.split_once(SECRET)?;
            Some(path.split_once('}')?.0.to_owned())
        })
    }

    /// Removes the directory of a process, and that of its place where it was the
    /// last there.
    pub fn remove(&self, place: &Place, name: &str) -> io::Result<()> {
        let dir = self.dir(place, name);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for parent in dir.ancestors().skip(1).take(2) {
            // Not empty while there are others.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }

    /// Removes what processes kept that are none of these any more.
    pub fn prune_data<'p>(&self, kept: impl Iterator<Item = &'p Process>) -> io::Result<()> {
        let kept: BTreeSet<PathBuf> = kept.map(|p| self.data(&p.place, &p.name)).collect();
        for place in directories(&self.data.join("process"))? {
            for data in directories(&place)? {
                if !kept.contains(&data) {
                    fs::remove_dir_all(data)?;
                }
            }
        }
        Ok(())
    }

    /// Removes what all processes of the yard kept.
    pub fn remove_data(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(all) = self.data.parent() {
            // Not empty while other yards have data.
            let _ = fs::remove_dir(all);
        }
        Ok(())
    }

    /// A text with the process's directories in it.
    pub fn expand(&self, process: &Process, text: &str) -> String {
        let (place, name) = (&process.place, &process.name);
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        text.replace("{dir}", &path(self.dir(place, name)))
            .replace("{data}", &path(self.data(place, name)))
            .replace("{secrets}", &path(self.secrets()))
    }
}

/// A text with the secrets of the user's in it: `{file:PATH}` is the first line of that file.
fn with_secrets(text: &str) -> io::Result<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(SECRET) {
        let Some((path, after)) = after.split_once('}') else { break };
        out += before;
        let secret = fs::read_to_string(path)
            .map_err(|error| io::Error::new(error.kind(), format!("`{path}`: {error}")))?;
        out += secret.lines().next().unwrap_or_default();
        rest = after;
    }
    Ok(out + rest)
}

/// Where a process of a yard has its data.
pub(crate) fn data_of(yard: &YardName, rootless: bool, place: &Place, name: &str) -> PathBuf {
    let data = data_base(rootless).join(yard.as_str());
    Shelf { yard: yard.clone(), base: PathBuf::new(), data }.data(place, name)
}

/// Where data of this user's yards is that outlives processes and reboots.
fn data_base(rootless: bool) -> PathBuf {
    if !rootless {
        return PathBuf::from("/var/lib/netyard");
    }
    let of = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let state = of("XDG_STATE_HOME").or_else(|| Some(of("HOME")?.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/tmp")).join("netyard")
}

pub(super) fn place_name(place: &Place) -> &str {
    match place {
        Place::Host => "host",
        Place::Fabric => FABRIC,
        Place::Node(node) => NodeName::as_str(node),
    }
}

fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries
            .map(|entry| entry.map(|e| e.path()))
            .filter(|p| !matches!(p, Ok(p) if !p.is_dir()))
            .collect(),
    }
}

fn read(directory: &Path) -> Result<Option<Entry>, Error> {
    let path = directory.join(DEFINITION);
    let what = |why: String| {
        Error::new(ErrorKind::State, format!("could not understand `{}`: {why}", path.display()))
            .hint("another version of netyard may have written it; `netyard down` works without it")
    };
    let text = |path: &Path| match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::system(format!("could not read `{}`", path.display()), error)),
    };
    let Some(definition) = text(&path)? else { return Ok(None) };
    let definition: Definition =
        serde_json::from_slice(&definition).map_err(|e| what(e.to_string()))?;
    if definition.version != VERSION {
        return Err(what(format!("it has format {}", definition.version)));
    }
    // What cannot be read says nothing of a process that is there.
    let course = text(&directory.join(COURSE))?;
    let course = course.and_then(|text| serde_json::from_slice(&text).ok());
    Ok(Some(Entry { definition, course }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::{Identity, ProcessPhase};
    use netyard_core::state::{ProcessFile, Program};

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let base = tempfile::tempdir().unwrap();
        let yard = YardName::new("y").unwrap();
        let (process, data) = (base.path().join("process"), base.path().join("data/y"));
        let shelf = Shelf { yard, base: process, data };
        (base, shelf)
    }

    fn process(place: Place, name: &str) -> Process {
        Process {
            keep: true,
            files: vec![ProcessFile::new("conf", "in {dir} and {data}".into())],
            ..Process::new(place, name, Program::Argv(vec!["true".into()]))
        }
    }

    #[test]
    fn what_is_written_is_read_and_goes() {
        let (base, shelf) = shelf();
        let place = Place::Node(NodeName::new("r1").unwrap());
        for place in [Place::Fabric, place.clone()] {
            let one = process(place, "one");
            shelf.prepare(&one).unwrap();
            shelf.write_files(&one).unwrap();
            let course = Course::new(ProcessPhase::Running, Identity::of(std::process::id()));
            shelf.note(&one.place, &one.name, &course).unwrap();
            shelf.define(&Definition::new(one, None)).unwrap();
        }
        let all = shelf.all().unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(Entry::is_there));
        let written = fs::read_to_string(shelf.dir(&place, "one").join("conf")).unwrap();
        let (dir, data) = (shelf.dir(&place, "one"), shelf.data(&place, "one"));
        assert_eq!(written, format!("in {} and {}", dir.display(), data.display()));
        shelf.remove(&Place::Fabric, "one").unwrap();
        shelf.remove(&place, "one").unwrap();
        assert!(!base.path().join("process").exists() && data.exists());
        let one = process(place.clone(), "one");
        shelf.prune_data([&one].into_iter()).unwrap();
        assert!(data.exists());
        shelf.prune_data(std::iter::empty()).unwrap();
        assert!(!data.exists());
        shelf.remove_data().unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_secret_that_was_changed_is_found_by_its_file() {
        let (base, shelf) = shelf();
        let (first, second) = (base.path().join("first"), base.path().join("second"));
        fs::write(&first, "one\n").unwrap();
        fs::write(&second, "two\n").unwrap();
        let content = format!("a={{file:{}}}\nb={{file:{}}}\n", first.display(), second.display());
        let process = Process {
            files: vec![ProcessFile::new("conf", content)],
            ..process(Place::Host, "one")
        };
        shelf.prepare(&process).unwrap();
        shelf.write_files(&process).unwrap();
        assert_eq!(shelf.other_secret(&process), None);
        fs::write(&second, "three\n").unwrap();
        assert_eq!(shelf.other_secret(&process), Some(second.display().to_string()));
        shelf.write_files(&process).unwrap();
        assert_eq!(shelf.other_secret(&process), None);
        fs::remove_file(&first).unwrap();
        assert_eq!(shelf.other_secret(&process), None);
    }

    #[test]
    fn a_process_of_another_run_of_the_machine_is_not_there() {
        let identity = Identity::of(std::process::id());
        let mut course = Course::new(ProcessPhase::Running, identity);
        assert!(course.is_there());
        course.boot = "another".into();
        assert!(!course.is_there());
    }
}
