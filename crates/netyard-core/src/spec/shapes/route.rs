//! Routes, policy rules, neighbours.

use super::{MTU, SELECTOR, TABLE, U32, VIA};
use crate::shape::{Field, Shape, Type};

/// An entry of `routes:`.
pub static ROUTE: Shape = Shape {
    name: "route",
    doc: "A route.",
    fields: &[
        Field::required(
            "to",
            Type::Either(&[Type::Word(&["default"]), Type::Prefix, Type::Ip]),
            "Its destination: a network, an address, or `default`.",
        ),
        Field::new(
            "nexthops",
            Type::List(&Type::Record(&HOP)),
            "Several ways, over which connections are spread.",
        ),
        Field::new("metric", Type::Int { min: 0, max: U32 }, "The route with the lower one wins."),
        Field::new(
            "table",
            TABLE,
            "Its routing table, a number or `main`, `local`, `default`; left out, `main`.",
        ),
        Field::new("source", Type::Ip, "The address that packets sent from here bear."),
        Field::new("mtu", MTU, "In bytes: the largest packet that fits through."),
        Field::new("blackhole", Type::Bool, "`true`: packets vanish."),
        Field::new(
            "unreachable",
            Type::Bool,
            "`true`: packets are answered with \"host unreachable\".",
        ),
        Field::new(
            "prohibit",
            Type::Bool,
            "`true`: packets are answered with \"administratively prohibited\".",
        ),
    ],
    also: &[&HOP],
};

/// A way of a route.
pub static HOP: Shape = Shape {
    name: "next hop",
    doc: "A way that a route leads.",
    fields: &[
        Field::new("via", VIA, "The next router: its address, or `node:interface`."),
        Field::new("dev", Type::Text, "The interface it leads through."),
        Field::new(
            "onlink",
            Type::Bool,
            "`true`: the router is on the link, whatever the addresses say.",
        ),
        Field::new(
            "weight",
            Type::Int { min: 1, max: 256 },
            "Its share among several ways; 1 where nothing is said.",
        ),
    ],
    also: &[],
};

/// An entry of `rules:`.
pub static RULE: Shape = Shape {
    name: "rule",
    doc: "A policy rule: packets that match ask a routing table, or meet another fate.",
    fields: &[
        Field::new(
            "priority",
            Type::Int { min: 0, max: U32 },
            "The rule with the lower one is asked first; left out, 1000 and up in the order of the file.",
        ),
        Field::new("from", SELECTOR, "Matches packets from this network or address."),
        Field::new("to", SELECTOR, "Matches packets to this network or address."),
        Field::new(
            "fwmark",
            Type::Text,
            "Matches packets of this firewall mark, with a mask or without: `0x10`, `0x10/0xff`.",
        ),
        Field::new("iif", Type::Text, "Matches packets that came in at this interface."),
        Field::new("oif", Type::Text, "Matches packets of sockets bound to this interface."),
        Field::new("not", Type::Bool, "`true`: matches the packets that the rest does not."),
        Field::new(
            "family",
            Type::Word(&["ipv4", "ipv6"]),
            "The family it is for; left out, that of its addresses, or both.",
        ),
        Field::new(
            "table",
            TABLE,
            "The routing table that is asked: a number or `main`, `local`, `default`.",
        ),
        Field::new(
            "goto",
            Type::Int { min: 1, max: U32 },
            "The priority of the rule at which to go on.",
        ),
        Field::new(
            "action",
            Type::Word(&["blackhole", "unreachable", "prohibit"]),
            "Drops the packet, or answers it so.",
        ),
        Field::new(
            "suppress-prefix-length",
            Type::Int { min: 0, max: 128 },
            "Refuses a route that was found if its prefix is this long or shorter.",
        ),
    ],
    also: &[],
};

/// An entry of `neighbours:`.
pub static NEIGHBOUR: Shape = Shape {
    name: "neighbour",
    doc: "A permanent neighbour entry (ARP, NDP).",
    fields: &[
        Field::required("address", Type::Ip, "The neighbour's address."),
        Field::required("dev", Type::Text, "The interface it is behind."),
        Field::new("mac", Type::Mac, "Its hardware address."),
        Field::new("proxy", Type::Bool, "`true`: this node answers in the neighbour's place."),
    ],
    also: &[],
};
