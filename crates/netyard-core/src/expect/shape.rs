//! The tables of `expect:`: what an entry may say.

use super::Want;
use crate::shape::{Field, Shape, Type};

const TEXTS: Type = Type::OneOrMore(&Type::Text);
const PORT: Type = Type::Int { min: 1, max: 65535 };
const PORTS: Type =
    Type::OneOrMore(&Type::Either(&[Type::Range { min: 1, max: 65535 }, Type::Text]));

/// The types of DNS records that can be asked for.
pub const RECORDS: &[&str] = &["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"];

/// An entry of `expect:`.
pub static EXPECT: Shape = Shape {
    name: "expectation",
    doc: "Something that is expected of the running yard, which `netyard test` proves: each probe from each of `from` to each of `to`, with each family that both have.",
    fields: &[
        Field::new("name", Type::Text, "What it is about; shown, and a filter for `netyard test`."),
        Field::new(
            "from",
            TEXTS,
            "Who sends: nodes, `node:interface`, `host`, `all` nodes, ranges (`r[1..3]`) of them.",
        ),
        Field::new(
            "to",
            TEXTS,
            "To whom: as with `from`, and addresses and names; with `dns` left out, the sender's own name server.",
        ),
        Field::new(
            "link",
            TEXTS,
            "Instead of both: links that are measured, each way; `all` of them that have an impairment.",
        ),
        Field::new(
            "ping",
            Type::Either(&[Type::Bool, Type::Word(Want::WORDS)]),
            "ICMP echo: `true`, or what is to come of this one probe, as in `result`.",
        ),
        Field::new(
            "tcp",
            PORTS,
            "TCP connections to these ports, ranges of ports, and services by name (`ssh`).",
        ),
        Field::new(
            "udp",
            PORTS,
            "Datagrams to these ports, ranges and services, which are to come back (echo).",
        ),
        Field::new(
            "http",
            Type::Either(&[Type::Record(&HTTP), Type::Text]),
            "An HTTP GET: `80`, `8080/path`, or a mapping.",
        ),
        Field::new(
            "dns",
            Type::Either(&[Type::Record(&DNS), Type::Text]),
            "A DNS question over UDP: a name, or a mapping.",
        ),
        Field::new(
            "path-mtu",
            Type::Int { min: 68, max: 65535 },
            "The largest packet that gets through whole, in bytes, its IP header counted.",
        ),
        Field::new(
            "delay",
            Type::Either(&[Type::Bool, Type::Duration]),
            "How long packets take one way; with `link`, `true` is what the file gives it.",
        ),
        Field::new(
            "jitter",
            Type::Either(&[Type::Bool, Type::Duration]),
            "By how much that varies to either side; `true` as with `delay`.",
        ),
        Field::new(
            "loss",
            Type::Either(&[Type::Bool, Type::Percent]),
            "How many packets are lost one way; `true` as with `delay`.",
        ),
        Field::new(
            "rate",
            Type::Either(&[Type::Bool, Type::Rate]),
            "How much gets through one way, Ethernet headers counted; `true` as with `delay`.",
        ),
        Field::new(
            "tolerance",
            Type::Percent,
            "By how much a measured value may be off; left out, 10%. What chance alone may do to a loss, and 1ms of a delay or jitter, are always allowed.",
        ),
        Field::new(
            "result",
            Type::Word(Want::WORDS),
            "What is to come of it: `ok` where nothing is said, `blocked` (rejected or dropped), `rejected` (somebody says no), `dropped` (nobody says anything).",
        ),
        Field::new(
            "family",
            Type::Word(&["both", "ipv4", "ipv6"]),
            "Left out, every family that both ends have; a measurement takes one of them.",
        ),
        Field::new(
            "within",
            Type::Duration,
            "How long it has to work; it is tried until then. 5s where nothing is said.",
        ),
        Field::new(
            "proof",
            Type::Duration,
            "How long nothing may get through where that is expected; 1s where nothing is said.",
        ),
        Field::new(
            "listen",
            Type::Bool,
            "netyard itself listens at the target while it tests, if nothing else does: it always may with `udp` and where `tcp` is not to work; `false`: never.",
        ),
    ],
    also: &[],
};

/// `http:` of an expectation.
pub static HTTP: Shape = Shape {
    name: "`http` mapping",
    doc: "An HTTP/1.1 GET.",
    fields: &[
        Field::new("port", PORT, "The server's port; 80 where nothing is said."),
        Field::new("path", Type::Text, "What is asked for; `/` where nothing is said."),
        Field::new(
            "host",
            Type::Text,
            "The name of the host in the request; left out, the target.",
        ),
        Field::new(
            "status",
            Type::Int { min: 100, max: 599 },
            "The status of the answer; left out, any of 200 to 399.",
        ),
    ],
    also: &[],
};

/// `dns:` of an expectation.
pub static DNS: Shape = Shape {
    name: "`dns` question",
    doc: "A question to a name server, over UDP.",
    fields: &[
        Field::required("name", Type::Text, "What is asked about."),
        Field::new("type", Type::Word(RECORDS), "The type of record; `A` where nothing is said."),
        Field::new(
            "answer",
            TEXTS,
            "What is to be among the records: addresses, names, texts; `none`: that there is no such record.",
        ),
        Field::new("port", PORT, "The server's port; 53 where nothing is said."),
    ],
    also: &[],
};
