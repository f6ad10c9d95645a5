//! What each tier of tests ran: counted from the output, kept in `target/tiers`, shown as a table.
//!
//! A test that did not run must be visible. So every tier leaves a record, a missing record is a
//! failure, and each test that was skipped natively because it "needs the VM tier" must have run
//! in the VM.

use crate::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

/// The tiers that must have left a record.
pub const CHECK: &str = "check";
/// The tier that runs in the virtual machine.
pub const VM: &str = "vm";

/// How the reason of a test that only the VM tier can run begins.
pub const NEEDS_VM: &str = "needs the VM tier";

/// What one tier ran.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// One row for each test binary or step.
    pub rows: Vec<Row>,
    /// What failed tests said, for the end of the output.
    #[serde(default)]
    pub said: Vec<String>,
    /// Why this machine cannot run the tier at all.
    #[serde(default)]
    pub impossible: Option<String>,
}

/// The counts of one test binary, or of one step that passes or fails as a whole.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The name of the binary or step.
    pub name: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// The names of those that failed, where they are known.
    #[serde(default)]
    pub failing: BTreeSet<String>,
    /// Tests that failed beside the others and passed alone.
    #[serde(default)]
    pub flaky: BTreeSet<String>,
    /// Tests that did not run, by the reason given.
    pub skipped: BTreeMap<String, u64>,
    /// Seconds of wall time, as the test binary or step gives them.
    pub seconds: f64,
}

impl Row {
    /// A step that passes or fails as a whole.
    pub fn step(name: &str, passed: bool, seconds: f64) -> Self {
        let (passed, failed) = if passed { (1, 0) } else { (0, 1) };
        Self { name: name.to_owned(), passed, failed, seconds, ..Self::default() }
    }

    /// A step that did not run.
    pub fn skipped(name: &str, reason: &str) -> Self {
        let skipped = BTreeMap::from([(reason.to_owned(), 1)]);
        Self { name: name.to_owned(), skipped, ..Self::default() }
    }

    /// What failed passed when it ran again, alone.
    pub fn passed_alone(&mut self) {
        self.passed += std::mem::take(&mut self.failed);
        self.flaky.append(&mut self.failing);
    }
}

/// How many lines of what failed tests said are kept, and how many characters of each.
const LONGEST: usize = 120;
const WIDEST: usize = 800;

/// How the name of a row ends whose tests are examples in documentation.
const DOCS: &str = " (examples in docs)";

/// Counts tests from the lines that cargo and the test harness print.
#[derive(Debug, Default)]
pub struct Counter {
    rows: Vec<Row>,
    said: Vec<String>,
    /// A failed test's own words are being read.
    telling: bool,
    /// The last row has begun and its result line has not come yet.
    open: bool,
}

impl Counter {
    /// The line that begins a row by name, for output that cargo does not head.
    pub fn heading(name: &str) -> String {
        format!("== {name} ==")
    }

    /// Takes the next line of output.
    pub fn see(&mut self, line: &str) {
        self.hear(line);
        if let Some(name) = begins(line) {
            self.close();
            self.rows.push(Row { name, ..Row::default() });
            self.open = true;
        } else if let Some(name) = failed(line) {
            if let Some(row) = self.rows.last_mut() {
                row.failing.insert(name.to_owned());
            }
        } else if let Some(reason) = ignored(line) {
            if let Some(row) = self.rows.last_mut() {
                *row.skipped.entry(reason).or_default() += 1;
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.open = false;
            if let Some(row) = self.rows.last_mut() {
                // The last result is the binary's. One before it is part of a failed test's
                // output, for a test may run the binary again; only docs come in several parts.
                if !row.name.ends_with(DOCS) {
                    (row.passed, row.failed, row.seconds) = (0, 0, 0.0);
                }
                row.passed += number_before(result, " passed");
                row.failed += number_before(result, " failed");
                row.seconds += seconds(result);
            }
        }
    }

    /// Keeps what failed tests say, but for traces.
    fn hear(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.telling = true;
        } else if begins(line).is_some() {
            self.telling = false;
        }
        // The harness's own words; a test may run the binary again.
        let frame = ["failures:", "test result: ", "running ", "note: "];
        let trace = line == "stack backtrace:"
            || frame.iter().any(|words| line.starts_with(words))
            || line.trim_start().starts_with("at ")
            || line.trim_start().split_once(": ").is_some_and(|(n, _)| n.parse::<u8>().is_ok());
        if self.telling && !trace && !line.is_empty() && self.said.len() < LONGEST {
            self.said.push(line.chars().take(WIDEST).collect());
        }
    }

    /// What failed tests said.
    pub fn said(&self) -> Vec<String> {
        self.said.clone()
    }

    /// The rows, after a command that ended well or not: a failure that no test accounts for
    /// (it did not compile, it crashed) is a row of its own.
    pub fn finish(mut self, ended_well: bool, step: &str) -> Vec<Row> {
        self.close();
        if !ended_well && self.rows.iter().all(|row| row.failed == 0) {
            self.rows.push(Row::step(step, false, 0.0));
        }
        self.rows.retain(|row| row.passed + row.failed > 0 || !row.skipped.is_empty());
        self.rows
    }

    /// A binary that never printed its result died, and that is a failure.
    fn close(&mut self) {
        if self.open
            && let Some(row) = self.rows.last_mut()
        {
            row.failed += 1;
        }
        self.open = false;
    }
}

