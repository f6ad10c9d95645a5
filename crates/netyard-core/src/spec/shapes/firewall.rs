//! The tables of `firewall:`.

use super::TEXTS;
use crate::shape::{Field, Shape, Type};

const U32: i64 = u32::MAX as i64;
const PORTS: Type =
    Type::OneOrMore(&Type::Either(&[Type::Word(&["any"]), Type::Range { min: 1, max: 65535 }]));
const NETS: Type = Type::OneOrMore(&Type::Either(&[Type::Prefix, Type::Ip]));
const RULES: Type = Type::OneOrMore(&Type::Either(&[Type::Text, Type::Record(&FILTER_RULE)]));
const LOG: Type = Type::Either(&[Type::Bool, Type::Text]);
const FAMILY: Type = Type::Word(&["ipv4", "ipv6"]);

/// An entry of `firewall:`.
pub static FIREWALL: Shape = Shape {
    name: "firewall",
    doc: "What may come into, go out of and pass through a node or the host, and which addresses are translated.",
    fields: &[
        Field::new(
            "zones",
            Type::Map(&TEXTS),
            "Names for what has one policy: interfaces (`wlan*` too), networks, prefixes. Every network of the node is a zone already; so are `uplink`, `self` and `any`.",
        ),
        Field::new(
            "services",
            Type::Map(&TEXTS),
            "Names for ports, before those of the system: `udp 27000-27050`.",
        ),
        Field::new("sets", Type::Map(&NETS), "Names for addresses and networks."),
        Field::new("input", Type::Record(&FILTER), "What may come to the node itself."),
        Field::new("output", Type::Record(&FILTER), "What the node itself may send."),
        Field::new("forward", Type::Record(&FILTER), "What may pass through it."),
        Field::new(
            "policies",
            Type::List(&Type::Record(&POLICY)),
            "What may go from one zone to another, asked before `input`, `output` and `forward`.",
        ),
        Field::new("nat", Type::Record(&NAT), "Which addresses are translated."),
        Field::new(
            "mss-clamp",
            Type::Either(&[Type::Bool, Type::Int { min: 88, max: 65495 }]),
            "Lowers the segment size that forwarded TCP connections agree on: to what the route takes (`true`), or to so many bytes.",
        ),
        Field::new(
            "offload",
            TEXTS,
            "Interfaces between which established connections skip the rules (a flowtable).",
        ),
        Field::new(
            "raw",
            Type::Text,
            "More chains, as nft writes them within a table, put into the same table.",
        ),
    ],
    also: &[],
};

/// `input:`, `output:` and `forward:` of a firewall.
pub static FILTER: Shape = Shape {
    name: "filter",
    doc: "Rules for one direction: first `deny`, then `allow`, then `policy`.",
    fields: &[
        Field::new(
            "policy",
            Type::Word(&["accept", "drop", "reject"]),
            "What becomes of the rest; left out, `drop` beside `allow`, else `accept`.",
        ),
        Field::new("deny", RULES, "What does not pass; asked before `allow`."),
        Field::new("allow", RULES, "What passes."),
        Field::new(
            "log",
            LOG,
            "Notes in the kernel's log what `policy` refuses: `true`, or what the line begins with.",
        ),
    ],
    also: &[],
};

/// An entry of `policies:`.
pub static POLICY: Shape = Shape {
    name: "policy",
    doc: "What may go from one zone to another; the first that fits decides. Without `policy`, what no rule decides goes on to the next.",
    fields: &[
        Field::required("from", TEXTS, "The zones it comes from; `self` is the node."),
        Field::required("to", TEXTS, "The zones it goes to; `self` is the node."),
    ],
    also: &[&FILTER],
};

/// An item of `allow:` and `deny:` in its long form.
pub static FILTER_RULE: Shape = Shape {
    name: "filter rule",
    doc: "A rule in its long form; the short one is `SERVICE`, `tcp PORTS`, `icmp` or `any`, with `from …` and `to …` behind it.",
    fields: &[
        Field::new("service", TEXTS, "Services by name: your own, then those of the system."),
        Field::new("tcp", PORTS, "TCP ports and ranges of them, or `any`."),
        Field::new("udp", PORTS, "UDP ports and ranges of them, or `any`."),
        Field::new("sctp", PORTS, "SCTP ports and ranges of them, or `any`."),
        Field::new(
            "protocol",
            TEXTS,
            "Whole protocols: `icmp` (of both families), `ping`, `esp`, `ah`, `gre`, `tcp`, `udp`, `sctp` or a number.",
        ),
        Field::new("from", TEXTS, "Zones, sets, networks, nodes, prefixes or addresses."),
        Field::new("to", TEXTS, "Zones, sets, networks, nodes, prefixes or addresses."),
        Field::new("family", FAMILY, "Only this family; left out, both."),
        Field::new(
            "limit",
            Type::Either(&[Type::Text, Type::Record(&LIMIT)]),
            "Allows so many new connections (`10/minute`), or denies what is more.",
        ),
        Field::new(
            "connections",
            Type::Int { min: 1, max: U32 },
            "Allows each source so many connections at a time.",
        ),
        Field::new(
            "log",
            LOG,
            "Notes it in the kernel's log: `true`, or what the line begins with.",
        ),
        Field::new(
            "with",
            Type::Word(&["drop", "reject", "unreachable", "prohibited"]),
            "In `deny`: no answer (`drop`, the default), that of a closed port (`reject`), ICMP \"port unreachable\" or \"administratively prohibited\".",
        ),
    ],
    also: &[],
};

