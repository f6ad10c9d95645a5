//! Graphs of meshnet-lab: JSON with `nodes` and `links`, whose ends may have a
//! quality (`source_tq`, `target_tq`, 0 to 1).

use std::collections::BTreeSet;

use super::Format;
use crate::diag::Sources;
use crate::diag::import as say;
use crate::draft::Work;
use crate::draft::names::Names;
use crate::draft::reading::{entries, items, text};
use crate::draft::{Map, Value};
use crate::spec::tree::{self, Content, Node};

pub(super) static FORMAT: Format = Format {
    word: "meshnet-lab",
    title: "meshnet-lab graph",
    beside: &[],
    main: &[".json"],
    whole: false,
    read,
    is_one: |file| {
        let link = file.get("links").and_then(|links| links.get(0));
        link.is_some_and(|link| link.get("source").is_some() && link.get("target").is_some())
    },
};

fn read(sources: &Sources, work: &mut Work) {
    let Some(source) = sources.0.first() else { return };
    let Some(graph) = tree::parse(&source.text, 0, &mut work.report) else { return };
    let Some(links) = graph.get("links") else {
        work.report.push(say::not_of_format(graph.span, FORMAT.title, "it has no `links`"));
        return;
    };
    work.draft.set("yard", "graph");
    work.draft.map("nodes");
    let (mut names, mut known) = (Names::default(), BTreeSet::new());
    if let Some(nodes) = graph.get("nodes") {
        for node in items(&nodes.value, "nodes", work) {
            let Some(id) = node.get("id").and_then(|id| text(&id.value, "id", work)) else {
                work.report.push(say::bad_line(node.span, "a node with an `id`"));
                continue;
            };
            known.insert(id.to_owned());
            work.draft.map("nodes").map(&names.of(id)).set("forward", true);
            note_rest(node, "nodes", &["id"], work);
            work.kept(node.span, "nodes");
        }
    }
    let mut ports = Ports::default();
    for link in items(&links.value, "links", work) {
        draw(link, &mut names, &mut ports, work);
    }
    for entry in entries(&graph, "the graph", work) {
        if !["nodes", "links"].contains(&&*entry.key.value) {
            work.ignored(entry.key.span, &*entry.key.value, "netyard does not know it");
        }
    }
}

/// Interfaces are numbered in the order of the links.
#[derive(Default)]
struct Ports(std::collections::BTreeMap<String, usize>);

impl Ports {
    fn next(&mut self, node: &str) -> String {
        let count = self.0.entry(node.to_owned()).or_default();
        *count += 1;
        format!("{node}:eth{}", *count - 1)
    }
}

fn draw(link: &Node, names: &mut Names, ports: &mut Ports, work: &mut Work) {
    let mut end = |key: &str| {
        let id = link.get(key).and_then(|id| text(&id.value, key, work));
        id.map(|id| names.of(id))
    };
    let (Some(source), Some(target)) = (end("source"), end("target")) else {
        work.report.push(say::bad_line(link.span, "a link with `source` and `target`"));
        return;
    };
    let mut drawn = Map::default();
    let ends = [&source, &target].map(|node| {
        // A graph may leave its nodes to the links.
        work.draft.map("nodes").map(node).set("forward", true);
        Value::Text(ports.next(node))
    });
    drawn.set("ends", Value::List(ends.to_vec()));
    for (key, direction) in [("source_tq", "forward"), ("target_tq", "backward")] {
        let Some(entry) = link.get(key) else { continue };
        match quality(&entry.value) {
            Some(quality) if quality >= 1.0 => work.kept(entry.key.span, format!("links.{key}")),
            Some(quality) => {
                let lost = format!("{}%", ((1.0 - quality) * 10_000.0).round() / 100.0);
                drawn.map(direction).set("loss", lost);
                let why = "that share of the packets is lost";
                work.nearly(entry.key.span, format!("links.{key}"), why);
            }
            None => work.report.push(say::wrong_value(
                entry.value.span,
                key,
                "a number from 0 to 1",
                &entry.value.describe(),
            )),
        }
    }
    note_rest(link, "links", &["source", "target", "source_tq", "target_tq"], work);
    work.kept(link.span, "links");
    work.draft.push("links", drawn);
}

fn quality(value: &Node) -> Option<f64> {
    match &value.content {
        Content::Scalar(scalar) => {
            scalar.text.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))
        }
        _ => None,
    }
}

fn note_rest(node: &Node, path: &str, known: &[&str], work: &mut Work) {
    for entry in entries(node, path, work) {
        if !known.contains(&&*entry.key.value) {
            let key = format!("{path}.{}", entry.key.value);
            work.ignored(entry.key.span, key, "it is a label");
        }
    }
}
