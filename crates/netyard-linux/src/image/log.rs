//! What becomes of an image, told in the log of the container that it is for.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{LeftOut, Missing, Step, Unpacked};

/// Every so many bytes it is said how far it is.
const STRIDE: u64 = 64 << 20;
/// Of what is left out, so many are named of each sort.
const NAMED: usize = 5;

/// A log, as far as an image is told in it. What cannot be written is not told.
pub(crate) struct Log {
    file: File,
    said: (&'static str, u64),
}

impl Log {
    /// Opens it, to go on at its end.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file, said: ("", 0) })
    }

    /// Says how far it is, now and then.
    pub fn hear(&mut self, step: Step) {
        let (what, done) = self.said;
        if step.what == what && step.done < done.saturating_add(STRIDE) {
            return;
        }
        self.said = (step.what, step.done);
        let of = step.of.map(|of| format!(" of {}", mebibytes(of))).unwrap_or_default();
        self.say(&format!("{}: {}{of}", step.what, mebibytes(step.done)));
    }

    /// Says what came of it; nothing where it failed, which is an error of its own.
    pub fn end(&mut self, image: &Path, made: Option<&Unpacked>) {
        let Some(made) = made else { return };
        let (kind, entries, bytes) = (made.kind, made.entries, mebibytes(made.bytes));
        self.say(&format!("image `{}` ({kind}): {entries} names, {bytes}", image.display()));
        for line in left_out(&made.left_out) {
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        let _ = self.file.write_all(format!("netyard: {line}\n").as_bytes());
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20)
}

/// One line for each sort of what is missing.
fn left_out(all: &[LeftOut]) -> Vec<String> {
    let mut sorts: Vec<(String, Vec<&Path>)> = Vec::new();
    for one in all {
        let sort = told(&one.what);
        match sorts.iter_mut().find(|(known, _)| *known == sort) {
            Some((_, paths)) => paths.push(&one.path),
            None => sorts.push((sort, vec![&one.path])),
        }
    }
    let line = |(sort, paths): (String, Vec<&Path>)| {
        let mut line = format!("left out, {sort}:");
        for path in paths.iter().take(NAMED) {
            let _ = write!(line, " /{}", path.display());
        }
        match paths.len().checked_sub(NAMED) {
            Some(more @ 1..) => line + &format!(" and {more} more"),
            _ => line,
        }
    };
    sorts.into_iter().map(line).collect()
}

fn told(what: &Missing) -> String {
    match what {
        Missing::Owner { .. } => "owners, which only root may give away".to_owned(),
        Missing::Device => "devices, of which a container has its own".to_owned(),
        Missing::Socket => "sockets, which would be nobody's".to_owned(),
        Missing::Attribute(name) => format!("the attribute `{name}`"),
        Missing::Mount => "what is mounted there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_one_line_for_each_sort() {
        let one = |path: &str, what| LeftOut { path: path.into(), what };
        let mut all: Vec<LeftOut> =
            (0..7).map(|n| one(&format!("dev/tty{n}"), Missing::Device)).collect();
        all.push(one("run/s", Missing::Socket));
        let lines = left_out(&all);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with("/dev/tty4 and 2 more"), "{lines:?}");
        assert!(lines[1].ends_with(": /run/s"), "{lines:?}");
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::open(&path).unwrap();
        for done in (0..200).map(|n| n << 20) {
            log.hear(Step { what: "copying", done, of: Some(200 << 20) });
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("copying: 64.0 MiB of 200.0 MiB\n"), "{text}");
    }
}
