//! systemd's files: sections of `Key=value` lines (systemd.syntax(7)).

use crate::diag::{Diagnostic, Span, import as say};
use crate::draft::reading::lines;

/// A section, and what it says, in the order of the file.
pub(super) struct Section<'a> {
    pub name: &'a str,
    pub place: Span,
    pub keys: Vec<Key<'a>>,
}

/// One line.
pub(super) struct Key<'a> {
    pub name: &'a str,
    pub place: Span,
    pub value: String,
}

impl<'a> Section<'a> {
    /// The last value of a key: it is the one that counts.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.last(name).map(|key| key.value.as_str())
    }

    pub fn last(&self, name: &str) -> Option<&Key<'a>> {
        self.keys.iter().rev().find(|key| key.name == name)
    }

    /// All words of a key that may stand several times; an empty value forgets those
    /// before it.
    pub fn all(&self, name: &str) -> Vec<(Span, &str)> {
        let mut all = Vec::new();
        for key in self.keys.iter().filter(|key| key.name == name) {
            if key.value.is_empty() {
                all.clear();
            }
            all.extend(key.value.split_ascii_whitespace().map(|word| (key.place, word)));
        }
        all
    }
}

/// The sections of a text, and what is none.
pub(super) fn read(text: &str, file: u32) -> (Vec<Section<'_>>, Vec<Diagnostic>) {
    let (mut sections, mut wrong) = (Vec::<Section<'_>>::new(), Vec::new());
    // A line that ends with a backslash goes on in the next one.
    let mut open = false;
    for (place, line) in lines(text, file) {
        if line.starts_with(';') {
            continue;
        }
        let goes_on = std::mem::replace(&mut open, line.ends_with('\\'));
        let line = line.trim_end_matches('\\').trim_end();
        if goes_on {
            let key = sections.last_mut().and_then(|section| section.keys.last_mut());
            if let Some(key) = key {
                key.value = format!("{} {line}", key.value);
            }
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name, place, keys: Vec::new() });
            continue;
        }
        match (line.split_once('='), sections.last_mut()) {
            (Some((name, value)), Some(section)) => {
                let (name, value) = (name.trim_end(), value.trim_start().to_owned());
                section.keys.push(Key { name, place, value });
            }
            (Some(_), None) => {
                wrong.push(say::bad_line(place, "a section such as `[NetDev]` first"))
            }
            (None, _) => wrong.push(say::bad_line(place, "`Key=value` or a section")),
        }
    }
    (sections, wrong)
}

/// systemd's words for true and false.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// A time span of one unit, as netyard writes it; seconds where no unit is said
/// (systemd.time(7)).
pub(super) fn time(value: &str) -> Option<String> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let unit = match unit.trim() {
        "" | "s" | "sec" | "second" | "seconds" => "s",
        "ms" | "msec" => "ms",
        "m" | "min" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_lists_are_forgotten() {
        let text = "; old\n[Network]\nAddress=10.0.0.1/24\nAddress=\nAddress = 10.0.0.2/24 \\\n  10.0.0.3/24\n# new\nnothing\n";
        let (sections, wrong) = read(text, 0);
        let found: Vec<&str> = sections[0].all("Address").iter().map(|(_, word)| *word).collect();
        assert_eq!(found, ["10.0.0.2/24", "10.0.0.3/24"]);
        assert_eq!(wrong.len(), 1);
        assert_eq!(read("Name=x", 0).1.len(), 1);
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("15").as_deref(), Some("15s"));
        assert_eq!(time("100ms").as_deref(), Some("100ms"));
        assert_eq!(time("2 min").as_deref(), Some("2m"));
        assert_eq!(time("2min 3s"), None);
        assert_eq!(time("soon"), None);
    }
}
