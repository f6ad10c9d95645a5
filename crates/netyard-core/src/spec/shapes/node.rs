//! Nodes.

use super::{NEIGHBOUR, ROUTE, RULE, TEXTS};
use crate::container;
use crate::shape::{Field, Shape, Type};

/// An entry of `nodes:`.
pub static NODE: Shape = Shape {
    name: "node",
    doc: "A node: an isolated network stack.",
    fields: &[
        Field::new("kind", Type::Word(&["netns"]), "What it is: `netns`, a network namespace."),
        Field::new(
            "netns",
            Type::Text,
            "The namespace's exact name for `ip netns`; left out, `YARD-NODE`.",
        ),
        Field::new("hostname", Type::Text, "The host name that programs in it see."),
        Field::new("forward", Type::Bool, "Forwards IPv4 and IPv6 packets: it is a router."),
        Field::new(
            "sysctl",
            Type::Settings,
            "Kernel settings, keys with dots or slashes: `net.ipv4.tcp_ecn: 1`.",
        ),
        Field::new("dns", Type::Record(&DNS), "What `resolv.conf` says in it."),
        Field::new(
            "hosts",
            Type::Map(&Type::OneOrMore(&Type::Ip)),
            "Names and their addresses, for `/etc/hosts` in it.",
        ),
        Field::new(
            "exec",
            Type::List(&Type::Either(&[Type::Text, Type::List(&Type::Text)])),
            "Commands that run once, when its network is complete: a text for `sh -c`, or a list of program and arguments.",
        ),
        Field::new(
            "services",
            Type::Map(&Type::Service),
            "Programs that run in it for as long as it is up, by name.",
        ),
        Field::new(
            "container",
            Type::Record(&container::SHAPE),
            "What makes it a container: its files, and what is started in them.",
        ),
        Field::new(
            "vm",
            Type::Record(&crate::vm::SHAPE),
            "What makes it a virtual machine: what it starts, and what it has.",
        ),
        Field::new("interfaces", Type::Map(&Type::Interface), "Its interfaces, by name."),
        Field::new(
            "routes",
            Type::List(&Type::Record(&ROUTE)),
            "Its routes, beyond those of addresses and gateways.",
        ),
        Field::new(
            "rules",
            Type::List(&Type::Record(&RULE)),
            "Its policy rules: which packets ask which routing table.",
        ),
        Field::new(
            "neighbours",
            Type::List(&Type::Record(&NEIGHBOUR)),
            "Permanent neighbour entries (ARP, NDP).",
        ),
    ],
    also: &[],
};

/// `dns:` of a node.
pub static DNS: Shape = Shape {
    name: "`dns` section",
    doc: "What `resolv.conf` says in a node.",
    fields: &[
        Field::new("servers", Type::OneOrMore(&Type::Ip), "The name servers' addresses."),
        Field::new("search", TEXTS, "Domains that are tried after a short name."),
        Field::new("options", TEXTS, "Options of resolv.conf(5): `ndots:1`."),
    ],
    also: &[],
};
