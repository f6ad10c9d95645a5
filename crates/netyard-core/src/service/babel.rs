//! babeld: the Babel routing protocol (RFC 8966).
//!
//! ```yaml
//! services:
//!   babeld:
//!     interfaces: [eth0, eth1]                  # or, with what is said of each:
//!     # interfaces: { wg-a: { type: tunnel, cost: 200 }, eth0: { hello: 1s } }
//!     redistribute: [{ prefix: 10.1.0.0/16, le: 24 }]
//!     in: [{ prefix: 0.0.0.0/0, eq: 0, action: deny }]
//! ```
//!
//! What babeld would set in the kernel is left to netyard (`skip-kernel-setup`). Its
//! node is a router: it passes packets on unless the file says `forward: false`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipnet::IpNet;

use super::{CARE, Care, Scene, Service, Wire};
use crate::diag::{Report, Span, Spanned};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{Process, ProcessFile, Program, Ready};

const U16: Type = Type::Int { min: 1, max: 65535 };
const LENGTH: Type = Type::Int { min: 0, max: 128 };

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "`babeld` service",
    doc: "The routing daemon babeld, which finds the ways between nodes that run it.",
    fields: &[
        Field::required(
            "interfaces",
            Type::Either(&[Type::OneOrMore(&Type::Text), Type::Map(&Type::Record(&INTERFACE))]),
            "The interfaces that it speaks on: a list, or a mapping that says more of each.",
        ),
        Field::new(
            "redistribute",
            Type::List(&Type::Record(&RULE)),
            "Which routes of the node it announces, the first rule that fits counts; left out, the networks that the node has addresses in, and the addresses.",
        ),
        Field::new(
            "in",
            Type::List(&Type::Record(&RULE)),
            "Which routes it takes from neighbours: `action: deny`, or what they cost more.",
        ),
        Field::new(
            "out",
            Type::List(&Type::Record(&RULE)),
            "Which routes it passes on to neighbours.",
        ),
    ],
    also: &[&INTERFACE, &CARE],
};

/// What may be said of an interface, or of all.
pub static INTERFACE: Shape = Shape {
    name: "babeld interface",
    doc: "How babeld speaks on an interface.",
    fields: &[
        Field::new(
            "type",
            Type::Word(&["wired", "wireless", "tunnel"]),
            "What it is; left out, `tunnel` for tunnels, `wired` for all else.",
        ),
        Field::new("cost", U16, "What a packet costs that comes in there (`rxcost`)."),
        Field::new("hello", Type::Duration, "How often it says that it is there; 4 s otherwise."),
        Field::new("update", Type::Duration, "How often it announces all routes; 16 s otherwise."),
    ],
    also: &[],
};

/// A rule of `redistribute`, `in` or `out`.
pub static RULE: Shape = Shape {
    name: "babeld rule",
    doc: "Which routes, and what becomes of them.",
    fields: &[
        Field::new("prefix", Type::Prefix, "Routes within this network."),
        Field::new("eq", LENGTH, "Of this prefix length."),
        Field::new("le", LENGTH, "Of this prefix length or shorter."),
        Field::new("ge", LENGTH, "Of this prefix length or longer."),
        Field::new("interface", Type::Text, "By this interface of the node."),
        Field::new("local", Type::Bool, "`true`: the node's own addresses."),
        Field::new(
            "protocol",
            Type::Int { min: 0, max: 255 },
            "Routes of this origin (rt_protos(5)); for `redistribute`.",
        ),
        Field::new("metric", U16, "What they cost; for `in` and `out`, what they cost more."),
        Field::new(
            "action",
            Type::Word(&["allow", "deny"]),
            "`deny` leaves them out; left out, `allow`.",
        ),
    ],
    also: &[],
};

/// How it speaks on an interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speech {
    kind: Option<String>,
    cost: Option<u16>,
    /// In nanoseconds.
    hello: Option<u64>,
    update: Option<u64>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    prefix: Option<IpNet>,
    lengths: Vec<(&'static str, u8)>,
    interface: Option<Spanned<String>>,
    local: bool,
    protocol: Option<u8>,
    metric: Option<u16>,
    deny: bool,
}

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct Babel {
    interfaces: Vec<(Spanned<String>, Speech)>,
    all: Speech,
    redistribute: Option<Vec<Rule>>,
    in_: Vec<Rule>,
    out: Vec<Rule>,
    pub(super) care: Care,
    span: Span,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let care = Care::from_record(record, report);
    let value = record.values.get("interfaces")?;
    let interfaces = match &value.value {
        Value::List(list) => {
            let name = |v: &Spanned<Value>| match &v.value {
                Value::Text(text) => Some((Spanned::new(text.clone(), v.span), Speech::default())),
                _ => None,
            };
            list.iter().filter_map(name).collect()
        }
        Value::Map(map) => {
            let one = |(name, value): &(Spanned<String>, Spanned<Value>)| match &value.value {
                Value::Record(record) => Some((name.clone(), speech(record))),
                _ => None,
            };
            map.iter().filter_map(one).collect()
        }
        _ => Vec::new(),
    };
    let rules = |key: &str| -> Vec<Rule> {
        let rule = |v: &Spanned<Value>| match &v.value {
            Value::Record(record) => Some(rule(record)),
            _ => None,
        };
        record.list(key).iter().filter_map(rule).collect()
    };
    Some(Service::Babel(Babel {
        interfaces,
        all: speech(record),
        redistribute: record.has("redistribute").then(|| rules("redistribute")),
        in_: rules("in"),
        out: rules("out"),
        care,
        span: value.span,
    }))
}

