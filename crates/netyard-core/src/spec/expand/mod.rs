//! Tree -> tree: variables, ranges in names and `for:` loops.
//!
//! A name with a range becomes as many entries, an item with `for:` as many
//! items; every one of them keeps the place of the text it came from. What
//! fails keeps its text, and its place is remembered, so that the next step
//! does not complain of it again.

mod expression;
mod range;
mod scope;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::expression::Fault;
use self::range::{BadRange, Values};
use self::scope::{Scope, Val, is_name};
use self::text::{Outcome, Problem, substitute};
use super::include::merge;
use super::limit;
use super::tree::{Content, Entry, Node, Scalar};
use crate::diag::{Diagnostic, Report, Sources, Span, Spanned, expand as say};

/// What expansion gives.
pub(super) struct Expanded {
    pub root: Node,
    /// Places that were complained of.
    pub failed: BTreeSet<Span>,
}

/// Expands a whole tree; nothing when there is too much of it.
pub(super) fn expand(mut root: Node, sources: &Sources, report: &mut Report) -> Option<Expanded> {
    let vars = take(&mut root, "vars");
    let mut expander = Expander {
        sources,
        report,
        scope: Scope::default(),
        failed: BTreeSet::new(),
        items: 0,
        values: 0,
        bytes: 0,
        stopped: false,
    };
    if let Some(vars) = vars {
        expander.vars(&vars.value);
    }
    // A file that says everything word by word is what it is.
    let root = if is_plain(&root) { root } else { expander.node(&root, Part::Yard) };
    (!expander.stopped).then_some(Expanded { root, failed: expander.failed })
}

/// The names that a text with ranges in it stands for, as in `r[1..3]`.
pub(super) fn names(text: &str, span: Span) -> Result<Vec<String>, Box<Diagnostic>> {
    let pattern = range::pattern(text).map_err(|why| bad_range(why, text, span))?;
    match pattern.len() {
        Some(count) if count <= limit::ITEMS => {
            Ok((0..count).map(|n| pattern.name(&pattern.values(n)).to_string()).collect())
        }
        _ => Err(Box::new(say::too_many_items(span, limit::ITEMS))),
    }
}

fn bad_range(why: BadRange, text: &str, span: Span) -> Diagnostic {
    match why {
        BadRange::Reversed(instead) => say::range_reversed(span, text, &instead),
        BadRange::Other(why) => say::bad_range(span, text, why),
    }
}

/// True when nothing in it is to be expanded.
fn is_plain(node: &Node) -> bool {
    match &node.content {
        Content::Scalar(scalar) => !scalar.text.contains('$'),
        Content::List(items) => {
            items.iter().all(|item| is_plain(item) && item.get("for").is_none())
        }
        Content::Map(entries) => {
            entries.iter().all(|e| !e.key.value.contains(['$', '[']) && is_plain(&e.value))
        }
    }
}

fn take(root: &mut Node, key: &str) -> Option<Entry> {
    let Content::Map(entries) = &mut root.content else { return None };
    let at = entries.iter().position(|e| &*e.key.value == key)?;
    Some(entries.remove(at))
}

/// The part of the file that is walked: commands are treated differently.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Yard,
    Defaults,
    Nodes,
    Node,
    Commands,
    Services,
    Service,
    Other,
}

impl Part {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Yard, "nodes") => Self::Nodes,
            (Self::Yard, "defaults") => Self::Defaults,
            (Self::Nodes, _) | (Self::Defaults, "node") => Self::Node,
            (Self::Node, "exec") | (Self::Service, "run") => Self::Commands,
            (Self::Node, "services") => Self::Services,
            (Self::Services, _) => Self::Service,
            _ => Self::Other,
        }
    }
}

struct Expander<'a> {
    sources: &'a Sources,
    report: &'a mut Report,
    scope: Scope,
    failed: BTreeSet<Span>,
    items: usize,
    values: usize,
    bytes: usize,
    /// A limit was passed: everything returns quickly now.
    stopped: bool,
}

