//! The tables of the file: what each of its mappings may hold. Kinds of
//! interfaces have theirs in [`crate::interface`].

pub mod firewall;
pub mod serving;
pub mod serving6;

use crate::container;
use crate::expect::EXPECT;
use crate::interface::bridge;
use crate::service::metrics;
use crate::shape::{Field, Shape, Type};

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
            "ports",
            Type::OneOrMore(&Type::Either(&[Type::Text, Type::Record(&OUTSIDE_PORT)])),
            "Interfaces of this machine that are plugged in, too; a VLAN of one, `enp8s0.12`, is made where it is missing.",
        ),
    ],
    also: &[&serving::SERVING, &bridge::SHAPE],
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

/// What happens to packets that are sent.
pub static IMPAIRMENT: Shape = Shape {
    name: "impairment",
    doc: "What happens to the packets that are sent.",
    fields: &[
        Field::new("delay", Type::Duration, "How long each packet waits: `20ms`."),
        Field::new("jitter", Type::Duration, "By how much the delay varies: `2ms`."),
        Field::new("loss", Type::Percent, "How many packets are lost: `0.5%`."),
        Field::new("duplicate", Type::Percent, "How many packets are sent twice."),
        Field::new(
            "reorder",
            Type::Percent,
            "How many packets are sent at once while others wait; needs `delay`.",
        ),
        Field::new("corrupt", Type::Percent, "How many packets get a flipped bit."),
        Field::new("rate", Type::Rate, "How fast it sends at most: `100mbit`."),
        Field::new("limit", Type::Int { min: 1, max: U32 }, "How many packets its queue holds."),
    ],
    also: &[],
};

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

/// An entry of `links:`.
pub static LINK: Shape = Shape {
    name: "link",
    doc: "A cable between two interfaces, with what it does to packets.",
    fields: &[
        Field::required("ends", Type::List(&Type::Endpoint), "Both ends: `[r1:eth1, r2:eth1]`."),
        Field::new("name", Type::Text, "Its name; left out, `a:x--b:y`."),
        Field::new("mtu", MTU, "In bytes, of both ends."),
        Field::new(
            "prefix",
            PREFIX,
            "What its ends' addresses are allotted from, or `none`; left out, a /31 and a /127 from the pools.",
        ),
        Field::new(
            "forward",
            Type::Record(&IMPAIRMENT),
            "For what the first end sends, over what the link says.",
        ),
        Field::new(
            "backward",
            Type::Record(&IMPAIRMENT),
            "For what the second end sends, over what the link says.",
        ),
    ],
    also: &[&crate::interface::wireguard::TUNNEL, &IMPAIRMENT],
};
