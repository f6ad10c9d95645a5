//! containerlab topologies (`*.clab.yml`): nodes with inherited attributes, links in
//! their brief and extended forms, and addresses out of `exec` lines.
//!
//! <https://containerlab.dev/manual/topo-def-file/>

mod inherit;
mod link;

use std::collections::BTreeMap;

use super::Format;
use crate::diag::Sources;
use crate::diag::import as say;
use crate::draft::names::Names;
use crate::draft::reading::{entries, text};
use crate::draft::{Map, Value};
use crate::draft::{Work, mtu, station};
use crate::spec::tree::{self, Node};
use inherit::Attributes;

pub(super) static FORMAT: Format = Format {
    word: "containerlab",
    title: "containerlab topology",
    beside: &[],
    main: &[".clab.yml", ".clab.yaml"],
    whole: false,
    read,
    is_one: |file| file.get("topology").is_some_and(|t| t.get("nodes").is_some()),
};

/// The MTU of containerlab's links where nothing is said.
const LINK_MTU: i64 = 9500;

/// What a foreign node becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// A node of this name.
    Node(String),
    /// A network of this name.
    Network(String),
    /// The host itself.
    Host,
}

/// A topology being read.
struct Topology<'a> {
    attributes: Attributes<'a>,
    names: Names,
    networks: Names,
    /// Of the interfaces of each node, by its foreign name.
    ports: BTreeMap<String, Names>,
    /// In the order of the file: foreign name, what it becomes.
    roles: Vec<(&'a str, Role)>,
}

fn read(sources: &Sources, work: &mut Work) {
    let Some(source) = sources.0.first() else { return };
    let Some(file) = tree::parse(&source.text, 0, &mut work.report) else { return };
    let Some(topology) = file.get("topology").map(|entry| &entry.value) else {
        work.report.push(say::not_of_format(file.span, FORMAT.title, "it has no `topology`"));
        return;
    };
    let mut yard = None;
    for entry in entries(&file, "the file", work) {
        let (key, span) = (&*entry.key.value, entry.key.span);
        match key {
            "name" => {
                yard = text(&entry.value, key, work).map(crate::draft::names::plain);
                work.kept(span, key);
            }
            "topology" => {}
            "mgmt" => work.ignored(span, key, "nodes have no management network here"),
            "prefix" => {
                work.ignored(span, key, "namespaces are called YARD-NODE; `netns` says otherwise")
            }
            _ => work.ignored(span, key, "it is about containerlab itself"),
        }
    }
    work.draft.set("yard", yard.unwrap_or_else(|| "imported".into()));
    let nodes = topology.get("nodes").map(|entry| &entry.value);
    let mut topology_of = Topology {
        attributes: Attributes::read(topology, work),
        names: Names::default(),
        networks: Names::default(),
        ports: BTreeMap::new(),
        roles: Vec::new(),
    };
    for entry in nodes.map_or(&[][..], |nodes| entries(nodes, "topology.nodes", work)) {
        topology_of.role(&entry.key.value, &entry.value, work);
    }
    if let Some(links) = topology.get("links") {
        link::read(&mut topology_of, &links.value, work);
    }
    for at in 0..topology_of.roles.len() {
        topology_of.set_up(at, work);
    }
    finish(work);
}

impl<'a> Topology<'a> {
    /// Draws a node, as yet without interfaces.
    fn role(&mut self, name: &'a str, node: &'a Node, work: &mut Work) {
        entries(node, name, work);
        let kind = self.attributes.text(node, "kind").unwrap_or_default();
        let key = format!("topology.nodes.{name}");
        let span = node.get("kind").map_or(node.span, |kind| kind.value.span);
        let role = match kind.as_str() {
            "bridge" | "ovs-bridge" => {
                let network = self.networks.of(name);
                let made = work.draft.map("networks").map(&network);
                made.set("prefix", "none");
                if kind == "bridge" {
                    work.nearly(
                        span,
                        key,
                        "a network: netyard makes its bridge, where containerlab expects it",
                    );
                } else {
                    work.nearly(span, key, "a network on a Linux bridge, not on Open vSwitch");
                }
                Role::Network(network)
            }
            "host" => {
                work.kept(span, key);
                Role::Host
            }
            _ => {
                let node = self.names.of(if name == "host" { "host-node" } else { name });
                work.draft.map("nodes").map(&node).map("interfaces");
                if node != name {
                    work.nearly(span, key.clone(), format!("called `{node}` here"));
                }
                self.say_kind(span, key, &kind, work);
                Role::Node(node)
            }
        };
        self.roles.push((name, role));
    }

