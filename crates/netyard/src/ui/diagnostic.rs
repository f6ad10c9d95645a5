//! Diagnostics with the piece of the file they are about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use netyard_core::diag::{Diagnostic, Label, Report, Severity, Sources};
use serde_json::{Value, json};

use super::{HINT, to_stderr};

/// A longer source line is not shown: the message and the place say enough,
/// and a terminal can do nothing with a megabyte.
const LONGEST_LINE: usize = 400;

/// Shows all diagnostics on stderr, an empty line between them.
pub fn show_report(sources: &Sources, report: &Report) {
    let texts: Vec<String> = report.0.iter().map(|d| render(sources, d)).collect();
    to_stderr(&texts.join("\n"));
}

/// One diagnostic as text with colours.
fn render(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(shown(&diagnostic.message)).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let mut far = Vec::new();
    for (file, labels) in by_file(&diagnostic.labels) {
        let Some(source) = sources.0.get(file as usize) else { continue };
        let near = |label: &&(bool, &Label)| line_is_short(&source.text, label.1);
        let (show, tell): (Vec<_>, Vec<_>) = labels.iter().partition(near);
        if !show.is_empty() {
            let annotations = show.iter().map(|(primary, label)| {
                let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                kind.span(range(&source.text, label)).label(shown(&label.text))
            });
            let snippet = Snippet::source(source.text.as_ref()).path(source.name.as_str());
            group = group.element(snippet.annotations(annotations.collect::<Vec<_>>()));
        }
        far.extend(tell.iter().map(|(_, label)| place_line(&source.name, &source.text, label)));
    }
    let mut text = Renderer::styled().render(&[group]);
    text.push('\n');
    text.extend(far);
    for hint in &diagnostic.hints {
        text.push_str(&format!("{HINT}hint{HINT:#}: {}\n", shown(hint)));
    }
    text
}

/// The labels of each file, in order of first mention; true marks the first of all.
fn by_file(labels: &[Label]) -> Vec<(u32, Vec<(bool, &Label)>)> {
    let mut files: Vec<(u32, Vec<(bool, &Label)>)> = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let entry = (index == 0, label);
        match files.iter_mut().find(|(file, _)| *file == label.span.file) {
            Some((_, of_file)) => of_file.push(entry),
            None => files.push((label.span.file, vec![entry])),
        }
    }
    files
}

/// The label's bytes, moved to where they can be shown whatever they were.
fn range(text: &str, label: &Label) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(label.span.start as usize);
    let end = text.ceil_char_boundary((label.span.end as usize).max(start));
    let first_line = text[start..end].find('\n').map_or(end, |at| start + at);
    start..if first_line > start { first_line } else { end }
}

fn line_is_short(text: &str, label: &Label) -> bool {
    let start = text.floor_char_boundary(label.span.start as usize);
    let head = start - text[..start].rfind('\n').map_or(0, |at| at + 1);
    let tail = text[start..].find('\n').unwrap_or(text.len() - start);
    head + tail <= LONGEST_LINE
}

fn place_line(name: &str, text: &str, label: &Label) -> String {
    let (line, column) = line_and_column(text, label.span.start as usize);
    let label = shown(&label.text);
    format!(" --> {name}:{line}:{column}{}{label}\n", if label.is_empty() { "" } else { ": " })
}

/// Both from 1; the column counts characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = text.floor_char_boundary(at);
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    (text[..at].matches('\n').count() + 1, text[line_start..at].chars().count() + 1)
}

/// Control characters that the user's text brought do not reach the terminal.
fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() && c != '\n' {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

/// All diagnostics for a program: an editor, a CI job.
pub fn report_json(sources: &Sources, report: &Report) -> Value {
    let place = |label: &Label| {
        let source = sources.0.get(label.span.file as usize)?;
        let (line, column) = line_and_column(&source.text, label.span.start as usize);
        let (end_line, end_column) = line_and_column(&source.text, label.span.end as usize);
        Some(json!({
            "file": source.name, "line": line, "column": column,
            "end_line": end_line, "end_column": end_column, "label": label.text,
        }))
    };
    let diagnostics = report.0.iter().map(|d| {
        json!({
            "severity": match d.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "code": d.code,
            "message": d.message,
            "places": d.labels.iter().filter_map(place).collect::<Vec<_>>(),
            "hints": d.hints,
        })
    });
    json!({ "version": 1, "diagnostics": diagnostics.collect::<Vec<_>>() })
}
