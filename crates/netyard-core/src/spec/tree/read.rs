//! The reader: events of the parser -> tree, under the bounds of [`limit`].

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, Tag};

use super::{Content, Entry, Node, Scalar};
use crate::diag::{Diagnostic, Report, Span, Spanned, syntax};
use crate::spec::limit;

/// Reads a source text; `None` when there is nothing to go on with.
pub(crate) fn parse(text: &str, file: u32, report: &mut Report) -> Option<Node> {
    let start = Span { file, start: 0, end: 0 };
    if text.len() > limit::SOURCE {
        report.push(syntax::too_large(start, text.len(), limit::SOURCE));
        return None;
    }
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: limit::DEPTH,
        block_nesting_limit: limit::DEPTH,
    };
    options.set_emit_comments(false);
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        file,
        anchors: BTreeMap::new(),
        open_anchors: Vec::new(),
        open_brackets: Vec::new(),
        values: 0,
        report,
    };
    match builder.document() {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            report.push(*diagnostic);
            None
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: u32,
    anchors: BTreeMap<usize, Anchor>,
    /// Anchors whose value is being read.
    open_anchors: Vec<usize>,
    /// Where lists in brackets and mappings in braces begin that are being read.
    open_brackets: Vec<Span>,
    values: usize,
    report: &'a mut Report,
}

/// The value of an anchor, how many values it is and how deep.
struct Anchor {
    node: Node,
    values: usize,
    depth: usize,
}

/// The keys of a mapping that is being read: few are compared one by one, many
/// are looked up.
#[derive(Default)]
struct Seen {
    places: BTreeMap<Arc<str>, Span>,
    /// How many of the entries are in `places`.
    known: usize,
}

impl Seen {
    /// Where among `entries` a key is; they only grow from call to call.
    fn find(&mut self, key: &str, entries: &[Entry]) -> Option<Span> {
        const FEW: usize = 12;
        if entries.len() <= FEW {
            return entries.iter().find(|e| &*e.key.value == key).map(|e| e.key.span);
        }
        for entry in &entries[self.known..] {
            self.places.insert(entry.key.value.clone(), entry.key.span);
        }
        self.known = entries.len();
        self.places.get(key).copied()
    }
}

