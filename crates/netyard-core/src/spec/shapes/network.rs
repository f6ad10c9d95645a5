//! Networks: their ways out, their ports, the host in them.

use super::{ADDRESS, MTU, PREFIX, VLAN_ID, serving};
use crate::interface::bridge;
use crate::shape::{Field, Shape, Type};

/// An entry of `networks:`.
pub static NETWORK: Shape = Shape {
    name: "network",
    doc: "A network: a bridge, into which interfaces are plugged with `network:`.",
    fields: &[
        Field::new(
            "prefix",
            PREFIX,
            "Its prefixes, of either family, or `none`; left out, one of each family is allotted.",
        ),
        Field::new(
            "bridge",
            Type::Text,
            "The bridge's exact name, at most 15 bytes; derived otherwise.",
        ),
        Field::new(
            "mtu",
            MTU,
            "In bytes, of the bridge and of the interfaces plugged in that say nothing.",
        ),
        Field::new("mac", Type::Mac, "The bridge's address; derived otherwise."),
        Field::new(
            "host",
            Type::Either(&[Type::Bool, Type::Record(&HOST_SIDE)]),
            "The bridge is on the host, with an address there: `true`, or a mapping that says which.",
        ),
        Field::new(
            "uplink",
            Type::Either(&[Type::Word(&["masquerade", "routed", "none"]), Type::Record(&UPLINK)]),
            "Its way out: `masquerade` or `routed` by where the host's default route leads, `none`, or a mapping that says more.",
        ),
        Field::new(
            "delegated",
            Type::Either(&[Type::Text, Type::Record(&DELEGATED)]),
            "A /64 beside its other prefixes, out of the prefix that an interface (`gw:wan`, `host:eth0`) is given by DHCPv6; `ra` tells hosts of it.",
        ),
        Field::new(
            "ports",
            Type::OneOrMore(&Type::Either(&[Type::Text, Type::Record(&OUTSIDE_PORT)])),
            "Interfaces of this machine that are plugged in, too; a VLAN of one, `enp8s0.12`, is made where it is missing.",
        ),
        Field::new(
            "libvirt",
            Type::Either(&[Type::Word(&["define", "offer"]), Type::Record(&crate::libvirt::SHAPE)]),
            "What libvirt has to do with it: it makes the network (`define`), or its machines are plugged in (`offer`), under the network's name; or a mapping that says another name.",
        ),
    ],
    also: &[&serving::SERVING, &bridge::SHAPE],
};

/// `delegated:` of a network.
pub static DELEGATED: Shape = Shape {
    name: "`delegated` section",
    doc: "A network's /64 out of a prefix that an interface of a node is given by DHCPv6.",
    fields: &[
        Field::required("from", Type::Text, "The interface that asks: `gw:wan`, `host:eth0`."),
        Field::new(
            "length",
            Type::Int { min: 16, max: 64 },
            "The prefix length that is wished for; 56 if left out. The server may give another.",
        ),
        Field::new(
            "number",
            Type::Int { min: 0, max: 65535 },
            "Which /64 of the prefix, from 0; left out, the first that no other network says, in the order of the file.",
        ),
    ],
    also: &[],
};

/// `uplink:` of a network.
pub static UPLINK: Shape = Shape {
    name: "uplink",
    doc: "A network's way out: one of `masquerade`, `routed`, `bridge`, `macvlan`.",
    fields: &[
        Field::new(
            "masquerade",
            Type::Text,
            "Through this interface of the host, under its address; `auto`: wherever the host's routes lead.",
        ),
        Field::new(
            "routed",
            Type::Text,
            "Through this interface of the host, under the nodes' own addresses; `auto`: wherever the host's routes lead.",
        ),
        Field::new(
            "bridge",
            Type::Text,
            "This interface of the host becomes a port of the network; its addresses and routes move to the bridge, and back on `down`.",
        ),
        Field::new(
            "macvlan",
            Type::Text,
            "The nodes' interfaces in the network become macvlans of this interface of the host; there is no bridge.",
        ),
        Field::new("ipv4", EXIT, "How IPv4 goes out, where not as the mapping says."),
        Field::new(
            "ipv6",
            EXIT,
            "How IPv6 goes out: `masquerade`, `routed` under the nodes' own addresses, or `none`; left out, as IPv4.",
        ),
    ],
    also: &[],
};

const EXIT: Type = Type::Word(&["masquerade", "routed", "none"]);

/// An item of `ports:` of a network that says more than a name.
pub static OUTSIDE_PORT: Shape = Shape {
    name: "outside port",
    doc: "An interface of this machine as a port of a network.",
    fields: &[Field::required(
        "interface",
        Type::Text,
        "Its name; `enp8s0.12` is VLAN 12 of `enp8s0`, made where it is missing.",
    )],
    also: &[&PORT_VLANS],
};

/// `host:` of a network.
pub static HOST_SIDE: Shape = Shape {
    name: "host side",
    doc: "The host's side of a network.",
    fields: &[Field::new("address", ADDRESS, "The host's addresses, `auto` or `none`.")],
    also: &[&PORT_VLANS],
};

/// VLANs of a port.
pub static PORT_VLANS: Shape = Shape {
    name: "port VLANs",
    doc: "Which VLANs a port of a bridge carries.",
    fields: &[
        Field::new("vlan", VLAN_ID, "An access port: untagged, in this VLAN."),
        Field::new(
            "vlans",
            Type::OneOrMore(&Type::Range { min: 1, max: 4094 }),
            "A trunk: tagged, in these VLANs and ranges of VLANs.",
        ),
        Field::new("native", VLAN_ID, "Beside `vlans`: the VLAN of untagged frames."),
    ],
    also: &[],
};