fn speech(record: &Record) -> Speech {
    Speech {
        kind: record.text("type").map(|word| word.value),
        cost: record.number("cost"),
        hello: record.duration("hello").map(|time| time.value),
        update: record.duration("update").map(|time| time.value),
    }
}

fn rule(record: &Record) -> Rule {
    let lengths = ["eq", "le", "ge"];
    let lengths = lengths.into_iter().filter_map(|key| Some((key, record.number(key)?)));
    Rule {
        prefix: record.net("prefix").map(|net| net.value),
        lengths: lengths.collect(),
        interface: record.text("interface"),
        local: record.bool("local").is_some_and(|local| local.value),
        protocol: record.number("protocol"),
        metric: record.number("metric"),
        deny: record.text("action").is_some_and(|word| word.value == "deny"),
    }
}

impl Babel {
    /// The interfaces that it speaks of.
    pub(super) fn interfaces(&self) -> Vec<Spanned<String>> {
        let rules = self.redistribute.iter().flatten().chain(&self.in_).chain(&self.out);
        let named = rules.filter_map(|rule| rule.interface.clone());
        self.interfaces.iter().map(|(name, _)| name.clone()).chain(named).collect()
    }

    /// Where the interfaces are said.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn process(&self, scene: &Scene) -> Process {
        let argv = ["babeld", "-I", "", "-c", "{dir}/babeld.conf"];
        let program = Program::Argv(argv.map(str::to_owned).to_vec());
        let mut process = Process {
            ready: Ready::Socket("{dir}/babeld.sock".to_owned()),
            files: vec![ProcessFile::new("babeld.conf", self.configuration(scene))],
            keep: true,
            confined: true,
            ..Process::new(scene.place.clone(), &scene.name.value, program)
        };
        self.care.apply(&mut process);
        process
    }

    fn configuration(&self, scene: &Scene) -> String {
        let mut text = String::from(
            "# made by netyard\nlocal-path {dir}/babeld.sock\nstate-file {data}/babel-state\n\
             skip-kernel-setup true\n",
        );
        let wires: BTreeMap<&str, &Wire> =
            scene.wires.iter().map(|wire| (wire.name.as_str(), wire)).collect();
        for (name, speech) in &self.interfaces {
            let Some(wire) = wires.get(name.value.as_str()) else { continue };
            text += &self.interface(wire, speech);
        }
        let kernel = |name: &str| {
            wires.get(name).map_or_else(|| name.to_owned(), |wire| wire.kernel.to_string())
        };
        for (word, rules) in [("in", &self.in_), ("out", &self.out)] {
            for rule in rules {
                text += &rule.line(word, &kernel);
            }
        }
        match &self.redistribute {
            Some(rules) => {
                for rule in rules {
                    text += &rule.line("redistribute", &kernel);
                }
                text += "redistribute local deny\n";
            }
            None => {
                let nets = scene.wires.iter().flat_map(|wire| &wire.nets).map(IpNet::trunc);
                let nets: std::collections::BTreeSet<IpNet> = nets.collect();
                for net in nets {
                    let _ = writeln!(text, "redistribute ip {net} eq {} allow", net.prefix_len());
                }
            }
        }
        text
    }

    /// What is said of an interface, else of all, else what it is.
    fn interface(&self, wire: &Wire, own: &Speech) -> String {
        let kind = own.kind.as_deref().or(self.all.kind.as_deref());
        let kind = kind.unwrap_or(if wire.is_tunnel { "tunnel" } else { "wired" });
        let mut line = format!("interface {} type {kind}", wire.kernel);
        if let Some(cost) = own.cost.or(self.all.cost) {
            let _ = write!(line, " rxcost {cost}");
        }
        for (word, time) in [
            ("hello-interval", own.hello.or(self.all.hello)),
            ("update-interval", own.update.or(self.all.update)),
        ] {
            if let Some(time) = time {
                // babeld counts hundredths of a second.
                let hundredths = (time / 10_000_000).max(1);
                let _ = write!(line, " {word} {}.{:02}", hundredths / 100, hundredths % 100);
            }
        }
        line + "\n"
    }
}

impl Rule {
    fn line(&self, word: &str, kernel: &impl Fn(&str) -> String) -> String {
        let mut line = word.to_owned();
        if self.local {
            line += " local";
        }
        if let Some(prefix) = self.prefix {
            let _ = write!(line, " ip {prefix}");
        }
        for (key, length) in &self.lengths {
            let _ = write!(line, " {key} {length}");
        }
        if let Some(interface) = &self.interface {
            let _ = write!(line, " if {}", kernel(&interface.value));
        }
        if let Some(protocol) = self.protocol {
            let _ = write!(line, " proto {protocol}");
        }
        match (self.deny, self.metric) {
            (true, _) => line += " deny",
            (false, Some(metric)) => {
                let _ = write!(line, " metric {metric}");
            }
            (false, None) => line += " allow",
        }
        line + "\n"
    }
}
