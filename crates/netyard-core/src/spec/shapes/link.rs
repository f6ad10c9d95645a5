//! Links, and what they do to packets.

use super::{MTU, PREFIX, U32};
use crate::shape::{Field, Shape, Type};

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
