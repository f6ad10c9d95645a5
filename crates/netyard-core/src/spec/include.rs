//! Reading the file and those that it includes, merged into one tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limit;
use super::tree::{self, Content, Entry, Node};
use crate::diag::{Report, Source, Sources, Span, Spanned, expand as say, syntax};

/// Gives the text of an included file: its path as written and the name of the
/// source that includes it, or says why not.
pub(super) type Load<'a> = &'a mut dyn FnMut(&str, &str) -> Result<String, String>;

/// Reads a source and all that it includes; nothing when one of them cannot be read.
pub(super) fn read(
    root: Source,
    load: Load,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Node> {
    let mut reader = Reader { load, sources, report, open: Vec::new(), broken: false };
    let node = reader.source(root);
    let broken = reader.broken;
    node.filter(|_| !broken)
}

struct Reader<'a> {
    load: Load<'a>,
    sources: &'a mut Sources,
    report: &'a mut Report,
    /// Names of the sources that are being read, each included by the one before.
    open: Vec<String>,
    broken: bool,
}

impl Reader<'_> {
    fn source(&mut self, source: Source) -> Option<Node> {
        let file = self.sources.0.len() as u32;
        let (name, text) = (source.name.clone(), source.text.clone());
        self.sources.0.push(source);
        let node = tree::parse(&text, file, self.report);
        let node = node.filter(|node| {
            let is_map = matches!(node.content, Content::Map(_));
            if !is_map {
                self.report.push(syntax::not_a_mapping(node.span, &node.describe()));
            }
            is_map
        });
        let Some(node) = node else {
            self.broken = true;
            return None;
        };
        self.open.push(name);
        let node = self.includes(node);
        self.open.pop();
        Some(node)
    }

    /// Merges what a tree includes with the tree.
    fn includes(&mut self, mut node: Node) -> Node {
        let Content::Map(entries) = &mut node.content else { return node };
        let Some(at) = entries.iter().position(|e| &*e.key.value == "include") else {
            return node;
        };
        let include = entries.remove(at);
        let paths = match include.value.content {
            Content::List(items) => items,
            _ => vec![include.value],
        };
        let mut whole: Option<Node> = None;
        for path in paths {
            let Some(included) = self.include(&path) else { continue };
            match &mut whole {
                None => whole = Some(included),
                Some(whole) => {
                    merge(whole, included, (&nameless(path.span), path.span), self.report)
                }
            }
        }
        match whole {
            None => node,
            Some(mut whole) => {
                let span = node.span;
                merge(&mut whole, node, (&nameless(span), span), self.report);
                Node { span, ..whole }
            }
        }
    }

    fn include(&mut self, path: &Node) -> Option<Node> {
        let Content::Scalar(scalar) = &path.content else {
            let (expected, found) = ("the path of a file", path.describe());
            self.report
                .push(crate::diag::shape::wrong_type("include", path.span, expected, &found));
            return None;
        };
        let includer = self.open.last().cloned().unwrap_or_default();
        let name = resolve(&scalar.text, &includer);
        if self.open.contains(&name) {
            let mut chain: Vec<&str> = self.open.iter().map(String::as_str).collect();
            chain.push(&name);
            self.report.push(say::include_cycle(path.span, &chain));
            self.broken = true;
            return None;
        }
        if self.sources.0.iter().any(|s| s.name == name) {
            return None; // two files may include the same third
        }
        if self.sources.0.len() >= limit::SOURCES {
            self.report.push(say::too_many_includes(path.span, limit::SOURCES));
            self.broken = true;
            return None;
        }
        match (self.load)(&scalar.text, &includer) {
            Ok(text) => self.source(Source { name, text: text.into() }),
            Err(why) => {
                self.report.push(say::include_failed(path.span, &scalar.text, &why));
                self.broken = true;
                None
            }
        }
    }
}

fn nameless(span: Span) -> Spanned<Arc<str>> {
    Spanned::new("".into(), span)
}

/// The name of an included source: its path relative to that of the includer.
fn resolve(path: &str, includer: &str) -> String {
    let folder = includer.rsplit_once('/').map_or("", |(folder, _)| folder);
    let joined = match (path.starts_with('/'), includer.contains('/')) {
        (true, _) | (_, false) => path.to_owned(),
        _ => format!("{folder}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|p| !matches!(*p, ".." | "")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Merges `from` into `into`: mappings key by key, lists one after the other;
/// anything else that both have is a mistake. `name` is the key of both and the
/// place where `into` has it.
pub(super) fn merge(
    into: &mut Node,
    from: Node,
    name: (&Spanned<Arc<str>>, Span),
    report: &mut Report,
) {
    if from.is_null() {
        return;
    }
    if into.is_null() {
        *into = from;
        return;
    }
    match (&mut into.content, from.content) {
        (Content::List(into), Content::List(from)) => into.extend(from),
        (Content::Map(into), Content::Map(from)) => {
            let index: BTreeMap<Arc<str>, usize> =
                into.iter().enumerate().map(|(i, e)| (e.key.value.clone(), i)).collect();
            for Entry { key, value } in from {
                match index.get(&key.value) {
                    None => into.push(Entry { key, value }),
                    Some(at) => {
                        let first = into[*at].key.span;
                        merge(&mut into[*at].value, value, (&key, first), report);
                    }
                }
            }
        }
        _ => report.push(say::merge_conflict(&name.0.value, name.0.span, name.1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_included_name_is_relative_to_its_includer() {
        assert_eq!(resolve("a.yaml", "netyard.yaml"), "a.yaml");
        assert_eq!(resolve("./b/a.yaml", "x/netyard.yaml"), "x/b/a.yaml");
        assert_eq!(resolve("../a.yaml", "x/y/netyard.yaml"), "x/a.yaml");
        assert_eq!(resolve("../a.yaml", "netyard.yaml"), "../a.yaml");
        assert_eq!(resolve("../../a.yaml", "../netyard.yaml"), "../../../a.yaml");
        assert_eq!(resolve("/etc/a.yaml", "x/netyard.yaml"), "/etc/a.yaml");
        assert_eq!(resolve("a.yaml", "/etc/netyard.yaml"), "/etc/a.yaml");
    }
}
