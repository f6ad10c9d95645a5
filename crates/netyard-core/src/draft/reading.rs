//! What importers of YAML and JSON ask of a tree.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::Span;
use crate::diag::import as say;
use crate::draft::Work;
use crate::spec::tree::{Content, Entry, Node};

/// The entries of a mapping; none where the value is none, said where it is
/// something else.
pub(crate) fn entries<'a>(node: &'a Node, key: &str, work: &mut Work) -> &'a [Entry] {
    match &node.content {
        Content::Map(entries) => entries,
        _ if node.is_null() => &[],
        _ => {
            work.report.push(say::wrong_value(node.span, key, "a mapping", &node.describe()));
            &[]
        }
    }
}

/// The items of a list, likewise.
pub(crate) fn items<'a>(node: &'a Node, key: &str, work: &mut Work) -> &'a [Node] {
    match &node.content {
        Content::List(items) => items,
        _ if node.is_null() => &[],
        _ => {
            work.report.push(say::wrong_value(node.span, key, "a list", &node.describe()));
            &[]
        }
    }
}

/// A text, a number or a truth value as it is written.
pub(crate) fn text<'a>(node: &'a Node, key: &str, work: &mut Work) -> Option<&'a str> {
    match &node.content {
        Content::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
        _ => {
            work.report.push(say::wrong_value(node.span, key, "a text", &node.describe()));
            None
        }
    }
}

/// A whole number.
pub(crate) fn number(node: &Node, key: &str, work: &mut Work) -> Option<i64> {
    if let Content::Scalar(scalar) = &node.content {
        // `"1500"` is as good as `1500`.
        if let Some(number) = scalar.int().or_else(|| scalar.text.parse().ok()) {
            return Some(number);
        }
    }
    work.report.push(say::wrong_value(node.span, key, "a whole number", &node.describe()));
    None
}

/// The lines of a text with their places, without comments and what is empty.
pub(crate) fn lines(text: &str, file: u32) -> impl Iterator<Item = (Span, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        let span = Span { file, start: start as u32, end: (start + line.len()) as u32 };
        (!line.is_empty() && !line.starts_with('#')).then_some((span, line))
    })
}

/// An address with its length; where that is left out, of this one address.
pub(crate) fn net(word: &str) -> Option<IpNet> {
    let word = word.trim();
    let net = word.parse::<IpNet>().ok();
    net.or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The network that an address and its length are in; what is none stays as it is.
pub(crate) fn network(word: &str) -> String {
    word.parse::<IpNet>().map_or_else(|_| word.to_owned(), |net| net.trunc().to_string())
}
