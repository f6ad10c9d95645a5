//! Every directory `cases/import/FORMAT/NAME/` is a case: the files of another tool
//! and, beside them, what the import must make of them: `netyard.yaml`, and
//! `report.txt`, what became of each part. A case that cannot be read has
//! `diagnostics.txt` instead. `UPDATE=1` writes the expected files anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::diag::{Report, Source, Sources, Span};
use netyard_core::import::{self, Format};
use proptest::prelude::*;

const OURS: [&str; 3] = ["netyard.yaml", "report.txt", "diagnostics.txt"];

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The main file first, then the others.
fn sources(format: &Format, case: &Path) -> Sources {
    let mut files: Vec<PathBuf> =
        below(case).into_iter().filter(|path| !OURS.contains(&name(path).as_str())).collect();
    files.sort_by_key(|path| !format.main.iter().any(|end| name(path).ends_with(end)));
    let source = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a readable case");
        Source { name: name(path), text: text.into() }
    };
    Sources(files.iter().map(source).collect())
}

fn place(sources: &Sources, span: Span) -> String {
    let source = &sources.0[span.file as usize];
    let line = source.text[..span.start as usize].matches('\n').count() + 1;
    format!("{}:{line}", source.name)
}

fn diagnostics(sources: &Sources, report: &Report) -> String {
    let mut text = String::new();
    for diagnostic in &report.0 {
        let place = diagnostic.labels.first().map(|label| place(sources, label.span));
        let _ = writeln!(text, "{}: {}", place.unwrap_or_default(), diagnostic.message);
        for hint in &diagnostic.hints {
            let _ = writeln!(text, "  {hint}");
        }
    }
    text
}

/// What the case gives: names and contents of files.
fn outcome(format: &Format, case: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let sources = sources(format, case);
    let imported = import::import(format, &sources);
    let Some(text) = imported.text else {
        return Ok(vec![("diagnostics.txt", diagnostics(&sources, &imported.report))]);
    };
    let (made, verdict) = &imported.verdict;
    if verdict.has_errors() {
        let why = diagnostics(made, verdict);
        return Err(format!("{}: netyard refuses it:\n{why}\n{text}", case.display()));
    }
    let mut report = String::new();
    for note in &imported.notes {
        let fate = format!("{:?}", note.fate).to_lowercase();
        let _ = write!(report, "{fate:12} {} {}", place(&sources, note.span), note.key);
        let _ = writeln!(
            report,
            "{}",
            if note.why.is_empty() { String::new() } else { format!(": {}", note.why) }
        );
    }
    Ok(vec![("netyard.yaml", text), ("report.txt", report)])
}

#[test]
fn every_foreign_file_becomes_the_yard_that_is_written_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases/import");
    let update = std::env::var_os("UPDATE").is_some();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for directory in below(&root) {
        let format = import::format(&name(&directory)).expect("a format's directory");
        for case in below(&directory) {
            count += 1;
            let files = outcome(format, &case).unwrap_or_else(|refused| {
                wrong.push(refused);
                Vec::new()
            });
            for (file, text) in files {
                let path = case.join(file);
                if update {
                    fs::write(&path, &text).expect("a writable case");
                }
                let expected = fs::read_to_string(&path).unwrap_or_default();
                if expected != text {
                    wrong.push(format!("{}: expected\n{expected}\ngot\n{text}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 10 * import::FORMATS.len(), "only {count} cases");
}

/// The files of all cases, with their formats.
fn seeds() -> Vec<(&'static str, Sources)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases/import");
    let mut seeds = Vec::new();
    for directory in below(&root) {
        let format = import::format(&name(&directory)).expect("a format's directory");
        seeds.extend(below(&directory).iter().map(|case| (format.word, sources(format, case))));
    }
    seeds
}

/// What means something to one of the formats, to YAML, or to a shell.
const WORDS: &[&str] = &[
    "\n",
    "\n[Peer]\n",
    "\n[Network]\n",
    "[",
    "]",
    "{",
    "}",
    "<",
    "/>",
    "&lt;",
    "&#10;",
    "\"",
    "'",
    ":",
    "- ",
    "=",
    "\\",
    "$i",
    "$(reboot)",
    "`id`",
    "; rm -rf /",
    "[1..9]",
    "#",
    "0.0.0.0/0",
    "::/0",
    "99999999999",
    "-1",
    "null",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "ü",
    "*a",
    "<<: *a",
    "<!DOCTYPE x>",
    "name",
    "../..",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a foreign file, what is made of it is YAML, and what netyard
    /// says of it has a place.
    #[test]
    fn a_changed_foreign_file_is_taken_over_or_refused(
        (word, mut sources) in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(WORDS)), 1..5),
    ) {
        for (index, removed, word) in changes {
            let Some(source) = sources.0.first_mut() else { continue };
            let mut text: Vec<char> = source.text.chars().collect();
            let at = index.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, word.chars());
            source.text = text.into_iter().collect::<String>().into();
        }
        let imported = import::import(import::format(word).expect("a format"), &sources);
        prop_assert!(imported.text.is_some() || imported.report.has_errors(), "nothing and no reason");
        for note in &imported.notes {
            place(&sources, note.span);
        }
        diagnostics(&sources, &imported.report);
        if let Some(text) = imported.text {
            prop_assert!(netyard_core::spec::plain_tree(&text).is_some(), "no YAML:\n{text}");
            diagnostics(&imported.verdict.0, &imported.verdict.1);
        }
    }
}
