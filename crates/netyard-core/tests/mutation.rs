//! No text makes the reader panic or run away: arbitrary ones, and those of the
//! cases with bytes, lines and words changed.

use std::path::Path;
use std::time::{Duration, Instant};

use netyard_core::diag::Source;
use netyard_core::spec::{self, Parsed};
use proptest::prelude::*;

/// Reads a text, whose includes are itself; checks what must hold of any.
fn read(text: &str) -> Parsed {
    let started = Instant::now();
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "case", &mut |_, _| Ok(text.to_owned()));
    assert!(started.elapsed() < Duration::from_secs(20), "{text}");
    assert!(parsed.spec.is_some() || parsed.report.has_errors(), "nothing and no reason: {text}");
    for diagnostic in &parsed.report.0 {
        assert!(!diagnostic.labels.is_empty(), "{diagnostic:?}");
        for label in &diagnostic.labels {
            let source = &parsed.sources.0[label.span.file as usize].text;
            let range = label.span.start as usize..label.span.end as usize;
            assert!(source.get(range).is_some(), "{diagnostic:?} is no place in {source:?}");
        }
    }
    parsed
}

/// The texts of all cases and examples that are not very long.
fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files: Vec<_> = ["cases", "examples"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).into_iter().flatten())
        .filter_map(|entry| Some(entry.ok()?.path().join("netyard.yaml")))
        .collect();
    files.sort();
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.filter(|text| text.len() < 8_000).collect()
}

/// Words that mean something in a file.
const WORDS: &[&str] = &[
    "[1..9]",
    "$i",
    "$(",
    ")",
    "${n}",
    "$$",
    "*a",
    "&a ",
    "<<: *a",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "\n",
    "\n  ",
    "- ",
    "\t",
    "\"",
    "'",
    "|\n",
    "#",
    "---\n",
    "!!str ",
    "null",
    "~",
    "true",
    "-1",
    "99999999999999999999",
    "for: { i: 1..3 }",
    "item: ",
    "kind: vlan",
    "include: a.yaml",
    "\u{feff}",
    "ü",
    "\u{0}",
    "10.0.0.1/24",
    "fd00::1",
    "defaults:",
    "host:",
    "lo",
    "1..",
    "..",
    "%",
];

/// A folded text may be as long as what is written, and is not the same.
#[test]
fn a_place_in_a_folded_text_is_a_place_of_the_file() {
    read("nodes: $i|\nnullkind: vlan\n  \u{feff}$i");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn any_soup_of_words_is_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        read(&words.concat());
        read(&format!("nodes: {}", words.concat()));
    }

    #[test]
    fn a_changed_file_is_read_or_refused(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(WORDS)), 1..5),
    ) {
        let mut text: Vec<char> = seed.chars().collect();
        for (index, removed, word) in changes {
            let at = index.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, word.chars());
        }
        read(&text.into_iter().collect::<String>());
    }
}

#[test]
fn a_hundred_megabytes_are_refused_at_once() {
    let text = "nodes: { r1: {} }\n".repeat(6_000_000);
    let started = Instant::now();
    let parsed = read(&text);
    assert_eq!(parsed.report.0.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_thousand_mistakes_do_not_become_a_million_lines() {
    let text = format!("nodes:\n{}", "  - x\n".repeat(10) + &"  ? [a]\n".repeat(20_000));
    read(&text);
    let mut text = String::from("nodes:\n");
    for i in 0..20_000 {
        text.push_str(&format!("  r{i}: {{ x{i}: 1 }}\n"));
    }
    assert!(read(&text).report.0.len() <= 1_001);
}
