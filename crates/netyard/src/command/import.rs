use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use netyard_core::diag::{Report, Sources};
use netyard_core::import::{self, FORMATS, Fate, Format, Imported, Note};
use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::source::{Origin, Unreadable};
use crate::ui;

/// Make a yard's file of what was written for another tool
///
/// The file goes to stdout, or where `--output` says; what became of each part of the
/// foreign file (taken over whole, nearly, or not, and why) goes to stderr. Nothing is
/// run of what it contains.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// What it was written for
    #[arg(value_name = "FORMAT", value_parser = PossibleValuesParser::new(words()))]
    format: String,
    /// The file, or the directory it is in; `-` is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    path: PathBuf,
    /// Write the yard's file here; a file that is there is left alone
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Print the yard's file and what became of each part as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Show what was taken over whole, too
    #[arg(long)]
    all: bool,
}

fn words() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.word).collect()
}

impl Import {
    /// Does it.
    pub fn run(self) -> Result {
        let format = import::format(&self.format)
            .ok_or_else(|| Error::command_line(format!("no format `{}`", self.format)))?;
        let sources = gather(format, &self.path)?;
        let imported = import::import(format, &sources);
        let Some(text) = &imported.text else {
            return Err(Kind::Text(sources, imported.report).into());
        };
        if self.json {
            ui::print_json(&as_json(&sources, &imported))?;
        } else {
            ui::show_report(&sources, &imported.report);
            ui::say(&account(&sources, &imported.notes, self.all));
            match &self.output {
                Some(path) => write_new(path, text)?,
                None => ui::print(text)?,
            }
        }
        let (made, verdict) = imported.verdict;
        if verdict.has_errors() {
            return Err(Kind::Text(made, verdict).into());
        }
        ui::show_report(&made, &verdict);
        Ok(())
    }
}

/// The file that is meant, and those beside it that belong to it.
fn gather(format: &Format, path: &Path) -> Result<Sources> {
    if format.whole && path.is_dir() {
        let files = mains_of(format, path)?;
        if files.is_empty() {
            return Err(none_there(format, path));
        }
        return files.iter().map(|file| read(file)).collect::<Result<_>>().map(Sources);
    }
    let main = if path.is_dir() { main_of(format, path)? } else { path.to_owned() };
    let mut sources = vec![read(&main)?];
    let directory = Origin::File(main.clone()).directory();
    let ours = |name: &str| format.beside.iter().any(|end| name.ends_with(end));
    if main != Path::new("-") && !format.beside.is_empty() {
        for path in names(&directory)? {
            let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
            if path != main && ours(&name) && path.is_file() {
                sources.push(read(&path)?);
            }
        }
    }
    Ok(Sources(sources))
}

fn read(path: &Path) -> Result<netyard_core::diag::Source> {
    Origin::from_option(Some(path)).read().map_err(|Unreadable { diagnostic, source, .. }| {
        Kind::Text(Sources(source.into_iter().collect()), Report(vec![*diagnostic])).into()
    })
}

/// What is in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("cannot read `{}`: {error}", directory.display()))
    };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let mut names: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()
        .map_err(failed)?;
    names.sort();
    Ok(names)
}

fn main_of(format: &Format, directory: &Path) -> Result<PathBuf> {
    let mut found = mains_of(format, directory)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(none_there(format, directory)),
        n => Err(Error::failed(format!(
            "there are {n} files in `{}`: name the one you mean",
            directory.display()
        ))),
    }
}

/// The files in a directory that are called as those of the format are.
fn mains_of(format: &Format, directory: &Path) -> Result<Vec<PathBuf>> {
    let fits = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        format.main.iter().any(|end| name.ends_with(end))
    };
    Ok(names(directory)?.into_iter().filter(fits).collect())
}

fn none_there(format: &Format, directory: &Path) -> Error {
    Error::failed(format!(
        "there is no {} in `{}` (looked for {})",
        format.title,
        directory.display(),
        format.main.join(", ")
    ))
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> Result {
    let written = fs::OpenOptions::new().write(true).create_new(true).open(path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Error::failed(format!(
            "cannot write `{}`: {}",
            path.display(),
            crate::error::errno_text(&error)
        ))
    })?;
    ui::say(&format!("wrote {0}; `netyard up -f {0}` builds it\n", path.display()));
    Ok(())
}

/// What became of each part, for people.
fn account(sources: &Sources, notes: &[Note], all: bool) -> String {
    let count = |fate| notes.iter().filter(|note| note.fate == fate).count();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for note in notes.iter().filter(|note| all || note.fate != Fate::Lossless) {
        let fate = match note.fate {
            Fate::Lossless => "whole",
            Fate::Approximated => "nearly",
            Fate::Ignored => "not",
        };
        let place = ui::place(sources, note.span).unwrap_or_default();
        rows.push(vec![fate.into(), place, ui::printable(&note.key), ui::printable(&note.why)]);
    }
    let mut text = ui::table(&rows);
    text.push_str(&format!(
        "taken over: {} whole, {} nearly, {} not\n",
        count(Fate::Lossless),
        count(Fate::Approximated),
        count(Fate::Ignored)
    ));
    text
}

fn as_json(sources: &Sources, imported: &Imported) -> serde_json::Value {
    let notes: Vec<_> = imported
        .notes
        .iter()
        .map(|note| {
            json!({
                "place": ui::place(sources, note.span),
                "key": note.key,
                "fate": note.fate,
                "why": note.why,
            })
        })
        .collect();
    json!({ "version": 1, "yard": imported.text, "notes": notes })
}
