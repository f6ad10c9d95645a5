//! The files of a node below `/etc/netns/NAME/`: what `ip netns exec` puts in
//! place of those of `/etc`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use netyard_core::name::NodeName;
use netyard_core::state::File;

use crate::state_dir::write_atomically;

/// In a directory that netyard made and that is not a node's.
const MADE: &str = ".netyard";

/// The directories of all nodes' files.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

/// What was read of all nodes' files.
#[derive(Debug)]
pub struct Shelf<'a> {
    files: &'a Files,
    directories: BTreeSet<String>,
}

impl Shelf<'_> {
    /// The files of a node that netyard wrote, name and content, sorted.
    pub fn read(&self, netns: &str) -> io::Result<Vec<(String, String)>> {
        if self.directories.contains(netns) { self.files.read(netns) } else { Ok(Vec::new()) }
    }

    /// A node's directory, by the name of its namespace.
    pub fn directory(&self, netns: &str) -> PathBuf {
        self.files.directory(netns)
    }
}

impl Files {
    /// Those below `/etc/netns`, or another directory without root.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A node's directory, by the name of its namespace.
    pub fn directory(&self, netns: &str) -> PathBuf {
        self.root.join(netns)
    }

    fn path(&self, file: &File) -> PathBuf {
        self.directory(&file.netns).join(&file.name)
    }

    /// Writes a file, whole or not at all. A file of the user's own is not
    /// replaced (`EEXIST`).
    pub fn write(&self, file: &File) -> io::Result<()> {
        let path = self.path(file);
        match fs::read_to_string(&path) {
            Ok(text) if !text.starts_with(File::MARK) => {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            _ => {}
        }
        if !self.root.exists() {
            fs::create_dir_all(&self.root)?;
            fs::write(self.root.join(MADE), "")?;
        }
        fs::create_dir_all(self.directory(&file.netns))?;
        write_atomically(&path, file.content.as_bytes(), 0o644)
    }

    /// Removes a file, and directories that are empty without it. Not an error
    /// when it is gone already; a file of the user's own stays.
    pub fn remove(&self, file: &File) -> io::Result<()> {
        let path = self.path(file);
        match fs::read_to_string(&path) {
            Ok(text) if text.starts_with(File::MARK) => fs::remove_file(&path)?,
            _ => {}
        }
        // Not empty where the user keeps files of their own in it.
        let _ = fs::remove_dir(self.directory(&file.netns));
        self.remove_root();
        Ok(())
    }

    /// Removes what netyard wrote for a node that is not there any more.
    pub fn remove_stale(&self, node: &NodeName, netns: &str) -> io::Result<()> {
        for (name, content) in self.read(netns)? {
            let (node, netns) = (node.clone(), netns.to_owned());
            self.remove(&File { node, netns, name, content })?;
        }
        Ok(())
    }

    /// Removes the directory of all nodes if netyard made it and nothing else is in it.
    fn remove_root(&self) {
        let only_mark = fs::read_dir(&self.root)
            .is_ok_and(|entries| entries.flatten().all(|entry| entry.file_name() == MADE));
        if only_mark && fs::remove_file(self.root.join(MADE)).is_ok() {
            let _ = fs::remove_dir(&self.root);
        }
    }

    /// The directories of nodes there are.
    pub fn directories(&self) -> BTreeSet<String> {
        let names = fs::read_dir(&self.root).into_iter().flatten().flatten();
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Which directories there are, for reading many.
    pub fn shelf(&self) -> Shelf<'_> {
        Shelf { files: self, directories: self.directories() }
    }

    /// The files of a node that netyard wrote, name and content, sorted.
    pub fn read(&self, netns: &str) -> io::Result<Vec<(String, String)>> {
        let entries = match fs::read_dir(self.directory(netns)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match fs::read_to_string(entry.path()) {
                Ok(text) if text.starts_with(File::MARK) => files.push((name, File::own(text))),
                _ => {}
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use netyard_core::name::NodeName;

    use super::*;

    fn file(name: &str, content: &str) -> File {
        let node = NodeName::new("r1").unwrap();
        File { node, netns: "home-r1".into(), name: name.into(), content: content.into() }
    }

    #[test]
    fn what_was_written_is_read_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::below(dir.path().join("netns"));
        let hosts = file("hosts", "# made by netyard: yard home\n10.0.0.1 a\n");
        files.write(&hosts).unwrap();
        files.write(&hosts).unwrap();
        assert_eq!(files.read("home-r1").unwrap(), [("hosts".into(), hosts.content.clone())]);
        files.remove(&hosts).unwrap();
        files.remove(&hosts).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_the_users_own_is_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::below(dir.path());
        fs::create_dir(dir.path().join("home-r1")).unwrap();
        let path = dir.path().join("home-r1/hosts");
        fs::write(&path, "10.0.0.9 mine\n").unwrap();
        let hosts = file("hosts", "# made by netyard\n");
        assert!(files.write(&hosts).is_err());
        files.remove(&hosts).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "10.0.0.9 mine\n");
        assert_eq!(files.read("home-r1").unwrap(), []);
    }
}
