//! Interfaces of nodes: what all kinds have.

use super::{ADDRESSES, IMPAIRMENT, MTU, PORT_VLANS, VIA};
use crate::interface::bridge;
use crate::shape::{Field, Shape, Type};

/// An entry of `interfaces:`: what all kinds have.
pub static INTERFACE: Shape = Shape {
    name: "interface",
    doc: "An interface of a node: plugged into a network, made by a link, or of a kind of its own.",
    fields: &[
        Field::new(
            "kind",
            Type::Word(&[]),
            "What it is, where neither a network nor a link makes it.",
        ),
        Field::new("network", Type::Text, "The network it is plugged into."),
        Field::new(
            "address",
            ADDRESSES,
            "Its addresses with their prefix lengths, `auto` or `none`; left out, allotted where it is in a network or on a link. From the network: `dhcp`, `dhcp6`, `ra` (router advertisements), or several of these.",
        ),
        Field::new(
            "gateway",
            Type::Either(&[Type::Word(&["none"]), Type::OneOrMore(&VIA)]),
            "Where its default routes lead: addresses, or `node:interface`; left out, to the host where the network's uplink is routed and the node says nothing of another way; or `none`.",
        ),
        Field::new("mtu", MTU, "In bytes."),
        Field::new(
            "mac",
            Type::Mac,
            "Its hardware address; derived otherwise, the same every time.",
        ),
        Field::new("up", Type::Bool, "`false` leaves it down."),
        Field::new(
            "dad",
            Type::Bool,
            "`true`: its IPv6 addresses wait for duplicate address detection (RFC 4862).",
        ),
        Field::new(
            "parent",
            Type::Text,
            "The interface it sits on: of the same node, or `host:NAME`.",
        ),
        Field::new(
            "master",
            Type::Text,
            "The bridge, VRF or bond of the same node that it belongs to.",
        ),
        Field::new(
            "port",
            Type::Record(&bridge::PORT),
            "Its options as a port of a bridge; with `network`, those of the end in the bridge.",
        ),
        Field::new(
            "host-name",
            Type::Text,
            "The exact name of its other end, in the network's bridge; at most 15 bytes.",
        ),
        Field::new(
            "port-mac",
            Type::Mac,
            "The hardware address of its other end, in the network's bridge.",
        ),
        Field::new(
            "sysctl",
            Type::Settings,
            "Its kernel settings: `ipv4.rp_filter: 0`, or for both families `forwarding: 1`.",
        ),
    ],
    also: &[&PORT_VLANS, &IMPAIRMENT],
};
