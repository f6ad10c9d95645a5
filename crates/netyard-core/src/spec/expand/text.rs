//! `$name`, `${name}` and `$(expression)` in a text.

use std::ops::Range;
use std::sync::Arc;

use super::expression::{Fault, evaluate};
use super::scope::{Scope, Val, is_name};

/// What stands in a text.
enum Part<'a> {
    Literal(&'a str),
    Dollar,
    Name(&'a str),
    Expression(&'a str),
    /// A `$` that begins nothing, or an expression without an end.
    Lone(&'a str),
}

/// Why variables could not be put in, and the bytes of the text it is about.
pub(super) struct Problem {
    pub fault: Fault,
    pub range: Range<usize>,
    /// The expression as written.
    pub text: String,
    pub lone: bool,
}

/// What became of a text.
pub(super) enum Outcome {
    /// No `$` in it.
    Same,
    /// It was one variable or expression and nothing else.
    Value(Val),
    /// A text with values put in.
    Text(Arc<str>),
}

/// Puts values into a text. `lenient` leaves alone what is no variable here:
/// commands have `$` of their own.
pub(super) fn substitute(
    text: &str,
    scope: &Scope,
    lenient: bool,
) -> Result<Outcome, Vec<Problem>> {
    if !text.contains('$') {
        return Ok(Outcome::Same);
    }
    let (mut out, mut problems, mut only) = (String::new(), Vec::new(), None);
    let mut rest = text;
    while !rest.is_empty() {
        let (part, len) = part(rest);
        let at = text.len() - rest.len();
        let written = &rest[..len];
        rest = &rest[len..];
        let (fault, source) = match part {
            Part::Literal(literal) => {
                out.push_str(literal);
                continue;
            }
            Part::Dollar => {
                out.push('$');
                continue;
            }
            Part::Name(name) => match scope.get(name) {
                Some(value) => {
                    value.write(&mut out);
                    only = (len == text.len()).then(|| value.clone());
                    continue;
                }
                None => (Fault::Unknown(name.to_owned()), name),
            },
            Part::Expression(source) => match evaluate(source, scope) {
                Ok(value) => {
                    out.push_str(&value.to_string());
                    only = (len == text.len()).then_some(Val::Int(value));
                    continue;
                }
                Err(fault) => (fault, source),
            },
            Part::Lone(source) => (Fault::Syntax("a `)` is missing".into()), source),
        };
        if lenient && !matches!(fault, Fault::DivisionByZero | Fault::Overflow) {
            out.push_str(written);
        } else {
            let (range, lone) = (at..at + len, written == "$");
            problems.push(Problem { fault, range, text: source.to_owned(), lone });
        }
    }
    match (problems.is_empty(), only) {
        (false, _) => Err(problems),
        (true, Some(value)) => Ok(Outcome::Value(value)),
        (true, None) => Ok(Outcome::Text(out.into())),
    }
}

/// The first part of a text and its length.
fn part(text: &str) -> (Part<'_>, usize) {
    let Some(behind) = text.strip_prefix('$') else {
        let end = text.find('$').unwrap_or(text.len());
        return (Part::Literal(&text[..end]), end);
    };
    if behind.starts_with('$') {
        return (Part::Dollar, 2);
    }
    if let Some(inner) = behind.strip_prefix('{') {
        return match inner.find('}') {
            Some(end) if is_name(&inner[..end]) => (Part::Name(&inner[..end]), end + 3),
            _ => (Part::Lone(&text[..1]), 1),
        };
    }
    if behind.starts_with('(') {
        return match closing(behind) {
            Some(end) => (Part::Expression(&behind[1..end]), end + 2),
            None => (Part::Lone(text), text.len()),
        };
    }
    let end =
        behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
    if is_name(&behind[..end]) {
        (Part::Name(&behind[..end]), end + 1)
    } else {
        (Part::Lone(&text[..1]), 1)
    }
}

/// Where the parenthesis that opens a text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str, lenient: bool) -> Option<String> {
        let mut scope = Scope::default();
        scope.push("i", Val::Int(7));
        scope.push("base", Val::Text { text: "10.7".into(), plain: true });
        let mut out = String::new();
        match substitute(text, &scope, lenient).ok()? {
            Outcome::Same => out.push_str(text),
            Outcome::Value(value) => {
                out.push('=');
                value.write(&mut out);
            }
            Outcome::Text(text) => out.push_str(&text),
        }
        Some(out)
    }

    #[test]
    fn values_are_put_in_and_alone_keep_their_sort() {
        assert_eq!(put("$base.$i.1/24", false).unwrap(), "10.7.7.1/24");
        assert_eq!(put("r$i:left", false).unwrap(), "r7:left");
        assert_eq!(put("r${i}x$$", false).unwrap(), "r7x$");
        assert_eq!(put("$(i * (2 + 1))", false).unwrap(), "=21");
        assert_eq!(put("$i", false).unwrap(), "=7");
    }

    #[test]
    fn a_command_keeps_what_is_the_shells() {
        let command = "for x in $(seq 1 3); do echo $x ${x%a} $1 $i; done; echo $((i + 1)) $(";
        let put = put(command, true).unwrap();
        assert_eq!(put, "for x in $(seq 1 3); do echo $x ${x%a} $1 7; done; echo 8 $(");
    }

    #[test]
    fn elsewhere_what_is_no_variable_is_a_mistake() {
        for text in ["$x", "${x}", "$(x)", "$1", "a$", "$(", "${", "$(1/0)"] {
            assert!(put(text, false).is_none(), "{text}");
        }
    }
}