/// Ends the reading of this source.
type Stop = Box<Diagnostic>;

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, self.span(span.start, span.end))),
            Some(Err(error)) => Err(Box::new(self.not_yaml(&error))),
            None => Ok((Event::StreamEnd, self.end())),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let root = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, span) => return Err(Box::new(syntax::empty_file(span))),
                (event, span) => break self.node(event, span, 0)?.0,
            }
        };
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => break,
                (_, span) => return Err(Box::new(syntax::multiple_documents(span))),
            }
        }
        if root.is_null() {
            return Err(Box::new(syntax::empty_file(root.span)));
        }
        Ok(root)
    }

    /// Builds the value that `event` begins; gives its depth too.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Node, usize), Stop> {
        if depth > limit::DEPTH {
            return Err(Box::new(syntax::too_deep(span, limit::DEPTH)));
        }
        let before = self.values;
        self.count(1, span)?;
        let (anchor, node, deep) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::UnresolvedAlias(name) => {
                return Err(Box::new(syntax::unknown_anchor(span, &name)));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !self.is_text(tag.as_deref(), span);
                let content = Content::Scalar(Scalar { text: text.into(), plain });
                (anchor, Node { span, content }, 0)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.is_text(tag.as_deref(), span);
                self.open(style, anchor, span);
                let (node, deep) = self.list(span, depth)?;
                self.close(style);
                (anchor, node, deep)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.is_text(tag.as_deref(), span);
                self.open(style, anchor, span);
                let (node, deep) = self.map(span, depth)?;
                self.close(style);
                (anchor, node, deep)
            }
            _ => {
                let content = Content::Scalar(Scalar { text: "".into(), plain: true });
                (0, Node { span, content }, 0)
            }
        };

        if anchor != 0 {
            let values = self.values - before;
            self.count(values, span)?; // the copy that is kept
            self.anchors.insert(anchor, Anchor { node: node.clone(), values, depth: deep });
        }
        Ok((node, deep))
    }

    fn open(&mut self, style: StructureStyle, anchor: usize, span: Span) {
        self.open_anchors.push(anchor);
        if style == StructureStyle::Flow {
            self.open_brackets.push(span);
        }
    }

    fn close(&mut self, style: StructureStyle) {
        self.open_anchors.pop();
        if style == StructureStyle::Flow {
            self.open_brackets.pop();
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<(Node, usize), Stop> {
        let (mut items, mut deep, mut end) = (Vec::new(), 0, start);
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                end = if span.start == span.end { end } else { span };
                break;
            }
            let (item, d) = self.node(event, span, depth + 1)?;
            (deep, end) = (deep.max(d + 1), item.span);
            items.push(item);
        }
        Ok((Node { span: self.first_line(start, end), content: Content::List(items) }, deep))
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<(Node, usize), Stop> {
        let (mut entries, mut deep, mut end) = (Vec::<Entry>::new(), 0, start);
        let mut seen = Seen::default();
        let mut merges = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                end = if span.start == span.end { end } else { span };
                break;
            }
            let plain_merge =
                matches!(&event, Event::Scalar(t, ScalarStyle::Plain, ..) if t == "<<");
            let (key, _) = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let (value, d) = self.node(event, span, depth + 1)?;
            (deep, end) = (deep.max(d + 1), value.span);
            let Content::Scalar(Scalar { text, .. }) = key.content else {
                self.report.push(syntax::complex_key(key.span));
                continue;
            };
            if plain_merge {
                merges.push(value);
            } else if let Some(first) = seen.find(&text, &entries) {
                self.report.push(syntax::duplicate_key(&text, key.span, first));
            } else {
                entries.push(Entry { key: Spanned::new(text, key.span), value });
            }
        }
        for merge in merges {
            self.merge(merge, &mut entries, &mut seen);
        }
        Ok((Node { span: self.first_line(start, end), content: Content::Map(entries) }, deep))
    }

    /// Puts the entries of `<<: value` in where no key of that name is.
    fn merge(&mut self, value: Node, into: &mut Vec<Entry>, seen: &mut Seen) {
        match value.content {
            Content::Map(entries) => {
                for entry in entries {
                    if seen.find(&entry.key.value, into).is_none() {
                        into.push(entry);
                    }
                }
            }
            Content::List(items) if items.iter().all(|i| matches!(i.content, Content::Map(_))) => {
                items.into_iter().for_each(|item| self.merge(item, into, seen));
            }
            _ => self.report.push(syntax::merge_not_mapping(value.span, &value.describe())),
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<(Node, usize), Stop> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(Box::new(if self.open_anchors.contains(&id) {
                syntax::alias_of_itself(span)
            } else {
                syntax::unknown_anchor(span, "")
            }));
        };
        if depth + anchor.depth > limit::DEPTH {
            return Err(Box::new(syntax::too_deep(span, limit::DEPTH)));
        }
        let values = anchor.values;
        self.count(values, span)?;
        let anchor = &self.anchors[&id];
        Ok((anchor.node.clone(), anchor.depth))
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Stop> {
        self.values = self.values.saturating_add(values);
        if self.values > limit::VALUES {
            return Err(Box::new(syntax::too_many_values(span, limit::VALUES)));
        }
        Ok(())
    }

    /// True for `!!str` and `!`; a tag of the user's own is a mistake.
    fn is_text(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        match tag {
            None => false,
            Some(tag) if tag.is_yaml_core_schema() => tag.suffix() == "str",
            Some(tag) if tag.handle().is_empty() && tag.suffix() == "!" => true,
            Some(tag) => {
                let written = format!("{}{}", tag.handle(), tag.suffix());
                self.report.push(syntax::unknown_tag(span, &written));
                false
            }
        }
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let at = |m: Marker| m.byte_offset().unwrap_or(0).min(self.text.len()) as u32;
        let (start, end) = (at(start), at(end));
        Span { file: self.file, start, end: end.max(start) }
    }

    fn end(&self) -> Span {
        let end = self.text.len() as u32;
        Span { file: self.file, start: end, end }
    }

    /// From `start` to `end`, or to the end of its first line.
    fn first_line(&self, start: Span, end: Span) -> Span {
        let (from, to) = (start.start as usize, (end.end.max(start.end)) as usize);
        let text = self.text.get(from..to).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default().trim_end();
        Span { file: self.file, start: start.start, end: start.start + line.len() as u32 }
    }

    fn not_yaml(&self, error: &ScanError) -> Diagnostic {
        let mut offset = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        if syntax::is_tab(error.kind()) {
            // The parser stops behind the tabs.
            let before = self.text.get(..offset + 1).unwrap_or(self.text);
            offset = before.rfind('\t').unwrap_or(offset);
        }
        let width =
            self.text.get(offset..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8);
        let span = Span { file: self.file, start: offset as u32, end: (offset + width) as u32 };
        let opener = self.open_brackets.last().map(|s| Span { end: s.start + 1, ..*s });
        let later_line = |o: &Span| {
            self.text.get(o.start as usize..offset).is_some_and(|between| between.contains('\n'))
        };
        syntax::not_yaml(error.kind(), span, opener.filter(later_line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Report) {
        let mut report = Report::default();
        (parse(text, 0, &mut report), report)
    }

    fn codes(text: &str) -> Vec<&'static str> {
        read(text).1.0.iter().map(|d| d.code).collect()
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let text = "ä: { ö: [1, zwei] }\nb:\n  c: 3\n  d: 4\n";
        let (node, report) = read(text);
        let node = node.unwrap();
        assert_eq!(report, Report::default());
        let slice = |s: Span| &text[s.start as usize..s.end as usize];
        let first = node.get("ä").unwrap();
        assert_eq!(slice(first.key.span), "ä");
        assert_eq!(slice(first.value.span), "{ ö: [1, zwei] }");
        assert_eq!(slice(first.value.get("ö").unwrap().value.span), "[1, zwei]");
        assert_eq!(slice(node.get("b").unwrap().value.span), "c: 3");
    }

    #[test]
    fn an_alias_is_a_copy_and_a_merge_yields_to_what_is_written() {
        let (node, report) = read("a: &x { m: 1, n: 2 }\nb: { <<: *x, n: 3 }\nc: *x\n");
        assert_eq!(report, Report::default());
        let node = node.unwrap();
        let text = |n: &Node| match &n.content {
            Content::Scalar(s) => s.text.to_string(),
            _ => String::new(),
        };
        let b = &node.get("b").unwrap().value;
        assert_eq!(text(&b.get("n").unwrap().value), "3");
        assert_eq!(text(&b.get("m").unwrap().value), "1");
        assert_eq!(text(&node.get("c").unwrap().value.get("n").unwrap().value), "2");
    }

    #[test]
    fn billion_laughs_are_refused_at_once() {
        let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for level in 1..12 {
            let item = format!("*a{}", level - 1);
            let items = vec![item; 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert_eq!(codes(&text), ["too-many"]);
    }

    #[test]
    fn what_is_not_a_tree_is_refused() {
        assert_eq!(codes("a: &x [*x]\n"), ["alias-loop"]);
        assert_eq!(codes("a: 1\n---\nb: 2\n"), ["two-documents"]);
        assert_eq!(codes("a: 1\nb: 2\na: 3\n"), ["duplicate-key"]);
        assert_eq!(codes("? [a]\n: 1\n"), ["wrong-type"]);
        assert_eq!(codes(&"[".repeat(5000)), ["too-deep"]);
        assert_eq!(codes("# only a comment\n"), ["empty-file"]);
        assert_eq!(codes("a: !mine 3\n"), ["unknown-tag"]);
        assert_eq!(codes(&" ".repeat(limit::SOURCE + 1)), ["too-large"]);
    }
}
