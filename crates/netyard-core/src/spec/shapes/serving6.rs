//! What may be served on a network for IPv6.

use crate::service::ra::Preference;
use crate::shape::{Field, Shape, Type};

/// `ra:` of a network.
pub static RA: Shape = Shape {
    name: "`ra` section",
    doc: "Router advertisements on a network.",
    fields: &[
        Field::new(
            "lifetime",
            Type::Duration,
            "For how long whoever serves is a way out, at most `18h`; `0`: it is none; left out, `30m` where it forwards IPv6.",
        ),
        Field::new(
            "interval",
            Type::Duration,
            "The longest time between two that nobody asked for, `4s` to `30m`; 10 minutes if left out.",
        ),
        Field::new(
            "slaac",
            Type::Bool,
            "Hosts make themselves addresses of the prefixes, which must be /64; `true` if left out.",
        ),
        Field::new(
            "managed",
            Type::Bool,
            "Hosts are to ask for addresses by DHCPv6; left out, where `dhcp6` has a range.",
        ),
        Field::new(
            "other",
            Type::Bool,
            "Hosts are to ask for name servers by DHCPv6; left out, where there is `dhcp6`.",
        ),
        Field::new(
            "preference",
            Type::Word(Preference::WORDS),
            "Before or behind other routers; `medium` if left out.",
        ),
        Field::new(
            "mtu",
            Type::Int { min: 1280, max: 65536 },
            "In bytes; left out, the network's, where that is not 1500.",
        ),
        Field::new(
            "prefixes",
            Type::OneOrMore(&Type::Prefix),
            "What is on the link; left out, the network's IPv6 prefixes.",
        ),
        Field::new(
            "routes",
            Type::OneOrMore(&Type::Prefix),
            "What else whoever serves leads to, though it be no way out.",
        ),
        Field::new(
            "rdnss",
            Type::OneOrMore(&Type::Ip),
            "Name servers; left out, whoever serves, where that answers for names.",
        ),
        Field::new(
            "dnssl",
            Type::OneOrMore(&Type::Text),
            "Domains that are tried after a short name; left out, that of `dns`.",
        ),
    ],
    also: &[],
};

/// `dhcp6:` of a network.
pub static DHCP6: Shape = Shape {
    name: "`dhcp6` section",
    doc: "DHCPv6 on a network.",
    fields: &[
        Field::new(
            "range",
            Type::OneOrMore(&Type::Text),
            "The addresses that are given: `fd00:1::1000-fd00:1::1fff`, several such, or `none`; left out, 4096 of the first prefix.",
        ),
        Field::new(
            "lease",
            Type::Either(&[Type::Word(&["infinite"]), Type::Duration]),
            "How long a client has its address or prefix: `12h`, or `infinite`; 1 hour if left out.",
        ),
        Field::new(
            "static",
            Type::Map(&Type::Ip),
            "Addresses that are one client's alone, by node or hardware address; nodes with an address in the network need none.",
        ),
        Field::new(
            "dns",
            Type::OneOrMore(&Type::Ip),
            "The clients' name servers; left out, whoever serves, where that answers for names.",
        ),
        Field::new(
            "prefix-delegation",
            Type::Record(&DELEGATION),
            "Gives prefixes to routers that ask, and leads to them.",
        ),
    ],
    also: &[],
};

/// `prefix-delegation:` of `dhcp6:`.
pub static DELEGATION: Shape = Shape {
    name: "`prefix-delegation` section",
    doc: "Prefixes for routers.",
    fields: &[
        Field::required("pool", Type::Prefix, "What the prefixes are cut from."),
        Field::new(
            "length",
            Type::Int { min: 16, max: 127 },
            "The length of each; 64 if left out.",
        ),
    ],
    also: &[],
};
