//! Tree -> Record: every key and value against its table, all mistakes at once.
//!
//! Defaults are filled in here, because what must be there may come from them:
//! `defaults:` is checked first, and what an entry does not say is taken from
//! it, its *base*. A mapping is filled key by key; any other value is replaced
//! whole.

mod text;

pub(super) use self::text::expected;
use self::text::words_of;
use super::scalar::{self, Net, Rate};
use super::shapes::{DEFAULTS, INTERFACE, LINK, NETWORK, NODE, YARD};
use super::tree::{Content, Entry, Node, Scalar, shorten};
use crate::addr::Mac;
use crate::diag::{Report, Span, Spanned, nearest, shape as say};
use crate::interface::{KINDS, kind_entry};
use crate::name::{FullName, NodeName};
use crate::shape::{Field, Record, Shape, Type, UNKNOWN, Value};

/// The node that is the host itself, and the interface that every node has:
/// neither takes defaults.
const HOST: &str = "host";
const LOOPBACK: &str = "lo";

/// Checks a whole tree; gives what fits, its `defaults` as they were written.
pub(super) fn check(root: &Node, report: &mut Report) -> Record {
    let empty = Record::default();
    let defaults = root.get("defaults").map(|entry| {
        let mut checker = Checker { report, partial: true, defaults: &empty };
        let at = At { key: "defaults", span: entry.key.span, base: None };
        if let Some(kind) = entry.value.get("interface").and_then(|e| e.value.get("kind")) {
            checker.report.push(say::kind_in_defaults(kind.key.span));
        }
        checker.shaped(&entry.value, &DEFAULTS, at)
    });
    let record = defaults.as_ref().and_then(|d| record_of(Some(&d.value))).unwrap_or(&empty);
    let mut checker = Checker { report, partial: false, defaults: record };
    let mut root = checker.record(root, &[&YARD], None, root.span);
    if let Some(defaults) = defaults {
        root.values.insert("defaults", defaults);
    }
    root
}

/// Puts what `base` has and `record` has not into `record`, key by key.
pub(super) fn fill(record: &mut Record, base: &Record) {
    for (key, value) in &base.values {
        match record.values.get_mut(key) {
            None => {
                record.values.insert(key, value.clone());
            }
            Some(Spanned { value: Value::Record(record), .. }) => {
                if let Value::Record(base) = &value.value {
                    fill(record, base);
                }
            }
            Some(Spanned { value: Value::Map(map), .. }) => fill_map(map, &value.value),
            Some(_) => {}
        }
    }
}

fn fill_map(map: &mut Vec<(Spanned<String>, Spanned<Value>)>, base: &Value) {
    if let Value::Map(base) = base {
        for (name, value) in base {
            if !map.iter().any(|(n, _)| n.value == name.value) {
                map.push((name.clone(), value.clone()));
            }
        }
    }
}

struct Checker<'a> {
    report: &'a mut Report,
    /// Nothing is required: these are defaults.
    partial: bool,
    defaults: &'a Record,
}

/// The name and place of what is being checked, and its base.
#[derive(Clone, Copy)]
struct At<'a> {
    key: &'a str,
    span: Span,
    base: Option<&'a Value>,
}

