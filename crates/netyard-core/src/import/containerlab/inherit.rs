//! Attributes of nodes: `defaults` < `kinds` < `groups` < the node itself.

use crate::diag::Span;
use crate::draft::Work;
use crate::draft::reading::entries;
use crate::spec::tree::{Content, Entry, Node};

/// The sections that nodes inherit from.
pub(super) struct Attributes<'a> {
    defaults: &'a [Entry],
    kinds: &'a [Entry],
    groups: &'a [Entry],
    nodes: &'a [Entry],
}

/// An attribute that a node has.
pub(super) struct Attribute<'a> {
    pub name: &'a str,
    pub span: Span,
    pub value: &'a Node,
    /// Where it is from: `topology.kinds.linux`.
    pub path: String,
}

impl<'a> Attributes<'a> {
    pub fn read(topology: &'a Node, work: &mut Work) -> Self {
        let mut section = |key: &str| match topology.get(key) {
            Some(entry) => entries(&entry.value, &format!("topology.{key}"), work),
            None => &[],
        };
        let read = Self {
            defaults: section("defaults"),
            kinds: section("kinds"),
            groups: section("groups"),
            nodes: section("nodes"),
        };
        for entry in entries(topology, "topology", work) {
            let known = ["defaults", "kinds", "groups", "nodes", "links"];
            if !known.contains(&&*entry.key.value) {
                let key = format!("topology.{}", entry.key.value);
                work.ignored(entry.key.span, key, "netyard does not know it");
            }
        }
        read
    }

    /// The kind of a node.
    pub fn kind_of(&self, node: &str) -> String {
        find(self.nodes, node).and_then(|node| self.text(&node.value, "kind")).unwrap_or_default()
    }

    /// A node's attribute that is a text, `kind` and `group` above all.
    pub fn text(&self, node: &Node, key: &str) -> Option<String> {
        let own = scalar(node.get(key));
        let group = || {
            let group = find(self.groups, &scalar(node.get("group"))?)?;
            scalar(group.value.get(key))
        };
        own.or_else(group).or_else(|| scalar(find(self.defaults, key)))
    }

    /// All that a node has, from the most general to its own. Of attributes that are
    /// lists or mappings each level adds to the others; any other has the last word.
    pub fn of(&self, name: &str) -> Vec<Attribute<'a>> {
        let Some(node) = find(self.nodes, name) else { return Vec::new() };
        let kind = self.kind_of(name);
        let mut levels = vec![("topology.defaults".to_owned(), self.defaults)];
        let mut level = |section: &'a [Entry], title: &str, key: &str| {
            if let Some(Content::Map(map)) = find(section, key).map(|e| &e.value.content) {
                levels.push((format!("topology.{title}.{key}"), map));
            }
        };
        level(self.kinds, "kinds", &kind);
        if let Some(group) = scalar(node.value.get("group")) {
            level(self.groups, "groups", &group);
        }
        level(self.nodes, "nodes", name);
        let mut all: Vec<Attribute<'a>> = Vec::new();
        for (path, entries) in levels {
            for entry in entries {
                if matches!(entry.value.content, Content::Scalar(_)) {
                    all.retain(|other| other.name != &*entry.key.value);
                }
                all.push(Attribute {
                    name: &entry.key.value,
                    span: entry.key.span,
                    value: &entry.value,
                    path: path.clone(),
                });
            }
        }
        all
    }
}

fn find<'a>(section: &'a [Entry], key: &str) -> Option<&'a Entry> {
    section.iter().find(|entry| &*entry.key.value == key)
}

fn scalar(entry: Option<&Entry>) -> Option<String> {
    match &entry?.value.content {
        Content::Scalar(scalar) if !scalar.is_null() => Some(scalar.text.to_string()),
        _ => None,
    }
}