/// The name of the row that starts here: `Running tests/kernel/main.rs (target/…/kernel-1f2e)`,
/// `Doc-tests netyard_core` or a heading of ours.
fn begins(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("== ").and_then(|rest| rest.strip_suffix(" ==")) {
        return Some(name.to_owned());
    }
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{name}{DOCS}"));
    }
    let binary = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?.1;
    let file = binary.rsplit('/').next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _hash)| name).to_owned())
}

/// The name in `test yard::change::heals ... FAILED`.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The reason in `test vm_vlan::tags … ignored, REASON`.
fn ignored(line: &str) -> Option<String> {
    let (_name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let rest = outcome.strip_prefix("ignored")?;
    let reason = rest.strip_prefix(", ").unwrap_or("no reason given");
    Some(reason.to_owned())
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn seconds(result: &str) -> f64 {
    let after = result.rsplit("finished in ").next().unwrap_or_default();
    after.trim_end_matches('s').parse().unwrap_or(0.0)
}

/// Leaves the record of a tier for [`show`].
///
/// # Errors
/// When `target/tiers` cannot be written.
pub fn save(root: &Path, tier: &str, record: &Record) -> io::Result<()> {
    let path = path(root, tier);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, serde_json::to_vec_pretty(record)?)
}

fn path(root: &Path, tier: &str) -> PathBuf {
    root.join("target/tiers").join(format!("{tier}.json"))
}

/// Prints the table of all tiers and fails when a test failed or a tier is missing.
///
/// # Errors
/// When a record is there but cannot be read.
pub fn show(root: &Path) -> Outcome {
    let mut records = Vec::new();
    for tier in [CHECK, VM] {
        let record = match fs::read(path(root, tier)) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        records.push((tier, record));
    }
    let (table, well) = table(&records);
    print!("{table}");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The table, and whether all is well.
fn table(records: &[(&str, Option<Record>)]) -> (String, bool) {
    let mut text = format!(
        "\n{:<7} {:<34} {:>7} {:>7} {:>8} {:>9}\n",
        "tier", "what", "passed", "failed", "skipped", "seconds"
    );
    let (mut passed, mut failed, mut notes) = (0, 0, Vec::new());
    for (tier, record) in records {
        let Some(record) = record else {
            notes.push(format!("{tier}: NOT RUN, and this machine can run it"));
            failed += 1;
            continue;
        };
        if let Some(why) = &record.impossible {
            notes.push(format!("{tier}: SKIPPED, this machine cannot run it: {why}"));
        }
        for row in &record.rows {
            passed += row.passed;
            failed += row.failed;
            text += &format!(
                "{tier:<7} {:<34} {:>7} {:>7} {:>8} {:>9.1}\n",
                row.name,
                row.passed,
                row.failed,
                row.skipped.values().sum::<u64>(),
                row.seconds
            );
        }
        notes.extend(reasons(tier, record));
        notes.extend(flaky(tier, record));
        notes.extend(record.said.iter().map(|line| format!("{tier}: said: {line}")));
    }
    if let Some(complaint) = forgotten(records) {
        failed += 1;
        notes.push(complaint);
    }
    for note in notes {
        text += &format!("  {note}\n");
    }
    text += &format!("\n{passed} passed, {failed} failed\n");
    (text, failed == 0 && passed > 0)
}

/// The reasons of what one tier skipped, each with its count.
fn reasons(tier: &str, record: &Record) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for row in &record.rows {
        for (reason, count) in &row.skipped {
            *counts.entry((&row.name, reason)).or_insert(0) += count;
        }
    }
    counts
        .into_iter()
        .map(|((row, reason), count)| format!("{tier}: {count} skipped in `{row}`: {reason}"))
        .collect()
}

/// What failed at first; whoever reads it looks for the cause.
fn flaky(tier: &str, record: &Record) -> Vec<String> {
    let of = |row: &Row| {
        let line = |name| {
            format!("{tier}: FLAKY in `{}`: {name} failed beside others, passed alone", row.name)
        };
        row.flaky.iter().map(line).collect::<Vec<_>>()
    };
    record.rows.iter().flat_map(of).collect()
}

/// Tests that were left to the VM tier and did not run there.
fn forgotten(records: &[(&str, Option<Record>)]) -> Option<String> {
    let of = |wanted| records.iter().find(|(tier, _)| *tier == wanted)?.1.as_ref();
    let vm = of(VM)?;
    if vm.impossible.is_some() {
        return None;
    }
    let left: u64 = of(CHECK)?
        .rows
        .iter()
        .flat_map(|row| &row.skipped)
        .filter(|(reason, _)| reason.starts_with(NEEDS_VM))
        .map(|(_, count)| count)
        .sum();
    // What did not run there for a reason of its own is shown with it.
    let ran: u64 = vm
        .rows
        .iter()
        .filter(|row| row.name.starts_with(crate::vm::ONLY_VM))
        .map(|row| row.passed + row.failed + row.skipped.values().sum::<u64>())
        .sum();
    (ran < left).then(|| {
        format!("{left} tests were left to the VM tier and only {ran} ran there: is `vm_` in the path of each?")
    })
}

#[cfg(test)]
#[path = "tier_tests.rs"]
mod tests;
