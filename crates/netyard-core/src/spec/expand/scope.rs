//! Variables and their values.

use std::sync::Arc;

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Val {
    Int(i64),
    /// `plain`: may be read as a number or a truth value.
    Text {
        text: Arc<str>,
        plain: bool,
    },
}

impl Val {
    /// The value of a text that was written; a number only if it is written as
    /// numbers are, so that `007` and `0x10` stay as they are.
    pub fn of(text: &Arc<str>, plain: bool) -> Self {
        match text.parse::<i64>() {
            Ok(n) if plain && n.to_string() == **text => Self::Int(n),
            _ => Self::Text { text: text.clone(), plain },
        }
    }

    /// Appends it to a text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Int(n) => out.push_str(&n.to_string()),
            Self::Text { text, .. } => out.push_str(text),
        }
    }
}

/// The variables that are there; the last of a name counts.
#[derive(Default)]
pub(super) struct Scope(Vec<(Arc<str>, Val)>);

impl Scope {
    pub fn push(&mut self, name: &str, value: Val) {
        self.0.push((name.into(), value));
    }

    pub fn get(&self, name: &str) -> Option<&Val> {
        self.0.iter().rev().find(|(n, _)| **n == *name).map(|(_, v)| v)
    }

    /// How many there are, for [`Scope::truncate`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets those that were pushed since.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// All names, sorted, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(n, _)| &**n).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// True for what can be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