/// `limit:` of a rule in its long form.
pub static LIMIT: Shape = Shape {
    name: "limit",
    doc: "How often something may happen.",
    fields: &[
        Field::required("rate", Type::Text, "`10/second`, `/minute`, `/hour`, `/day`."),
        Field::new(
            "burst",
            Type::Int { min: 1, max: U32 },
            "How many may come at once; left out, 5.",
        ),
        Field::new(
            "per",
            Type::Word(&["rule", "source"]),
            "Counted over all (`rule`, the default), or for each source address.",
        ),
    ],
    also: &[],
};

/// `nat:` of a firewall.
pub static NAT: Shape = Shape {
    name: "`nat` section",
    doc: "Which addresses are translated.",
    fields: &[
        Field::new(
            "masquerade",
            Type::OneOrMore(&Type::Either(&[Type::Text, Type::Record(&MASQUERADE)])),
            "What leaves by these interfaces gets their address.",
        ),
        Field::new(
            "snat",
            Type::List(&Type::Record(&SNAT)),
            "What leaves gets an address that is said.",
        ),
        Field::new(
            "forward",
            Type::List(&Type::Record(&PORT_FORWARD)),
            "Ports of the node that lead to another one.",
        ),
        Field::new(
            "one-to-one",
            Type::List(&Type::Record(&ONE_TO_ONE)),
            "Addresses that stand for other ones, in both directions.",
        ),
        Field::new(
            "type",
            Type::Word(&["full-cone", "restricted", "port-restricted", "symmetric", "cgnat"]),
            "For labs: masquerades what leaves by `out`, and treats UDP as such a translator does (RFC 4787).",
        ),
        Field::new("out", TEXTS, "With `type`: the interfaces or zones outside."),
    ],
    also: &[],
};

/// An item of `masquerade:` in its long form.
pub static MASQUERADE: Shape = Shape {
    name: "masquerade",
    doc: "What leaves by these interfaces gets their address.",
    fields: &[
        Field::required("out", TEXTS, "Interfaces or zones; `uplink`."),
        Field::new("from", TEXTS, "Only what comes from these zones, sets, networks, prefixes."),
        Field::new(
            "ports",
            Type::Range { min: 1, max: 65535 },
            "The source ports it may get; left out, its own where that is free.",
        ),
        Field::new("random", Type::Bool, "`true`: source ports are drawn at random."),
        Field::new(
            "family",
            Type::Word(&["ipv4", "ipv6", "both"]),
            "Left out: those of `from`; without it, IPv4.",
        ),
    ],
    also: &[],
};

/// An item of `snat:`.
pub static SNAT: Shape = Shape {
    name: "snat",
    doc: "What leaves gets an address that is said.",
    fields: &[
        Field::required(
            "to",
            Type::Text,
            "The address, a range of them, or a network of the size of `from`.",
        ),
        Field::new("from", TEXTS, "Only what comes from these zones, sets, networks, prefixes."),
        Field::new("out", TEXTS, "Only what leaves by these interfaces or zones."),
        Field::new(
            "ports",
            Type::Range { min: 1, max: 65535 },
            "The source ports it may get; left out, its own where that is free.",
        ),
    ],
    also: &[],
};

/// An item of `forward:` of `nat:`.
pub static PORT_FORWARD: Shape = Shape {
    name: "port forward",
    doc: "Ports of the node that lead to another one; `forward` and `policies` need not allow it.",
    fields: &[
        Field::required(
            "to",
            Type::Text,
            "Where to: `NODE`, `NODE:PORT`, an address, `ADDRESS:PORT`, `[IPV6]:PORT`; without a port, the same one.",
        ),
        Field::new("tcp", PORTS, "TCP ports."),
        Field::new("udp", PORTS, "UDP ports."),
        Field::new(
            "in",
            TEXTS,
            "Interfaces or zones that it comes in by; left out, all where it is sent to the node.",
        ),
        Field::new("at", Type::Ip, "The address it is sent to; left out, any of the node's."),
        Field::new("from", TEXTS, "Only what comes from these zones, sets, networks, prefixes."),
        Field::new(
            "hairpin",
            Type::Bool,
            "`true`: also for those inside, and for the node itself, who use the outer address.",
        ),
        Field::new(
            "log",
            LOG,
            "Notes it in the kernel's log: `true`, or what the line begins with.",
        ),
    ],
    also: &[],
};

/// An item of `one-to-one:`.
pub static ONE_TO_ONE: Shape = Shape {
    name: "one-to-one",
    doc: "An address that stands for another one, in both directions; `forward` and `policies` say what passes.",
    fields: &[
        Field::required("outside", Type::Either(&[Type::Prefix, Type::Ip]), "What others see."),
        Field::required(
            "inside",
            Type::Text,
            "What it stands for: a node, an address, or a network of the same size.",
        ),
        Field::new(
            "on",
            TEXTS,
            "The interfaces or zones outside; left out, `uplink`, or all but the one inside.",
        ),
    ],
    also: &[],
};
