//! Firewalls and services beside the same made by hand: each in namespaces of its own, so
//! that nothing of one is in the way of the next.

use crate::options::Options;
use crate::{containers, isolate, nat, rules, services, wireguard};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The comparisons by name, each with how often it is measured by itself.
const ALL: [(&str, usize, Measure); 5] = [
    ("nat", 9, nat::measure),
    ("rules", 5, rules::measure),
    ("services", 3, services::measure),
    ("wireguard", 5, wireguard::measure),
    ("containers", 5, containers::measure),
];

type Measure = fn(&Path, usize) -> io::Result<Vec<Beside>>;

/// The medians of one comparison.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Beside {
    /// What was measured.
    pub what: String,
    /// Of both numbers.
    pub unit: String,
    /// What `ip` and `nft` reach, or dnsmasq.
    pub hand: f64,
    /// What netyard reaches.
    pub ours: f64,
    /// CPU milliseconds of either, by hand first.
    pub cpu: Option<(f64, f64)>,
    /// The share of the other that netyard must reach.
    pub least: Option<f64>,
    /// How many times the other netyard may take.
    pub most: Option<f64>,
    /// How often each was measured.
    pub runs: usize,
}

impl Beside {
    fn ratio(&self) -> f64 {
        self.ours / self.hand
    }

    /// Whether netyard is as good as it must be.
    pub fn passes(&self) -> bool {
        let ratio = self.ratio();
        self.least.is_none_or(|least| ratio >= least) && self.most.is_none_or(|most| ratio <= most)
    }
}

/// One comparison by itself: prints it, and fails where netyard is not good enough.
///
/// # Errors
/// What a program or the kernel said.
pub fn alone(words: &[String]) -> io::Result<ExitCode> {
    let all = of_words(words)?;
    print!("{}", table(&all));
    Ok(if all.iter().all(Beside::passes) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Child mode: one comparison, as JSON on standard output.
///
/// # Errors
/// What a program or the kernel said.
pub fn child(words: &[String]) -> io::Result<ExitCode> {
    println!("{}", serde_json::to_string(&of_words(words)?)?);
    Ok(ExitCode::SUCCESS)
}

fn of_words(words: &[String]) -> io::Result<Vec<Beside>> {
    let name = words.first().map_or("", String::as_str);
    let (_, runs, measure) = ALL
        .into_iter()
        .find(|(known, ..)| *known == name)
        .ok_or_else(|| io::Error::other(format!("no comparison `{name}`")))?;
    let netyard = words.get(1).map_or("target/release/netyard", String::as_str);
    let given = words.get(2).and_then(|word| word.parse().ok()).filter(|&runs| runs > 0);
    measure(&Path::new(netyard).canonicalize()?, given.unwrap_or(runs))
}

/// All comparisons, for the report; what failed is told and counted.
pub fn all(options: &Options) -> (Vec<Beside>, usize) {
    let (mut found, mut failures) = (Vec::new(), 0);
    let Some(netyard) = &options.netyard else { return (found, failures) };
    for (name, ..) in ALL {
        match in_child(name, netyard, options.runs) {
            Ok(some) => found.extend(some),
            Err(error) => {
                eprintln!("FAILED {name}: {error}");
                failures += 1;
            }
        }
    }
    eprint!("{}", table(&found));
    (found, failures)
}

fn in_child(name: &str, netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["beside", name]).arg(netyard).arg(runs.to_string());
    // Without the mark it makes namespaces of its own within ours.
    let output = command.env_remove(isolate::MARK).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The rows of the report.
pub fn table(all: &[Beside]) -> String {
    let mut text = String::from(
        "| firewall | unit | by hand | netyard | ratio | target | | CPU by hand, ms | CPU netyard, ms |\n\
         |---|---|---:|---:|---:|---|---|---:|---:|\n",
    );
    for one in all {
        let target = match (one.least, one.most) {
            (Some(least), _) => format!(">= {least}"),
            (None, Some(most)) => format!("<= {most}"),
            (None, None) => "-".into(),
        };
        let mark = if one.passes() { "pass" } else { "FAIL" };
        let cpu = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.0}"));
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.3} | {target} | {mark} | {} | {} |",
            one.what,
            one.unit,
            one.hand,
            one.ours,
            one.ratio(),
            cpu(one.cpu.map(|cpu| cpu.0)),
            cpu(one.cpu.map(|cpu| cpu.1)),
        );
    }
    text
}

/// The middle one; of two, the greater.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Runs a script that stops at its first failure.
///
/// # Errors
/// When it fails.
pub fn sh(script: &str) -> io::Result<()> {
    succeed(Command::new("sh").args(["-ec", script]))
}

/// Runs a program that must succeed.
///
/// # Errors
/// When it does not.
pub fn succeed(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?}: {status}"))) }
}
