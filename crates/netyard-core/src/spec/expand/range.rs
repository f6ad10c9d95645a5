//! Ranges in names: `r[1..9]`, `[01..09]`, `[a,b,c]`, `eth[p=0..3]`.

use std::sync::Arc;

use super::scope::{Val, is_name};

/// One `[…]` of a name.
#[derive(Debug)]
pub(super) struct Axis {
    /// The variable that has its value in the body.
    pub variable: Option<String>,
    pub values: Values,
}

/// The values of an axis or loop, counted before they are made.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Numbers { from: i64, count: usize, width: usize },
    Texts(Vec<Val>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers { count, .. } => *count,
            Self::Texts(texts) => texts.len(),
        }
    }

    pub fn get(&self, index: usize) -> Val {
        match self {
            Self::Texts(texts) => texts[index].clone(),
            Self::Numbers { from, width, .. } => {
                let n = from + index as i64;
                match width {
                    0 => Val::Int(n),
                    _ => Val::Text { text: format!("{n:0width$}").into(), plain: true },
                }
            }
        }
    }
}

/// Why a range cannot be read.
#[derive(Debug, PartialEq)]
pub(super) enum BadRange {
    /// The right way round.
    Reversed(String),
    /// Reads after "cannot read the range `x`: …".
    Other(&'static str),
}

/// A name: literal texts and axes between them.
#[derive(Debug)]
pub(super) struct Pattern {
    /// One more than axes.
    pub literals: Vec<String>,
    pub axes: Vec<Axis>,
}

impl Pattern {
    /// How many names it makes; none when too many to count.
    pub fn len(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len()))
    }

    /// The values of the name of that number, the last axis turning fastest.
    pub fn values(&self, mut index: usize) -> Vec<Val> {
        let mut values = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            values.push(axis.values.get(index % axis.values.len()));
            index /= axis.values.len();
        }
        values.reverse();
        values
    }

    /// The name that has these values.
    pub fn name(&self, values: &[Val]) -> Arc<str> {
        let mut name = self.literals[0].clone();
        for (value, literal) in values.iter().zip(&self.literals[1..]) {
            value.write(&mut name);
            name.push_str(literal);
        }
        name.into()
    }
}

/// Reads a name that has a `[`.
pub(super) fn pattern(text: &str) -> Result<Pattern, BadRange> {
    let mut pattern = Pattern { literals: Vec::new(), axes: Vec::new() };
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('[') {
        let Some((inner, behind)) = behind.split_once(']') else {
            return Err(BadRange::Other("its `[` is never closed"));
        };
        let (variable, inner) = match inner.split_once('=') {
            Some((name, inner)) if is_name(name.trim()) => (Some(name.trim()), inner),
            _ => (["i", "j", "k"].get(pattern.axes.len()).copied(), inner),
        };
        let variable = variable.map(str::to_owned);
        pattern.axes.push(Axis { variable, values: values(inner)? });
        pattern.literals.push(literal.to_owned());
        rest = behind;
    }
    pattern.literals.push(rest.to_owned());
    Ok(pattern)
}

/// Reads `1..9`, `01..09` or `a,b,c`; numbers and ranges may stand in a list.
pub(super) fn values(text: &str) -> Result<Values, BadRange> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [only] = parts[..] {
        return match only.split_once("..") {
            Some((from, to)) => numbers(from.trim(), to.trim()),
            None if only.is_empty() => Err(BadRange::Other("nothing is in it")),
            None => Ok(Values::Texts(vec![Val::of(&only.into(), true)])),
        };
    }
    let mut texts = Vec::new();
    for part in parts {
        let values = values(part)?;
        if values.len() > crate::spec::limit::ITEMS {
            return Ok(values); // too many already: the caller says so
        }
        texts.extend((0..values.len()).map(|i| values.get(i)));
    }
    Ok(Values::Texts(texts))
}

fn numbers(from: &str, to: &str) -> Result<Values, BadRange> {
    const NOT_A_NUMBER: BadRange = BadRange::Other("its ends must be whole numbers");
    let first: i64 = from.parse().map_err(|_| NOT_A_NUMBER)?;
    let last: i64 = to.parse().map_err(|_| NOT_A_NUMBER)?;
    if from.starts_with('+') || to.starts_with('+') {
        return Err(NOT_A_NUMBER);
    }
    if last < first {
        return Err(BadRange::Reversed(format!("{to}..{from}")));
    }
    let count = last.checked_sub(first).and_then(|n| n.checked_add(1));
    let count = count.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let padded = from.len() > 1 && from.starts_with('0');
    Ok(Values::Numbers { from: first, count, width: if padded { from.len() } else { 0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let pattern = pattern(text).unwrap();
        let count = pattern.len().unwrap();
        (0..count).map(|i| pattern.name(&pattern.values(i)).to_string()).collect()
    }

    #[test]
    fn a_range_makes_names() {
        assert_eq!(names("r[1..3]"), ["r1", "r2", "r3"]);
        assert_eq!(names("r[08..10]x"), ["r08x", "r09x", "r10x"]);
        assert_eq!(names("[a,b,1..2]"), ["a", "b", "1", "2"]);
        assert_eq!(names("[1..2]-[x,y]"), ["1-x", "1-y", "2-x", "2-y"]);
    }

    #[test]
    fn a_range_may_name_its_variable() {
        let pattern = pattern("eth[p=0..3]").unwrap();
        assert_eq!(pattern.axes[0].variable.as_deref(), Some("p"));
    }

    #[test]
    fn what_is_no_range_says_why() {
        let err = |text| pattern(text).unwrap_err();
        assert_eq!(err("r[9..1]"), BadRange::Reversed("1..9".into()));
        assert!(matches!(err("r[1..x]"), BadRange::Other(_)));
        assert!(matches!(err("r[1..9"), BadRange::Other(_)));
        assert!(matches!(err("r[]"), BadRange::Other(_)));
    }

    #[test]
    fn a_huge_range_is_counted_not_made() {
        let pattern = pattern("r[-9223372036854775808..9223372036854775807]").unwrap();
        assert_eq!(pattern.len(), Some(usize::MAX));
        assert_eq!(super::pattern("[1..9999999999][1..9999999999]").unwrap().len(), None);
    }
}
