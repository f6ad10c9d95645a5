//! Impairments on the command line: `delay=20ms loss=1%`, read by the parser of
//! the file, so that both take the same words.

use netyard_core::diag::Source;
use netyard_core::spec;
use netyard_core::state::Impairment;

use crate::error::{Error, Kind, Result};

/// What is to change of an impairment.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    keys: Vec<String>,
    values: Impairment,
}

impl Change {
    /// Reads `delay=20ms loss=1%`.
    pub fn parse(settings: &[String]) -> Result<Self> {
        let mut text = String::from("links:\n- ends: [a:x, b:x]\n");
        let mut keys = Vec::new();
        for setting in settings {
            let Some((key, value)) = setting.split_once('=') else {
                let error = Error::command_line(format!("`{setting}` sets nothing"));
                return Err(error.hint("write it as in `delay=20ms` or `loss=1%`"));
            };
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '%' | '-' | '+' | '_');
            if !KEYS.contains(&key) {
                let error = Error::command_line(format!("there is no setting `{key}`"));
                return Err(error.hint(format!("there are {}", KEYS.join(", "))));
            }
            if value.is_empty() || !value.chars().all(plain) {
                return Err(Error::command_line(format!("`{setting}` has no value")));
            }
            text.push_str(&format!("  {key}: {value}\n"));
            keys.push(key.to_owned());
        }
        text.push_str("nodes: { a: {}, b: {} }\n");
        let root = Source { name: "command line".into(), text: text.into() };
        let parsed = spec::parse(root, "set", &mut |_, _| Err("no includes here".into()));
        if let Some(spec) = &parsed.spec
            && !parsed.report.has_errors()
            && let [link] = &*spec.links
        {
            return Ok(Self { keys, values: link.forward.unwrap_or_default() });
        }
        Err(Self::wrong(settings, Kind::Text(parsed.sources, parsed.report)))
    }

    /// A wrong value is a wrong command line; the parser's sentence says how,
    /// its place in a text the user never saw does not matter.
    fn wrong(settings: &[String], kind: Kind) -> Error {
        let Kind::Text(_, report) = kind else { return kind.into() };
        match report.0.into_iter().next() {
            Some(diagnostic) => diagnostic
                .hints
                .into_iter()
                .fold(Error::command_line(diagnostic.message), Error::hint),
            None => Error::command_line(format!("`{}` sets nothing", settings.join(" "))),
        }
    }

    /// What becomes of an impairment: what is not named stays.
    pub fn apply(&self, to: Option<Impairment>) -> Impairment {
        let mut changed = to.unwrap_or_default();
        for key in &self.keys {
            match key.as_str() {
                "delay" => changed.delay = self.values.delay,
                "jitter" => changed.jitter = self.values.jitter,
                "loss" => changed.loss = self.values.loss,
                "duplicate" => changed.duplicate = self.values.duplicate,
                "reorder" => changed.reorder = self.values.reorder,
                "corrupt" => changed.corrupt = self.values.corrupt,
                "rate" => changed.rate = self.values.rate,
                _ => changed.limit = self.values.limit,
            }
        }
        changed
    }
}

/// `delay 20ms loss 1%`; a dash where nothing happens to packets.
pub fn text(impairment: &Impairment) -> String {
    let Impairment { delay, jitter, loss, duplicate, reorder, corrupt, rate, limit } = *impairment;
    let mut parts = Vec::new();
    let mut part = |name: &str, is: bool, value: String| {
        if is {
            parts.push(format!("{name} {value}"));
        }
    };
    part("delay", delay > 0, time(delay));
    part("jitter", jitter > 0, time(jitter));
    part("loss", loss > 0, percent(loss));
    part("duplicate", duplicate > 0, percent(duplicate));
    part("reorder", reorder > 0, percent(reorder));
    part("corrupt", corrupt > 0, percent(corrupt));
    part("rate", rate > 0, bits(rate));
    part("limit", limit > 0, limit.to_string());
    if parts.is_empty() { "-".into() } else { parts.join(" ") }
}

/// Nanoseconds in the largest unit that gives a whole number.
fn time(nanoseconds: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    whole(nanoseconds, &units)
}

/// Bits per second in the largest unit that gives a whole number.
fn bits(rate: u64) -> String {
    let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit"), (1, "bit")];
    whole(rate, &units)
}

fn whole(value: u64, units: &[(u64, &str)]) -> String {
    let fits = units.iter().find(|(unit, _)| value.is_multiple_of(*unit));
    fits.map_or_else(|| value.to_string(), |(unit, name)| format!("{}{name}", value / unit))
}

fn percent(ppm: u32) -> String {
    format!("{}%", f64::from(ppm) / 10_000.0)
}

const KEYS: [&str; 8] =
    ["delay", "jitter", "loss", "duplicate", "reorder", "corrupt", "rate", "limit"];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[&str]) -> Result<Change> {
        Change::parse(&settings.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_named_stays() {
        let change = parse(&["delay=20ms", "loss=0"]).expect("good settings");
        let before = Impairment { loss: 5, rate: 1_000, ..Impairment::default() };
        let after = change.apply(Some(before));
        assert_eq!((after.delay, after.loss, after.rate), (20_000_000, 0, 1_000));
    }

    #[test]
    fn an_impairment_is_told_as_it_was_written() {
        let change = parse(&["delay=1500us", "loss=0.25%", "rate=2mbit"]).expect("good settings");
        assert_eq!(text(&change.apply(None)), "delay 1500us loss 0.25% rate 2mbit");
        assert_eq!(text(&Impairment::default()), "-");
    }

    #[test]
    fn a_wrong_setting_is_a_wrong_command_line() {
        for wrong in ["delay", "delay=", "speed=1", "delay=soon", "loss=101%", "loss=1%\nmtu: 3"] {
            let error = parse(&[wrong]).expect_err(wrong);
            assert_eq!(error.exit_code(), crate::error::COMMAND_LINE, "{wrong}: {error:?}");
        }
    }
}
