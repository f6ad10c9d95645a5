//! Diagnostics with the piece of the file they are about.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use netyard_core::diag::{Diagnostic, Label, Report, Severity, Source, Sources, Span};
use serde_json::{Value, json};

use super::{HINT, as_called, note, to_stderr};

/// A longer source line is not shown: the message and the place say enough,
/// and a terminal can do nothing with a megabyte.
const LONGEST_LINE: usize = 400;

/// More diagnostics than a person reads at once.
const MOST: usize = 50;

/// Shows the diagnostics on stderr, an empty line between them.
pub fn show_report(sources: &Sources, report: &Report) {
    let texts = Text::all(sources);
    let shown: Vec<String> = report.0.iter().take(MOST).map(|d| render(&texts, d)).collect();
    to_stderr(&shown.join("\n"));
    if report.0.len() > MOST {
        let more = report.0.len() - MOST;
        note(&format!("\nand {more} more; `netyard check --json` has all"));
    }
}

/// A source and where its lines begin.
struct Text<'a> {
    source: &'a Source,
    starts: Vec<usize>,
}

impl<'a> Text<'a> {
    fn all(sources: &'a Sources) -> Vec<Self> {
        let text = |source: &'a Source| {
            let newlines = source.text.match_indices('\n').map(|(at, _)| at + 1);
            Self { source, starts: std::iter::once(0).chain(newlines).collect() }
        };
        sources.0.iter().map(text).collect()
    }

    /// The label's bytes within its first line, moved to where they can be
    /// shown whatever they were.
    fn range(&self, label: &Label) -> Range<usize> {
        let text = &self.source.text;
        let start = boundary_before(text, label.span.start as usize);
        let end = boundary_after(text, (label.span.end as usize).max(start));
        match text[start..end].find('\n') {
            Some(newline) if newline > 0 => start..start + newline,
            _ => start..end,
        }
    }

    /// From 0.
    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of a line, from 0, without its newline.
    fn line(&self, line: usize) -> Range<usize> {
        let start = self.starts[line];
        let next = self.starts.get(line + 1).map_or(self.source.text.len(), |next| next - 1);
        start..next.max(start)
    }

    /// Both from 1; the column counts characters.
    fn line_and_column(&self, at: u32) -> (usize, usize) {
        let at = boundary_before(&self.source.text, at as usize);
        let line = self.line_of(at);
        (line + 1, self.source.text[self.starts[line]..at].chars().count() + 1)
    }

    fn can_show(&self, label: &Label) -> bool {
        self.line(self.line_of(self.range(label).start)).len() <= LONGEST_LINE
    }

    /// The lines of these labels with what is said beside them.
    fn snippet(
        &self,
        labels: &[&(bool, &Label)],
    ) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        let ranges: Vec<_> = labels.iter().map(|(_, label)| self.range(label)).collect();
        let first = ranges.iter().map(|r| self.line_of(r.start)).min().unwrap_or(0);
        let last = ranges.iter().map(|r| self.line_of(r.start)).max().unwrap_or(0);
        let (start, end) = (self.line(first).start, self.line(last).end);
        let annotations = labels.iter().zip(&ranges).map(|((primary, label), range)| {
            let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let within = range.start - start..range.end.min(end).max(range.start) - start;
            kind.span(within).label(printable(&label.text))
        });
        Snippet::source(&self.source.text[start..end])
            .line_start(first + 1)
            .path(self.source.name.as_str())
            .annotations(annotations.collect::<Vec<_>>())
    }

    /// The place alone, for a line that is too long to show.
    fn place(&self, label: &Label) -> String {
        let (line, column) = self.line_and_column(label.span.start);
        let said = printable(&label.text);
        let said = if said.is_empty() { said } else { format!(": {said}") };
        format!(" --> {}:{line}:{column}{said}\n", self.source.name)
    }
}

