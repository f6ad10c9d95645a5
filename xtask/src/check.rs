//! `cargo xtask check`: everything that runs without a virtual machine. All steps run, even after
//! one has failed, so that one run shows everything that is wrong.

use crate::tier::{self, Counter, Record, Row};
use crate::{Outcome, stream, tidy};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Runs every step, leaves the record for `cargo xtask tiers` and fails when any of them failed.
///
/// # Errors
/// When cargo cannot be started or the record cannot be written.
pub fn run(root: &Path) -> Outcome {
    let mut rows = vec![
        step(root, "fmt", &["fmt", "--all", "--check"])?,
        step(
            root,
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        )?,
        tidy_step(root)?,
    ];
    rows.extend(deny(root)?);
    let mut said = Vec::new();
    rows.extend(tests(root, &mut said)?);

    let failed: Vec<&str> =
        rows.iter().filter(|row| row.failed > 0).map(|row| row.name.as_str()).collect();
    println!();
    for row in &rows {
        for (reason, count) in &row.skipped {
            println!("skipped: {count} in `{}`: {reason}", row.name);
        }
    }
    let code = if failed.is_empty() {
        println!("check: all is well");
        ExitCode::SUCCESS
    } else {
        println!("check: failed: {}", failed.join(", "));
        ExitCode::FAILURE
    };
    tier::save(root, tier::CHECK, &Record { rows, said, impossible: None })?;
    Ok(code)
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    command
}

fn step(root: &Path, name: &str, arguments: &[&str]) -> io::Result<Row> {
    println!("\n# {name}: cargo {}", arguments.join(" "));
    let begun = Instant::now();
    let status = stream::run(&mut cargo(root, arguments), |_line| {})?;
    Ok(Row::step(name, status.success(), begun.elapsed().as_secs_f64()))
}

fn tidy_step(root: &Path) -> Result<Row, Box<dyn std::error::Error>> {
    println!("\n# tidy");
    let begun = Instant::now();
    let well = tidy::run(root)? == ExitCode::SUCCESS;
    Ok(Row::step("tidy", well, begun.elapsed().as_secs_f64()))
}

/// Licences, bans and sources need nothing but the lock file and the sources of the crates;
/// advisories need a database from the network, which not every machine may reach.
fn deny(root: &Path) -> io::Result<Vec<Row>> {
    if !succeeds(&mut cargo(root, &["deny", "--version"])) {
        let reason = "no cargo-deny; install it with `cargo xtask ci-tools`";
        // Only a person may go on without it.
        let on_ci = std::env::var_os("CI").is_some();
        println!("\n# deny: {}: {reason}", if on_ci { "FAILED" } else { "SKIPPED" });
        return Ok(vec![if on_ci {
            Row::step("deny", false, 0.0)
        } else {
            Row::skipped("deny", reason)
        }]);
    }
    let offline = step(root, "deny", &["deny", "check", "licenses", "bans", "sources"])?;
    let mut fetch = Command::new("timeout");
    fetch.args(["120", "cargo", "deny", "fetch", "db"]).current_dir(root);
    let advisories = if succeeds(&mut fetch) {
        step(root, "deny advisories", &["deny", "check", "--disable-fetch", "advisories"])?
    } else {
        let reason = "the database of advisories cannot be reached from this machine";
        println!("\n# deny advisories: SKIPPED: {reason}");
        Row::skipped("deny advisories", reason)
    };
    Ok(vec![offline, advisories])
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// How many failed tests are run again: where more fail, it is not the machine.
const FEW: usize = 3;

fn tests(root: &Path, said: &mut Vec<String>) -> io::Result<Vec<Row>> {
    let arguments = ["test", "--workspace", "--no-fail-fast", "--locked"];
    println!("\n# tests: cargo {}", arguments.join(" "));
    let mut counter = Counter::default();
    let status = stream::run(&mut cargo(root, &arguments), |line| counter.see(line))?;
    said.extend(counter.said());
    let mut rows = counter.finish(status.success(), "tests");
    let failing: Vec<&str> = rows.iter().flat_map(|row| &row.failing).map(String::as_str).collect();
    let failed: u64 = rows.iter().map(|row| row.failed).sum();
    if failing.is_empty() || failing.len() > FEW || failed != failing.len() as u64 {
        return Ok(rows);
    }
    if pass_alone(root, &failing)? {
        rows.iter_mut().for_each(Row::passed_alone);
    }
    Ok(rows)
}

/// Runs tests again with nothing beside them. What passes then is flaky: it is
/// shown as such, with what it said, and does not stop the others' work.
fn pass_alone(root: &Path, names: &[&str]) -> io::Result<bool> {
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast", "--locked", "--", "--exact"];
    arguments.extend(names);
    println!("\n# once more, alone: cargo {}", arguments.join(" "));
    arguments.push("--test-threads=1");
    let mut counter = Counter::default();
    let status = stream::run(&mut cargo(root, &arguments), |line| counter.see(line))?;
    let rows = counter.finish(status.success(), "tests");
    let passed: u64 = rows.iter().map(|row| row.passed).sum();
    Ok(status.success() && passed >= names.len() as u64)
}
