//! What may be served on a network.

use super::serving6;
use crate::shape::{Field, Shape, Type};

const ON: Type = Type::Word(&["on", "off", "true", "false"]);

/// The keys of a network.
pub static SERVING: Shape = Shape {
    name: "serving",
    doc: "What is served on a network.",
    fields: &[
        Field::new(
            "dhcp",
            Type::Either(&[ON, Type::Record(&DHCP)]),
            "Gives IPv4 addresses to whoever asks: `on`, or a mapping that says more.",
        ),
        Field::new(
            "dns",
            Type::Either(&[ON, Type::Record(&NAMES)]),
            "Answers for the names of the yard's nodes and of leases, and forwards the rest: `on`, or a mapping that says more.",
        ),
        Field::new(
            "ra",
            Type::Either(&[ON, Type::Record(&serving6::RA)]),
            "Router advertisements: hosts make themselves IPv6 addresses and find the way out; `on`, or a mapping that says more.",
        ),
        Field::new(
            "dhcp6",
            Type::Either(&[ON, Type::Record(&serving6::DHCP6)]),
            "Gives IPv6 addresses, and prefixes to routers, to whoever asks: `on`, or a mapping that says more.",
        ),
        Field::new(
            "engine",
            Type::Word(&["netyard", "dnsmasq"]),
            "What serves: netyard itself (the default), or `dnsmasq`, which must be installed.",
        ),
        Field::new(
            "serve",
            Type::Text,
            "The node that serves; left out: the host where the network has `host:`, else its only router, else the bridge gets an address.",
        ),
    ],
    also: &[],
};

/// `dhcp:` of a network.
pub static DHCP: Shape = Shape {
    name: "`dhcp` section",
    doc: "DHCPv4 on a network.",
    fields: &[
        Field::new(
            "range",
            Type::OneOrMore(&Type::Text),
            "The addresses that are given: `10.1.0.100-10.1.0.199`, or several such; left out, about a third of the prefix from its middle.",
        ),
        Field::new(
            "lease",
            Type::Either(&[Type::Word(&["infinite"]), Type::Duration]),
            "How long a client has its address: `12h`, or `infinite`; 1 hour if left out.",
        ),
        Field::new(
            "static",
            Type::Map(&Type::Ip),
            "Addresses that are one client's alone, by node or hardware address; nodes with an address in the network need none.",
        ),
        Field::new(
            "options",
            Type::Map(&Type::OneOrMore(&Type::Text)),
            "Further options by name (`ntp`, `tftp`, `boot-file` …) or code: addresses, texts, numbers, or bytes as `hex:0a0b`.",
        ),
        Field::new(
            "gateway",
            Type::Either(&[Type::Word(&["none"]), Type::Ip]),
            "The clients' default router, or `none`; left out, whoever serves, where that forwards.",
        ),
        Field::new(
            "dns",
            Type::OneOrMore(&Type::Ip),
            "The clients' name servers; left out, whoever serves, where that answers for names.",
        ),
    ],
    also: &[],
};

/// `dns:` of a network.
pub static NAMES: Shape = Shape {
    name: "`dns` section of a network",
    doc: "Names on a network.",
    fields: &[
        Field::new(
            "domain",
            Type::Text,
            "The domain of all names, answered here and never asked elsewhere; left out, `YARD.internal`.",
        ),
        Field::new(
            "forward",
            Type::Either(&[Type::Word(&["none", "system"]), Type::OneOrMore(&Type::Ip)]),
            "Who is asked about all other names, in order; `system`: those of this machine (the default on the host); `none` (the default elsewhere).",
        ),
        Field::new(
            "records",
            Type::Map(&Type::OneOrMore(&Type::Ip)),
            "Further names and their addresses.",
        ),
        Field::new(
            "cache",
            Type::Int { min: 0, max: 1_000_000 },
            "Answers of others that are kept; 1000 if left out.",
        ),
    ],
    also: &[],
};
