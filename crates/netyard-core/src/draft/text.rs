//! A yard's file that is being written: a tree in the order in which it will be
//! read, and its text.
//!
//! Every text goes through [`scalar`]: quotes, line breaks, control characters and
//! what YAML or netyard would take for something else are escaped there and nowhere
//! else.

/// A value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, taken literally: no variables.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
}

/// A mapping, in the order of writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(String, Value)>);

/// Columns up to which a mapping or list stays on one line.
const WIDTH: usize = 96;

impl Map {
    /// True when it has no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Puts a value in, in the place of the one that is there.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        *self.slot(key) = value.into();
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    /// The mapping of a key; made where there is none.
    pub fn map(&mut self, key: &str) -> &mut Map {
        let slot = self.slot(key);
        if !matches!(slot, Value::Map(_)) {
            *slot = Value::Map(Map::default());
        }
        match slot {
            Value::Map(map) => map,
            _ => unreachable!("just made"),
        }
    }

    /// Adds to the list of a key; made where there is none. What is there already
    /// is not added again.
    pub fn push(&mut self, key: &str, value: impl Into<Value>) {
        let (slot, value) = (self.slot(key), value.into());
        match slot {
            Value::List(list) if list.contains(&value) => {}
            Value::List(list) => list.push(value),
            _ => *slot = Value::List(vec![value]),
        }
    }

    /// The mappings in the list of a key.
    pub fn maps(&mut self, key: &str) -> impl Iterator<Item = &mut Map> {
        let list = match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, Value::List(list))) => list.as_mut_slice(),
            _ => &mut [],
        };
        list.iter_mut().filter_map(|value| match value {
            Value::Map(map) => Some(map),
            _ => None,
        })
    }

    fn slot(&mut self, key: &str) -> &mut Value {
        let at = self.0.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
            self.0.push((key.to_owned(), Value::Bool(false)));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The whole file as YAML.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.0 {
            if !text.is_empty() && matches!(value, Value::Map(_) | Value::List(_)) {
                text.push('\n');
            }
            entry(&mut text, key, value, 0);
        }
        text
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

/// An entry of a mapping on lines of its own.
fn entry(text: &mut String, key: &str, value: &Value, indent: usize) {
    let head = format!("{:indent$}{}:", "", scalar(key));
    let line = flow(value);
    // The names of nodes, networks and the like begin lines.
    let open = indent == 0 && matches!(value, Value::Map(m) if !m.is_empty());
    if !open && head.chars().count() + 1 + line.chars().count() <= WIDTH {
        text.push_str(&format!("{head} {line}\n"));
        return;
    }
    match value {
        Value::Map(map) => {
            text.push_str(&format!("{head}\n"));
            for (key, value) in &map.0 {
                entry(text, key, value, indent + 2);
            }
        }
        Value::List(list) => {
            text.push_str(&format!("{head}\n"));
            for item in list {
                text.push_str(&format!("{:width$}- {}\n", "", flow(item), width = indent + 2));
            }
        }
        _ => text.push_str(&format!("{head} {line}\n")),
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::Text(text) => scalar(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::List(list) => format!("[{}]", joined(list.iter().map(flow).collect())),
        Value::Map(map) if map.is_empty() => "{}".into(),
        Value::Map(map) => {
            let entries = map.0.iter().map(|(k, v)| format!("{}: {}", scalar(k), flow(v)));
            format!("{{ {} }}", joined(entries.collect()))
        }
    }
}

/// A text as YAML and netyard take it, literally.
fn scalar(text: &str) -> String {
    let text = text.replace('$', "$$");
    if is_plain(&text) { text } else { quoted(&text) }
}

/// True when it is a text without quotes, and nothing else.
fn is_plain(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || "_./".contains(c);
    let rest = |c: char| c.is_ascii_alphanumeric() || "_./:@+-".contains(c);
    let number = |c: char| c.is_ascii_digit() || ".:_+-eExXoO".contains(c);
    let lower = text.to_ascii_lowercase();
    let word = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"];
    text.starts_with(first)
        && text.chars().all(rest)
        && !text.ends_with(':')
        && !word.contains(&lower.as_str())
        && (!text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            || !text.chars().all(number)
            || text.parse::<std::net::Ipv4Addr>().is_ok())
        && !lower.starts_with("0x")
        && !lower.starts_with("0o")
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // What YAML does not call printable, and what ends a line in it.
            '\0'..='\x1f'
            | '\x7f'..='\u{a0}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diag::Report;
    use crate::spec::tree;

    /// What YAML makes of a text in the place of a value and of a key, in a line and
    /// in braces.
    fn read_back(text: &str) -> Vec<serde_json::Value> {
        let mut map = Map::default();
        map.set("value", text);
        map.map("map").map("inner").set(text, "v");
        map.push("list", text);
        let mut report = Report::default();
        let tree = tree::parse(&map.text(), 0, &mut report).map(|tree| tree.json());
        assert!(report.0.is_empty(), "{text:?}: {report:?}\n{}", map.text());
        let tree = tree.expect("YAML");
        let key = tree["map"]["inner"].as_object().and_then(|m| m.keys().next().cloned());
        vec![tree["value"].clone(), key.into(), tree["list"][0].clone()]
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was(text in any::<String>()) {
            let meant = serde_json::Value::from(text.replace('$', "$$"));
            prop_assert_eq!(read_back(&text), vec![meant.clone(), meant.clone(), meant]);
        }

        #[test]
        fn texts_like_other_things_stay_texts(text in "[-+.:0-9a-fxo_~#&*!|>'\"%@`{}\\[\\],? \n]{0,12}") {
            let meant = serde_json::Value::from(text.clone());
            prop_assert_eq!(read_back(&text), vec![meant.clone(), meant.clone(), meant]);
        }
    }

    #[test]
    fn words_that_mean_something_are_quoted() {
        for word in [
            "true",
            "No",
            "null",
            "~",
            "",
            "12",
            "0x1f",
            "1e3",
            "-",
            "a: b",
            "- a",
            "02:00:00:00:00:01",
        ] {
            assert_eq!(read_back(word)[0], serde_json::Value::from(word), "{word}");
        }
        assert_eq!(scalar("10.0.0.1/24"), "10.0.0.1/24");
        assert_eq!(scalar("fd00::1/64"), "fd00::1/64");
        assert_eq!(scalar("a$b"), "\"a$$b\"");
    }
}
