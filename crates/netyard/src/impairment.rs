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
    fn a_wrong_setting_is_a_wrong_command_line() {
        for wrong in ["delay", "delay=", "speed=1", "delay=soon", "loss=101%", "loss=1%\nmtu: 3"] {
            let error = parse(&[wrong]).expect_err(wrong);
            assert_eq!(error.exit_code(), crate::error::COMMAND_LINE, "{wrong}: {error:?}");
        }
    }
}
