//! A test as people read it.

use std::collections::BTreeSet;

use netyard_core::expect::{Family, Host, Probe, Verdict};

use super::{Outcome, Trial};
use crate::ui::{self, BAD, FAINT, GOOD};

/// More lines than one wants to read of what went well.
const MANY: usize = 60;
/// Failures for which `explain` is offered.
const HINTS: usize = 3;

impl Trial<'_> {
    /// A line for each expectation; of many, only for those that failed.
    pub fn text(&self, all: bool) -> String {
        let brief = !all && self.outcomes.len() > MANY;
        let shown = self.outcomes.iter().filter(|o| !brief || o.verdict.is_failure());
        let shown: Vec<&Outcome<'_>> = shown.collect();
        let named = shown.iter().any(|outcome| outcome.expectation.name.is_some());
        let rows: Vec<Vec<String>> = shown.into_iter().map(|outcome| row(outcome, named)).collect();
        let mut text: String = ui::table(&rows).lines().map(colour).collect();
        if text.is_empty() && brief {
            text = "all as expected; `--all` shows each\n".to_owned();
        }
        text + &self.summary()
    }

    /// `test: 12 ok, 1 failed in 1.2 s`
    fn summary(&self) -> String {
        let counts = self.counts();
        let parts = [(counts.passed, "ok"), (counts.failed, "failed"), (counts.skipped, "skipped")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(number, word)| *number > 0 || *word == "ok")
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        format!("test: {} in {}\n", parts.join(", "), ui::duration(self.took))
    }

    /// What to type to learn more of the first failures.
    pub fn hints(&self, file: &str) -> Vec<String> {
        let failed = self.outcomes.iter().filter(|outcome| outcome.verdict.is_failure());
        let mut seen = BTreeSet::new();
        let commands = failed.filter_map(|outcome| explain(outcome, file));
        let mut new: Vec<String> = commands.filter(|c| seen.insert(c.clone())).collect();
        new.truncate(HINTS);
        new
    }
}

/// A line; `named`: with a cell for the name.
fn row(outcome: &Outcome<'_>, named: bool) -> Vec<String> {
    let expectation = outcome.expectation;
    let mark = match outcome.verdict {
        Verdict::Passed(_) => "ok",
        Verdict::Failed(_) => "FAIL",
        Verdict::Skipped(_) => "skip",
    };
    let want = match expectation.want.word() {
        "ok" => String::new(),
        word => word.to_owned(),
    };
    let family = match expectation.family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let mut saw = outcome.verdict.saw().to_owned();
    if outcome.sighting.listened && matches!(expectation.probe, Probe::Tcp(_) | Probe::Udp(_)) {
        saw.push_str(" (netyard listened)");
    }
    if outcome.verdict.is_failure() && outcome.sighting.tries > 1 {
        let tries = outcome.sighting.tries;
        saw.push_str(&format!(" ({tries} tries in {})", ui::duration(outcome.took())));
    }
    let ends = format!("{} -> {}", expectation.from.label, expectation.to.label);
    let (mark, probe) = (mark.to_owned(), expectation.probe.to_string());
    let name = named.then(|| expectation.name.clone().unwrap_or_default());
    let mut row = vec![mark];
    row.extend(name);
    row.extend([ends, probe, want, family.to_owned(), saw]);
    row
}

/// Colours a line by its first word.
fn colour(line: &str) -> String {
    let style = match line.split(' ').next() {
        Some("ok") => GOOD,
        Some("FAIL") => BAD,
        _ => FAINT,
    };
    let (mark, rest) = line.split_at(line.len().min(4));
    format!("{style}{mark}{style:#}{rest}\n")
}

/// The command that follows a probe's packet.
fn explain(outcome: &Outcome<'_>, file: &str) -> Option<String> {
    let expectation = outcome.expectation;
    let rest = match &expectation.probe {
        Probe::Ping | Probe::PathMtu(_) => String::new(),
        Probe::Tcp(port) => format!(" tcp {port}"),
        Probe::Http(get) => format!(" tcp {}", get.port),
        Probe::Udp(port) => format!(" udp {port}"),
        Probe::Dns(question) => format!(" udp {}", question.port),
        Probe::Measure(_) => return None,
    };
    let to = match (&expectation.to.host, &outcome.sighting.address) {
        (Host::Address(address), _) | (_, Some(address)) => address.to_string(),
        _ => return None, // its name could not be looked up: no packet was sent
    };
    let from = expectation.from.label.split(':').next().unwrap_or_default();
    Some(format!("netyard explain{file} {from} {to}{rest}"))
}
