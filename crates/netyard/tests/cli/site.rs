//! A place where a yard is tried out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use snapbox::cmd::Command;

use crate::{directory, repository, write_yard};

/// A directory with a yard's file and a copy of the binary, by which its
/// processes are known.
pub struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let site = Self { dir: directory() };
        write_yard(site.dir.path(), text);
        let binary = env!("CARGO_BIN_EXE_netyard");
        if fs::hard_link(binary, site.binary()).is_err() {
            fs::copy(binary, site.binary()).expect("a copy of the binary");
        }
        site
    }

    pub fn of_example(name: &str) -> Self {
        let file = repository().join("examples").join(name).join("netyard.yaml");
        Self::new(fs::read(file).expect("an example"))
    }

    /// Writes its yard's file anew.
    pub fn file(&self, text: &str) {
        write_yard(self.dir.path(), text);
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn binary(&self) -> PathBuf {
        self.dir.path().join("netyard")
    }

    pub fn netyard(&self, line: &str) -> Command {
        Command::new(self.binary())
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .env_remove("NO_COLOR")
    }

    /// A command that goes on while the test does.
    pub fn netyard_child(&self, arguments: &[&str]) -> std::process::Child {
        std::process::Command::new(self.binary())
            .args(arguments)
            .current_dir(self.dir.path())
            .spawn()
            .expect("the binary")
    }

    pub fn run(&self, line: &str) -> Output {
        self.netyard(line).output().expect("the binary")
    }

    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Processes of this site that still run.
    pub fn processes(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| {
                let exe = fs::read_link(path.join("exe")).unwrap_or_default();
                exe.starts_with(self.dir.path())
            })
            .collect()
    }
}

/// A test that fails, fails while its yard is up: no keeper outlives it.
impl Drop for Site {
    fn drop(&mut self) {
        let number = |process: &PathBuf| process.file_name()?.to_str()?.parse::<i32>().ok();
        let own: Vec<i32> = self.processes().iter().filter_map(number).collect();
        for id in descendants(&own).into_iter().chain(own) {
            // SAFETY: a system call with two numbers; the process runs this site's own
            // copy of the binary, or is a container that such a process started.
            unsafe { libc::kill(id, libc::SIGKILL) };
        }
    }
}

/// The children of these processes, and theirs: containers, whose files are not the site's.
fn descendants(of: &[i32]) -> Vec<i32> {
    let parent = |stat: &str| -> Option<(i32, i32)> {
        let (head, rest) = stat.rsplit_once(") ")?;
        Some((head.split(' ').next()?.parse().ok()?, rest.split(' ').nth(1)?.parse().ok()?))
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let all: Vec<(i32, i32)> = stats.filter_map(|stat| parent(&stat)).collect();
    let mut found = of.to_vec();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = all.iter().filter(|(child, of)| *of == parent && !found.contains(child));
        let children: Vec<i32> = children.map(|(child, _)| *child).collect();
        found.extend(children);
    }
    found.split_off(of.len())
}

/// All files below a directory.
pub fn tree(of: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(of).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(tree(&path));
        } else {
            all.push(path);
        }
    }
    all
}
