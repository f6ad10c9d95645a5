//! Reads Prometheus' text format, strictly, and refuses what its own linter would.
//!
//! `promtool check metrics` is the judge, and 48 MB of a package that starts a server
//! when it is installed: too much to ask of every machine that runs these tests. Where
//! it is in `PATH`, it judges, too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

/// Labels and a value.
pub type Sample = (BTreeMap<String, String>, f64);

/// Metrics by name.
#[derive(Debug, Default)]
pub struct Exposition(BTreeMap<String, Vec<Sample>>);

impl Exposition {
    /// Reads it; says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
        let mut current = String::new();
        let mut seen = BTreeSet::new();
        if !text.ends_with('\n') {
            return Err("it does not end with a line".into());
        }
        for line in text.lines() {
            let wrong = |why: &str| format!("{why}: {line}");
            if let Some(rest) = line.strip_prefix("# ") {
                let (word, rest) = rest.split_once(' ').ok_or_else(|| wrong("half a comment"))?;
                let (name, rest) = rest.split_once(' ').ok_or_else(|| wrong("nothing is said"))?;
                match word {
                    "HELP" if helped.insert(name.to_owned()) => name.clone_into(&mut current),
                    "TYPE" if current == name && ["counter", "gauge"].contains(&rest) => {
                        typed.insert(name.to_owned(), rest.to_owned());
                        if (rest == "counter") != name.ends_with("_total") {
                            return Err(wrong("`_total` is for counters"));
                        }
                    }
                    _ => return Err(wrong("not the head of a metric, or its second")),
                }
                continue;
            }
            let (name, labels, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
            if name != current || !typed.contains_key(&name) {
                return Err(wrong("not below its head"));
            }
            if !seen.insert((name.clone(), labels.clone())) {
                return Err(wrong("twice"));
            }
            read.0.entry(name).or_default().push((labels, value));
        }
        promtool(text)?;
        Ok(read)
    }

    /// All samples of that name.
    pub fn all(&self, name: &str) -> Vec<&Sample> {
        self.0.get(name).into_iter().flatten().collect()
    }

    /// The names of all metrics.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The value of the one sample with these labels among its own.
    #[track_caller]
    pub fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&&Sample| {
            labels.iter().all(|(label, value)| sample.0.get(*label).is_some_and(|is| is == value))
        };
        let all = self.all(name);
        let found: Vec<_> = all.iter().filter(has).collect();
        assert!(found.len() == 1, "{name} {labels:?}: {found:?} of {all:?}");
        found[0].1
    }
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (name, mut rest) = line.split_once('{')?;
    let plain = |word: &str| {
        let letter = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
        !word.is_empty() && word.chars().all(letter) && !word.starts_with(char::is_numeric)
    };
    let mut labels = BTreeMap::new();
    loop {
        let (label, after) = rest.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        if !plain(label) || labels.insert(label.to_owned(), value).is_some() {
            return None;
        }
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let value: f64 = rest.strip_prefix("} ")?.parse().ok()?;
    (plain(name) && value >= 0.0).then(|| (name.to_owned(), labels, value))
}

/// What the format's own linter says, where there is one.
fn promtool(text: &str) -> Result<(), String> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        return Ok(());
    };
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("promtool");
    let output = child.wait_with_output().expect("promtool");
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() && said.is_empty() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_is_no_exposition_is_refused() {
    let head = "# HELP netyard_a_total It.\n# TYPE netyard_a_total counter\n";
    let good = format!("{head}netyard_a_total{{yard=\"x\",rule=\"a \\\"b\\\"\"}} 5\n");
    let read = Exposition::read(&good).unwrap();
    assert_eq!(read.one("netyard_a_total", &[("rule", "a \"b\"")]), 5.0);
    for bad in [
        good.replace("counter", "gauge"),
        good.replace(" 5", " five"),
        good.replace("\"x\"", "\"x\"b"),
        good.replace("\\\"b", "\"b"),
        good.replace("# TYPE netyard_a_total counter\n", ""),
        good.replace("{yard", "{1yard"),
        good.trim_end().to_owned(),
        format!("{good}{}", good.lines().last().unwrap().to_owned() + "\n"),
        format!("{good}{head}"),
    ] {
        assert!(Exposition::read(&bad).is_err(), "{bad}");
    }
}
