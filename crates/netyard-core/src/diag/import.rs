//! Messages about files of other tools.

use super::{Diagnostic, Span, quoted_list};

/// It is not a file of that format at all.
pub fn not_of_format(span: Span, format: &str, why: &str) -> Diagnostic {
    Diagnostic::error("not-of-format", format!("this is no {format}: {why}")).at(span, "")
}

/// A value is of another type than the format has there.
pub fn wrong_value(span: Span, key: &str, expected: &str, found: &str) -> Diagnostic {
    Diagnostic::error("wrong-value", format!("`{key}` is {expected}"))
        .at(span, format!("this is {found}"))
}

/// A line that the format does not have.
pub fn bad_line(span: Span, expected: &str) -> Diagnostic {
    Diagnostic::error("bad-line", "this line cannot be read")
        .at(span, format!("expected {expected}"))
}

/// An end of a link names a node that the file does not have.
pub fn no_such_node<'a>(
    span: Span,
    name: &str,
    nodes: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("no-such-node", format!("there is no node `{name}`"))
        .at(span, "named here")
        .did_you_mean(name, nodes)
}

/// An interface has two cables.
pub fn interface_taken(span: Span, interface: &str) -> Diagnostic {
    Diagnostic::error("interface-taken", format!("`{interface}` is the end of two links"))
        .at(span, "the second")
        .hint("a cable has two ends: put a bridge between more than two interfaces")
}

/// A foreign topology stands where a yard's file should be.
pub fn foreign_file(span: Span, format: &str, word: &str, name: &str) -> Diagnostic {
    Diagnostic::error("foreign-file", format!("this is a {format}, not a yard's file"))
        .at(span, "")
        .hint(format!("`netyard import {word} {name} -o netyard.yaml` makes one of it"))
}

/// No format is called so.
pub fn unknown_format(word: &str, formats: &[&'static str]) -> Diagnostic {
    Diagnostic::error("unknown-format", format!("there is no importer `{word}`"))
        .did_you_mean(word, formats.iter().copied())
        .hint(format!("there are {}", quoted_list(formats)))
}
