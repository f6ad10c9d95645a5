//! The journal: what is about to be done, and how it is undone, on disk before
//! it is done.
//!
//! Lines of JSON. The first names the format's version, the command and its
//! process; then each batch before it is done, and a mark after; then the mark
//! that all is done. A journal without that last mark tells the next command
//! that this one was cut off. What is half done then is seen by observing; what
//! observing cannot see (settings of the host as they were, commands that ran)
//! is in here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netyard_core::plan::{Batch, Step};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line<B> {
    Begin { version: u32, command: String, pid: u32 },
    Batch { number: usize, batch: B },
    Done { number: usize },
    Undone { number: usize },
    End,
}

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// What an earlier command left unfinished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The command: `up`, `down`.
    pub command: String,
    /// Its process number.
    pub pid: u32,
    /// The steps of batches that were begun; the last batch may be half done.
    pub steps: Vec<Step>,
    /// How many of its batches were done whole.
    pub batches_done: usize,
}

impl Journal {
    /// Begins a journal at `path`, in place of one that is there.
    pub fn begin(path: &Path, command: &str) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| failed(path, e))?;
        let mut journal = Self { path: path.to_owned(), file };
        let pid = std::process::id();
        journal.line::<()>(&Line::Begin { version: VERSION, command: command.to_owned(), pid })?;
        Ok(journal)
    }

    /// Notes a batch that is about to be done.
    pub fn batch(&mut self, entry: &Entry) -> Result<(), Error> {
        self.write(&entry.0)
    }

    /// Notes that a batch is done.
    pub fn done(&mut self, number: usize) -> Result<(), Error> {
        self.line::<()>(&Line::Done { number })
    }

    /// Notes that a batch was taken back.
    pub fn undone(&mut self, number: usize) -> Result<(), Error> {
        self.line::<()>(&Line::Undone { number })
    }

    /// Notes that all is done, and removes the journal.
    pub fn end(mut self) -> Result<(), Error> {
        // It goes; this is for where it cannot.
        let _ = self.line::<()>(&Line::End);
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.path, error)),
            _ => Ok(()),
        }
    }

    fn line<B: Serialize>(&mut self, line: &Line<B>) -> Result<(), Error> {
        self.write(&text(line)?)
    }

    /// One write: a line is there whole or, cut off by a crash, not counted.
    fn write(&mut self, text: &[u8]) -> Result<(), Error> {
        self.file.write_all(text).map_err(|e| failed(&self.path, e))
    }
}

/// What the journal will say of a batch; made beforehand, as of a thousand nodes
/// it is megabytes.
#[derive(Debug)]
pub struct Entry(Vec<u8>);

impl Entry {
    /// That of a batch.
    pub fn of(number: usize, batch: &Batch) -> Result<Self, Error> {
        text(&Line::Batch { number, batch }).map(Self)
    }
}

fn text<B: Serialize>(line: &Line<B>) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec(line)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("could not write the journal: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::system(format!("could not write the journal `{}`", path.display()), error)
}

/// Reads what an earlier command left unfinished; none where all was finished.
pub fn interrupted(path: &Path) -> Result<Option<Interrupted>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Error::system(format!("could not read `{}`", path.display()), error));
        }
    };
    let mut found: Option<Interrupted> = None;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|e| Error::system("could not read the journal", e))?;
        let Ok(line) = serde_json::from_slice::<Line<Batch>>(&line) else { break };
        match (line, &mut found) {
            (Line::Begin { version: VERSION, command, pid }, None) => {
                found = Some(Interrupted { command, pid, steps: Vec::new(), batches_done: 0 });
            }
            (Line::Batch { batch, .. }, Some(found)) => found.steps.extend(batch.steps),
            (Line::Done { .. }, Some(found)) => found.batches_done += 1,
            (Line::Undone { .. }, Some(_)) => {}
            (Line::End, _) => return Ok(None),
            _ => break,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use netyard_core::plan::Phase;

    use super::*;

    fn batch() -> Batch {
        Batch { phase: Phase::Configure, steps: Vec::new() }
    }

    #[test]
    fn an_unfinished_journal_is_found_and_a_finished_one_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert_eq!(interrupted(&path).unwrap(), None);
        let mut journal = Journal::begin(&path, "up").unwrap();
        journal.batch(&Entry::of(0, &batch()).unwrap()).unwrap();
        journal.done(0).unwrap();
        journal.batch(&Entry::of(1, &batch()).unwrap()).unwrap();
        let found = interrupted(&path).unwrap().unwrap();
        assert_eq!((found.command.as_str(), found.batches_done), ("up", 1));
        journal.end().unwrap();
        assert_eq!(interrupted(&path).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_journal_keeps_nobody_from_going_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        for garbage in [&b"\xff\xfe\n"[..], b"", b"\0\0\0", b"{}\n", b"[[[[[\n"] {
            fs::write(&path, garbage).unwrap();
            assert_eq!(interrupted(&path).unwrap(), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::begin(&path, "down").unwrap();
        journal.batch(&Entry::of(0, &batch()).unwrap()).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let found = interrupted(&path).unwrap().unwrap();
        assert_eq!(found.command, "down");
        assert!(found.steps.is_empty());
    }
}
