//! Text -> tree: every value and key with its place.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here, under the bounds
//! of `limit`: an alias is a copy, and its size is known before it is made,
//! so "billion laughs" costs nothing.

mod read;

use std::sync::Arc;

use crate::diag::{Span, Spanned};

pub(crate) use read::parse;

/// A value and its place. The place of a mapping or list of several lines is
/// the first of them, so that a message points at its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    pub content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A text; a plain one may also be a number, a truth value or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub text: Arc<str>,
    pub plain: bool,
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: Spanned<Arc<str>>,
    pub value: Node,
}

impl Scalar {
    /// True for an empty value, `~` and `null`.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }

    /// The whole number it is, if it is one: decimal, `0x…` or `0o…`.
    pub fn int(&self) -> Option<i64> {
        if !self.plain {
            return None;
        }
        let (sign, digits) = match self.text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, self.text.strip_prefix('+').unwrap_or(&self.text)),
        };
        let radix_of = |prefix: &str| digits.strip_prefix(prefix);
        let (radix, digits) = match (radix_of("0x"), radix_of("0o")) {
            (Some(hex), _) => (16, hex),
            (_, Some(octal)) => (8, octal),
            _ => (10, digits),
        };
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None; // a second sign
        }
        i64::from_str_radix(digits, radix).ok().and_then(|n| n.checked_mul(sign))
    }

    /// The truth value it is, if it is one (YAML 1.2: not `yes` or `on`).
    pub fn bool(&self) -> Option<bool> {
        match (&*self.text, self.plain) {
            ("true" | "True" | "TRUE", true) => Some(true),
            ("false" | "False" | "FALSE", true) => Some(false),
            _ => None,
        }
    }
}

impl Node {
    /// True for an empty value, `~` and `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(s) if s.is_null())
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| &*e.key.value == key),
            _ => None,
        }
    }

    /// The same as JSON.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.content {
            Content::List(items) => items.iter().map(Node::json).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|e| (e.key.value.to_string(), e.value.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Content::Scalar(s) if s.is_null() => Value::Null,
            Content::Scalar(s) => match (s.int(), s.bool(), s.plain) {
                (Some(n), ..) => n.into(),
                (_, Some(b), _) => b.into(),
                // Decimal fractions too are numbers to an editor.
                (.., true) if s.text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                    s.text.parse::<f64>().map_or(Value::from(&*s.text), Value::from)
                }
                _ => Value::from(&*s.text),
            },
        }
    }

    /// What it is, for a message: "the number 5", "a list".
    pub fn describe(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a mapping".into(),
            Content::Scalar(s) if s.is_null() => "nothing".into(),
            Content::Scalar(s) if s.int().is_some() => format!("the number `{}`", s.text),
            Content::Scalar(s) if s.bool().is_some() => format!("`{}`", s.text),
            Content::Scalar(s) => format!("the text `{}`", shorten(&s.text)),
        }
    }
}

/// A text short enough for one line of a message.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 60 || line.len() < text.trim_end().len() {
        format!("{}…", line.chars().take(60).collect::<String>())
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_truth_values_are_those_of_yaml_1_2() {
        let plain = |text: &str| Scalar { text: text.into(), plain: true };
        assert_eq!(plain("0x10").int(), Some(16));
        assert_eq!(plain("-7").int(), Some(-7));
        assert_eq!(plain("--7").int(), None);
        assert_eq!(plain("1_000").int(), None);
        assert_eq!(plain("yes").bool(), None);
        assert_eq!(Scalar { text: "1".into(), plain: false }.int(), None);
    }
}