/// One diagnostic as text with colours.
fn render(texts: &[Text<'_>], diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let mut places = String::new();
    for (file, labels) in by_file(&diagnostic.labels) {
        let Some(text) = texts.get(file as usize) else { continue };
        let (shown, told): (Vec<_>, Vec<_>) =
            labels.iter().partition(|(_, label)| text.can_show(label));
        if !shown.is_empty() {
            group = group.element(text.snippet(&shown));
        }
        told.iter().for_each(|(_, label)| places.push_str(&text.place(label)));
    }
    let mut rendered = Renderer::styled().render(&[group]);
    rendered.push('\n');
    rendered.push_str(&places);
    for hint in &diagnostic.hints {
        rendered.push_str(&format!("{HINT}hint{HINT:#}: {}\n", printable(&as_called(hint))));
    }
    rendered
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

/// The last place at or before `at` where a character begins.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first place at or behind `at` where a character begins.
fn boundary_after(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// Control characters that the user's text brought do not reach the terminal.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}

/// All diagnostics for a program: an editor, a CI job.
pub fn report_json(sources: &Sources, report: &Report) -> Value {
    let texts = Text::all(sources);
    let place = |label: &Label| {
        let text = texts.get(label.span.file as usize)?;
        let (line, column) = text.line_and_column(label.span.start);
        let (end_line, end_column) = text.line_and_column(label.span.end);
        Some(json!({
            "file": text.source.name, "line": line, "column": column,
            "end_line": end_line, "end_column": end_column, "label": label.text,
        }))
    };
    let diagnostics = report.0.iter().map(|d| {
        let severity = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "severity": severity,
            "code": d.code,
            "message": d.message,
            "places": d.labels.iter().filter_map(place).collect::<Vec<_>>(),
            "hints": d.hints,
        })
    });
    json!({ "version": 1, "diagnostics": diagnostics.collect::<Vec<_>>() })
}

/// A place as one reads it: `netyard.yaml:14:5`.
pub fn place(sources: &Sources, span: Span) -> Option<String> {
    let source = sources.0.get(span.file as usize)?;
    let before = source.text.get(..span.start as usize)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    Some(format!("{}:{number}:{}", source.name, line.chars().count() + 1))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn plain(sources: &[(&str, &str)], labels: &[(u32, u32, u32, &str)]) -> String {
        let source =
            |(name, text): &(&str, &str)| Source { name: (*name).into(), text: (*text).into() };
        let sources = Sources(sources.iter().map(source).collect());
        let label = |(file, start, end, text): &(u32, u32, u32, &str)| Label {
            span: Span { file: *file, start: *start, end: *end },
            text: (*text).into(),
        };
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "a-code",
            message: "something is `odd`".into(),
            labels: labels.iter().map(label).collect(),
            hints: vec!["make it even".into()],
        };
        let styled = render(&Text::all(&sources), &diagnostic);
        anstream::adapter::strip_str(&styled).to_string()
    }

    #[test]
    fn a_diagnostic_shows_the_line_and_its_number() {
        let text = "yard: home\nnodes:\n  r1: { forwrad: true }\n";
        let shown = plain(&[("netyard.yaml", text)], &[(0, 26, 33, "here")]);
        let expected = "\
error[a-code]: something is `odd`
 --> netyard.yaml:3:9
  |
3 |   r1: { forwrad: true }
  |         ^^^^^^^ here
hint: make it even
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn places_in_two_files_are_both_shown() {
        let files = [("a.yaml", "x: 1\n"), ("b.yaml", "\n\ny: 2\n")];
        let shown = plain(&files, &[(1, 2, 3, "this"), (0, 0, 1, "and that")]);
        assert!(shown.contains("--> b.yaml:3:1") && shown.contains("a.yaml:1:1"), "{shown}");
    }

    #[test]
    fn any_span_can_be_shown() {
        let text = "grün: 1\n\nend";
        let length = text.len() as u32 + 3;
        for start in 0..length {
            for end in 0..length {
                plain(&[("f", text)], &[(0, start, end, "x"), (0, end, start, ""), (7, 0, 1, "y")]);
            }
        }
        plain(&[("f", "")], &[(0, 0, 0, "x")]);
    }

    #[test]
    fn a_line_too_long_for_a_terminal_is_told_by_its_place() {
        let text = format!("a: 1\n{}oops\n", "x".repeat(1_000_000));
        let shown = plain(&[("f.yaml", &text)], &[(0, 1_000_005, 1_000_009, "here")]);
        assert!(shown.contains(" --> f.yaml:2:1000001: here\n"), "{shown}");
        assert!(shown.len() < 200);
    }

    #[test]
    fn an_escape_in_the_text_does_not_reach_the_terminal() {
        let diagnostic = printable("the key `\u{1b}[2J` is odd");
        assert_eq!(diagnostic, "the key `\\u{1b}[2J` is odd");
        let shown = plain(&[("f", "a: \u{1b}[2Jx\n")], &[(0, 3, 6, "")]);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
