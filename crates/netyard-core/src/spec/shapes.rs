//! The tables of the file: what each of its mappings may hold. Kinds of
//! interfaces have theirs in [`crate::interface`].

pub mod firewall;
mod interface;
mod link;
mod network;
mod node;
mod route;
pub mod serving;
pub mod serving6;

use crate::expect::EXPECT;
use crate::service::metrics;
use crate::shape::{Field, Shape, Type};

pub use interface::INTERFACE;
pub use link::{IMPAIRMENT, LINK};
pub use network::{DELEGATED, HOST_SIDE, NETWORK, OUTSIDE_PORT, PORT_VLANS, UPLINK};
pub use node::{DNS, NODE};
pub use route::{HOP, NEIGHBOUR, ROUTE, RULE};

const U32: i64 = u32::MAX as i64;
/// `ETH_MIN_MTU` of linux/if_ether.h; the greatest is that of `lo`.
const MTU: Type = Type::Int { min: 68, max: 65536 };
const VLAN_ID: Type = Type::Int { min: 1, max: 4094 };
const TEXTS: Type = Type::OneOrMore(&Type::Text);
const ADDRESS: Type = Type::Either(&[Type::Word(&["auto", "none"]), Type::OneOrMore(&Type::Cidr)]);
/// Addresses of an interface of a node, which may come by a lease, too.
const ADDRESSES: Type = Type::Either(&[
    Type::Word(&["auto", "none"]),
    Type::OneOrMore(&Type::Either(&[Type::Word(&["dhcp", "dhcp6", "ra"]), Type::Cidr])),
]);
const PREFIX: Type = Type::Either(&[Type::Word(&["none"]), Type::OneOrMore(&Type::Prefix)]);
const VIA: Type = Type::Either(&[Type::Ip, Type::Endpoint]);
const TABLE: Type =
    Type::Either(&[Type::Word(&["main", "local", "default"]), Type::Int { min: 1, max: U32 }]);
const SELECTOR: Type = Type::Either(&[Type::Word(&["all"]), Type::Prefix, Type::Ip]);

/// The whole file.
pub static YARD: Shape = Shape {
    name: "yard file",
    doc: "A yard: one file, one system of networks.",
    fields: &[
        Field::new("yard", Type::Text, "The yard's name; left out, that of the file's directory."),
        Field::new(
            "include",
            TEXTS,
            "Other files, relative to this one: their mappings are merged with these, their lists go before them.",
        ),
        Field::new(
            "vars",
            Type::Map(&Type::Text),
            "Values for `$name`, `${name}` and `$(name + 1)` in keys and values.",
        ),
        Field::new(
            "pools",
            Type::OneOrMore(&Type::Prefix),
            "The networks from which addresses are allotted; left out, netyard picks one of each family that is free.",
        ),
        Field::new(
            "defaults",
            Type::Record(&DEFAULTS),
            "What every node, network, link or interface has that does not say otherwise.",
        ),
        Field::new(
            "networks",
            Type::Map(&Type::Record(&NETWORK)),
            "The networks, by name: each is a switch.",
        ),
        Field::new(
            "nodes",
            Type::Map(&Type::Record(&NODE)),
            "The nodes, by name: each is an isolated network stack; `host` is this machine itself.",
        ),
        Field::new(
            "links",
            Type::List(&LINK_ITEM),
            "The links: each a cable between two interfaces.",
        ),
        Field::new(
            "expect",
            Type::List(&Type::Record(&EXPECT)),
            "What is expected of the running yard; `netyard test` proves it.",
        ),
        Field::new(
            "firewall",
            Type::Map(&Type::Record(&firewall::FIREWALL)),
            "Firewalls, by the name of the node they are in; `host` is this machine.",
        ),
        Field::new(
            "metrics",
            Type::Either(&[Type::Bool, Type::Record(&metrics::SHAPE)]),
            "Metrics for a monitoring system, served on the host: `true`, or a mapping that says where.",
        ),
    ],
    also: &[],
};

const LINK_ITEM: Type = Type::Either(&[Type::List(&Type::Endpoint), Type::Record(&LINK)]);

/// `defaults:`.
pub static DEFAULTS: Shape = Shape {
    name: "`defaults` section",
    doc: "What every entry has that does not say otherwise; mappings are merged key by key, anything else is replaced whole.",
    fields: &[
        Field::new("node", Type::Record(&NODE), "For every node but `host`."),
        Field::new("network", Type::Record(&NETWORK), "For every network."),
        Field::new("link", Type::Record(&LINK), "For every link."),
        Field::new(
            "interface",
            Type::Record(&INTERFACE),
            "For every interface but `lo`, ends of links among them.",
        ),
    ],
    also: &[],
};
