//! Messages about includes, variables, ranges and loops.

use super::{Diagnostic, Span};

/// An included file cannot be had; `why` is the caller's.
pub fn include_failed(span: Span, path: &str, why: &str) -> Diagnostic {
    Diagnostic::error("include-failed", format!("could not read `{path}`: {why}"))
        .at(span, "included here")
        .hint("the path is relative to the file that this line is in")
}

/// A file that includes itself, over others perhaps.
pub fn include_cycle(span: Span, chain: &[&str]) -> Diagnostic {
    Diagnostic::error("include-cycle", "a file includes itself")
        .at(span, format!("{} again", chain.join(" -> ")))
        .hint("put what both need in a third file")
}

/// More files than netyard reads.
pub fn too_many_includes(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("too-many", format!("more than {limit} files are included"))
        .at(span, "the limit is reached here")
}

/// The same key with two values in two files, or by a range and by name.
pub fn merge_conflict(key: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("`{key}` is written twice"))
        .at(second, "again here")
        .at(first, "first here")
        .hint("keep one of them; only mappings are merged")
}

/// A variable that is not there.
pub fn unknown_variable(span: Span, name: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error("unknown-variable", format!("no variable `{name}`"))
        .at(span, "used here")
        .did_you_mean(name, known.iter().copied());
    match known {
        [] => diagnostic.hint("variables are declared in `vars:`, by `for:`, and by ranges in names (`$i`, `$j`, `$k`); `$$` is a dollar"),
        _ => diagnostic.hint(format!("here there are {}; `$$` is a dollar", super::quoted_list(known))),
    }
}

/// A `$` that begins nothing.
pub fn lone_dollar(span: Span) -> Diagnostic {
    Diagnostic::error("lone-dollar", "a `$` with no variable behind it")
        .at(span, "")
        .hint("write `$name`, `${name}` or `$(name + 1)`; `$$` is a dollar")
}

/// An expression that cannot be read.
pub fn bad_expression(span: Span, text: &str, why: &str) -> Diagnostic {
    Diagnostic::error("bad-expression", format!("cannot read the expression `{text}`: {why}"))
        .at(span, "")
        .hint("whole numbers, variables, `+ - * / %`, parentheses, `min(a, b)` and `max(a, b)`")
}

/// A division by zero.
pub fn division_by_zero(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("division-by-zero", format!("`{text}` divides by zero")).at(span, "")
}

/// A result that is too large.
pub fn overflow(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("overflow", format!("`{text}` is too large for 64 bits")).at(span, "")
}

/// A text in arithmetic.
pub fn not_a_number(span: Span, name: &str, value: &str) -> Diagnostic {
    Diagnostic::error(
        "not-a-number",
        format!("`{name}` is `{value}`, with which nothing can be reckoned"),
    )
    .at(span, "")
    .hint("an expression needs whole numbers")
}

/// A range whose end is before its start.
pub fn range_reversed(span: Span, text: &str, instead: &str) -> Diagnostic {
    Diagnostic::error("range-reversed", format!("the range `{text}` ends before it begins"))
        .at(span, "")
        .hint(format!("write `{instead}`"))
}

/// A range that cannot be read.
pub fn bad_range(span: Span, text: &str, why: &str) -> Diagnostic {
    Diagnostic::error("bad-range", format!("cannot read the range `{text}`: {why}"))
        .at(span, "")
        .hint("a range is `[1..9]`, `[01..09]` or `[a,b,c]`")
}

/// More entries than netyard makes.
pub fn too_many_items(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("too-many", format!("ranges and loops make more than {limit} entries"))
        .at(span, "the limit is passed here")
        .hint("a smaller range, or several yards")
}

/// More values than netyard takes, after ranges and loops.
pub fn too_many_values(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("too-many", format!("ranges and loops make more than {limit} values"))
        .at(span, "the limit is passed here")
        .hint("a smaller range, or several yards")
}

/// A text that grew too long.
pub fn text_too_long(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error(
        "too-long",
        format!("with its variables this text has more than {limit} bytes"),
    )
    .at(span, "")
}

/// `vars:` with something that is not a mapping.
pub fn vars_not_mapping(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error(
        "wrong-type",
        format!("`vars` must be a mapping of names to values, found {found}"),
    )
    .at(span, "")
    .hint("write `vars: { n: 10 }`")
}

/// A variable that is a list or a mapping.
pub fn variable_not_scalar(span: Span, name: &str, found: &str) -> Diagnostic {
    Diagnostic::error(
        "wrong-type",
        format!("the variable `{name}` must be a text or a number, found {found}"),
    )
    .at(span, "")
}

/// A variable's name that could not be used.
pub fn bad_variable_name(span: Span, name: &str) -> Diagnostic {
    Diagnostic::error("bad-name", format!("a variable cannot be called `{name}`"))
        .at(span, "")
        .hint("letters, digits and `_`, and no digit first")
}

/// `for:` that is not a mapping of variables.
pub fn for_not_mapping(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error(
        "bad-for",
        format!("`for` must be a mapping of variables to ranges, found {found}"),
    )
    .at(span, "")
    .hint("write `for: { i: 1..10 }`")
}

/// A variable of `for:` without values.
pub fn for_without_range(span: Span, name: &str, found: &str) -> Diagnostic {
    Diagnostic::error("bad-for", format!("`{name}` must run over a range or a list, found {found}"))
        .at(span, "")
        .hint(format!("write `{name}: 1..10` or `{name}: [a, b, c]`"))
}

/// `item:` beside other keys.
pub fn item_beside_others(span: Span, other: Span) -> Diagnostic {
    Diagnostic::error("bad-for", "`item` is the whole of what `for` repeats")
        .at(other, "this would be lost")
        .at(span, "`item` here")
        .hint(
            "leave `item:` out and write the keys beside `for:`, or put all of them below `item:`",
        )
}
