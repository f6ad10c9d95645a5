//! Images made by the tools that people make them with, unpacked.

mod archive;
mod disk;
mod layout;
mod mutation;
mod template;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use netyard_linux::Error;
use netyard_linux::image::{Unpacked, Wish, unpack};
use tempfile::TempDir;

/// A directory for one test.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a script of the shell in it.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        sh(self.dir.path(), script)
    }

    pub fn try_unpack(&self, image: &str) -> Result<Unpacked, Error> {
        self.unpack_wish(image, Wish::default())
    }

    pub fn unpack_wish(&self, image: &str, wish: Wish) -> Result<Unpacked, Error> {
        fs::create_dir_all(self.path("out")).unwrap();
        unpack(&self.path(image), &self.path("out/tree"), wish, &mut |_| {})
    }

    #[track_caller]
    pub fn unpack(&self, image: &str) -> Unpacked {
        self.try_unpack(image).unwrap_or_else(|error| {
            panic!("{error}\n{:?}\n{:?}", error.get_hint(), error.get_others())
        })
    }

    /// Unpacks what must not be: nothing is left, and the error says all of `words`.
    #[track_caller]
    pub fn refuses(&self, image: &str, words: &[&str]) {
        let Err(error) = self.try_unpack(image) else { panic!("`{image}` was unpacked") };
        let said =
            format!("{error} {} {:?}", error.get_hint().unwrap_or_default(), error.get_others());
        for word in words.iter().chain(&[image]) {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
        assert!(error.get_hint().is_some(), "no hint: {said}");
        self.nothing_is_left();
    }

    #[track_caller]
    pub fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.path("out")).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[track_caller]
pub fn sh(dir: &Path, script: &str) -> String {
    let mut command = Command::new("bash");
    command.args(["-ec", script]).current_dir(dir).env("LC_ALL", "C");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}{err}");
    out.into_owned()
}

/// All there is to say of a tree, one entry a line: name, sort, mode, where it
/// leads, seconds, bytes, content. The tools that make images know no parts of seconds.
pub fn listing(of: &Path) -> String {
    let names = "find . -mindepth 1 -printf '%P %y %m %l %Ts\\n' | sort";
    let content = "find . -type f -size -4M -print0 | sort -z | xargs -0 -r sha256sum";
    sh(of, &format!("{names}; {content}; find . -type f -printf '%P %s\\n' | sort"))
}

/// Both trees are the same, or the lines that differ are told.
#[track_caller]
pub fn same_trees(one: &Path, other: &Path, what: &str) {
    let (one, other) = (listing(one), listing(other));
    let less: Vec<_> =
        one.lines().filter(|line| !other.lines().any(|o| o == *line)).take(9).collect();
    let more: Vec<_> =
        other.lines().filter(|line| !one.lines().any(|o| o == *line)).take(9).collect();
    assert!(less.is_empty() && more.is_empty(), "{what}\n- {less:#?}\n+ {more:#?}");
}

/// A root file system with one of everything, in `root`.
pub const ROOT: &str = "
mkdir -p root/etc root/bin root/var/empty root/deep/er/est
echo 'root:x:0:0' > root/etc/passwd; chmod 640 root/etc/passwd
head -c 300000 /dev/urandom > root/bin/program; chmod 4755 root/bin/program
ln root/bin/program root/bin/again
ln -s ../bin/program root/etc/relative; ln -s /etc/passwd root/etc/absolute
ln -s $(printf 'x%.0s' $(seq 150)) root/etc/long
mkfifo root/var/pipe; : > root/etc/empty
truncate -s 3M root/sparse; printf end >> root/sparse
printf tail | dd of=root/sparse bs=1 seek=1000000 conv=notrunc status=none
echo hidden > root/deep/er/est/.hidden
chmod 1777 root/var/empty; chmod 500 root/deep/er
touch -d '2001-02-03 04:05:06.5' root/etc/passwd; touch -h -d '2002-02-02 02:02:02' root/etc/relative
touch -d '2003-03-03' root/deep root/etc
";

/// Both names are of one file.
pub fn same(one: &Path, other: &Path) -> bool {
    let inode = |path: &Path| fs::symlink_metadata(path).map(|m| (m.dev(), m.ino())).unwrap();
    inode(one) == inode(other)
}