    fn say_kind(&self, span: crate::diag::Span, key: String, kind: &str, work: &mut Work) {
        match kind {
            "linux" | "" => work.nearly(
                span,
                key,
                "a network namespace: with the host's programs, not those of an image",
            ),
            _ => work.nearly(
                span,
                key,
                format!("a plain network namespace that forwards: `{kind}` is not run in it"),
            ),
        }
    }

    /// The role of a foreign name.
    fn of(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|(foreign, _)| *foreign == name).map(|(_, role)| role)
    }

    /// Carries out what a node's attributes say, now that its interfaces are drawn.
    fn set_up(&mut self, at: usize, work: &mut Work) {
        let (foreign, role) = self.roles[at].clone();
        let Role::Node(name) = role else { return };
        let mut node = std::mem::take(work.draft.map("nodes").map(&name));
        let linux = matches!(self.attributes.kind_of(foreign).as_str(), "linux" | "");
        let ports = match node.get("interfaces") {
            Some(Value::Map(map)) => map.keys().count(),
            _ => 0,
        };
        // Container engines let their containers forward; with one port it does not matter.
        if !linux || ports > 1 {
            node.set("forward", true);
        }
        for attribute in self.attributes.of(foreign) {
            let key = format!("{}.{}", attribute.path, attribute.name);
            match attribute.name {
                "kind" | "group" => {}
                "exec" => exec(&mut node, attribute.value, &key, work),
                "sysctls" => sysctls(&mut node, attribute.value, &key, work),
                "image" | "type" | "license" | "startup-config" | "binds" | "runtime" | "cmd"
                | "entrypoint" | "user" | "env" | "env-files" => {
                    work.ignored(attribute.span, key, "no image is run");
                }
                "mgmt-ipv4" | "mgmt-ipv6" | "ports" | "network-mode" => {
                    work.ignored(attribute.span, key, "there is no management network");
                }
                "labels" | "position" => work.ignored(attribute.span, key, "it is a label"),
                _ => work.ignored(attribute.span, key, "it is about the container"),
            }
        }
        if node.get("interfaces").is_some_and(|i| *i == Map::default().into()) {
            node.remove("interfaces");
        }
        *work.draft.map("nodes").map(&name) = node;
    }
}

fn exec(node: &mut Map, value: &Node, key: &str, work: &mut Work) {
    for item in crate::draft::reading::items(value, key, work) {
        let Some(line) = text(item, key, work) else { continue };
        let (fate, why) = station::take(line, node);
        work.note(item.span, key, fate, why);
    }
}

fn sysctls(node: &mut Map, value: &Node, key: &str, work: &mut Work) {
    for entry in entries(value, key, work) {
        let Some(setting) = text(&entry.value, key, work) else { continue };
        let line = format!("sysctl -w '{}={setting}'", entry.key.value);
        let (fate, why) = station::take(&line, node);
        work.note(entry.key.span, format!("{key}.{}", entry.key.value), fate, why);
    }
}

/// The links are as large as containerlab makes them.
fn finish(work: &mut Work) {
    mtu::join(&mut work.draft, Some(LINK_MTU));
    if work.draft.get("links").is_some() {
        let mut defaults = Map::default();
        defaults.map("link").set("mtu", LINK_MTU);
        let mut draft = Map::default();
        let drawn = std::mem::take(&mut work.draft);
        draft.set("yard", drawn.get("yard").cloned().unwrap_or_else(|| "imported".into()));
        draft.set("defaults", defaults);
        for key in ["networks", "nodes", "links"] {
            if let Some(value) = drawn.get(key) {
                draft.set(key, value.clone());
            }
        }
        work.draft = draft;
    }
}
