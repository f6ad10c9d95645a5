//! Reading the user's files: the yard's file, stdin, includes. What can go wrong
//! with a file before its text is looked at becomes a diagnostic here.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netyard_core::diag::{Diagnostic, Label, Severity, Source, Span};

use crate::error::errno_text;

/// The file that is used where none is named, in the current directory.
pub const DEFAULT_FILE: &str = "netyard.yaml";

/// A file of more bytes is not a yard's: spans and memory are sized for this.
const LARGEST: u64 = 100_000_000;

/// Where a yard's file is.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// `-`: what comes in.
    Stdin,
}

impl Origin {
    /// What `-f` means; without it, [`DEFAULT_FILE`].
    pub fn from_option(file: Option<&Path>) -> Self {
        match file {
            None => Self::File(DEFAULT_FILE.into()),
            Some(path) if path == Path::new("-") => Self::Stdin,
            Some(path) => Self::File(path.to_owned()),
        }
    }

    /// The name shown to the user.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".into(),
        }
    }

    /// The directory includes are relative to.
    pub fn directory(&self) -> PathBuf {
        match self {
            Self::File(path) => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => ".".into(),
            },
            Self::Stdin => ".".into(),
        }
    }

    /// Reads it all; the error is ready to be shown, beside a source where it
    /// has a place in one.
    pub fn read(&self) -> Result<Source, Unreadable> {
        let name = self.name();
        let bytes = match self {
            Self::File(path) => netyard_linux::open_to_read(path).and_then(bounded),
            Self::Stdin => bounded(io::stdin().lock()),
        };
        match bytes {
            Err(error) => Err(cannot_read(&name, &error, self)),
            Ok(None) => Err(too_large(&name)),
            Ok(Some(bytes)) => utf8(name, bytes),
        }
    }
}

/// A file that gives no text.
#[derive(Debug)]
pub struct Unreadable {
    /// What is wrong; its places are in `source`, as file 0.
    pub diagnostic: Box<Diagnostic>,
    /// The same as a phrase, for a file that another one includes.
    pub why: String,
    /// What can be shown of it.
    pub source: Option<Source>,
}

fn bounded(stream: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= LARGEST).then_some(bytes))
}

fn cannot_read(name: &str, error: &io::Error, origin: &Origin) -> Unreadable {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let unwritten = error.kind() == io::ErrorKind::TimedOut;
    let hint = match origin {
        Origin::File(path) if missing && path == Path::new(DEFAULT_FILE) => {
            Some("`netyard init` writes one to begin with; `-f FILE` names another".into())
        }
        Origin::File(path) if path.is_dir() => {
            Some(format!("name the file in it: `-f {}`", path.join(DEFAULT_FILE).display()))
        }
        _ if unwritten => Some("start what writes to it, or name a file".into()),
        _ => None,
    };
    let why = match unwritten {
        true => "it is a pipe, and nobody writes to it".to_owned(),
        false => errno_text(error),
    };
    let message = format!("cannot read `{name}`: {why}");
    unreadable("file-unreadable", (message, why), hint, None)
}

fn too_large(name: &str) -> Unreadable {
    let message = format!("`{name}` is larger than 100 MB");
    let hint = "ranges (`r[1..1000]`) and `for` describe large yards in a few lines";
    let why = "it is larger than 100 MB".into();
    unreadable("file-too-large", (message, why), Some(hint.into()), None)
}

/// The text, or a diagnostic that shows the line where it ends to be text.
fn utf8(name: String, bytes: Vec<u8>) -> Result<Source, Unreadable> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => return Ok(Source { name, text: text.into() }),
        Err(error) => error,
    };
    let at = text.utf8_error().valid_up_to();
    let byte = text.as_bytes()[at];
    let line = text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
    let why = format!("not UTF-8 text: byte {byte:#04x} in line {line}");
    let message = format!("`{name}` is {why}");
    let shown: Arc<str> =
        String::from_utf8_lossy(&text.as_bytes()[..(at + 80).min(text.as_bytes().len())])
            .into_owned()
            .into();
    let end = shown[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    let span = Span { file: 0, start: at as u32, end: end as u32 };
    let label = Label { span, text: "here".into() };
    let hint = "save it as UTF-8, or convert it: `iconv -f latin1 -t utf-8`".into();
    Err(unreadable(
        "file-not-utf8",
        (message, why),
        Some(hint),
        Some((Source { name, text: shown }, label)),
    ))
}

fn unreadable(
    code: &'static str,
    (message, why): (String, String),
    hint: Option<String>,
    place: Option<(Source, Label)>,
) -> Unreadable {
    let (source, labels) = match place {
        Some((source, label)) => (Some(source), vec![label]),
        None => (None, Vec::new()),
    };
    let hints = hint.into_iter().collect();
    let diagnostic = Diagnostic { severity: Severity::Error, code, message, labels, hints };
    Unreadable { diagnostic: Box::new(diagnostic), why, source }
}
