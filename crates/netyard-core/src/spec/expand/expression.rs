//! Expressions: whole numbers, variables, `+ - * / %`, `min` and `max`.
//!
//! Division rounds down and a remainder is never negative, so that
//! `(i - 2) % n + 1` goes round a ring in both directions.

use super::scope::{Scope, Val};
use crate::spec::limit;

/// Why an expression has no value.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    Unknown(String),
    NotANumber(String, String),
    Syntax(String),
    DivisionByZero,
    Overflow,
}

/// Computes an expression.
pub(super) fn evaluate(text: &str, scope: &Scope) -> Result<i64, Fault> {
    let mut reader = Reader { rest: text, scope, depth: 0 };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(c) => Err(Fault::Syntax(format!("`{c}` is not expected there"))),
    }
}

struct Reader<'a> {
    rest: &'a str,
    scope: &'a Scope,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.rest = &self.rest[c.len_utf8()..];
        }
        found
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn sum(&mut self) -> Result<i64, Fault> {
        let mut value = self.product()?;
        loop {
            value = if self.take('+') {
                value.checked_add(self.product()?)
            } else if self.take('-') {
                value.checked_sub(self.product()?)
            } else {
                return Ok(value);
            }
            .ok_or(Fault::Overflow)?;
        }
    }

    fn product(&mut self) -> Result<i64, Fault> {
        let mut value = self.factor()?;
        loop {
            let operation = match self.peek() {
                Some(c @ ('*' | '/' | '%')) => c,
                _ => return Ok(value),
            };
            self.take(operation);
            let right = self.factor()?;
            value = match (operation, right) {
                ('*', _) => value.checked_mul(right),
                (_, 0) => return Err(Fault::DivisionByZero),
                ('/', _) => value.checked_div_euclid(right),
                _ => value.checked_rem_euclid(right),
            }
            .ok_or(Fault::Overflow)?;
        }
    }

    fn factor(&mut self) -> Result<i64, Fault> {
        self.depth += 1;
        if self.depth > limit::PARENTHESES {
            return Err(Fault::Syntax("its parentheses are nested too deep".into()));
        }
        let value = match self.peek() {
            None => Err(Fault::Syntax("it ends too early".into())),
            Some('-') => {
                self.take('-');
                self.factor()?.checked_neg().ok_or(Fault::Overflow)
            }
            Some('(') => {
                self.take('(');
                let value = self.sum()?;
                self.close()?;
                Ok(value)
            }
            Some('0'..='9') => {
                let digits = self.word(|c| c.is_ascii_digit());
                digits.parse().map_err(|_| Fault::Overflow)
            }
            // `$n` within an expression is what people write by habit.
            Some('$') => {
                self.take('$');
                self.name()
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            Some(c) => Err(Fault::Syntax(format!("`{c}` is not expected there"))),
        };
        self.depth -= 1;
        value
    }

    fn close(&mut self) -> Result<(), Fault> {
        if self.take(')') { Ok(()) } else { Err(Fault::Syntax("a `)` is missing".into())) }
    }

    fn name(&mut self) -> Result<i64, Fault> {
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if matches!(name, "min" | "max") && self.take('(') {
            return self.call(name);
        }
        match self.scope.get(name) {
            None => Err(Fault::Unknown(name.to_owned())),
            Some(Val::Int(n)) => Ok(*n),
            Some(Val::Text { text, .. }) => text
                .parse()
                .map_err(|_| Fault::NotANumber(name.to_owned(), text.chars().take(40).collect())),
        }
    }

    fn call(&mut self, name: &str) -> Result<i64, Fault> {
        let mut value = self.sum()?;
        while self.take(',') {
            let next = self.sum()?;
            value = if name == "min" { value.min(next) } else { value.max(next) };
        }
        self.close()?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i64, Fault> {
        let mut scope = Scope::default();
        scope.push("n", Val::Int(1000));
        scope.push("i", Val::Text { text: "007".into(), plain: true });
        scope.push("base", Val::Text { text: "10.7".into(), plain: true });
        evaluate(text, &scope)
    }

    #[test]
    fn sums_products_and_parentheses() {
        assert_eq!(value("1 + 2 * 3"), Ok(7));
        assert_eq!(value("(1 + 2) * 3 - -4"), Ok(13));
        assert_eq!(value("i % n + 1"), Ok(8));
        assert_eq!(value("(i - 9) % n"), Ok(998));
        assert_eq!(value("min(n, 3, 5) + max(1, 2)"), Ok(5));
        assert_eq!(value("$n / 3"), Ok(333));
    }

    #[test]
    fn what_has_no_value_says_why() {
        assert_eq!(value("n / 0"), Err(Fault::DivisionByZero));
        assert_eq!(value("n % (i - 7)"), Err(Fault::DivisionByZero));
        assert_eq!(value("9223372036854775807 + 1"), Err(Fault::Overflow));
        assert_eq!(value("99999999999999999999"), Err(Fault::Overflow));
        assert_eq!(value("x + 1"), Err(Fault::Unknown("x".into())));
        assert!(matches!(value("base + 1"), Err(Fault::NotANumber(..))));
        for text in ["", "1 +", "(1", "1)", "1 2", "min(1", "€", &"(".repeat(10_000)] {
            assert!(matches!(value(text), Err(Fault::Syntax(_))), "{text}");
        }
    }
}