impl<'a> Checker<'a> {
    /// Checks a mapping against tables; of two fields of one key, the first
    /// table's counts. `at` is the place that lacks what is missing.
    fn record(
        &mut self,
        node: &Node,
        shapes: &[&'static Shape],
        base: Option<&Record>,
        at: Span,
    ) -> Record {
        let mut record = Record { span: node.span, ..Record::default() };
        for Entry { key, value } in entries(node) {
            let Some(field) = find(shapes, &key.value) else {
                self.unknown_key(key, shapes);
                record.failed.push(UNKNOWN);
                continue;
            };
            if field.key == "kind" && std::ptr::eq(shapes[shapes.len() - 1], &INTERFACE)
                || field.key == "defaults"
            {
                continue; // checked before all others
            }
            let base = base.and_then(|b| b.values.get(field.key)).map(|v| &v.value);
            let at = At { key: field.key, span: key.span, base };
            let mark = self.report.0.len();
            if let Some(value) = self.value(value, &field.ty, at) {
                record.values.insert(field.key, value);
            }
            if self.report.0.len() > mark {
                record.failed.push(field.key);
            }
        }
        for (key, value) in base.iter().flat_map(|b| &b.values) {
            if !record.has(key) && find(shapes, key).is_some() {
                record.values.insert(key, self.adopt(value));
            }
        }
        self.require(node, &record, shapes, at);
        record
    }

    /// A value of the base that the file's entry does not have: its interfaces
    /// are whole entries now.
    fn adopt(&mut self, value: &Spanned<Value>) -> Spanned<Value> {
        let mut value = value.clone();
        if let Value::Map(map) = &mut value.value {
            for (name, entry) in map {
                if let Value::Record(record) = &mut entry.value
                    && let Some(shapes) = shapes_of_interface(record)
                {
                    self.fill_interface(&name.value, record);
                    let empty = Node { span: record.span, content: Content::Map(Vec::new()) };
                    self.require(&empty, record, &shapes, name.span);
                }
            }
        }
        value
    }

    /// Says which keys that must be there are not.
    fn require(&mut self, node: &Node, record: &Record, shapes: &[&'static Shape], at: Span) {
        if self.partial {
            return;
        }
        for field in shapes.iter().flat_map(|s| s.all_fields()).filter(|f| f.required) {
            if !record.has(field.key) && node.get(field.key).is_none() {
                self.report.push(say::missing_key(field.key, at, shapes[0].name, field.doc));
            }
        }
    }

    fn unknown_key(&mut self, key: &Spanned<std::sync::Arc<str>>, shapes: &[&'static Shape]) {
        let name = &*key.value;
        if name == "for" {
            self.report.push(say::for_outside_list(key.span));
            return;
        }
        if std::ptr::eq(shapes[shapes.len() - 1], &INTERFACE) {
            let kinds: Vec<&str> = KINDS
                .iter()
                .filter(|k| k.shape.all_fields().any(|f| f.key == name))
                .map(|k| k.word)
                .collect();
            if !kinds.is_empty() {
                let shape = shapes[0].name;
                self.report.push(say::key_of_other_kind(name, key.span, shape, &kinds));
                return;
            }
        }
        let keys: Vec<&str> = shapes.iter().flat_map(|s| s.all_fields()).map(|f| f.key).collect();
        self.report.push(say::unknown_key(name, key.span, shapes[0].name, &keys));
    }

    /// Checks a mapping of one shape, with the defaults of its sort as base.
    fn shaped(&mut self, node: &Node, shape: &'static Shape, at: At) -> Spanned<Value> {
        let sort = [(&NODE, "node"), (&NETWORK, "network"), (&LINK, "link")]
            .into_iter()
            .find(|(s, _)| std::ptr::eq(*s, shape))
            .filter(|_| !(std::ptr::eq(shape, &NODE) && at.key == HOST));
        let defaults: &'a Record = self.defaults;
        let base = match sort {
            Some((_, key)) => record_of(defaults.values.get(key).map(|v| &v.value)),
            None => record_of(at.base),
        };
        let record = self.record(node, &[shape], base, at.span);
        Spanned::new(Value::Record(record), node.span)
    }

    /// Checks an interface: what all have and what its kind has.
    fn interface(&mut self, node: &Node, at: At) -> Spanned<Value> {
        let base = record_of(at.base);
        let written = node.get("kind").and_then(|e| self.kind(&e.value));
        let kind = written.or_else(|| base.and_then(|b| b.text("kind")));
        let entry = kind.as_ref().and_then(|k| kind_entry(&k.value));
        let mut record = match entry {
            Some(entry) => self.record(node, &[entry.shape, &INTERFACE], base, at.span),
            None => self.record(node, &[&INTERFACE], base, at.span),
        };
        match kind {
            Some(kind) => drop(record.values.insert("kind", kind.map(Value::Text))),
            None if node.get("kind").is_some() => record.failed.push("kind"),
            None => {}
        }
        self.fill_interface(at.key, &mut record);
        Spanned::new(Value::Record(record), node.span)
    }

    fn fill_interface(&self, name: &str, record: &mut Record) {
        if let Some(defaults) = record_of(self.defaults.values.get("interface").map(|v| &v.value))
            && name != LOOPBACK
        {
            fill(record, defaults);
        }
    }

    fn kind(&mut self, node: &Node) -> Option<Spanned<String>> {
        match &node.content {
            Content::Scalar(s) if kind_entry(&s.text).is_some() => {
                Some(Spanned::new(s.text.to_string(), node.span))
            }
            _ => {
                let words: Vec<&str> = KINDS.iter().map(|k| k.word).collect();
                let found = node.describe();
                self.report.push(say::unknown_word("kind", node.span, &found, &words));
                None
            }
        }
    }

    /// Checks a value; nothing when it does not fit, which the report then says.
    fn value(&mut self, node: &Node, ty: &Type, at: At) -> Option<Spanned<Value>> {
        let value = match (ty, &node.content) {
            (Type::Record(shape), Content::Map(_)) => return Some(self.shaped(node, shape, at)),
            (Type::Record(shape), _) if node.is_null() => {
                return Some(self.shaped(node, shape, at));
            }
            (Type::Interface, Content::Map(_)) => return Some(self.interface(node, at)),
            (Type::Interface, _) if node.is_null() => return Some(self.interface(node, at)),
            (Type::Service, content) if node.is_null() || matches!(content, Content::Map(_)) => {
                let shape = crate::service::entry(at.key).shape;
                return Some(self.shaped(node, shape, at));
            }
            (Type::Map(ty), Content::Map(entries)) => self.map(entries, ty, at),
            (Type::Settings, Content::Map(entries)) => {
                let mut settings = Vec::new();
                self.settings(entries, "", &mut settings);
                if let Some(base) = at.base {
                    fill_map(&mut settings, base);
                }
                Value::Map(settings)
            }
            (Type::Map(_) | Type::Settings, _) if node.is_null() => self.map(&[], &Type::Text, at),
            (Type::List(_), _) if node.is_null() => Value::List(Vec::new()),
            // Which ends a link has is only known from all of them.
            (Type::List(ty @ Type::Endpoint), Content::List(items)) => {
                let ends: Vec<_> = items.iter().map(|item| self.item(item, ty, at)).collect();
                Value::List(ends.into_iter().collect::<Option<_>>()?)
            }
            (Type::List(ty) | Type::OneOrMore(ty), Content::List(items)) => {
                Value::List(items.iter().filter_map(|item| self.item(item, ty, at)).collect())
            }
            (Type::OneOrMore(ty), Content::Scalar(_) | Content::Map(_)) => {
                Value::List(self.value(node, ty, at).into_iter().collect())
            }
            (Type::Either(alternatives), _) => return self.either(node, alternatives, at),
            (_, Content::Scalar(scalar)) if !scalar.is_null() => {
                return self.scalar(node, scalar, ty, at);
            }
            _ => {
                let found = node.describe();
                self.report.push(say::wrong_type(at.key, node.span, &expected(ty), &found));
                return None;
            }
        };
        Some(Spanned::new(value, node.span))
    }

    fn item(&mut self, item: &Node, ty: &Type, at: At) -> Option<Spanned<Value>> {
        self.value(item, ty, At { key: at.key, span: item.span, base: None })
    }

    fn map(&mut self, entries: &[Entry], ty: &Type, at: At) -> Value {
        let base: &[_] = match at.base {
            Some(Value::Map(base)) => base,
            _ => &[],
        };
        let mut map = Vec::with_capacity(entries.len());
        for Entry { key, value } in entries {
            let base = base.iter().find(|(n, _)| *n.value == *key.value).map(|(_, v)| &v.value);
            let at = At { key: &key.value, span: key.span, base };
            if let Some(value) = self.value(value, ty, at) {
                map.push((Spanned::new(key.value.to_string(), key.span), value));
            }
        }
        let rest = base.iter().filter(|(n, _)| !entries.iter().any(|e| *e.key.value == *n.value));
        let rest = Spanned::new(Value::Map(rest.cloned().collect()), at.span);
        if let Value::Map(rest) = self.adopt(&rest).value {
            map.extend(rest);
        }
        Value::Map(map)
    }

    /// Flattens mappings of settings into whole keys.
    fn settings(
        &mut self,
        entries: &[Entry],
        prefix: &str,
        into: &mut Vec<(Spanned<String>, Spanned<Value>)>,
    ) {
        for Entry { key, value } in entries {
            let name = match prefix {
                "" => key.value.to_string(),
                // Within mappings, dots become slashes: so a whole key has one sort only.
                _ => format!("{}/{}", prefix, slashes(&key.value)),
            };
            match &value.content {
                Content::Map(entries) => self.settings(entries, &slashes(&name), into),
                Content::Scalar(scalar) if !scalar.is_null() => {
                    let text = match scalar.bool() {
                        Some(on) => u8::from(on).to_string(),
                        None => scalar.text.to_string(),
                    };
                    let value = Spanned::new(Value::Text(text), value.span);
                    into.push((Spanned::new(name, key.span), value));
                }
                _ => {
                    let expected = "a text, a number or a mapping of settings";
                    let found = value.describe();
                    self.report.push(say::wrong_type(&name, value.span, expected, &found));
                }
            }
        }
    }

    /// The first alternative that fits. When none does, the one of the value's
    /// form says why.
    fn either(&mut self, node: &Node, all: &[Type], at: At) -> Option<Spanned<Value>> {
        let formed: Vec<&Type> = all.iter().filter(|ty| has_form(ty, node)).collect();
        if let [only] = formed[..] {
            return self.value(node, only, at);
        }
        let other_word = |ty: &Type| match &node.content {
            Content::Scalar(s) => matches!(ty, Type::Word(words) if !words.contains(&&*s.text)),
            _ => false,
        };
        for ty in formed.iter().filter(|ty| !other_word(ty)) {
            let mark = self.report.0.len();
            let value = self.value(node, ty, at);
            if value.is_some() && self.report.0.len() == mark {
                return value;
            }
            if is_number_not_name(ty, all, node) {
                return None;
            }
            self.report.0.truncate(mark);
        }
        let words: Vec<&str> = formed.iter().flat_map(|ty| words_of(ty)).copied().collect();
        let others: Vec<&&Type> = formed.iter().filter(|ty| words_of(ty).is_empty()).collect();
        let others = match &node.content {
            // With a prefix length it was meant to be a network.
            Content::Scalar(s) if s.text.contains('/') => {
                let net = others.iter().filter(|t| matches!(t, Type::Prefix | Type::Cidr));
                let net: Vec<&&Type> = net.copied().collect();
                if net.is_empty() { others } else { net }
            }
            _ => others,
        };
        let near = match &node.content {
            Content::Scalar(s) => nearest(&s.text, words.iter().copied()),
            _ => None,
        };
        match (&others[..], near) {
            (_, Some(_)) => {
                let found = node.describe();
                self.report.push(say::unknown_word(at.key, node.span, &found, &words));
            }
            ([other], None) => {
                let mark = self.report.0.len();
                self.value(node, other, at);
                if let Some(diagnostic) = self.report.0.get_mut(mark) {
                    say::or_words(diagnostic, &words);
                }
            }
            _ => {
                let expected = all.iter().map(expected).collect::<Vec<_>>().join(", or ");
                let found = node.describe();
                self.report.push(say::wrong_type(at.key, node.span, &expected, &found));
            }
        }
        None
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

fn find(shapes: &[&'static Shape], key: &str) -> Option<&'static Field> {
    shapes.iter().flat_map(|s| s.all_fields()).find(|f| f.key == key)
}

fn record_of(value: Option<&Value>) -> Option<&Record> {
    match value {
        Some(Value::Record(record)) => Some(record),
        _ => None,
    }
}

fn shapes_of_interface(record: &Record) -> Option<Vec<&'static Shape>> {
    let kind = record.text("kind").and_then(|k| kind_entry(&k.value))?;
    Some(vec![kind.shape, &INTERFACE])
}

fn slashes(key: &str) -> String {
    if key.contains('/') { key.to_owned() } else { key.replace('.', "/") }
}

/// True when a value of this type is written as a text, list or mapping as `node` is.
fn has_form(ty: &Type, node: &Node) -> bool {
    let null = node.is_null();
    match (ty, &node.content) {
        (Type::Either(all), _) => all.iter().any(|ty| has_form(ty, node)),
        (Type::OneOrMore(_), Content::List(_)) => true,
        (Type::OneOrMore(ty), _) => has_form(ty, node),
        (Type::List(_), Content::List(_)) => true,
        (Type::List(_), _) => null,
        (
            Type::Map(_) | Type::Settings | Type::Record(_) | Type::Interface | Type::Service,
            content,
        ) => null || matches!(content, Content::Map(_)),
        (_, content) => !null && matches!(content, Content::Scalar(_)),
    }
}

/// True of digits where a number or a name may stand: what is wrong with the
/// number is said, and no name like it is looked for.
fn is_number_not_name(ty: &Type, all: &[Type], node: &Node) -> bool {
    let Content::Scalar(scalar) = &node.content else { return false };
    let is_number = scalar.text.chars().all(|c| c.is_ascii_digit() || c == '-');
    let may_be_a_name = all.iter().any(|ty| matches!(ty, Type::Text));
    is_number && may_be_a_name && matches!(ty, Type::Range { .. })
}
