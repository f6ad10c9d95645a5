//! Every directory of `cases/` (and of `examples/`) is one case: its
//! `netyard.yaml` and, beside it, what each step must make of it. `UPDATE=1`
//! writes the expected files anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::diag::{Report, Source, Sources, Span};
use netyard_core::spec::{self, Parsed};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The directories below `folder` that have a `netyard.yaml`, sorted.
fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    cases.retain(|case| case.join("netyard.yaml").exists());
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse(case: &Path) -> Parsed {
    let text = fs::read_to_string(case.join("netyard.yaml")).expect("readable case");
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    spec::parse(root, &name(case), &mut |path, includer| {
        let folder = Path::new(includer).parent().unwrap_or(Path::new(""));
        fs::read_to_string(case.join(folder).join(path)).map_err(|_| "no such file".to_owned())
    })
}

/// Line and column, both from 1, the column in characters.
fn position(sources: &Sources, span: Span) -> String {
    let source = &sources.0[span.file as usize];
    let before = &source.text[..span.start as usize];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", source.name)
}

/// A report as stable text.
fn render(report: &Report, sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in &report.0 {
        let place = diagnostic.labels.first().map(|l| position(sources, l.span));
        let place = place.unwrap_or_else(|| "-".into());
        let severity = format!("{:?}", diagnostic.severity).to_lowercase();
        let (code, message) = (diagnostic.code, &diagnostic.message);
        writeln!(out, "{place}: {severity}[{code}]: {message}").expect("a String");
        for label in &diagnostic.labels {
            let source = &sources.0[label.span.file as usize].text;
            let marked = &source[label.span.start as usize..label.span.end as usize];
            let place = position(sources, label.span);
            writeln!(out, "  {place}: {marked:?} {}", label.text).expect("a String");
        }
        for hint in &diagnostic.hints {
            writeln!(out, "  hint: {hint}").expect("a String");
        }
    }
    out
}

/// Compares with an expected file, or writes it when `UPDATE` is set.
fn compare(file: &Path, actual: &str, differing: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        match actual {
            "" => drop(fs::remove_file(file)),
            _ => fs::write(file, actual).expect("writable case"),
        }
        return;
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != actual {
        differing.push(format!("{}\n--- expected\n{expected}--- actual\n{actual}", file.display()));
    }
}

#[test]
fn every_case_says_what_it_should() {
    let mut differing = Vec::new();
    let cases = cases("cases");
    assert!(cases.len() < 1000);
    for case in cases {
        let Parsed { spec, report, sources } = parse(&case);
        assert!(spec.is_some() || report.has_errors(), "{}: nothing and no reason", name(&case));
        compare(&case.join("diagnostics.txt"), &render(&report, &sources), &mut differing);
    }
    assert!(differing.is_empty(), "UPDATE=1 rewrites what differs:\n{}", differing.join("\n"));
}

#[test]
fn every_example_is_right() {
    for case in cases("examples") {
        let Parsed { spec, report, sources } = parse(&case);
        assert!(spec.is_some() && report.0.is_empty(), "{}", render(&report, &sources));
    }
}

#[test]
fn every_message_obeys_the_rules_of_messages() {
    for case in cases("cases") {
        for d in parse(&case).report.0 {
            let message = &d.message;
            assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
            assert!(!message.contains("invalid"), "{message}");
            let first = message.chars().next().unwrap_or('X');
            let name = message.starts_with("IPv") || message.starts_with("VLAN");
            assert!(name || !first.is_uppercase(), "{message}");
            assert_eq!(message.matches('`').count() % 2, 0, "{message}");
            assert!(!d.labels.is_empty(), "{message}");
            assert!(d.hints.iter().all(|h| !h.is_empty() && !h.contains('\n')), "{message}");
        }
    }
}
