//! A yard in the kernel, from `up` to `down`, as a user without root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use snapbox::cmd::Command;

use crate::alone::alone;
use crate::{directory, repository, write_yard};

/// A directory with a yard's file and a copy of the binary, by which its
/// processes are known.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let site = Self { dir: directory() };
        write_yard(site.dir.path(), text);
        let binary = env!("CARGO_BIN_EXE_netyard");
        if fs::hard_link(binary, site.binary()).is_err() {
            fs::copy(binary, site.binary()).expect("a copy of the binary");
        }
        site
    }

    fn of_example(name: &str) -> Self {
        let file = repository().join("examples").join(name).join("netyard.yaml");
        Self::new(fs::read(file).expect("an example"))
    }

    fn binary(&self) -> PathBuf {
        self.dir.path().join("netyard")
    }

    fn netyard(&self, line: &str) -> Command {
        Command::new(self.binary())
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .env_remove("NO_COLOR")
    }

    fn run(&self, line: &str) -> Output {
        self.netyard(line).output().expect("the binary")
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{stderr}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Processes of this site that still run.
    fn processes(&self) -> Vec<PathBuf> {
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

/// All files below a directory.
fn tree(of: &Path) -> Vec<PathBuf> {
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

alone! { User, fn quickstart_comes_up_pings_and_goes_without_a_trace() {
    let site = Site::of_example("quickstart");
    let before = tree(Path::new("/run"));
    site.ok("up");
    for to in ["10.0.1.2", "10.0.1.254", "10.0.2.1", "fd00:1::2", "fd00:2::1"] {
        site.ok(&format!("exec h1 -- ping -c1 -W2 {to}"));
    }
    site.ok("plan --check");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}}

alone! { User, fn the_starter_comes_up_and_its_far_ends_meet() {
    let site = Site::new("");
    fs::remove_file(site.dir.path().join("netyard.yaml")).unwrap();
    site.ok("init");
    site.ok("up");
    site.ok("exec h1 -- ping -c1 -W2 10.0.2.2");
    site.ok("exec h1 -- ping -c1 -W2 fd00:2::2");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { User, fn a_machine_of_ones_own_has_nothing_but_lo_and_no_rights() {
    let links = std::process::Command::new("ip").args(["-br", "link"]).output().expect("ip");
    let links = String::from_utf8(links.stdout).unwrap();
    assert!(links.starts_with("lo ") && links.lines().count() == 1, "{links}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}