impl Expander<'_> {
    fn vars(&mut self, vars: &Node) {
        let entries = match &vars.content {
            Content::Map(entries) => entries,
            _ if vars.is_null() => return,
            _ => {
                self.report.push(say::vars_not_mapping(vars.span, &vars.describe()));
                return;
            }
        };
        for Entry { key, value } in entries {
            let name = &*key.value;
            if !is_name(name) || matches!(name, "min" | "max") {
                self.report.push(say::bad_variable_name(key.span, name));
                continue;
            }
            let value = self.node(value, Part::Other);
            match &value.content {
                Content::Scalar(s) if !s.is_null() => {
                    self.scope.push(name, Val::of(&s.text, s.plain));
                }
                _ => {
                    let found = value.describe();
                    self.report.push(say::variable_not_scalar(value.span, name, &found));
                    self.scope.push(name, Val::Int(0)); // so that its uses are not mistakes too
                }
            }
        }
    }

    fn node(&mut self, node: &Node, part: Part) -> Node {
        self.values += 1;
        if self.values > limit::VALUES && !self.stopped {
            self.report.push(say::too_many_values(node.span, limit::VALUES));
            self.stopped = true;
        }
        let content = match &node.content {
            _ if self.stopped => Content::List(Vec::new()),
            Content::Scalar(scalar) => {
                Content::Scalar(self.scalar(scalar, node.span, part == Part::Commands))
            }
            Content::Map(entries) => Content::Map(self.map(entries, part)),
            Content::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    match item.get("for") {
                        Some(_) => self.item(item, part, &mut out),
                        None => out.push(self.node(item, part)),
                    }
                }
                Content::List(out)
            }
        };
        Node { span: node.span, content }
    }

    fn scalar(&mut self, scalar: &Scalar, span: Span, lenient: bool) -> Scalar {
        match substitute(&scalar.text, &self.scope, lenient) {
            Ok(Outcome::Same) => scalar.clone(),
            Ok(Outcome::Value(Val::Int(n))) => Scalar { text: n.to_string().into(), plain: true },
            Ok(Outcome::Value(Val::Text { text, plain })) => Scalar { text, plain },
            Ok(Outcome::Text(text)) => {
                self.weigh(text.len(), span);
                Scalar { text, plain: scalar.plain }
            }
            Err(problems) => {
                self.complain(problems, &scalar.text, span);
                scalar.clone()
            }
        }
    }

    fn weigh(&mut self, len: usize, span: Span) {
        self.bytes += len;
        if (len > limit::TEXT || self.bytes > limit::TEXTS) && !self.stopped {
            self.report.push(say::text_too_long(span, limit::TEXT));
            self.stopped = true;
        }
    }

    fn complain(&mut self, problems: Vec<Problem>, text: &str, span: Span) {
        self.failed.insert(span);
        for Problem { fault, range, text: expression, lone } in problems {
            let span = self.place(span, text, range);
            self.failed.insert(span);
            self.report.push(match fault {
                _ if lone => say::lone_dollar(span),
                Fault::Unknown(name) => say::unknown_variable(span, &name, &self.scope.names()),
                Fault::NotANumber(name, value) => say::not_a_number(span, &name, &value),
                Fault::Syntax(why) => say::bad_expression(span, &expression, &why),
                Fault::DivisionByZero => say::division_by_zero(span, &expression),
                Fault::Overflow => say::overflow(span, &expression),
            });
        }
    }

    /// The very place of a part of a text, where the text is as in the file: not folded
    /// from several lines, nothing escaped.
    fn place(&self, whole: Span, text: &str, part: std::ops::Range<usize>) -> Span {
        let source = self.sources.0.get(whole.file as usize);
        let written =
            source.and_then(|source| source.text.get(whole.start as usize..whole.end as usize));
        let Some(before) = written.and_then(|written| written.find(text)) else { return whole };
        let start = whole.start + before as u32;
        Span { start: start + part.start as u32, end: start + part.end as u32, ..whole }
    }

    fn map(&mut self, entries: &[Entry], part: Part) -> Vec<Entry> {
        let dynamic = |e: &Entry| e.key.value.contains(['$', '[']);
        let mut out = Vec::with_capacity(entries.len());
        if !entries.iter().any(dynamic) {
            for Entry { key, value } in entries {
                let value = self.node(value, part.below(&key.value));
                out.push(Entry { key: key.clone(), value });
            }
            return out;
        }
        let mut index = BTreeMap::new();
        for entry in entries {
            if dynamic(entry) {
                self.named(entry, part, &mut out, &mut index);
            } else {
                let value = self.node(&entry.value, part.below(&entry.key.value));
                self.put(Entry { key: entry.key.clone(), value }, &mut out, &mut index);
            }
            if self.stopped {
                break;
            }
        }
        out
    }

    /// Expands an entry whose name has a variable or a range in it.
    fn named(
        &mut self,
        entry: &Entry,
        part: Part,
        out: &mut Vec<Entry>,
        index: &mut BTreeMap<Arc<str>, usize>,
    ) {
        let span = entry.key.span;
        let key = Scalar { text: entry.key.value.clone(), plain: true };
        let key = self.scalar(&key, span, false).text;
        if self.failed.contains(&span) {
            return;
        }
        if !key.contains('[') {
            let value = self.node(&entry.value, part.below(&key));
            return self.put(Entry { key: Spanned::new(key, span), value }, out, index);
        }
        let pattern = match range::pattern(&key) {
            Ok(pattern) => pattern,
            Err(why) => return self.bad_range(why, &key, span),
        };
        let Some(count) = self.afford(pattern.len(), span) else { return };
        let mark = self.scope.len();
        for number in 0..count {
            let values = pattern.values(number);
            let name = pattern.name(&values);
            self.weigh(name.len(), span);
            for (axis, value) in pattern.axes.iter().zip(values) {
                if let Some(variable) = &axis.variable {
                    self.scope.push(variable, value);
                }
            }
            let value = self.node(&entry.value, part.below(&name));
            self.scope.truncate(mark);
            if self.stopped {
                return;
            }
            self.put(Entry { key: Spanned::new(name, span), value }, out, index);
        }
    }

    /// Adds an entry; where one of its name is there, both are merged.
    fn put(&mut self, entry: Entry, out: &mut Vec<Entry>, index: &mut BTreeMap<Arc<str>, usize>) {
        match index.get(&entry.key.value) {
            Some(at) => {
                let first = out[*at].key.span;
                merge(&mut out[*at].value, entry.value, (&entry.key, first), self.report);
            }
            None => {
                index.insert(entry.key.value.clone(), out.len());
                out.push(entry);
            }
        }
    }

    /// Counts entries that are to be made.
    fn afford(&mut self, count: Option<usize>, span: Span) -> Option<usize> {
        match count {
            Some(count) if count <= limit::ITEMS - self.items => {
                self.items += count;
                Some(count)
            }
            _ => {
                if !self.stopped {
                    self.report.push(say::too_many_items(span, limit::ITEMS));
                }
                self.stopped = true;
                None
            }
        }
    }

    fn bad_range(&mut self, why: BadRange, text: &str, span: Span) {
        self.failed.insert(span);
        self.report.push(bad_range(why, text, span));
    }

    /// Expands an item that has `for:`.
    fn item(&mut self, item: &Node, part: Part, out: &mut Vec<Node>) {
        let Content::Map(entries) = &item.content else { return };
        let Some(loops) = item.get("for") else { return };
        let Content::Map(variables) = &loops.value.content else {
            let found = loops.value.describe();
            self.report.push(say::for_not_mapping(loops.value.span, &found));
            return;
        };
        if variables.is_empty() {
            self.report.push(say::for_not_mapping(loops.value.span, "an empty one"));
        }
        let rest: Vec<Entry> = entries.iter().filter(|e| &*e.key.value != "for").cloned().collect();
        let whole = item.get("item");
        if let Some(whole) = whole
            && let Some(other) = rest.iter().find(|e| &*e.key.value != "item")
        {
            self.report.push(say::item_beside_others(whole.key.span, other.key.span));
            return;
        }
        let body = match whole {
            Some(whole) => whole.value.clone(),
            None => Node { span: item.span, content: Content::Map(rest) },
        };
        self.repeat(variables, &body, part, out);
    }

    fn repeat(&mut self, variables: &[Entry], body: &Node, part: Part, out: &mut Vec<Node>) {
        let Some((Entry { key, value }, inner)) = variables.split_first() else {
            out.push(self.node(body, part));
            return;
        };
        if !is_name(&key.value) {
            self.report.push(say::bad_variable_name(key.span, &key.value));
            return;
        }
        let Some(values) = self.loop_values(&key.value, value) else { return };
        let Some(count) = self.afford(Some(values.len()), value.span) else { return };
        let mark = self.scope.len();
        for number in 0..count {
            self.scope.push(&key.value, values.get(number));
            self.repeat(inner, body, part, out);
            self.scope.truncate(mark);
            if self.stopped {
                return;
            }
        }
    }

    fn loop_values(&mut self, name: &str, node: &Node) -> Option<Values> {
        let items = match &node.content {
            Content::Scalar(scalar) => {
                let scalar = self.scalar(scalar, node.span, false);
                if self.failed.contains(&node.span) {
                    return None;
                }
                let text = &*scalar.text;
                if !text.contains("..") && !text.contains(',') {
                    let found =
                        Node { span: node.span, content: Content::Scalar(scalar) }.describe();
                    self.report.push(say::for_without_range(node.span, name, &found));
                    return None;
                }
                let values = range::values(text);
                return values.map_err(|why| self.bad_range(why, text, node.span)).ok();
            }
            Content::Map(_) => {
                self.report.push(say::for_without_range(node.span, name, &node.describe()));
                return None;
            }
            Content::List(items) => items,
        };
        let mut values = Vec::new();
        for item in items {
            match self.node(item, Part::Other).content {
                Content::Scalar(s) if s.plain && s.text.contains("..") => {
                    match range::values(&s.text) {
                        Ok(range) => {
                            let count = self.afford(Some(range.len()), item.span)?;
                            values.extend((0..count).map(|i| range.get(i)));
                        }
                        Err(why) => self.bad_range(why, &s.text, item.span),
                    }
                }
                Content::Scalar(s) => values.push(Val::of(&s.text, s.plain)),
                _ => self.report.push(say::for_without_range(item.span, name, &item.describe())),
            }
        }
        Some(Values::Texts(values))
    }
}
